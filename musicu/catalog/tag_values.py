"""What a catalog has heard of its tracks, as tags for their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from musicu.catalog.non_music import head_at_hand
from musicu.catalog.sql_filter import read_filtered
from musicu.catalog.store import Store
from musicu.catalog.tracks import read_files
from musicu.encoders.tagger import TagHead
from musicu.errors import AudioError, CatalogError, MusicuError
from musicu.metadata.tag_targets import TARGETS, RefusedError, key_notation
from musicu.metadata.tag_writing import TagEdit, plan_tags
from musicu.paths import absolute, lies_under_any

__all__ = ["FilePlan", "heard_values", "plan_files"]


class FilePlan(NamedTuple):
    """What to write into a file.

    Attributes
    ----------
    path : str
    edit : TagEdit or None
        None if nothing can be written.
    reason : str
        Why not; or why there is nothing to write.
    """

    path: str
    edit: TagEdit | None
    reason: str = ""


def heard_values(
    track: Mapping[str, Any],
    head: TagHead | None,
    fields: Iterable[str],
    *,
    tempo_sure: float = 0.5,
    key_sure: float = 0.25,
) -> dict[str, list[str]]:
    """Return what was heard of a track and is sure enough, as texts of tags.

    Parameters
    ----------
    track : mapping
        Columns of the view ``library``.
    head : TagHead or None
        Of the catalog's model: says which words are moods, and from where on they are said.
    fields : iterable of str
        Names of :data:`musicu.metadata.tag_targets.TARGETS`.
    tempo_sure, key_sure : float in [0, 1]
        The least confidence, see :class:`musicu.Descriptors`.

    Returns
    -------
    dict of str to list of str
        Tempo in whole beats per minute; key as ``"F#m"``; moods, the most probable first.

    Examples
    --------
    >>> from musicu.catalog.tag_values import heard_values
    >>> track = {"tempo": 119.6, "tempo_confidence": 0.9, "detected_key": "A minor"}
    >>> heard_values(track | {"key_confidence": 0.1}, None, ["bpm", "key"])
    {'bpm': ['120']}
    """
    found: dict[str, list[str]] = {}
    tempo, key = track.get("tempo"), track.get("detected_key")
    if tempo and (track.get("tempo_confidence") or 0.0) >= tempo_sure:
        found["bpm"] = [f"{tempo:.0f}"]
    if key and (track.get("key_confidence") or 0.0) >= key_sure:
        found["key"] = [key_notation(key)]
    moods = {tag.name: tag.threshold for tag in head.tags if tag.kind == "mood"} if head else {}
    heard = track.get("sound_tags") or {}
    found["mood"] = [name for name, p in heard.items() if p >= moods.get(name, 2.0)]
    return {name: texts for name, texts in found.items() if texts and name in set(fields)}


def plan_files(
    store: Store,
    paths: Sequence[str | os.PathLike[str]] = (),
    *,
    fields: Sequence[str] = ("bpm", "key"),
    where: str | None = None,
    overwrite: bool = False,
    tempo_sure: float = 0.5,
    key_sure: float = 0.25,
) -> Iterator[FilePlan]:
    """Plan what to write into a catalog's files; nothing is written.

    Parameters
    ----------
    store : Store
        The catalog, embedded with descriptors for tempo and key.
    paths : sequence of str or path-like
        Only these files, or what lies in these folders; none means all.
    fields : sequence of str
        Names of :data:`musicu.metadata.tag_targets.TARGETS`.
    where : str or None
        SQL condition on metadata, as for :meth:`musicu.Catalog.similar`.
    overwrite, tempo_sure, key_sure
        See :func:`musicu.metadata.tag_writing.plan_tags` and :func:`heard_values`.

    Yields
    ------
    FilePlan
        For every file, copies included, by path.

    Raises
    ------
    CatalogError
        A path is not in the catalog, or nothing was heard of it that could be written.
    MusicuError
        There is no such field; `MetadataError` if the condition cannot be understood.
    """
    if strange := [name for name in fields if name not in TARGETS]:
        raise MusicuError(f"{strange[0]}: cannot be written; {', '.join(TARGETS)} can")
    roots = {absolute(path) for path in paths}
    current = store.current_model()
    head = None if current is None else head_at_hand(current)
    tracks = {track["id"]: track for track in read_filtered(store, where)}
    files = sorted(
        (path, id)
        for path, id in read_files(store)
        if id in tracks and (not roots or lies_under_any(path, roots))
    )
    for root in sorted(roots):
        if not any(lies_under_any(path, {root}) for path, _ in files):
            raise CatalogError(f"{root}: no file of the catalog {store.path} that is asked for")
    if "mood" not in fields and not any(
        track.get("tempo") or track.get("detected_key") for track in tracks.values()
    ):
        raise CatalogError(f"{store.path}: nothing is measured yet; 'musicu embed --describe'")
    for path, id in files:
        values = heard_values(tracks[id], head, fields, tempo_sure=tempo_sure, key_sure=key_sure)
        if not values:
            yield FilePlan(path, None, "nothing is sure enough")
            continue
        try:
            edit = plan_tags(path, values, overwrite=overwrite)
        except (RefusedError, AudioError) as error:
            yield FilePlan(path, None, str(error).removeprefix(f"{path}: "))
        else:
            yield FilePlan(path, edit, "" if edit.values else "has them")
