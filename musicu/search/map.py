"""The map of a catalog: where each track lies, kept beside it; drawn in a process of its own.

A map of 100,000 tracks takes minutes, and holds Python's lock meanwhile. So it is drawn by a job,
``python -m musicu.search.map CATALOG`` (see :func:`musicu.workers.background_job.run_job`), which
moves the finished map into place. Tracks that are added after that find their places among those
that are there.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.index import Index
from musicu.catalog.model_choice import not_embedded
from musicu.catalog.store import Store, StoredModel
from musicu.catalog.tracks import read_values
from musicu.encoders.tagger import TagHead
from musicu.errors import CatalogError
from musicu.files import open_file, written_file
from musicu.search.map_columns import heard_words
from musicu.search.map_layout import NEIGHBORS, project, settle
from musicu.search.snapshot import Snapshot
from musicu.workers.background_job import Progress, serve_job

__all__ = ["Atlas", "atlas_path", "compute_atlas", "main", "map_json"]

Array = NDArray[np.float32]
Found = tuple[NDArray[np.intp], NDArray[np.bool_]]

# More of the tracks than that came after the map, and it is time for another one.
_LATE = 0.2
# Tracks that are placed at a time.
_BATCH = 32
# Decimals that are kept of what a map can be colored by.
_COLUMNS = {"year": 0, "tempo": 1, "loudness": 1, "energy": 3}


class Atlas:
    """A map: tracks and their positions. Thread-safe.

    Parameters
    ----------
    ids : sequence of str
        The tracks' identities.
    positions : np.ndarray [shape=(n, 2), float32]
        Where they lie, in [-1, 1].
    """

    def __init__(self, ids: list[str], positions: Array) -> None:
        names = np.array([id.encode() for id in ids], dtype=np.bytes_)
        order = np.argsort(names, kind="stable")
        self._ids = names[order]
        self._drawn = positions[order]
        self._late: dict[str, Array] = {}  # tracks that came later, once they are placed
        # Of the last snapshot, by its number.
        self._found: tuple[int, Found] | None = None
        self._last: tuple[int, Array] | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ids)

    @classmethod
    def load(cls, catalog: str | os.PathLike[str], model: StoredModel) -> Atlas | None:
        """Load the map of a catalog's model; None if there is none, or it is damaged."""
        try:
            with open_file(atlas_path(catalog, model)) as file:
                stored = np.load(file, allow_pickle=False)
                ids, positions = stored["ids"], stored["positions"]
        except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile):
            return None
        if ids.dtype.kind != "S" or positions.shape != (len(ids), 2):
            return None
        return cls([id.decode() for id in ids.tolist()], positions.astype(np.float32))

    def save(self, catalog: str | os.PathLike[str], model: StoredModel) -> Path:
        """Write the map beside the catalog, whole or not at all; return where.

        Raises
        ------
        CatalogError
            It cannot be written.
        """
        file = atlas_path(catalog, model)
        try:
            with written_file(file) as out:
                np.savez(out, ids=self._ids, positions=self._drawn)
        except OSError as error:
            raise CatalogError(f"{file}: the map cannot be written ({error.strerror})") from None
        return file

    def stale(self, snapshot: Snapshot) -> bool:
        """Whether more than a fifth of a snapshot's tracks came after the map."""
        return bool((~self._find(snapshot)[1]).sum() > _LATE * len(snapshot))

    def positions(self, snapshot: Snapshot) -> Array:
        """Return where the tracks of a snapshot lie.

        Tracks that came later are placed by their nearest ones on the map, see
        :func:`musicu.search.map_layout.settle`; once placed, they stay.

        Parameters
        ----------
        snapshot : Snapshot
            Of the catalog, with vectors of the model that the map was drawn by.

        Returns
        -------
        np.ndarray [shape=(n, 2), float32]
            In [-1, 1]; remembered, not to be written to.
        """
        with self._lock:
            if self._last is not None and self._last[0] == snapshot.number:
                return self._last[1]
            places, known = self._find(snapshot)
            positions = np.zeros((len(snapshot), 2), dtype=np.float32)
            positions[known] = self._drawn[places[known]]
            late = np.flatnonzero(~known).tolist()
            new = [at for at in late if snapshot.ids[at] not in self._late]
            for start in range(0, len(new), _BATCH):
                batch = new[start : start + _BATCH]
                placed = self._place(snapshot.vectors(batch), snapshot)
                self._late.update(zip((snapshot.ids[at] for at in batch), placed, strict=True))
            for at in late:
                positions[at] = self._late[snapshot.ids[at]]
            positions.setflags(write=False)
            self._last = snapshot.number, positions
            return positions

    def place(self, vector: Array, snapshot: Snapshot) -> tuple[float, float]:
        """Find the place of music that is not in the catalog.

        Parameters
        ----------
        vector : np.ndarray [shape=(dim,), float32]
            Unit vector of the map's model.
        snapshot : Snapshot
            Holds the vectors of the tracks on the map.

        Returns
        -------
        tuple of (float, float)
            In [-1, 1].
        """
        x, y = self._place(vector[None], snapshot)[0].tolist()
        return x, y

    def _place(self, vectors: Array, snapshot: Snapshot) -> Array:
        """Place vectors [n, dim] by the tracks on the map, not by those that were placed so."""
        places, known = self._find(snapshot)
        if not known.any():
            return np.zeros((len(vectors), 2), dtype=np.float32)
        masks = None if known.all() else [known] * len(vectors)
        found = snapshot.search(vectors, NEIGHBORS, among=masks)
        near = np.array([rows for rows, _ in found])
        cosines = np.array([cosines for _, cosines in found])
        return settle(self._drawn[places[near]], 1.0 - cosines)

    def _find(self, snapshot: Snapshot) -> Found:
        """Where on the map each track of a snapshot stands in the order, and whether it does."""
        found = self._found
        if found is None or found[0] != snapshot.number:
            wanted = np.array([id.encode() for id in snapshot.ids], dtype=np.bytes_)
            places = np.minimum(np.searchsorted(self._ids, wanted), max(len(self._ids) - 1, 0))
            known = (
                self._ids[places] == wanted if len(self._ids) else np.zeros(len(wanted), np.bool_)
            )
            self._found = found = snapshot.number, (places, known)
        return found[1]


