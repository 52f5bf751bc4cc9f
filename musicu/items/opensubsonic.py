"""Songs of a music server, listed through the OpenSubsonic API.

Navidrome, gonic, LMS, Ampache, Nextcloud Music and others speak it. A song's id is the server's.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from musicu.errors import MetadataError
from musicu.items.http_json import request_json, server_address
from musicu.items.item import Item, Items
from musicu.items.media_server import ServerTrack
from musicu.metadata.values import metadata_that_fits, texts

__all__ = ["OpenSubsonic", "song_item"]

_VERSION = "1.16.1"  # of the protocol, as OpenSubsonic continues it
_PAGE = 500  # servers give no more at a time
_REFERENCE = -18.0  # LUFS that ReplayGain 2.0 brings a track to


class OpenSubsonic:
    """A music server.

    Parameters
    ----------
    url : str
        Its address, as a browser has it: ``"https://music.example.org"``. Only the host and path
        count.
    user : str
    password : str
        Never sent: each request carries MD5(password + salt) with a new salt, as the protocol
        has it. Use https all the same. Servers that hash passwords refuse this (error 41).
    timeout : float > 0
        Seconds to wait for an answer.

    Raises
    ------
    MetadataError
        The address is not http or https.
    """

    def __init__(self, url: str, user: str, password: str, *, timeout: float = 30.0) -> None:
        self.url = server_address(url).removesuffix("/rest")
        self._user = user
        self._password = password
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"OpenSubsonic({self.url!r}, user={self._user!r})"

    def ping(self) -> dict[str, Any]:
        """Return what the server says of itself: type, serverVersion, openSubsonic.

        Raises
        ------
        MetadataError
            It cannot be reached, is no such server, or refuses the user.
        """
        return self._ask("ping")

    def items(self) -> Items:
        """Return all songs as items.

        Raises
        ------
        MetadataError
            As for :meth:`songs`.
        """
        return Items(map(song_item, self.songs()))

    def songs(self) -> Iterator[dict[str, Any]]:
        """Yield all songs as the server describes them, each once; no podcasts and no videos.

        An empty search lists everything, as OpenSubsonic demands of servers.

        Raises
        ------
        MetadataError
            The server fails, gives a page twice, or lists nothing.
        """
        seen: set[str] = set()
        offset = 0
        while True:
            counts = {"artistCount": 0, "albumCount": 0, "songCount": _PAGE, "songOffset": offset}
            found = self._ask("search3", {"query": "", **counts}).get("searchResult3") or {}
            page = found.get("song") or []
            fresh = [song for song in page if str(song.get("id")) not in seen]
            if page and not fresh:
                raise MetadataError(
                    f"{self.url}: the server gives the same songs again from song {offset:,} on"
                )
            for song in fresh:
                seen.add(str(song.get("id")))
                if not song.get("isVideo") and song.get("type", "music") == "music":
                    yield song
            offset += len(page)
            if not page:
                break
        if not seen:
            raise MetadataError(
                f"{self.url}: no songs are listed; the server is empty, shows this user none, or "
                "does not answer empty searches as OpenSubsonic servers do"
            )

    def tracks(self) -> Iterator[ServerTrack]:
        """Yield all songs; see :meth:`songs` and :class:`musicu.items.media_server.Server`."""
        for song in self.songs():
            yield ServerTrack(
                str(song["id"]),
                str(song.get("path") or ""),
                str(song.get("displayArtist") or song.get("artist") or ""),
                str(song.get("title") or ""),
                str(song.get("album") or ""),
                str(song.get("musicBrainzId") or ""),
            )

    def playlists(self) -> dict[str, str]:
        """Return the ids of the user's own playlists by their names."""
        found = self._ask("getPlaylists").get("playlists") or {}
        lists = found.get("playlist") or []
        own = (one for one in lists if one.get("owner", self._user) == self._user)
        return {str(one["name"]): str(one["id"]) for one in own}

    def put_playlist(self, name: str, ids: Sequence[str], *, replace: str | None = None) -> None:
        """Make a playlist, or give one other tracks."""
        which = {"name": name} if replace is None else {"playlistId": replace}
        self._ask("createPlaylist", form={**which, "songId": list(ids)})

    def _ask(
        self,
        endpoint: str,
        wanted: Mapping[str, Any] | None = None,
        *,
        form: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        salt = secrets.token_hex(8)
        token = hashlib.md5((self._password + salt).encode(), usedforsecurity=False).hexdigest()
        access = {"u": self._user, "t": token, "s": salt}
        client = {"v": _VERSION, "c": "musicu", "f": "json"}
        address = f"{self.url}/rest/{endpoint}"  # for messages: without what proves who asks
        query = {**access, **client, **(wanted or {})}
        # Long lists fit into no address.
        said = request_json(
            address,
            query,
            method="GET" if form is None else "POST",
            form=form,
            timeout=self._timeout,
            kind="OpenSubsonic server",
        )
        try:
            answer: dict[str, Any] = said["subsonic-response"]
            status = answer["status"]
        except (KeyError, TypeError):
            raise MetadataError(f"{address}: no OpenSubsonic server answers here") from None
        if status != "ok":
            told = answer.get("error") or {}
            message = " ".join(str(told.get("message") or "no reason is given").split())
            raise MetadataError(f"{address}: {message} (error {told.get('code', 0)})")
        return answer


def song_item(song: Mapping[str, Any]) -> Item:
    """Return a song as an item.

    Moods and groupings are its tags. Servers write 0 and empty texts for what they do not know.
    The loudness follows from ReplayGain 2.0, which brings every track to -18 LUFS.

    Parameters
    ----------
    song : mapping
        A ``Child`` of the API.
    """

    def said(*names: str) -> list[str]:
        values = (song.get(name) for name in names)
        return [text for value in values for text in texts(value) if text != "0"]

    def named(name: str) -> list[str]:
        return [str(entry["name"]) for entry in song.get(name) or () if entry.get("name")]

    metadata = metadata_that_fits(
        {
            "title": said("title"),
            "artist": said("displayArtist", "artist")[:1],
            "album": said("album"),
            "album_artist": said("displayAlbumArtist"),
            "year": said("year"),
            "isrc": said("isrc"),
            "mb_recording": said("musicBrainzId"),
            "bpm": said("bpm"),
            "track": said("track"),
            "disc": said("discNumber"),
        },
        lists={
            "artists": named("artists"),
            "genres": named("genres") or said("genre"),
            "tags": said("moods", "groupings"),
        },
    )
    measured: dict[str, float] = {}
    if song.get("duration"):
        measured["duration"] = float(song["duration"])
    gain = (song.get("replayGain") or {}).get("trackGain")
    if gain:
        measured["loudness"] = _REFERENCE - float(gain)
    return Item(str(song["id"]), metadata, measured)
