"""A folder of playlists, one a list of tracks: written anew, but nothing that others wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from musicu.catalog.store import Store
from musicu.catalog.tracks import find_columns
from musicu.errors import MusicuError
from musicu.metadata.playlist import (
    PlaylistEntry,
    has_comment,
    playlist_file_name,
    write_m3u8,
)
from musicu.search.track_lists import TrackList

__all__ = ["WrittenPlaylist", "write_playlists"]

PathLike = str | os.PathLike[str]

# By this line a playlist is known to be musicu's own, and may be replaced.
_OWN = "made by musicu playlists"


class WrittenPlaylist(NamedTuple):
    """What became of a list.

    Attributes
    ----------
    name, kind : str
        Of the list.
    tracks : int
        In the playlist.
    state : str
        ``"new"``, ``"replaced"``; or ``"kept"``: another file has its name, and stays.
    path : str
        The playlist.
    notes : tuple of str
        What could not be had.
    """

    name: str
    kind: str
    tracks: int
    state: str
    path: str
    notes: tuple[str, ...]


def write_playlists(
    catalog: PathLike,
    folder: PathLike,
    lists: Sequence[TrackList],
    *,
    relative: bool = True,
    dry_run: bool = False,
) -> list[WrittenPlaylist]:
    """Write lists of tracks as playlists (m3u8).

    A playlist that this function wrote before is replaced; any other file stays.

    Parameters
    ----------
    catalog : str or path-like
        The catalog's file.
    folder : str or path-like
        Where to; made if it is not there.
    lists : sequence of TrackList
        Those that have no tracks are passed over.
    relative : bool
        Paths from the playlist's folder; else absolute ones.
    dry_run : bool
        Only tell what would be written.

    Raises
    ------
    MusicuError
        The folder or a playlist cannot be written.
    """
    target = os.path.abspath(folder)
    if not dry_run:
        try:
            os.makedirs(target, exist_ok=True)
        except OSError as error:
            raise MusicuError(f"{target}: {error.strerror or 'cannot be made'}") from error
    taken: set[str] = set()
    written = []
    with Store(catalog, create=False) as store:
        for one in lists:
            if not one.ids:
                continue
            name = playlist_file_name(one.name, taken)
            taken.add(name.lower())
            path = os.path.join(target, name)
            state = _state(path)
            entries = [
                PlaylistEntry(track["path"], track["title"], track["artist"], track["seconds"])
                for track in find_columns(store, one.ids)
            ]
            notes = list(one.notes)
            if state == "kept":
                notes.append("another file has its name: move it away")
            elif not dry_run:
                unfit = write_m3u8(path, entries, title=one.name, comment=_OWN, relative=relative)
                notes += [f"{entry.path!r}: a name that no playlist can hold" for entry in unfit]
                entries = [entry for entry in entries if entry not in unfit]
            row = WrittenPlaylist(one.name, one.kind, len(entries), state, path, tuple(notes))
            written.append(row)
    return written


def _state(path: str) -> str:
    if not os.path.lexists(path):
        return "new"
    try:
        return "replaced" if has_comment(path, _OWN) else "kept"
    except OSError:  # a folder, or what may not be read: it is not ours
        return "kept"