def atlas_path(catalog: str | os.PathLike[str], model: StoredModel) -> Path:
    """Where the map of a catalog's model is kept."""
    path = Path(catalog)
    return path.with_name(f"{path.name}-{model.sha256[:8]}-map.npz")


def compute_atlas(
    catalog: str | os.PathLike[str], *, model: str | None = None, progress: Progress | None = None
) -> Path:
    """Draw the map of a catalog in this process, and keep it beside the catalog.

    Parameters
    ----------
    catalog : str or path-like
        The catalog's file.
    model : str or None
        SHA-256 of the model whose vectors are meant; None is the one last embedded with.
    progress : callable or None
        Called with what is being done, how much is done, and of how much (0 of 0: not known).

    Returns
    -------
    Path
        The map's file.

    Raises
    ------
    CatalogError
        There is no such catalog, nothing is embedded yet, or the map cannot be written.
    MissingExtraError
        `umap-learn` is not installed.
    """
    if progress:
        progress("reading the catalog", 0, 0)
    with Store(catalog, create=False) as store:
        current = store.current_model()
        if model is not None:
            current = next((known for known in store.models() if known.sha256 == model), None)
        if current is None:
            raise not_embedded(catalog)
        index = Index.open(store, current)
        ids = dict(read_values(store, ("track", "id")))
    rows = [row for row, track in enumerate(index.tracks.tolist()) if track in ids]
    positions = project(index.matrix[rows], progress=progress)
    atlas = Atlas([ids[track] for track in index.tracks[rows].tolist()], positions)
    return atlas.save(catalog, current)


def map_json(snapshot: Snapshot, positions: Array, head: TagHead | None = None) -> bytes:
    """Write a map as JSON, column by column.

    Parameters
    ----------
    snapshot : Snapshot
        The tracks.
    positions : np.ndarray [shape=(n, 2), float32]
        Where they lie, see :meth:`Atlas.positions`.
    head : TagHead or None
        Says a word of each track, see :func:`musicu.search.map_columns.heard_words`.

    Returns
    -------
    bytes
        ``{"number", "ids", "x", "y", "columns": {"year", "tempo", "loudness", "energy": [...],
        "genre", "key", "heard": {"names", "codes"}}}``. What is not known is null, or -1; columns
        of which nothing is known are left out.
    """
    columns: dict[str, Any] = {}
    for name, decimals in _COLUMNS.items():
        values: Array = getattr(snapshot.columns, name)
        if not np.isnan(values).all():
            columns[name] = _rounded(values, decimals)
    named = {"genre": snapshot.columns.genre, "key": snapshot.columns.key}
    if head is not None:
        named["heard"] = heard_words(head, snapshot.matrix)
    for name, coded in named.items():
        if (coded.codes >= 0).any():
            columns[name] = {"names": list(coded.names), "codes": coded.codes.tolist()}
    picture = {
        "number": snapshot.number,
        "ids": snapshot.ids,
        "x": _rounded(positions[:, 0], 4),
        "y": _rounded(positions[:, 1], 4),
        "columns": columns,
    }
    return json.dumps(picture, separators=(",", ":")).encode()


def _rounded(values: Array, decimals: int) -> list[float | int | None]:
    # In double precision: the nearest single to 0.1 is written with nine digits.
    numbers: list[float] = np.round(values.astype(np.float64), decimals).tolist()
    kind = float if decimals else int
    return [None if math.isnan(number) else kind(number) for number in numbers]


def main() -> None:
    """Draw the map of the catalog, and the model (its SHA-256), that the arguments name."""
    catalog, model, *_ = [*sys.argv[1:], None, None]
    if catalog is None:
        sys.exit("usage: python -m musicu.search.map CATALOG [SHA256]")
    serve_job(lambda progress: _draw(catalog, model, progress))


def _draw(catalog: str, model: str | None, progress: Progress) -> None:
    compute_atlas(catalog, model=model, progress=progress)


if __name__ == "__main__":
    main()
