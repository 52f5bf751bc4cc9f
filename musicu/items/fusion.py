"""Fusion: what is known and what is heard of an item, as one vector that can explain itself."""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import CatalogError, MetadataError
from musicu.files import open_file, written_file
from musicu.items.comparable import DEFAULT_WEIGHTS, FIELDS, new_encoders
from musicu.items.field_encoders import FieldEncoder
from musicu.items.item import Items

__all__ = ["DEFAULT_WEIGHTS", "FIELDS", "Fusion", "ItemVectors"]

Floats = NDArray[np.float32]

_FORMAT = 1
# What NumPy, zipfile and JSON raise on files that are damaged or of another kind.
_DAMAGES = (
    *(ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


class ItemVectors:
    """Vectors of items, row by row; make them with :meth:`Fusion.transform`.

    Row i holds, for each field f that item i has, ``sqrt(w_f / W_i)`` times the field's unit row,
    where ``W_i`` is the sum of the weights of the fields it has: the row's length is 1, and a
    field that is missing takes no part and leaves its weight to the others. An item that has
    none is a row of zeros.

    Parameters
    ----------
    ids : iterable of str
    weights : mapping of str to float > 0
        The fields, and the weight of each.
    present : np.ndarray [shape=(n, fields), bool]
    dense : np.ndarray [shape=(n, D1), float32]
    sparse : scipy.sparse.csr_array [shape=(n, D2), float32]
    slices : mapping of str to slice
        Where each field lies in ``[dense, sparse]``.

    Attributes
    ----------
    ids, fields : tuple of str
    weights, present, dense, sparse, slices
        As given.
    dim : int
        D1 + D2.
    """

    def __init__(
        self,
        ids: Iterable[str],
        weights: Mapping[str, float],
        present: NDArray[np.bool_],
        dense: Floats,
        sparse: Any,
        slices: Mapping[str, slice],
    ) -> None:
        self.ids = tuple(ids)
        self.fields = tuple(weights)
        self.weights = dict(weights)
        self.present = present
        self.dense = dense
        self.sparse = sparse
        self.slices = dict(slices)
        self.dim = dense.shape[1] + sparse.shape[1]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: ArrayLike) -> ItemVectors:
        """Return the rows at some positions, in that order."""
        at = np.asarray(positions, dtype=np.intp)
        rows = self.present[at], self.dense[at], self.sparse[at]
        return ItemVectors((self.ids[i] for i in at), self.weights, *rows, self.slices)

    def keep(self, present: NDArray[np.bool_]) -> ItemVectors:
        """Return the rows as if only some of their fields had been there.

        Parameters
        ----------
        present : np.ndarray [shape=(n, fields), bool]
            What stays; what is missing cannot be brought back.
        """
        from scipy.sparse import csr_array

        kept = present & self.present
        w = np.array(list(self.weights.values()))
        before, after = (self.present * w).sum(axis=1), (kept * w).sum(axis=1)
        grown = np.sqrt(before / np.where(after > 0, after, 1))
        scale = np.where(kept, grown[:, None], 0).astype(np.float32)
        of_column = self._field_of_column()
        cut = self.dense.shape[1]
        row = np.repeat(np.arange(len(self)), np.diff(self.sparse.indptr))
        data = self.sparse.data * scale[row, of_column[cut + self.sparse.indices]]
        sparse = csr_array((data, self.sparse.indices, self.sparse.indptr), self.sparse.shape)
        dense = self.dense * scale[:, of_column[:cut]]
        return ItemVectors(self.ids, self.weights, kept, dense, sparse, self.slices)

    def query(self, weights: ArrayLike) -> Floats:
        """Return a weighted sum of rows: what a listener of these items would like.

        Parameters
        ----------
        weights : array-like [shape=(n,)]
            One weight a row.

        Returns
        -------
        np.ndarray [shape=(dim,), float32]
        """
        w = np.asarray(weights, dtype=np.float32)
        at = np.flatnonzero(w)
        return np.concatenate([w[at] @ self.dense[at], self.sparse[at].T @ w[at]])

    def scores(self, query: Floats) -> Floats:
        """Return the dot product of every row with a query.

        Parameters
        ----------
        query : np.ndarray [shape=(dim,) or (m, dim)]

        Returns
        -------
        np.ndarray [shape=(n,) or (n, m), float32]
        """
        q = np.asarray(query, dtype=np.float32).T
        cut = self.dense.shape[1]
        return np.asarray(self.dense @ q[:cut] + self.sparse @ q[cut:])

    def similarity(self, other: ItemVectors) -> Floats:
        """Return the dot products [shape=(n, len(other))] with the rows of `other`."""
        return np.asarray(
            self.dense @ other.dense.T + (self.sparse @ other.sparse.T).toarray(), dtype=np.float32
        )

    def parts(self, query: Floats, rows: slice = slice(None)) -> dict[str, NDArray[np.float64]]:
        """Return what each field adds to the score of some rows; their sum is the score.

        Parameters
        ----------
        query : np.ndarray [shape=(dim,)]
        rows : slice
            Of step 1; by default all rows.

        Returns
        -------
        dict of str to np.ndarray [shape=(n,), float64]
            In double precision, so that whoever adds the parts up finds the score.
        """
        start, stop, _ = rows.indices(len(self))
        q = np.asarray(query, dtype=np.float64)
        n, cut, fields = stop - start, self.dense.shape[1], len(self.fields)
        dense = self.dense[start:stop] * q[:cut]
        ends = self.sparse.indptr[start : stop + 1]
        columns = cut + self.sparse.indices[ends[0] : ends[-1]]
        products = self.sparse.data[ends[0] : ends[-1]] * q[columns]
        place = np.repeat(np.arange(n) * fields, np.diff(ends)) + self._field_of_column()[columns]
        sparse = np.bincount(place, products, n * fields).reshape(n, fields).astype(np.float64)
        spans = ((field, self.slices[field]) for field in self.fields)
        return {
            field: dense[:, span].sum(axis=1) if span.stop <= cut else sparse[:, at]
            for at, (field, span) in enumerate(spans)
        }

    def _field_of_column(self) -> NDArray[np.intp]:
        """Place of each column's field among the fields."""
        width = [self.slices[field].stop - self.slices[field].start for field in self.fields]
        order = sorted(range(len(width)), key=lambda at: self.slices[self.fields[at]].start)
        return np.repeat(np.array(order, dtype=np.intp), [width[at] for at in order])

    def contributions(self, query: Floats, row: int) -> dict[str, float]:
        """Return what each field adds to the score of a row; the sum is the score."""
        parts = self.parts(query, slice(row, row + 1))
        return {field: float(part[0]) for field, part in parts.items()}

    @classmethod
    def joined(cls, parts: Sequence[ItemVectors]) -> ItemVectors:
        """Return the rows of one or more parts, of one fusion, one below the other."""
        from scipy.sparse import csr_array, vstack

        return ItemVectors(
            (id for part in parts for id in part.ids),
            parts[0].weights,
            np.concatenate([part.present for part in parts]),
            np.concatenate([part.dense for part in parts]),
            csr_array(vstack([part.sparse for part in parts], format="csr"), dtype=np.float32),
            parts[0].slices,
        )

    def toarray(self) -> Floats:
        """Return all rows in full [shape=(n, dim)]."""
        return np.concatenate([self.dense, self.sparse.toarray()], axis=1)


class Fusion:
    """Turns items into vectors whose dot product is the weighted mean of the fields' likenesses.

    Missing fields are masked, never filled in: the weights of those that are there are brought
    to the same sum. Likewise a label, country or language of a single item, and any name that
    the fit did not see.

    Parameters
    ----------
    weights : mapping of str to float >= 0, optional
        Weights of the fields that take part (:data:`FIELDS`); others are left out. Without it,
        :data:`DEFAULT_WEIGHTS`.

    Raises
    ------
    MetadataError
        A weight is of no field, or no number from 0, or all are 0.

    Examples
    --------
    >>> vectors = Fusion().fit(items).transform(items)
    >>> vectors.scores(vectors.take([0]).toarray()[0])
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        _check(weights)
        self.weights = weights  # as it was given: scikit-learn's clone() insists
        self._fitted: dict[str, FieldEncoder] | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, as scikit-learn's estimators do."""
        return {"weights": self.weights}

    def set_params(self, **params: Any) -> Self:
        """Set the weights. A fusion that was fitted stays so: all fields were learned.

        Raises
        ------
        MetadataError
            There is no such parameter, or the weights are not as for :class:`Fusion`.
        """
        for name, value in params.items():
            if name != "weights":
                raise MetadataError(f"Fusion has no parameter {name!r}; it has 'weights'")
            _check(value)
            self.weights = value
        return self

    def fit(self, items: Items) -> Self:
        """Learn names, rarities and scales from items.

        Parameters
        ----------
        items : Items
        """
        encoders = new_encoders()
        for encoder in encoders.values():
            encoder.fit(items)
        self._fitted = encoders
        return self

    def transform(self, items: Items) -> ItemVectors:
        """Return the vectors of items, whether or not the fit saw them.

        Parameters
        ----------
        items : Items

        Raises
        ------
        MetadataError
            Nothing was fitted.
        ModelMismatchError
            The items were heard with a model of another dimension than those fitted.
        """
        from scipy.sparse import csr_array, diags_array, hstack

        encoders = self._learned()
        named = DEFAULT_WEIGHTS if self.weights is None else self.weights
        weights = {field: float(named[field]) for field in encoders if named.get(field)}
        if not weights:
            raise MetadataError("no field that has a weight was learned: call fit(items) again")
        parts = {field: encoders[field].transform(items) for field in weights}
        present = np.stack([_has(parts[field]) for field in weights], axis=1)
        w = np.array(list(weights.values()))
        total = (present * w).sum(axis=1)
        # One weight a row and field; total is 0 only where nothing is present to be scaled.
        scale = np.sqrt(w / np.where(total > 0, total, 1)[:, None]).astype(np.float32)
        dense = [np.zeros((len(items), 0), dtype=np.float32)]
        sparse = [csr_array((len(items), 0), dtype=np.float32)]
        for at, (field, part) in enumerate(parts.items()):
            if encoders[field].sparse:
                sparse.append(diags_array(scale[:, at]) @ part)
            else:
                dense.append(scale[:, [at]] * part)
        slices: dict[str, slice] = {}
        start = 0
        for field in sorted(weights, key=lambda field: encoders[field].sparse):
            slices[field] = slice(start, start + encoders[field].width)
            start += encoders[field].width
        return ItemVectors(
            items.ids,
            weights,
            present,
            np.concatenate(dense, axis=1),
            csr_array(hstack(sparse, format="csr"), dtype=np.float32),
            slices,
        )

    def _learned(self) -> dict[str, FieldEncoder]:
        if self._fitted is None:
            raise MetadataError("the fusion has learned nothing yet: call fit(items) first")
        return self._fitted

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and all that was learned to one ``.npz`` file of arrays and JSON.

        Raises
        ------
        MetadataError
            Nothing was fitted.
        CatalogError
            The file cannot be written.
        """
        arrays: dict[str, NDArray[Any]] = {}
        fields: dict[str, dict[str, Any]] = {}
        for field, encoder in self._learned().items():
            fields[field] = {}
            for name, value in encoder.state().items():
                if isinstance(value, np.ndarray):
                    arrays[f"{field}.{name}"] = value
                else:
                    fields[field][name] = value
        weights = self.weights and {field: float(w) for field, w in self.weights.items()}
        about = {"musicu_fusion": _FORMAT, "weights": weights, "fields": fields}
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        try:
            with written_file(path) as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            raise CatalogError(f"{path}: cannot be written ({error.strerror or error})") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        CatalogError
            The file cannot be read, is not a saved fusion, or was saved by a newer musicu.
        """
        try:
            # Opened here: np.load() leaves a file open that it cannot read.
            with open_file(path) as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                version = int(about["musicu_fusion"])
                if version > _FORMAT:
                    raise CatalogError(
                        f"{path}: saved by a newer musicu; upgrade musicu to load it"
                    )
                loaded = cls(about["weights"])
                # A field that is newer than the file was not learned, and takes no part.
                known = new_encoders()
                loaded._fitted = {f: known[f] for f in known if f in about["fields"]}
                for field, encoder in loaded._fitted.items():
                    prefix = f"{field}."
                    arrays = {
                        name.removeprefix(prefix): file[name]
                        for name in file.files
                        if name.startswith(prefix)
                    }
                    encoder.restore(about["fields"][field] | arrays)
        except FileNotFoundError:
            raise CatalogError(f"{path}: no such file: Fusion.save() makes one") from None
        except OSError as error:
            raise CatalogError(f"{path}: cannot be read ({error.strerror or error})") from None
        except (*_DAMAGES, MetadataError) as error:
            raise CatalogError(f"{path}: not a fusion that musicu saved ({error})") from None
        return loaded


def _check(weights: Mapping[str, float] | None) -> None:
    if weights is None:
        return
    for field, weight in weights.items():
        if field not in FIELDS:
            raise MetadataError(f"no field {field!r} to weigh; there are {', '.join(FIELDS)}")
        if not 0 <= weight < math.inf:
            raise MetadataError(f"field {field!r} has weight {weight}: give a number from 0")
    if not any(weights.values()):
        raise MetadataError("no field has a weight above 0: nothing would be compared")


def _has(part: Any) -> NDArray[np.bool_]:
    rows = part.any(axis=1) if isinstance(part, np.ndarray) else np.diff(part.indptr) > 0
    return np.asarray(rows)
