"""Numbers for artists and albums, which are compared and counted faster than their names."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from musicu.metadata.artists import album_key, artist_keys
from musicu.metadata.fields import Metadata

__all__ = ["NameCodes"]


class NameCodes:
    """Gives each artist and each album a number, in the order in which they come; thread-safe."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._lock = threading.Lock()

    def artists(self, about: Metadata | Mapping[str, Any]) -> tuple[int, ...]:
        """Return the numbers of a track's :func:`musicu.metadata.artists.artist_keys`."""
        return tuple(self._code(key) for key in artist_keys(about))

    def album(self, about: Metadata | Mapping[str, Any]) -> int:
        """Return the number of a track's :func:`musicu.metadata.artists.album_key`; -1 for none."""
        key = album_key(about)
        return -1 if key is None else self._code(key)

    def _code(self, key: str) -> int:
        code = self._codes.get(key)
        if code is None:
            with self._lock:
                code = self._codes.setdefault(key, len(self._codes))
        return code
