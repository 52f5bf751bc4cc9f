"""From the names that logs, playlists and people use to items: ids, paths of files, ISRCs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal

import numpy as np

from musicu.catalog.catalog import Catalog
from musicu.catalog.track_ids import ids_meant
from musicu.catalog.tracks import read_files
from musicu.errors import ModelMismatchError, RecommenderError
from musicu.items.item import Items
from musicu.metadata.fields import parse_field
from musicu.paths import composed
from musicu.recommend.interactions import Interactions

__all__ = ["ItemResolver", "catalog_names", "match_items", "new_items"]

_SAME = 0.99  # cosine of one track's vectors by one model, whatever they were rounded to
_ISRC_LENGTHS = range(12, 20)  # with blanks, hyphens and a prefix; else it is not worth a look


class ItemResolver:
    """The names that items go by.

    Parameters
    ----------
    items : Items
        They go by their ids, and by their ISRCs.
    paths : mapping of str to str
        Absolute paths of files, each with the id of the item that it holds.
    folders : iterable of str
        Where relative paths may start.
    aliases : mapping of str to str
        Earlier ids of items, each with today's.

    Attributes
    ----------
    items : Items
        What was given.
    """

    def __init__(
        self,
        items: Items,
        paths: Mapping[str, str] | None = None,
        folders: Iterable[str] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.items = items
        self._aliases = {old: id for old, id in (aliases or {}).items() if self._has(id)}
        self._folders = tuple(folders)
        self._by_path: dict[str, set[str]] = {}
        self._path_of: dict[str, str] = {}
        for path, id in (paths or {}).items():
            if self._has(id):
                self._by_path.setdefault(composed(path), set()).add(id)
                self._path_of.setdefault(id, path)

    def _has(self, id: str) -> bool:
        return self.items.find(id) is not None

    @cached_property
    def _by_isrc(self) -> dict[str, set[str]]:
        """Ids by their codes; to know them all items are read, so only if a name may be one."""
        found: dict[str, set[str]] = {}
        for item in self.items:
            if item.metadata.isrc:
                found.setdefault(item.metadata.isrc, set()).add(item.id)
        return found

    def path(self, id: str) -> str | None:
        """Return the first path of an item's file, if one is known."""
        return self._path_of.get(id)

    def find(self, name: str, *, folder: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
        """Return the ids of all items that a name may mean: none, one, or several.

        An id means its item. Else a path means the item of that file; a relative one may start in
        `folder` or in any of the folders given; else an ISRC means all items that carry it.

        Parameters
        ----------
        name : str
        folder : str or path-like, optional
            Where the name was written: the folder of a log or a playlist.
        """
        if self._has(name):
            return (name,)
        if name in self._aliases:
            return (self._aliases[name],)
        starts = (() if folder is None else (os.path.abspath(folder),)) + self._folders
        if os.path.isabs(name):
            starts = (os.sep,)
        found: set[str] = set()
        for start in starts:
            path = os.path.normpath(os.path.join(start, name))
            found |= self._by_path.get(composed(path), set())
        code = "" if found else _isrc(name)
        return tuple(sorted(self._by_isrc.get(code, set()) if code else found))

    def one(self, name: str, *, folder: str | os.PathLike[str] | None = None) -> str:
        """Return the id of the one item that a name means; the first 6 or more of an id will do.

        Raises
        ------
        RecommenderError
            It means none, or several.
        """
        found = self.find(name, folder=folder)
        if not found:
            found = ids_meant(
                name,
                lambda prefix: (id for id in self.items.ids if id.lower().startswith(prefix)),
                lambda prefix: (id for old, id in self._aliases.items() if old.startswith(prefix)),
            )
        if not found:
            raise RecommenderError(f"{name}: {self._why_not(name, folder)}")
        if len(found) > 1:
            raise RecommenderError(
                f"{name}: {len(found):,} items go by this name, such as {found[0]} and {found[1]}: "
                "name one by its id"
            )
        return found[0]

    def _why_not(self, name: str, folder: str | os.PathLike[str] | None) -> str:
        if not os.path.isfile(os.path.join(folder or "", name)):
            ways = "an id or its first 6 or more characters, an ISRC"
            ways += ", or a path" if self._by_path else ""
            return f"none of the {len(self.items):,} items: name one by {ways}"
        if self._by_path:
            return "this file is not in the catalog: 'musicu embed' adds it"
        return "to name items by their files, name the catalog too"


def catalog_names(catalog: Catalog, items: Items) -> ItemResolver:
    """Return the names of items that are tracks of a catalog: every file's path, copies included.

    Relative paths may start in the folders that were embedded.

    Parameters
    ----------
    catalog : Catalog
    items : Items
        Such as :func:`musicu.catalog.items.catalog_items` returns.
    """
    paths = dict(read_files(catalog.store, missing=True))
    return ItemResolver(items, paths, catalog.store.roots(), catalog.aliases())


def match_items(
    interactions: Interactions,
    names: ItemResolver,
    *,
    folder: str | os.PathLike[str] | None = None,
    unknown: Literal["error", "keep", "drop"] = "error",
    source: str = "the log",
) -> Interactions:
    """Return a log whose items are called by their ids.

    Several names of one item, such as the paths of two copies, become that item.

    Parameters
    ----------
    interactions : Interactions
        Its items go by any names.
    names : ItemResolver
    folder : str or path-like, optional
        The log's folder, where relative paths may start.
    unknown : {"error", "keep", "drop"}
        What to do with interactions whose item is unknown, or may be one of several: fail, keep it
        as a thing of which nothing is known, or leave them out.
    source : str
        What errors call the log.

    Returns
    -------
    Interactions
        Users and items without an interaction are left out.

    Raises
    ------
    RecommenderError
        Items are unknown or ambiguous, or nothing is left without them.
    """
    used = np.unique(interactions.item)
    meant = {int(at): names.find(interactions.items[at], folder=folder) for at in used}
    unclear = [at for at, ids in meant.items() if len(ids) != 1]
    lost = np.isin(interactions.item, unclear)
    if unclear and (unknown == "error" or (unknown == "drop" and lost.all())):
        way = (
            "nothing is left without them: look whether this log belongs to these items"
            if lost.all()
            else "leave them out (unknown: drop), or keep them without content (unknown: keep)"
        )
        faults = [f"{len(unclear):,} of {len(used):,} items are unknown"]
        if doubtful := [at for at in unclear if meant[at]]:
            faults[0] += " or have a name of several"
            one, two, *_ = meant[doubtful[0]]
            faults.append(f"{interactions.items[doubtful[0]]!r} is {one} or {two}")
        if len(doubtful) < len(unclear):
            stranger = next(at for at in unclear if not meant[at])
            faults.insert(1, f"the first is {interactions.items[stranger]!r}")
        raise RecommenderError(
            f"{source}: {', '.join(faults)}; {np.count_nonzero(lost):,} of {len(lost):,} "
            f"interactions: {way}"
        )
    kept = np.ones_like(lost) if unknown == "keep" else ~lost
    called = {at: ids[0] if len(ids) == 1 else interactions.items[at] for at, ids in meant.items()}
    items = sorted({called[int(at)] for at in np.unique(interactions.item[kept])})
    place = {id: position for position, id in enumerate(items)}
    moved = np.full(len(interactions.items), -1, dtype=np.int32)
    for at, id in called.items():
        moved[at] = place.get(id, -1)
    people, user = np.unique(interactions.user[kept], return_inverse=True)
    said = interactions.feedback
    if said is not None:
        ids = {id: names.find(id, folder=folder) for id in said.items}
        clear = {id: found[0] for id, found in ids.items() if len(found) == 1}
        said = said.renamed(clear) or None
    return Interactions(
        [interactions.users[at] for at in people],
        items,
        user,
        moved[interactions.item[kept]],
        interactions.weight[kept],
        None if interactions.time is None else interactions.time[kept],
        feedback=said,
    )


def new_items(known: Items, tracks: Items, *, source: str) -> Items:
    """Return the tracks that are not known yet, once it is clear that both belong together.

    Parameters
    ----------
    known : Items
        Those of a recommender.
    tracks : Items
        Those of a catalog today.
    source : str
        What errors call the catalog.

    Raises
    ------
    RecommenderError
        They share no item.
    ModelMismatchError
        The vectors of what they share are of two models.
    """
    shared = [at for at, id in enumerate(tracks.ids) if known.find(id) is not None]
    if not shared:
        raise RecommenderError(
            f"{source}: none of its {len(tracks):,} tracks is among the {len(known):,} items of "
            "the recommender: name the catalog it was fitted on, or fit it again"
        )
    for at in shared:
        position = known.position(tracks.ids[at])
        if tracks.heard[at] and known.heard[position]:
            theirs, ours = tracks.audio[at], known.audio[position]
            if theirs.shape != ours.shape or float(theirs @ ours) < _SAME:
                raise ModelMismatchError(
                    f"{source}: its vectors are not those the recommender was fitted on: it was "
                    "embedded again with another model; fit again"
                )
            break
    old = frozenset(shared)
    return tracks.take(at for at in range(len(tracks)) if at not in old)


def _isrc(name: str) -> str:
    if len(name) not in _ISRC_LENGTHS:
        return ""
    try:
        return str(parse_field("isrc", [name]))
    except ValueError:
        return ""
