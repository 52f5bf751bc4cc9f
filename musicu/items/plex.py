"""Plex: tracks and playlists, by the HTTP API of Plex Media Server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from musicu.items.http_json import request_json, server_address
from musicu.items.media_server import ServerTrack

__all__ = ["Plex"]

_PAGE = 500
_TRACK = 10  # Plex's number of this type
_BATCH = 200  # tracks named in one address


class Plex:
    """A Plex Media Server; a :class:`musicu.items.media_server.Server`.

    Parameters
    ----------
    url : str
        Its address, with the port: ``"http://plex.example.org:32400"``.
    token : str
        The user's token; sent in a header.
    timeout : float > 0
        Seconds to wait for an answer.

    Raises
    ------
    MetadataError
        The address is not http or https.
    """

    def __init__(self, url: str, token: str, *, timeout: float = 30.0) -> None:
        self.url = server_address(url)
        self._headers = {"X-Plex-Token": token, "X-Plex-Client-Identifier": "musicu"}
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"Plex({self.url!r})"

    def tracks(self) -> Iterator[ServerTrack]:
        """Yield the tracks of all music libraries; see :class:`Server`."""
        for section in self._ask("library/sections").get("Directory") or ():
            if section.get("type") == "artist":
                yield from self._section(str(section["key"]))

    def playlists(self) -> dict[str, str]:
        """Return the ids of the playlists of music, by their names; not of smart ones."""
        found = self._ask("playlists", {"playlistType": "audio"}).get("Metadata") or ()
        return {str(one["title"]): str(one["ratingKey"]) for one in found if not one.get("smart")}

    def put_playlist(self, name: str, ids: Sequence[str], *, replace: str | None = None) -> None:
        """Make a playlist, or give one other tracks."""
        machine = self._ask("identity")["machineIdentifier"]
        batches = [ids[at : at + _BATCH] for at in range(0, len(ids), _BATCH)]
        uris = [
            f"server://{machine}/com.plexapp.plugins.library/library/metadata/{','.join(batch)}"
            for batch in batches
        ]
        if replace is None:
            about = {"type": "audio", "title": name, "smart": 0, "uri": uris.pop(0)}
            made = self._ask("playlists", about, method="POST")
            replace = str(made["Metadata"][0]["ratingKey"])
        else:
            self._ask(f"playlists/{replace}/items", method="DELETE")
        for uri in uris:
            self._ask(f"playlists/{replace}/items", {"uri": uri}, method="PUT")

    def _section(self, key: str) -> Iterator[ServerTrack]:
        start = 0
        while True:
            page = self._ask(
                f"library/sections/{key}/all",
                {
                    "type": _TRACK,
                    "X-Plex-Container-Start": start,
                    "X-Plex-Container-Size": _PAGE,
                },
            )
            found = page.get("Metadata") or []
            for one in found:
                parts = [
                    part for media in one.get("Media") or () for part in media.get("Part") or ()
                ]
                yield ServerTrack(
                    str(one["ratingKey"]),
                    str(parts[0].get("file") or "") if parts else "",
                    str(one.get("originalTitle") or one.get("grandparentTitle") or ""),
                    str(one.get("title") or ""),
                    str(one.get("parentTitle") or ""),
                )
            start += len(found)
            if not found or start >= int(page.get("totalSize") or 0):
                return

    def _ask(self, path: str, wanted: dict[str, Any] | None = None, **how: Any) -> Any:
        answer = request_json(
            f"{self.url}/{path}", wanted, headers=self._headers, timeout=self._timeout, **how
        )
        return (answer or {}).get("MediaContainer") or {}
