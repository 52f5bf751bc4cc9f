"""Names in arrays: a million of them are there at once, and each is found by a few looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError

__all__ = ["StoredNames"]

_ERRORS = "surrogateescape"  # names of files need not be text


class StoredNames(Sequence[str]):
    """Names, each once, by their positions, and positions by names.

    Parameters
    ----------
    text : np.ndarray [shape=(bytes,), uint8]
        All names, one after the other.
    ends : np.ndarray [shape=(n + 1,), int64]
        Where each begins and the one before ends.
    hashes : np.ndarray [shape=(n,), uint64]
        Of the names, ascending.
    order : np.ndarray [shape=(n,), int32]
        The position of the name of each hash.

    Raises
    ------
    MetadataError
        The arrays do not belong together.

    Examples
    --------
    >>> names = StoredNames.of(["b", "a"])
    >>> names[0], names.get("a"), names.get("c")
    ('b', 1, None)
    """

    def __init__(
        self,
        text: NDArray[np.uint8],
        ends: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        order: NDArray[np.int32],
    ) -> None:
        if not len(hashes) == len(order) == len(ends) - 1 or len(text) != ends[-1]:
            raise MetadataError("names and their places do not belong together")
        self._text, self._ends, self._hashes, self._order = text, ends, hashes, order

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Make them of names, each once."""
        raw = [name.encode(errors=_ERRORS) for name in names]
        hashes = np.array([_hash(name) for name in raw], dtype=np.uint64)
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        return cls(
            np.frombuffer(b"".join(raw), dtype=np.uint8),
            np.cumsum([0, *map(len, raw)], dtype=np.int64),
            hashes[order],
            order,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by their names as parameters."""
        return {
            "text": self._text,
            "ends": self._ends,
            "hashes": self._hashes,
            "order": self._order,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> Self:
        """Make them of :meth:`arrays`, the names of which begin with a prefix.

        Raises
        ------
        KeyError
            One is not there.
        """
        return cls(*(arrays[prefix + name] for name in ("text", "ends", "hashes", "order")))

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: Any) -> Any:
        """Return the name at a position."""
        if isinstance(position, slice):
            return [self[at] for at in range(len(self))[position]]
        at = range(len(self))[position]
        return self._raw(at).decode(errors=_ERRORS)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str) -> int | None:
        """Return the position of a name, None if there is none."""
        raw = name.encode(errors=_ERRORS)
        wanted = np.uint64(_hash(raw))
        at = int(np.searchsorted(self._hashes, wanted))
        while at < len(self._hashes) and self._hashes[at] == wanted:
            position = int(self._order[at])
            if self._raw(position) == raw:
                return position
            at += 1
        return None

    def all(self) -> tuple[str, ...]:
        """Return all names in their order."""
        raw, ends = self._text.tobytes(), self._ends.tolist()
        return tuple(
            raw[start:end].decode(errors=_ERRORS)
            for start, end in zip(ends, ends[1:], strict=False)
        )

    def _raw(self, at: int) -> bytes:
        start, end = self._ends[at : at + 2].tolist()
        return self._text[start:end].tobytes()


def _hash(name: bytes) -> int:
    return int.from_bytes(blake2b(name, digest_size=8).digest())
