"""A catalog as arrays, as a data frame, and as files that other tools read."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.export import export
from musicu.catalog.index import Index
from musicu.catalog.model_choice import embedded_model
from musicu.catalog.sound_tags import refresh_tags
from musicu.catalog.sql_filter import filter_tracks, read_filtered
from musicu.catalog.store import Store, StoredModel
from musicu.catalog.tracks import library_columns, read_values
from musicu.frames import make_frame

__all__ = ["Tabular"]


class Tabular:
    """What a catalog holds, as arrays, data frames and files; :class:`musicu.Catalog` is one."""

    store: Store

    def _index(self, model: StoredModel) -> Index:
        return Index.open(self.store, model)

    def vectors(self, where: str | None = None) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Return the ids of all embedded tracks and their vectors, by path.

        Parameters
        ----------
        where : str or None
            SQL condition on metadata, as for :meth:`musicu.Catalog.similar`.

        Returns
        -------
        ids : tuple of str
        vectors : np.ndarray [shape=(n, dim), float32]
            Unit rows, of the catalog's current model.

        Raises
        ------
        CatalogError
            Nothing is embedded yet.
        MetadataError
            The condition cannot be understood.
        """
        model = embedded_model(self.store)
        index = self._index(model)
        among = None if where is None else set(filter_tracks(self.store, where).tolist())
        found = [
            (id, index[row])
            for row, id in read_values(self.store, ["track", "id"])
            if row in index and (among is None or row in among)
        ]
        rows = np.array([vector for _, vector in found], dtype=np.float32)
        return tuple(id for id, _ in found), rows.reshape(len(found), model.dim)

    def to_frame(self, where: str | None = None, *, vectors: bool = False, like: Any = None) -> Any:
        """Return the tracks as a data frame, by path.

        Parameters
        ----------
        where : str or None
            SQL condition on metadata.
        vectors : bool
            Whether there is a column ``vector``: lists of numbers, empty cells where a track has
            none.
        like : str, data frame or None
            Which library's; see :func:`musicu.frames.make_frame`.

        Returns
        -------
        data frame
            The columns of ``library``; lists as lists, what is heard (``sound_tags``) as JSON.

        Raises
        ------
        CatalogError
            Vectors are asked for, and nothing is embedded yet.
        MetadataError
            The condition cannot be understood, or the library is not installed.
        """
        tracks = list(read_filtered(self.store, where))
        columns: dict[str, list[Any]] = {
            name: [_cell(track[name]) for track in tracks] for name in library_columns(self.store)
        }
        if vectors:
            found = dict(zip(*self.vectors(where), strict=True))
            column = [found.get(track["id"]) for track in tracks]
            columns["vector"] = [None if row is None else row.tolist() for row in column]
        return make_frame(columns, like)

    def export(self, target: str | os.PathLike[str]) -> int:
        """Write all vectors to a ``.npz``, ``.parquet`` or ``.csv`` file; return the rows written.

        Damaged ones are left out, and :attr:`notice` says so. Raises `CatalogError` if nothing is
        embedded yet, and what :func:`musicu.catalog.export.export` does.
        """
        current = embedded_model(self.store)
        refresh_tags(self.store, needed=False)
        self._index(current)
        return export(self.store, current, target)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
