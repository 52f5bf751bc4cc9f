"""One moment of a catalog, held in memory: what tracks there are, and how near they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.catalog.identities import SHORTEST_PREFIX, find_alias
from musicu.catalog.nearest import Nearest
from musicu.catalog.store import Store, StoredModel
from musicu.errors import CatalogError
from musicu.search.filter_cache import cached_filter
from musicu.search.map_columns import Columns, build_columns

__all__ = ["Snapshot"]

Array = NDArray[np.float32]

_WHOLE = 32  # characters of an id
Found = list[tuple[NDArray[np.intp], Array]]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A catalog's tracks that lie somewhere and have a vector, by row number; nothing changes.

    A *position* is a track's place in it, from 0.

    Attributes
    ----------
    number : int
        Greater than that of any snapshot before; what was computed for one number stays true.
    path : Path
        The catalog.
    model : StoredModel
        Whose vectors these are.
    tracks : np.ndarray [shape=(n,), int64]
        Row numbers in the catalog, ascending.
    ids : list of str
        Identities of the audio.
    cards : list of bytes
        What lists show of a track, as JSON: id, title, artist, album, year, genres, seconds, and
        the detected tempo (beats per minute), key and loudness (LUFS); null where unknown.
    artists : list of tuple of int
        Numbers of the artists: equal where two spellings are of one name.
    albums : np.ndarray [shape=(n,), int32]
        Numbers of the albums; -1 for none.
    texts : list of str
        Artist, title and album as :func:`musicu.search.pages.fold_text` folds them.
    nearest : Nearest
        The vectors of the first tracks, made for quick search.
    tail : Nearest
        Those of the tracks that came since.
    """

    number: int
    path: Path
    model: StoredModel
    tracks: NDArray[np.int64]
    ids: list[str]
    cards: list[bytes]
    artists: list[tuple[int, ...]]
    albums: NDArray[np.int32]
    texts: list[str]
    nearest: Nearest
    tail: Nearest
    _measures: Array = field(repr=False)
    _genres: list[str | None] = field(repr=False)
    _keys: list[str | None] = field(repr=False)
    # Grows with the catalog, shared by the snapshots of which each begins with the one before.
    _places: dict[str, int] = field(repr=False)

    def __len__(self) -> int:
        return len(self.tracks)

    @cached_property
    def _mask(self) -> Callable[[str], NDArray[np.bool_]]:
        return cached_filter(self.path, self.tracks)

    @cached_property
    def columns(self) -> Columns:
        """Numbers and names of all tracks, one array each; built when first asked for."""
        return build_columns(self._measures, self._genres, self._keys)

    def position(self, id: str) -> int:
        """Look up a track by its id, or by the first 6 or more characters of it.

        Raises
        ------
        CatalogError
            There is none, or more than one.
        """
        wanted = id.lower()
        at = self._places.get(wanted, len(self))
        if at < len(self) and self.ids[at] == wanted:
            return at
        found = []
        if SHORTEST_PREFIX <= len(wanted) < _WHOLE:  # all are looked through
            found = [at for at, known in enumerate(self.ids) if known.startswith(wanted)]
        if len(found) == 1:
            return found[0]
        if not found and (now := self._today(wanted)) is not None:
            return now
        what = "more than one track's id begins so" if found else "no track of the catalog"
        raise CatalogError(f"{id}: {what}")

    def _today(self, id: str) -> int | None:
        """Return the position of the track that had an id under an earlier musicu, if one had."""
        with Store(self.path, create=False) as store:
            ids = find_alias(store, id)
        return self._places.get(ids[0]) if len(ids) == 1 else None

    def vector(self, position: int) -> Array:
        """Return the unit vector [dim] of a track."""
        base = len(self.nearest)
        matrix, at = (self.nearest, position) if position < base else (self.tail, position - base)
        vector: Array = matrix.matrix[at]
        return vector

    def vectors(self, positions: Sequence[int] | NDArray[np.integer]) -> Array:
        """Return the unit vectors [n, dim] of some tracks."""
        wanted = np.asarray(positions, dtype=np.intp)
        base = len(self.nearest)
        late = wanted >= base
        if not late.any():
            return self.nearest.matrix[wanted]
        vectors = np.empty((len(wanted), self.model.dim), dtype=np.float32)
        vectors[~late] = self.nearest.matrix[wanted[~late]]
        vectors[late] = self.tail.matrix[wanted[late] - base]
        return vectors

    def search(
        self,
        queries: Array,
        n: int | Sequence[int],
        among: Sequence[NDArray[np.bool_] | None] | None = None,
    ) -> Found:
        """Find the nearest tracks of all; see :meth:`musicu.catalog.nearest.Nearest.search`."""
        base = len(self.nearest)
        if base == len(self):
            return self.nearest.search(queries, n, among=among)
        masks = among if among is not None else [None] * len(queries)
        first = [mask if mask is None else mask[:base] for mask in masks]
        last = [mask if mask is None else mask[base:] for mask in masks]
        counts = [n] * len(queries) if isinstance(n, int) else list(n)
        found = []
        for count, (early, high), (late, low) in zip(
            counts,
            self.nearest.search(queries, counts, among=first),
            self.tail.search(queries, counts, among=last),
            strict=True,
        ):
            at, cosines = np.concatenate([early, late + base]), np.concatenate([high, low])
            best = top_k(cosines, count)  # of equal ones the early come first
            found.append((at[best], cosines[best]))
        return found

    def filter(self, where: str) -> NDArray[np.bool_]:
        """Tell which tracks fulfil a SQL condition, as for :meth:`musicu.Catalog.similar`.

        Returns
        -------
        np.ndarray [shape=(n,), bool]
            Remembered; not to be written to.

        Raises
        ------
        MetadataError
            The condition cannot be understood.
        ModelError
            It asks for tags, and the model hears none.
        """
        return self._mask(where)
