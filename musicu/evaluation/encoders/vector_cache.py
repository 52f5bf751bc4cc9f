"""Vectors of clips kept in a file, so that a further evaluation embeds only what is new."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.model import Model
from musicu.errors import MusicuError

__all__ = ["VectorCache", "model_key"]

Floats = NDArray[np.float64]

_TABLE = """CREATE TABLE IF NOT EXISTS vectors (
    key TEXT NOT NULL, clip TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (key, clip)
) WITHOUT ROWID"""
# Vectors written at once: what is lost if the program is ended.
_AT_ONCE = 100


def model_key(model: Model) -> str:
    """Name all of a model that decides its vectors: 32 hex digits."""
    about = (
        model.sha256,
        model.output,
        model.layout,
        model.gate_db,
        type(model.front_end).__name__,
        vars(model.front_end),
    )
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


class VectorCache:
    """A SQLite file of vectors, by what made them and by the identity of the clip's audio.

    Parameters
    ----------
    path : str or path-like
        The file; made if it is not there.

    Raises
    ------
    MusicuError
        The file cannot be opened, or is something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._waiting = 0
        try:
            self._file = sqlite3.connect(self._path)
            self._file.execute(_TABLE)
        except sqlite3.Error as error:
            raise MusicuError(f"{self._path}: cannot keep vectors there ({error})") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What was embedded before an interruption stays.
        self._file.commit()
        self._file.close()

    def get(self, key: str, clip: str) -> Floats | None:
        """Return a vector [dim], or None if it was not kept."""
        found = self._file.execute(
            "SELECT vector FROM vectors WHERE key = ? AND clip = ?", (key, clip)
        ).fetchone()
        return None if found is None else np.frombuffer(found[0], dtype="<f8").copy()

    def put(self, key: str, clip: str, vector: Floats) -> None:
        """Keep a vector [dim]."""
        row = key, clip, vector.astype("<f8").tobytes()
        try:
            self._file.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", row)
            self._waiting += 1
            if self._waiting >= _AT_ONCE:
                self._file.commit()
                self._waiting = 0
        except sqlite3.Error as error:
            raise MusicuError(f"{self._path}: cannot keep vectors there ({error})") from None
