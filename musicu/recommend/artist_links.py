"""Which items are by which artists, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.items.item import Items
from musicu.items.stored_names import StoredNames
from musicu.metadata.artists import artist_keys

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["ArtistLinks", "artist_matrix"]

Positions = NDArray[np.intp]


class ArtistLinks:
    """Items and their artists: a matrix that is read both ways, and grows by rows.

    Parameters
    ----------
    by_item : scipy.sparse.csr_array [shape=(n, artists), float32]
        1 where an item is by an artist.
    by_artist : scipy.sparse.csr_array [shape=(artists, n), float32]
        The same, transposed.
    columns : StoredNames or mapping of str to int
        Which column an artist is, by key (:func:`musicu.metadata.artists.artist_keys`).

    Examples
    --------
    >>> zoe = Metadata(artist="Zoe")
    >>> links = ArtistLinks.of(Items([Item("a", zoe), Item("b"), Item("c", zoe)]))
    >>> links.partners(np.array([0])).tolist()
    [0, 2]
    """

    def __init__(
        self,
        by_item: csr_array,
        by_artist: csr_array,
        columns: StoredNames | Mapping[str, int],
    ) -> None:
        self._by_item, self._by_artist, self._columns = by_item, by_artist, columns
        self._n, self._width = map(int, by_item.shape)
        # Of items that were added: their artists, and of these artists the items.
        self._late: tuple[tuple[int, ...], ...] = ()
        self._late_items: Mapping[int, tuple[int, ...]] = {}
        self._late_columns: Mapping[str, int] = {}

    @classmethod
    def of(cls, items: Items) -> Self:
        """Make them of what is known of items."""
        matrix, column = _matrix(items)
        return cls(matrix, _turned(matrix), column)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make them of what :meth:`arrays` returned.

        Raises
        ------
        KeyError, ValueError, MetadataError
            Something is missing, or does not fit the others.
        """
        from scipy.sparse import csr_array

        ends, turned_ends = arrays["links_ends"], arrays["links_turned_ends"]
        ones = np.ones(len(arrays["links_artists"]), dtype=np.float32)
        shape = len(ends) - 1, len(turned_ends) - 1
        by_item = csr_array((ones, arrays["links_artists"], ends), shape)
        by_artist = csr_array((ones, arrays["links_items"], turned_ends), shape[::-1])
        return cls(by_item, by_artist, StoredNames.from_arrays(arrays, "artist_names_"))

    def __len__(self) -> int:
        return self._n + len(self._late)

    def extended(self, items: Items) -> ArtistLinks:
        """Return these and those of more items: what it costs depends on what was added alone."""
        other = ArtistLinks(self._by_item, self._by_artist, self._columns)
        late, of = list(self._late), dict(self._late_items)
        named, width = dict(self._late_columns), self._width
        for item in items:
            own = []
            for key in artist_keys(item.metadata):
                column = self._columns.get(key)
                if column is None:
                    column = named.setdefault(key, width)
                    width = max(width, column + 1)
                own.append(column)
                of[column] = (*of.get(column, ()), self._n + len(late))
            late.append(tuple(own))
        other._width, other._late = width, tuple(late)
        other._late_items, other._late_columns = of, named
        return other

    def rows(self, at: Positions) -> csr_array:
        """Return items by artists [k, artists]: 1 where an item, by position, is by an artist."""
        from scipy.sparse import csr_array, vstack

        early = at < self._n
        parts = [self._by_item[at[early]]]
        own = [self._late[i - self._n] for i in at[~early].tolist()]
        ends = np.cumsum([0, *map(len, own)])
        columns = np.array([column for one in own for column in one], dtype=np.int32)
        shape = len(own), self._width
        parts.append(csr_array((np.ones(len(columns), np.float32), columns, ends), shape))
        parts[0].resize(len(at) - len(own), self._width)
        if early.all():
            return parts[0]
        # From the order of the two parts back to the one that was asked for.
        order = np.argsort(np.argsort(~early, kind="stable"), kind="stable")
        return csr_array(vstack(parts, format="csr")[order])

    def partners(self, at: Positions) -> Positions:
        """Return the items by any artist of some items, ascending."""
        early = at < self._n
        own = [column for i in at[~early].tolist() for column in self._late[i - self._n]]
        columns = np.unique(np.append(_entries(self._by_item, at[early]), own).astype(np.intp))
        found = [_entries(self._by_artist, columns[columns < self._by_artist.shape[0]])]
        if self._late_items:
            found += [np.array(self._late_items.get(c, ())) for c in columns.tolist()]
        return np.unique(np.concatenate(found)).astype(np.intp)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all as arrays; :meth:`from_arrays` reads them."""
        matrix = self.rows(np.arange(len(self)))
        known = self._columns
        names = known.all() if isinstance(known, StoredNames) else tuple(known)
        stored = StoredNames.of([*names, *self._late_columns]).arrays()
        turned = _turned(matrix)
        return {
            "links_ends": matrix.indptr.astype(np.int32),
            "links_artists": matrix.indices.astype(np.int32),
            "links_turned_ends": turned.indptr.astype(np.int32),
            "links_items": turned.indices.astype(np.int32),
            **{f"artist_names_{name}": array for name, array in stored.items()},
        }


def _entries(matrix: csr_array, at: Positions) -> NDArray[Any]:
    """Return the columns of some rows, one row after the other; a matrix of them takes longer."""
    first, last = matrix.indptr[at], matrix.indptr[at + 1]
    count = (last - first).astype(np.intp)
    place = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
    return np.asarray(matrix.indices[place])


def artist_matrix(items: Items) -> csr_array:
    """Return items by artists: 1 where an item is by an artist.

    Returns
    -------
    scipy.sparse.csr_array [shape=(n, artists), float32]
    """
    return _matrix(items)[0]


def _matrix(items: Items) -> tuple[csr_array, dict[str, int]]:
    from scipy.sparse import csr_array

    column: dict[str, int] = {}
    names = [artist_keys(item.metadata) for item in items]
    at = [column.setdefault(name, len(column)) for own in names for name in own]
    ends = np.cumsum([0, *map(len, names)])
    ones = np.ones(len(at), dtype=np.float32)
    # One column at least, so that there is a largest of each row.
    if not column:
        column[""] = 0
    shape = len(names), len(column)
    return csr_array((ones, np.array(at, dtype=np.int32), ends.astype(np.int32)), shape), column


def _turned(matrix: csr_array) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array(matrix.T.tocsr())
