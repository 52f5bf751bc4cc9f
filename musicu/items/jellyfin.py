"""Jellyfin (and Emby's descendants): tracks and playlists, by its HTTP API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from musicu.errors import MetadataError
from musicu.items.http_json import request_json, server_address
from musicu.items.media_server import ServerTrack

__all__ = ["Jellyfin"]

_PAGE = 500


class Jellyfin:
    """A server of Jellyfin 10.9 or later; a :class:`musicu.items.media_server.Server`.

    Parameters
    ----------
    url : str
        Its address, as a browser has it.
    user : str
        Whose playlists.
    key : str
        An API key (Dashboard, API keys); sent in a header.
    timeout : float > 0
        Seconds to wait for an answer.

    Raises
    ------
    MetadataError
        The address is not http or https.
    """

    def __init__(self, url: str, user: str, key: str, *, timeout: float = 30.0) -> None:
        self.url = server_address(url)
        self._user = user
        self._headers = {"Authorization": f'MediaBrowser Client="musicu", Token="{key}"'}
        self._timeout = timeout
        self._user_id: str | None = None

    def __repr__(self) -> str:
        return f"Jellyfin({self.url!r}, user={self._user!r})"

    def tracks(self) -> Iterator[ServerTrack]:
        """Yield all audio tracks; see :class:`musicu.items.media_server.Server`."""
        for item in self._items("Audio", "Path,ProviderIds"):
            ids = item.get("ProviderIds") or {}
            artists = item.get("Artists") or [item.get("AlbumArtist") or ""]
            yield ServerTrack(
                str(item["Id"]),
                str(item.get("Path") or ""),
                "; ".join(map(str, artists)),
                str(item.get("Name") or ""),
                str(item.get("Album") or ""),
                str(ids.get("MusicBrainzRecording") or "").lower(),
            )

    def playlists(self) -> dict[str, str]:
        """Return the ids of the playlists that the user sees, by their names."""
        return {str(item["Name"]): str(item["Id"]) for item in self._items("Playlist", "")}

    def put_playlist(self, name: str, ids: Sequence[str], *, replace: str | None = None) -> None:
        """Make a playlist, or give one other tracks."""
        if replace is not None:
            self._ask(f"Playlists/{replace}", method="POST", body={"Ids": list(ids)})
            return
        about = {"Name": name, "Ids": list(ids), "UserId": self._id(), "MediaType": "Audio"}
        self._ask("Playlists", method="POST", body=about)

    def _items(self, kind: str, fields: str) -> Iterator[dict[str, Any]]:
        start = 0
        wanted = {"recursive": "true", "includeItemTypes": kind, "userId": self._id()}
        while True:
            page = self._ask(
                "Items", wanted | {"fields": fields, "startIndex": start, "limit": _PAGE}
            )
            items = (page or {}).get("Items") or []
            yield from items
            start += len(items)
            if not items or start >= int(page.get("TotalRecordCount") or 0):
                return

    def _id(self) -> str:
        if self._user_id is None:
            users = {str(one.get("Name")): str(one.get("Id")) for one in self._ask("Users") or ()}
            if self._user not in users:
                raise MetadataError(f"{self.url}: the server has no user {self._user!r}")
            self._user_id = users[self._user]
        return self._user_id

    def _ask(self, path: str, wanted: dict[str, Any] | None = None, **how: Any) -> Any:
        return request_json(
            f"{self.url}/{path}", wanted, headers=self._headers, timeout=self._timeout, **how
        )
