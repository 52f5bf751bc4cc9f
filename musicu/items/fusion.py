"""Fusion: what is known and what is heard of an item, as one vector that can explain itself."""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import CatalogError, MetadataError, NotFittedError
from musicu.estimator import Estimator
from musicu.files import open_file, written_file
from musicu.items.comparable import DEFAULT_WEIGHTS, FIELDS, new_encoders
from musicu.items.field_encoders import FieldEncoder
from musicu.items.fused_vectors import ItemVectors
from musicu.items.item import Items

__all__ = ["DEFAULT_WEIGHTS", "FIELDS", "Fusion"]

_FORMAT = 1
# What NumPy, zipfile and JSON raise on files that are damaged or of another kind.
_DAMAGES = (
    *(ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


class Fusion(Estimator):
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
    >>> about = [Metadata(genres=("jazz",), year=1960), Metadata(genres=("jazz",), year=1961)]
    >>> items = Items(Item(f"t{i}", metadata) for i, metadata in enumerate(about))
    >>> vectors = Fusion().fit(items).transform(items)
    >>> vectors.scores(vectors.take([0]).toarray()[0]).round(1).tolist()
    [1.0, 1.0]
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        _check(weights)
        self.weights = weights  # as it was given: scikit-learn's clone() insists
        self._fitted: dict[str, FieldEncoder] | None = None

    def set_params(self, **params: Any) -> Self:
        """Set the weights. A fusion that was fitted stays so: all fields were learned.

        Raises
        ------
        MetadataError
            The weights are not as for :class:`Fusion`.
        MusicuError
            There is no such parameter.
        """
        _check(params.get("weights"))
        return super().set_params(**params)

    def fit(self, items: Items, y: Any = None) -> Self:
        """Learn names, rarities and scales from items.

        Parameters
        ----------
        items : Items
        y : object
            Passed over; scikit-learn's pipelines hand it on.
        """
        encoders = new_encoders()
        for encoder in encoders.values():
            encoder.fit(items)
        self._fitted = encoders
        return self

    def fit_transform(self, items: Items, y: Any = None) -> ItemVectors:
        """Learn from items, and return their vectors."""
        return self.fit(items, y).transform(items)

    def _is_fitted(self) -> bool:
        return self._fitted is not None

    def transform(self, items: Items) -> ItemVectors:
        """Return the vectors of items, whether or not the fit saw them.

        Parameters
        ----------
        items : Items

        Raises
        ------
        NotFittedError
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
            raise NotFittedError("the fusion has learned nothing yet: call fit(items) first")
        return self._fitted

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and all that was learned to one ``.npz`` file of arrays and JSON.

        Raises
        ------
        NotFittedError
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
