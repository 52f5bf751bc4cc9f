"""Questions that are asked again and again, from a file: playlists that keep up with a catalog."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from musicu.catalog.non_music import head_at_hand
from musicu.errors import CatalogError, MetadataError, MusicuError
from musicu.files import open_file
from musicu.metadata.near_names import did_you_mean
from musicu.metadata.playlist import read_m3u8
from musicu.search.explorer import Explorer
from musicu.search.query import Query
from musicu.search.seeds import Seed
from musicu.search.track_lists import ListLimits, TrackList, like_tracks

__all__ = ["SavedQuery", "answer_saved", "like_playlist", "read_saved_queries"]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class SavedQuery:
    """A question with a name.

    It has `like`, or `find`, or only `where`.

    Parameters
    ----------
    name : str
        What its playlist is called.
    like, less : tuple of str
        Tracks to be like, and unlike, as for :meth:`musicu.Explorer.seed`; or playlists (.m3u8).
    find : str or None
        What should be heard, as for :meth:`musicu.Explorer.find`.
    where : str or None
        SQL condition on metadata.
    n : int or None
        How many tracks at most; None leaves it to who asks.
    by : str
        Space in which tracks are like each other, see :class:`musicu.Query`.
    max_per_artist : int or None
        Cap, where there is something to be like.
    """

    name: str
    like: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    find: str | None = None
    where: str | None = None
    n: int | None = None
    by: str = "sound"
    max_per_artist: int | None = None


def read_saved_queries(path: PathLike) -> list[SavedQuery]:
    """Read a file of saved queries: TOML, a table a query.

    Paths of playlists start in the file's folder::

        ["Rainy Sunday"]
        find = "calm piano"
        where = "year < 1980"

        ["More like the wedding"]
        like = ["wedding.m3u8", "Camino Seco"]
        max-per-artist = 2

    Raises
    ------
    MetadataError
        The file cannot be read, or says something that is no query.
    """
    try:
        with open_file(path) as file:
            said = tomllib.loads(file.read().decode("utf-8"))
    except OSError as error:
        raise MetadataError(f"{os.fspath(path)}: {error.strerror or 'cannot be read'}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MetadataError(f"{os.fspath(path)}: not TOML: {error}") from None
    folder = os.path.dirname(os.path.abspath(path))
    return [
        _query(name, about, f"{os.fspath(path)}: [{name}]", folder) for name, about in said.items()
    ]


def answer_saved(
    explorer: Explorer, query: SavedQuery, limits: ListLimits | None = None
) -> TrackList:
    """Ask a saved query.

    Parameters
    ----------
    explorer : Explorer
    query : SavedQuery
        What it says goes over the limits; both conditions have to hold.
    limits : ListLimits or None
        Only `least` is not asked.

    Raises
    ------
    MusicuError
        It cannot be answered.
    """
    limits = _limits(query, limits or ListLimits())
    if query.like:
        seeds, lost = _seeds(explorer, query.like)
        less, lost_too = _seeds(explorer, query.less, weight=-0.5)
        if query.by == "sound" and not less:
            found = like_tracks(explorer, query.name, seeds, limits)
        else:
            answer = explorer.similar(
                Query(
                    seeds=(*seeds, *less),
                    n=limits.most,
                    by=query.by,
                    where=limits.where,
                    max_per_artist=limits.max_per_artist,
                    include_non_music=limits.include_non_music,
                )
            )
            ids = tuple(hit.id for hit in answer.hits)
            found = TrackList(query.name, "query", ids, answer.notes)
        return replace(found, kind="query", notes=(*found.notes, *lost, *lost_too))
    snapshot = explorer.live.snapshot
    include = limits.include_non_music
    if query.find is not None:
        hits = explorer.find(query.find, limits.most, where=limits.where, include_non_music=include)
        unused = (f"not used: {', '.join(hits.unused)}",) if hits.unused else ()
        ids = tuple(snapshot.ids[at] for at in hits.positions)
        return TrackList(query.name, "query", ids, unused)
    mask = snapshot.choose(limits.where, None if include else head_at_hand(snapshot.model))
    every = np.arange(len(snapshot)) if mask is None else np.flatnonzero(mask)
    some = every[: limits.most].tolist()
    notes = (f"{len(some):,} of {len(every):,} tracks",) if len(some) < len(every) else ()
    return TrackList(query.name, "query", tuple(snapshot.ids[at] for at in some), notes)


def like_playlist(
    explorer: Explorer, path: PathLike, limits: ListLimits | None = None
) -> TrackList:
    """List what is like the tracks of a playlist, without these.

    Parameters
    ----------
    explorer : Explorer
    path : str or path-like
        An .m3u8 file; its tracks that are neither stored nor on disk are passed over.
    limits : ListLimits or None
        What the list keeps to.

    Raises
    ------
    MusicuError
        It cannot be read, none of its tracks is known, or as :meth:`musicu.Explorer.similar`.
    """
    seeds, notes = _seeds(explorer, (os.fspath(path),))
    name = os.path.splitext(os.path.basename(path))[0]
    found = like_tracks(explorer, f"Like {name}", seeds, limits)
    return replace(found, notes=(*found.notes, *notes))


def _seeds(
    explorer: Explorer, named: Sequence[str], weight: float = 1.0
) -> tuple[list[Seed], tuple[str, ...]]:
    """Return seeds, and a note on each playlist of which some tracks are not there."""
    seeds, notes = [], []
    for name in named:
        if not name.lower().endswith((".m3u8", ".m3u")):
            seeds.append(explorer.seed(name, weight))
            continue
        paths, found = read_m3u8(name), list[Seed]()
        for path in paths:
            try:
                found.append(explorer.seed(path, weight))
            except CatalogError:  # counted below
                continue
        if not found:
            raise CatalogError(f"{name}: none of its {len(paths):,} tracks is in the catalog")
        if len(found) < len(paths):
            notes.append(f"{name}: {len(found):,} of its {len(paths):,} tracks are known")
        seeds += found
    return seeds, tuple(notes)


def _limits(query: SavedQuery, limits: ListLimits) -> ListLimits:
    both = [f"({one})" for one in (limits.where, query.where) if one is not None]
    most = query.n or limits.most
    return replace(
        limits,
        most=most,
        least=min(limits.least, most),
        where=" AND ".join(both) or None,
        max_per_artist=query.max_per_artist or limits.max_per_artist,
    )


def _query(name: str, about: Any, where: str, folder: str) -> SavedQuery:
    known = {field.name.replace("_", "-"): field for field in fields(SavedQuery)}
    del known["name"]
    if not isinstance(about, Mapping):
        raise MetadataError(f"{where}: not a table of a query")
    values: dict[str, Any] = {}
    for key, value in about.items():
        if key.replace("_", "-") not in known:
            raise MetadataError(f"{where} has no {key!r}{did_you_mean(key, known)}")
        values[key.replace("-", "_")] = _checked(key, value, where, folder)
    if not values.keys() & {"like", "find", "where"}:
        raise MetadataError(f"{where}: say what it asks for: like, find or where")
    if "like" in values and "find" in values:
        raise MetadataError(f"{where}: like or find, not both")
    try:
        return SavedQuery(name=name, **values)
    except MusicuError as error:
        raise MetadataError(f"{where}: {error}") from None


def _checked(key: str, value: Any, where: str, folder: str) -> Any:
    if key in ("like", "less"):
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            raise MetadataError(f"{where}: {key} is a text or a list of texts, not {value!r}")
        return tuple(
            os.path.join(folder, one) if one.lower().endswith((".m3u8", ".m3u")) else one
            for one in texts
        )
    number = key in ("n", "max-per-artist", "max_per_artist")
    if isinstance(value, bool) or not isinstance(value, int if number else str):
        kind = "a number" if number else "a text"
        raise MetadataError(f"{where}: {key} is {kind}, not {value!r}")
    return value
