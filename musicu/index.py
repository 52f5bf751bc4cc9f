"""Exact nearest neighbors by cosine: one matrix, memory-mapped beside the catalog.

The matrix file carries in its name a stamp that SQLite changes with every change of a vector, in
the same transaction. A file with another stamp is stale by definition, and is rebuilt.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import CatalogError, MusicuError
from musicu.files import written_file
from musicu.store import Store, StoredModel

__all__ = ["FLOAT32_MAX", "Index", "unit_vector"]

# Vectors read from SQLite at a time while building: 16,384 of 256 floats are 16 MB.
_CHUNK = 16384
FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


def unit_vector(values: ArrayLike) -> NDArray[np.float32]:
    """Return a vector at unit length.

    Parameters
    ----------
    values : array-like [shape=(dim,)]
        Finite numbers that float32 can hold, not all 0.

    Raises
    ------
    MusicuError
        They are something else.
    """
    try:
        vector = np.asarray(values, dtype=np.float64)
        good = vector.ndim == 1 and bool((np.abs(vector) <= FLOAT32_MAX).all())
        length = float(np.linalg.norm(vector)) if good else 0.0
    except (TypeError, ValueError, OverflowError):
        length = 0.0
    if not length > 0:
        raise MusicuError(
            f"a vector is a list of numbers from {-FLOAT32_MAX:.4g} to {FLOAT32_MAX:.4g} that are "
            "not all 0"
        )
    return (vector / length).astype(np.float32)


class Index(Mapping[int, NDArray[np.float32]]):
    """All vectors of one model: a mapping from a track's row number to its unit vector.

    Parameters
    ----------
    tracks : np.ndarray [shape=(n,), int64]
        Row numbers, ascending.
    matrix : np.ndarray [shape=(n, dim), float32]
        Their unit vectors.
    """

    def __init__(self, tracks: NDArray[np.int64], matrix: NDArray[np.float32]) -> None:
        self.tracks = tracks
        self.matrix = matrix

    @classmethod
    def open(cls, store: Store, model: StoredModel) -> Index:
        """Map the matrix of a catalog's model; build it first if there is none that is current."""
        with _snapshot(store):
            stamp = store.db.execute("SELECT value FROM meta WHERE key = 'vectors'").fetchone()[0]
            rows = store.db.execute(
                "SELECT track FROM vectors WHERE model = ? ORDER BY track", (model.row,)
            ).fetchall()
            tracks = np.array(rows, dtype=np.int64).reshape(-1)
            shape = (len(tracks), model.dim)
            file = store.path.with_name(f"{store.path.name}-{model.sha256[:8]}-{stamp}.npy")
            matrix = _map(file, shape)
            if matrix is None:
                matrix = _build(store, model, shape, file)
                # The stamp is of the whole catalog: with another one, any model's matrix is stale.
                for old in store.path.parent.glob(f"{glob.escape(store.path.name)}-????????-*.npy"):
                    if not old.stem.endswith(f"-{stamp}"):
                        old.unlink(missing_ok=True)
        return cls(tracks, matrix)

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[int]:
        return iter(self.tracks.tolist())

    def __getitem__(self, track: int) -> NDArray[np.float32]:
        at = int(np.searchsorted(self.tracks, track))
        if at == len(self.tracks) or self.tracks[at] != track:
            raise KeyError(track)
        return np.asarray(self.matrix[at])

    def ranked(
        self, vector: NDArray[np.float32], *, among: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[int, float]]:
        """Yield tracks from the nearest on, with their cosines.

        Sorted in growing portions, so that the first ones come without sorting all.

        Parameters
        ----------
        vector : np.ndarray [shape=(dim,), float32]
            Unit vector.
        among : np.ndarray [int64] or None
            Only these row numbers.
        """
        tracks, scores = self.tracks, self.matrix @ vector
        if among is not None:
            inside = np.isin(tracks, among)
            tracks, scores = tracks[inside], scores[inside]
        done, portion = 0, 1024
        order = np.arange(len(scores))
        while done < len(order):
            rest = order[done:]
            if portion < len(rest):
                rest = rest[np.argpartition(-scores[rest], portion - 1)]
                order[done:] = rest
            head = rest[:portion]
            # Ties go by row number, so that equal vectors always come in one order.
            for i in head[np.lexsort((tracks[head], -scores[head]))]:
                yield int(tracks[i]), float(scores[i])
            done, portion = done + len(head), portion * 8


class _snapshot:
    """A read transaction: the stamp, the row numbers and the vectors are of one moment."""

    def __init__(self, store: Store) -> None:
        self._db = store.db

    def __enter__(self) -> None:
        self._db.execute("BEGIN")

    def __exit__(self, *_: object) -> None:
        self._db.execute("COMMIT")


def _map(file: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Map a matrix file; None if it is not there or not whole."""
    if not shape[0]:
        return np.empty(shape, dtype=np.float32)
    try:
        matrix = np.lib.format.open_memmap(file, mode="r")
    except (OSError, ValueError):
        return None
    return matrix if matrix.shape == shape and matrix.dtype == np.float32 else None


def _build(
    store: Store, model: StoredModel, shape: tuple[int, int], file: Path
) -> NDArray[np.float32]:
    """Write the matrix under a temporary name, then move it into place; in memory if we may not."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    try:
        # Written, not mapped: a full disk is then an error, where a mapped page would be a crash.
        with written_file(file) as out:
            np.lib.format.write_array_header_1_0(out, header)
            out.writelines(_chunks(store, model))
        matrix = _map(file, shape)
    except OSError:
        matrix = None
    if matrix is None:
        matrix = np.frombuffer(b"".join(_chunks(store, model)), dtype="<f4").reshape(shape)
    return matrix


def _chunks(store: Store, model: StoredModel) -> Iterator[bytes]:
    """Yield a model's vectors as they are stored, many at a time, by row number."""
    rows = store.db.execute(
        "SELECT vector FROM vectors WHERE model = ? ORDER BY track", (model.row,)
    )
    while chunk := rows.fetchmany(_CHUNK):
        if any(len(vector) != 4 * model.dim for (vector,) in chunk):
            raise CatalogError(f"{store.path}: damaged vectors; 'musicu catalog verify' names them")
        yield b"".join(vector for (vector,) in chunk)
