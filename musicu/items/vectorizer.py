"""A transformer from items to vectors, for pipelines of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.estimator import Transformer
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items

__all__ = ["ItemVectorizer"]


class ItemVectorizer(Transformer):
    """Turns items into the rows of a matrix, as :class:`Fusion` fuses what is known of them.

    Parameters
    ----------
    weights : mapping of str to float >= 0, optional
        Weights of the fields, as for :class:`Fusion`.
    sparse : bool
        Whether rows are ``scipy.sparse.csr_array``: names have thousands of columns.

    Attributes
    ----------
    fusion_ : Fusion
        What was fitted; its :meth:`Fusion.transform` gives vectors that explain themselves.

    Examples
    --------
    >>> items = [Item(f"t{i}", Metadata(genres=("jazz",), year=1950 + i)) for i in range(4)]
    >>> vectorizer = ItemVectorizer(weights={"year": 1.0, "genres": 2.0})
    >>> vectorizer.fit_transform(items).shape[0]
    4
    >>> vectorizer
    ItemVectorizer(weights={'year': 1.0, 'genres': 2.0})
    """

    def __init__(self, weights: Mapping[str, float] | None = None, *, sparse: bool = False) -> None:
        self.weights = weights
        self.sparse = sparse

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn names, rarities and scales.

        Parameters
        ----------
        X : Items or sequence of Item
        y : object
            Passed over; scikit-learn's pipelines hand it on.

        Raises
        ------
        MetadataError
            The weights are not as for :class:`Fusion`, or `X` holds something else than items.
        """
        items = _items(X)
        self.fusion_ = Fusion(self.weights).fit(items)
        self._names = _names(self.fusion_, items)
        return self

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns: each its field's, with a number."""
        return np.array(self._names, dtype=object)

    def _is_fitted(self) -> bool:
        return hasattr(self, "fusion_")

    def _rows(self, X: Any) -> Any:
        from scipy.sparse import csr_array, hstack

        vectors = self.fusion_.transform(_items(X))
        if not self.sparse:
            return vectors.toarray()
        return csr_array(hstack([csr_array(vectors.dense), vectors.sparse], format="csr"))


def _items(given: Any) -> Items:
    if isinstance(given, Items):
        return given
    listed = list(given)
    if strange := [one for one in listed if not isinstance(one, Item)]:
        raise MetadataError(
            f"{type(strange[0]).__name__} is no item: give Items, or a sequence of Item"
        )
    return Items(listed)


def _names(fusion: Fusion, items: Items) -> list[str]:
    slices = fusion.transform(items.take([])).slices
    placed = sorted(slices.items(), key=lambda pair: pair[1].start)
    return [f"{field}{at}" for field, span in placed for at in range(span.stop - span.start)]
