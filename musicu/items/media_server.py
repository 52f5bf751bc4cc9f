"""Servers of music that playlists are pushed to: what each of them has to offer, and the push."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from musicu.errors import AudioError, MetadataError
from musicu.items.item import Item, Items
from musicu.items.named_items import NamedItems
from musicu.metadata.fields import Metadata
from musicu.metadata.file_tags import read_tags
from musicu.metadata.names import split_artists
from musicu.metadata.playlist import read_m3u8
from musicu.paths import composed

__all__ = ["PushedPlaylist", "Server", "ServerLibrary", "ServerTrack", "push_playlist"]

PathLike = str | os.PathLike[str]


class ServerTrack(NamedTuple):
    """A track as a server has it; empty texts where it says nothing."""

    id: str
    path: str
    artist: str
    title: str
    album: str = ""
    recording: str = ""


class Server(Protocol):
    """What a server of music can be asked for."""

    def tracks(self) -> Iterator[ServerTrack]:
        """Yield all tracks."""

    def playlists(self) -> dict[str, str]:
        """Return the ids of the user's playlists by their names."""

    def put_playlist(self, name: str, ids: Sequence[str], *, replace: str | None = None) -> None:
        """Make a playlist; or give the one with the id `replace` these tracks."""


class PushedPlaylist(NamedTuple):
    """What became of a playlist.

    Attributes
    ----------
    name : str
    tracks, found : int
        How many it has here, and how many of these the server has.
    state : str
        ``"new"``, ``"replaced"``; ``"kept"``: the server has one of this name; ``"nothing"``: the
        server has none of its tracks.
    missing : tuple of str
        Paths of tracks that the server does not have.
    """

    name: str
    tracks: int
    found: int
    state: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Mapping:
    here: str
    there: str


class ServerLibrary:
    """A server's tracks, found by the paths of files here, or by artist and title.

    Parameters
    ----------
    tracks : iterable of ServerTrack
    folders : mapping of str to str
        Folders here, each with what the server calls it: ``{"/srv/music": "/music"}``. Servers that
        tell paths from their library on are given ``""``.
    """

    def __init__(
        self, tracks: Iterable[ServerTrack], folders: Mapping[str, str] | None = None
    ) -> None:
        known = list(tracks)
        self._by_path = {composed(one.path): one.id for one in known if one.path}
        self._folders = [
            _Mapping(os.path.abspath(here), there) for here, there in (folders or {}).items()
        ]
        about = (
            Metadata(
                title=one.title or None,
                artist=one.artist or None,
                artists=split_artists(one.artist),
                album=one.album or None,
                mb_recording=one.recording or None,
            )
            for one in known
        )
        self._names = NamedItems(
            Items(Item(one.id, said) for one, said in zip(known, about, strict=True))
        )

    def find(self, path: str) -> str | None:
        """Return the server's id of a file here; None if the server does not have it.

        By its path; else, if the file can be read, by what its tags say.
        """
        for folder in self._folders:
            inside = os.path.relpath(path, folder.here).replace(os.sep, "/")
            if inside.split("/", 1)[0] != os.pardir:
                there = f"{folder.there.rstrip('/')}/{inside}" if folder.there else inside
                if id := self._by_path.get(composed(there)):
                    return id
        if id := self._by_path.get(composed(path)):
            return id
        try:
            about = read_tags(path)
        except AudioError:  # gone, or no audio: nothing more is known of it
            return None
        return self._names.find(
            about.artist or "", about.title or "", about.album or "", about.mb_recording or ""
        )


def push_playlist(
    server: Server,
    library: ServerLibrary,
    playlist: PathLike,
    *,
    replace: bool = False,
    dry_run: bool = False,
) -> PushedPlaylist:
    """Make a playlist on a server of one that lies here.

    Parameters
    ----------
    server : Server
    library : ServerLibrary
        Its tracks.
    playlist : str or path-like
        An .m3u8 file; it is called as the file there.
    replace : bool
        Whether one of that name is given these tracks; else it stays.
    dry_run : bool
        Only tell what would be done.

    Raises
    ------
    MusicuError
        The playlist cannot be read; `MetadataError` if the server fails.
    """
    name = os.path.splitext(os.path.basename(playlist))[0]
    if not name:
        raise MetadataError(f"{os.fspath(playlist)}: a playlist needs a name")
    paths = read_m3u8(playlist)
    found = [(path, library.find(path)) for path in paths]
    ids = [id for _, id in found if id]
    missing = tuple(path for path, id in found if not id)
    there = server.playlists().get(name)
    state = "new" if there is None else "replaced" if replace else "kept"
    state = state if ids else "nothing"
    if state in ("new", "replaced") and not dry_run:
        server.put_playlist(name, ids, replace=there)
    return PushedPlaylist(name, len(paths), len(ids), state, missing)
