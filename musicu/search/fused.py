"""The space of all that is known and heard: a snapshot's tracks as fused vectors.

To bring 100,000 tracks there takes a quarter of a minute of Python, for which every other thread
would wait again and again. So a large snapshot is fused by a process of its own, ``python -m
musicu.search.fused CATALOG FOLDER``: it finds the tracks' numbers and embeddings in the folder and
leaves the fused vectors there. Tracks that come later are few, and are added here.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from operator import is_
from pathlib import Path
from threading import Event
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.store import Store
from musicu.catalog.tracks import stored_items
from musicu.errors import MusicuError
from musicu.items.fused_vectors import FusedVectors, ItemVectors
from musicu.items.fusion import Fusion
from musicu.search.seeds import FoundSeeds, blend, read_items, seed_items
from musicu.search.snapshot import Snapshot
from musicu.workers.background_job import Canceled, JobError, run_job, serve_job

__all__ = ["FusedSpace", "main"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Ranked = tuple[Positions, Floats]

# So many tracks are fused here: another process would take longer to start.
_FEW = 2000
# So many of the last tracks at most are read again when others come after them.
_REREAD = 256
# Tracks of a piece: smaller ones need less memory to be made.
_PIECE = 16_384
_SPARSE = ("data", "indices", "indptr")


class FusedSpace:
    """The fused vectors of a snapshot: a :class:`musicu.search.spaces.Space`.

    The score is the dot product of unit vectors, in [-1, 1]: the weighted mean of the fields'
    likenesses, see :class:`musicu.items.fusion.Fusion`.

    Parameters
    ----------
    snapshot : Snapshot
    fusion : Fusion
        Fitted on its tracks, or on all but the last.
    vectors : sequence of ItemVectors
        Of the tracks, in one or more pieces, in order.
    fitted : int or None
        On how many of them the fusion is fitted; None is all.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        fusion: Fusion,
        vectors: Sequence[ItemVectors],
        fitted: int | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.fusion = fusion
        self.vectors = FusedVectors(vectors)
        # Tracks that were added since make a piece of their own, the last.
        self._fitted = len(self.vectors) if fitted is None else fitted

    @classmethod
    def of(cls, snapshot: Snapshot, stop: Event | None = None) -> Self:
        """Fuse a snapshot; a large one in a process of its own, which `stop` ends.

        Raises
        ------
        MusicuError
            That process has failed, or was stopped.
        OSError
            There is no room for its files.
        """
        if len(snapshot) > _FEW:
            return cls(snapshot, *_aside(snapshot, stop or Event()))
        items = read_items(snapshot, range(len(snapshot)))
        fusion = Fusion().fit(items)
        return cls(snapshot, fusion, [fusion.transform(items)])

    def grown(self, snapshot: Snapshot) -> Self | None:
        """Return the space of a newer snapshot that has only added a few tracks; else None."""
        n = len(self.snapshot)
        # Cards that were not read again are the same objects, and so is all that is known of those
        # tracks; the last are read again when others come after them.
        sure = max(n - _REREAD, 0)
        if (
            self._fitted <= _FEW
            or snapshot.model != self.snapshot.model
            or not n <= len(snapshot) <= self._fitted + _FEW
            or not all(map(is_, self.snapshot.cards[:sure], snapshot.cards))
            or self.snapshot.cards[sure:] != snapshot.cards[sure:n]
        ):
            return None
        fitted = int(np.searchsorted(self.vectors.starts, self._fitted))
        added = self.fusion.transform(read_items(snapshot, range(self._fitted, len(snapshot))))
        return type(self)(
            snapshot, self.fusion, [*self.vectors.pieces[:fitted], added], self._fitted
        )

    def query(self, found: FoundSeeds) -> Array:
        """Return the blend of the seeds' fused vectors."""
        every = range(len(found.seeds))
        rows = np.zeros((len(every), self.vectors.pieces[0].dim), dtype=np.float32)
        stored = [at for at in every if found.positions[at] >= 0]
        new = [at for at in every if found.positions[at] < 0]
        if stored:
            rows[stored] = self.vectors.take([found.positions[at] for at in stored]).toarray()
        if new:
            rows[new] = self.fusion.transform(seed_items(self.snapshot, found, new)).toarray()
        return blend(rows, found.weights)

    def nearest(self, query: Array, n: int, among: NDArray[np.bool_] | None) -> Ranked:
        """Return positions and scores by falling score."""
        return self.vectors.nearest(query, n, among)

    def parts(self, query: Array, positions: Positions) -> dict[str, Floats]:
        """Return what each field adds to the score of each track [n]."""
        return self.vectors.parts(query, positions)

    def similarities(self, positions: Positions) -> Callable[[int], Array]:
        """Return a function to dot products."""
        rows = self.vectors.take(positions)
        return lambda at: rows.scores(rows.take([at]).toarray()[0])


def _aside(snapshot: Snapshot, stop: Event) -> tuple[Fusion, list[ItemVectors]]:
    """Have another process fuse a snapshot."""
    with tempfile.TemporaryDirectory(prefix="musicu-") as name:
        folder = Path(name)
        np.save(folder / "tracks.npy", snapshot.tracks)
        np.save(folder / "audio.npy", snapshot.vectors(np.arange(len(snapshot))))
        try:
            run_job("musicu.search.fused", str(snapshot.path), name, cancel=stop)
        except (Canceled, JobError) as error:
            raise MusicuError(f"what is known of tracks cannot be prepared ({error})") from None
        fusion = Fusion.load(folder / "fusion.npz")
        pieces = range(0, len(snapshot), _PIECE)
        return fusion, [_load(folder / str(at), snapshot.ids[at : at + _PIECE]) for at in pieces]


def _save(folder: Path, vectors: ItemVectors) -> None:
    folder.mkdir()
    spans = {field: (span.start, span.stop) for field, span in vectors.slices.items()}
    about = {"weights": vectors.weights, "slices": spans, "columns": vectors.sparse.shape[1]}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    np.save(folder / "present.npy", vectors.present)
    np.save(folder / "dense.npy", vectors.dense)
    for name in _SPARSE:
        np.save(folder / f"{name}.npy", getattr(vectors.sparse, name))


def _load(folder: Path, ids: Sequence[str]) -> ItemVectors:
    from scipy.sparse import csr_array

    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    sparse = tuple(np.load(folder / f"{name}.npy") for name in _SPARSE)
    return ItemVectors(
        ids,
        about["weights"],
        np.load(folder / "present.npy"),
        np.load(folder / "dense.npy"),
        csr_array(sparse, shape=(len(ids), about["columns"])),
        {field: slice(*span) for field, span in about["slices"].items()},
    )


def main() -> None:
    """Fuse the tracks that a folder names and leave their vectors there.

    The arguments are the catalog's file and the folder, which holds ``tracks.npy`` (row numbers)
    and ``audio.npy`` (embeddings).
    """
    catalog, folder = sys.argv[1], Path(sys.argv[2])
    serve_job(lambda progress: _fuse(catalog, folder))


def _fuse(catalog: str, folder: Path) -> None:
    with Store(catalog, create=False) as store:
        rows, audio = np.load(folder / "tracks.npy"), np.load(folder / "audio.npy")
        items = stored_items(store, rows.tolist(), audio)
    fusion = Fusion().fit(items)
    fusion.save(folder / "fusion.npz")
    for at in range(0, len(items), _PIECE):
        _save(folder / str(at), fusion.transform(items[at : at + _PIECE]))


if __name__ == "__main__":
    main()
