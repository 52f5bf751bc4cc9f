"""A plugin for beets: fields from a catalog of musicu, and queries by likeness.

``beet musicu`` fills ``bpm``, ``initial_key``, ``musicu_words``, ``musicu_like_artists`` and
``musicu_id``; ``beet ls like:TRACK`` lists what is like a track. docs/players.md tells more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from beets import config, ui
from beets.dbcore import types
from beets.dbcore.query import FieldQuery
from beets.plugins import BeetsPlugin

from musicu.catalog.catalog import Catalog
from musicu.catalog.non_music import head_at_hand
from musicu.catalog.sql_filter import read_filtered
from musicu.catalog.tag_values import heard_values
from musicu.catalog.tracks import read_files
from musicu.errors import MusicuError
from musicu.metadata.artists import named_artists
from musicu.paths import composed

if TYPE_CHECKING:
    from beets.library import Item, Library

__all__ = ["LikeQuery", "MusicuPlugin"]

_CANDIDATES = 50  # tracks in which artists are looked for


class LikeQuery(FieldQuery[str]):
    """Items that are among the most similar to a track; the track itself is none of them."""

    def __init__(self, field_name: str, pattern: str, fast: bool = True) -> None:
        super().__init__(field_name, pattern, False)

    @cached_property
    def _paths(self) -> frozenset[str]:
        settings = config["musicu"]
        try:
            with _open() as catalog:
                found = catalog.similar(self.pattern, settings["like"].get(int))
                ids = {match.id for match in found}
                return frozenset(
                    composed(path) for path, id in read_files(catalog.store) if id in ids
                )
        except MusicuError as error:
            raise ui.UserError(f"musicu: {error}") from None

    def match(self, obj: Any) -> bool:
        """Whether an item is like the track."""
        return composed(os.fsdecode(obj.path)) in self._paths


class MusicuPlugin(BeetsPlugin):
    """``beet musicu``, its fields, and the query ``like:``."""

    item_queries: ClassVar[dict[str, type]] = {"like": LikeQuery}
    item_types: ClassVar[dict[str, types.Type[Any, Any]]] = {
        "musicu_id": types.STRING,
        "musicu_words": types.STRING,
        "musicu_like_artists": types.STRING,
    }

    def __init__(self) -> None:
        super().__init__()
        self.config.add(
            {
                "catalog": "",  # as the command line finds it
                "auto": False,  # analyze what is imported
                "like": 50,
                "artists": 5,
                "tempo_sure": 0.5,
                "key_sure": 0.25,
            }
        )
        if self.config["auto"].get(bool):
            self.import_stages = [self._imported]

    def commands(self) -> list[ui.Subcommand]:
        """Return the command."""
        command = ui.Subcommand("musicu", help="fill tempo, key, words and artists like these")
        command.parser.add_option(
            "-a", "--analyze", action="store_true", help="embed what the catalog lacks first"
        )
        command.parser.add_option(
            "-f", "--force", action="store_true", help="also fields that items have"
        )
        command.parser.add_option(
            "-w", "--write", action="store_true", help="write tags of files, too"
        )
        command.func = self._command
        return [command]

    def _command(self, lib: Library, opts: Any, args: Sequence[str]) -> None:
        self._fill(list(lib.items(args)), analyze=opts.analyze, force=opts.force, write=opts.write)

    def _imported(self, session: Any, task: Any) -> None:
        self._fill(task.imported_items(), analyze=True)

    def _fill(
        self,
        items: Sequence[Item],
        *,
        analyze: bool = False,
        force: bool = False,
        write: bool = False,
    ) -> None:
        try:
            with _open(create=analyze) as catalog:
                if analyze and items:
                    catalog.add_folder(*(os.fsdecode(item.path) for item in items), describe=True)
                found = self._known(catalog, items)
                for item, values in found:
                    self._set(item, values, force=force, write=write)
        except MusicuError as error:
            raise ui.UserError(f"musicu: {error}") from None
        lacking = len(items) - len(found)
        if lacking:
            self._log.warning("{} of {} items are not in the catalog", lacking, len(items))

    def _known(self, catalog: Catalog, items: Iterable[Item]) -> list[tuple[Item, dict[str, Any]]]:
        """Return the items that the catalog knows, with the values of their fields."""
        ids = {composed(path): id for path, id in read_files(catalog.store)}
        wanted = [(item, ids.get(composed(os.fsdecode(item.path)))) for item in items]
        known = {id for _, id in wanted if id}
        tracks = {t["id"]: t for t in read_filtered(catalog.store) if t["id"] in known}
        current = catalog.store.current_model()
        head = None if current is None else head_at_hand(current)
        said = {} if head is None else {tag.name: tag.threshold for tag in head.tags}
        found = []
        for item, id in wanted:
            if id not in tracks:
                continue
            track = tracks[id]
            sure = {name: self.config[name].get(float) for name in ("tempo_sure", "key_sure")}
            heard = heard_values(track, head, ("bpm", "key"), **sure)
            words = [w for w, p in (track["sound_tags"] or {}).items() if p >= said.get(w, 2.0)]
            values: dict[str, Any] = {
                "bpm": int(heard["bpm"][0]) if "bpm" in heard else None,
                "initial_key": heard["key"][0] if "key" in heard else None,
                "musicu_id": id,
                "musicu_words": "; ".join(words),
                "musicu_like_artists": "; ".join(self._artists(catalog, id)),
            }
            found.append((item, values))
        return found

    def _artists(self, catalog: Catalog, id: str) -> list[str]:
        names: dict[str, str] = {}
        for match in catalog.similar(id, _CANDIDATES, exclude_same_artist=True):
            for key, name in named_artists(match.artist or "").items():
                names.setdefault(key, name)
        return list(names.values())[: self.config["artists"].get(int)]

    def _set(self, item: Item, values: dict[str, Any], *, force: bool, write: bool) -> None:
        for name, value in values.items():
            own = name.startswith("musicu_")  # what is ours is kept up to date
            if value not in (None, "") and (own or force or not item.get(name)):
                item[name] = value
        if write:
            item.try_write()
        item.store()


def _open(*, create: bool = False) -> Catalog:
    named = os.path.expanduser(config["musicu"]["catalog"].get(str))
    return Catalog(named or None, create=create)
