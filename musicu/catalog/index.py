"""The vectors of a catalog: one matrix, memory-mapped beside it.

The matrix file carries in its name a stamp that SQLite changes with every change of a vector, in
the same transaction. A file with another stamp is stale by definition, and is rebuilt. So is one
whose bytes are no longer those that were written: a sum over all of them is part of the file, and
is looked at whenever it is opened, which takes no longer than one search.

A stored vector that is not what was stored (see :mod:`musicu.catalog.checksums`) does not get into
the matrix. If a matrix that was built before still has it as it was, that one is taken.
"""

from __future__ import annotations

import glob
import io
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.catalog.checksums import is_sound
from musicu.catalog.nearest import Nearest
from musicu.catalog.store import Store, StoredModel
from musicu.errors import MusicuError
from musicu.files import written_file

__all__ = ["FLOAT32_MAX", "Index", "matrix_is_sound", "sound_copies", "unit_vector"]

# The end of a matrix file: how many rows, and the sum of all numbers.
_END = np.dtype([("count", "<u8"), ("sum", "<u8")])
# Row numbers, ascending, and vectors.
Rows = tuple[NDArray[np.int64], NDArray[np.float32]]

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
    damaged : int
        Vectors that were left out.
    """

    def __init__(
        self, tracks: NDArray[np.int64], matrix: NDArray[np.float32], damaged: int = 0
    ) -> None:
        self.tracks = tracks
        self.matrix = matrix
        self.damaged = damaged
        self._nearest = Nearest(matrix)

    @classmethod
    def open(cls, store: Store, model: StoredModel) -> Index:
        """Map the matrix of a catalog's model; build it first if there is none that is current."""
        with _snapshot(store):
            stamp = store.db.execute("SELECT value FROM meta WHERE key = 'vectors'").fetchone()[0]
            (count,) = store.db.execute(
                "SELECT count(*) FROM vectors WHERE model = ?", (model.row,)
            ).fetchone()
            file = _matrix_file(store, model, stamp)
            found = _map(file, model.dim) if count else _nothing(model.dim)
            if found is None:
                found = _build(store, model, file)
                # The stamp is of the whole catalog: with another one, any model's matrix is stale.
                for old in _matrix_files(store):
                    # Where a vector is damaged, an old matrix may hold it as it was.
                    if not old.stem.endswith(f"-{stamp}") and len(found[0]) == count:
                        with suppress(OSError):
                            old.unlink()
        return cls(*found, count - len(found[0]))

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[int]:
        return iter(self.tracks.tolist())

    def __getitem__(self, track: int) -> NDArray[np.float32]:
        at = int(np.searchsorted(self.tracks, track))
        if at == len(self.tracks) or self.tracks[at] != track:
            raise KeyError(track)
        return np.asarray(self.matrix[at])

    def search(
        self, queries: NDArray[np.float32], n: int, *, among: NDArray[np.int64] | None = None
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Find the tracks nearest to each of some queries: :class:`musicu.catalog.nearest.Nearest`.

        Parameters
        ----------
        queries : np.ndarray [shape=(m, dim), float32]
            Unit vectors.
        n : int >= 0
            How many.
        among : np.ndarray [int64] or None
            Only these row numbers.

        Returns
        -------
        list of (np.ndarray [shape=(k,), int64], np.ndarray [shape=(k,), float32])
            Row numbers and cosines, the nearest first, and equal ones by row number; fewer than
            `n` if there are no more.
        """
        masks = None if among is None else [np.isin(self.tracks, among)] * len(queries)
        found = self._nearest.search(queries, n, among=masks)
        return [(self.tracks[positions], cosines) for positions, cosines in found]


class _snapshot:
    """A read transaction: the stamp, the row numbers and the vectors are of one moment."""

    def __init__(self, store: Store) -> None:
        self._db = store.db

    def __enter__(self) -> None:
        self._db.execute("BEGIN")

    def __exit__(self, *_: object) -> None:
        self._db.execute("COMMIT")


def sound_copies(store: Store, model: StoredModel, wanted: Mapping[int, int]) -> dict[int, bytes]:
    """Return vectors as they were stored, of those that matrix files beside the catalog have.

    Parameters
    ----------
    store, model
        The catalog and its model.
    wanted : dict of int to int
        Row numbers of tracks, and the checksums of their vectors.

    Returns
    -------
    dict of int to bytes
    """
    found: dict[int, bytes] = {}
    for file in _matrix_files(store, model) if wanted else ():
        try:
            arrays = _arrays(file, model.dim)
        except OSError:
            continue
        if arrays is None:
            continue
        tracks, matrix, _ = arrays
        places = {track: at for at, track in enumerate(tracks.tolist()) if track in wanted}
        for track, at in places.items():
            vector = matrix[at].tobytes()
            if is_sound(vector, wanted[track], model.dim):
                found[track] = vector
    return found


def matrix_is_sound(store: Store, model: StoredModel) -> bool:
    """Whether the current matrix file, if there is one, is as it was written."""
    (stamp,) = store.db.execute("SELECT value FROM meta WHERE key = 'vectors'").fetchone()
    file = _matrix_file(store, model, stamp)
    return not file.exists() or _map(file, model.dim) is not None


def _matrix_file(store: Store, model: StoredModel, stamp: str) -> Path:
    return store.path.with_name(f"{store.path.name}-{model.sha256[:8]}-{stamp}.npy")


def _matrix_files(store: Store, model: StoredModel | None = None) -> list[Path]:
    """List the matrix files of a catalog, or those of one model, whatever their stamps."""
    weights = glob.escape(model.sha256[:8]) if model else "????????"
    return sorted(store.path.parent.glob(f"{glob.escape(store.path.name)}-{weights}-*.npy"))


def _nothing(dim: int) -> Rows:
    return np.empty(0, dtype=np.int64), np.empty((0, dim), dtype=np.float32)


def _map(file: Path, dim: int) -> Rows | None:
    """Map a matrix file: row numbers and vectors; None if it is not there or not what it was."""
    try:
        arrays = _arrays(file, dim)
        with open(file, "rb") as start:
            known = arrays and start.read(len(_header(arrays[1].shape))) == _header(arrays[1].shape)
    except OSError:
        return None
    if arrays is None or not known:
        return None
    tracks, matrix, total = arrays
    return (tracks, matrix) if _sum(tracks, matrix) == total else None


def _arrays(file: Path, dim: int) -> tuple[NDArray[np.int64], NDArray[np.float32], int] | None:
    """Map a matrix file, whatever has become of its bytes; None if its parts cannot be told apart.

    It is an array as numpy saves it, the row numbers, how many, and the sum of it all.
    """
    size = file.stat().st_size
    if size < _END.itemsize:
        return None
    count, total = np.memmap(file, _END, "r", size - _END.itemsize, (1,))[0].tolist()
    start = len(_header((count, dim)))
    middle = start + 4 * count * dim
    if not count or middle + 8 * count + _END.itemsize != size:
        return None
    tracks = np.fromfile(file, "<i8", count, offset=middle)
    return tracks, np.memmap(file, "<f4", "r", start, (count, dim)), total


def _header(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return out.getvalue()


def _sum(*arrays: NDArray[Any]) -> int:
    """Add all bytes up, 4 at a time: one pass as fast as memory is, and no flipped bit escapes."""
    return sum(int(a.reshape(-1).view(np.uint32).sum(dtype=np.uint64)) for a in arrays) % 2**64


def _build(store: Store, model: StoredModel, file: Path) -> Rows:
    """Write the matrix under a temporary name, then move it into place; in memory if we may not."""
    damaged = _damaged(store, model)
    copies = sound_copies(store, model, damaged)
    lost = damaged.keys() - copies.keys()
    tracks = np.array(
        store.db.execute(
            "SELECT track FROM vectors WHERE model = ? ORDER BY track", (model.row,)
        ).fetchall(),
        dtype=np.int64,
    ).reshape(-1)
    tracks = tracks[~np.isin(tracks, list(lost))]
    found = None
    try:
        # Written, not mapped: a full disk is then an error, where a mapped page would be a crash.
        with written_file(file) as out:
            out.write(_header((len(tracks), model.dim)))
            total = _sum(tracks)
            for chunk in _chunks(store, model, copies, lost):
                total += _sum(np.frombuffer(chunk, dtype="<f4"))
                out.write(chunk)
            out.write(tracks.astype("<i8").tobytes())
            out.write(np.array((len(tracks), total % 2**64), _END).tobytes())
        found = _map(file, model.dim)
    except OSError:
        pass
    if found is None:
        flat = np.frombuffer(b"".join(_chunks(store, model, copies, lost)), dtype="<f4")
        found = tracks, flat.reshape(-1, model.dim)
    return found


def _damaged(store: Store, model: StoredModel) -> dict[int, int]:
    """Tracks whose vectors are not what was stored, and what their checksums say."""
    rows = store.db.execute(
        "SELECT track, vector, checksum FROM vectors WHERE model = ?", (model.row,)
    )
    return {track: sum for track, vector, sum in rows if not is_sound(vector, sum, model.dim)}


def _chunks(
    store: Store, model: StoredModel, copies: Mapping[int, bytes], lost: Set[int]
) -> Iterator[bytes]:
    """Yield a model's vectors as they were stored, many at a time, by row number."""
    rows = store.db.execute(
        "SELECT track, vector FROM vectors WHERE model = ? ORDER BY track", (model.row,)
    )
    while chunk := rows.fetchmany(_CHUNK):
        yield b"".join(copies.get(track, vector) for track, vector in chunk if track not in lost)
