"""One moment of a catalog, held in memory: what tracks there are, and how near they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.catalog.nearest import Nearest
from musicu.catalog.store import Store, StoredModel
from musicu.catalog.track_ids import find_alias, ids_meant
from musicu.encoders.tagger import TagHead
from musicu.errors import CatalogError
from musicu.search.browse import Shelves
from musicu.search.filter_cache import cached_filter
from musicu.search.map_columns import Columns, build_columns
from musicu.search.snapshot_reader import MEASURES, Page

__all__ = ["LONGEST_TAIL", "Snapshot", "build_snapshot"]

Array = NDArray[np.float32]
T = TypeVar("T")
S = TypeVar("S", bound=np.generic)

# More tracks than that beside the searched matrix, and another one is made.
LONGEST_TAIL = 5000
Found = list[tuple[NDArray[np.intp], Array]]
_WHOLE = 32  # characters of an id


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
        Artist, title and album as :func:`musicu.metadata.names.fold_text` folds them.
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
    def _music(self) -> dict[str, NDArray[np.bool_] | None]:
        return {}

    @cached_property
    def columns(self) -> Columns:
        """Numbers and names of all tracks, one array each; built when first asked for."""
        return build_columns(self._measures, self._genres, self._keys)

    @cached_property
    def shelves(self) -> Shelves:
        """What there is to browse; built when first asked for."""
        return Shelves(self.cards, self.artists, self.albums)

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
        found = ids_meant(id, self._begin_so, self._today)
        if len(found) == 1:
            return self._places[found[0]]
        what = "more than one track's id begins so" if found else "no track of the catalog"
        raise CatalogError(f"{id}: {what}")

    def _begin_so(self, prefix: str) -> list[str]:
        if len(prefix) >= _WHOLE:  # it was looked up as it is
            return []
        return [id for id in self.ids if id.startswith(prefix)]

    def _today(self, prefix: str) -> list[str]:
        """Return the ids of its tracks that had an id under an earlier musicu."""
        with Store(self.path, create=False) as store:
            ids = find_alias(store, prefix)
        return [id for id in ids if self._places.get(id, len(self)) < len(self)]

    def vector(self, position: int) -> Array:
        """Return the unit vector [dim] of a track."""
        base = len(self.nearest)
        matrix, at = (self.nearest, position) if position < base else (self.tail, position - base)
        vector: Array = matrix.matrix[at]
        return vector

    @property
    def matrix(self) -> Array:
        """The unit vectors [n, dim] of all tracks; a copy where some were added."""
        parts = [self.nearest.matrix, self.tail.matrix]
        return np.concatenate(parts) if len(self.tail) else parts[0]

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

    def choose(self, where: str | None, head: TagHead | None) -> NDArray[np.bool_] | None:
        """Tell which tracks may be found; None if all may.

        Parameters
        ----------
        where : str or None
            SQL condition, as for :meth:`filter`.
        head : TagHead or None
            Leaves out what it tells to be no music; None leaves out nothing.

        Returns
        -------
        np.ndarray [shape=(n,), bool] or None
            Not to be written to.

        Raises
        ------
        MetadataError
            The condition cannot be understood.
        """
        mask = None if where is None else self.filter(where)
        if head is None:
            return mask
        if head.id not in self._music:
            parts = [head.non_music(part.matrix) for part in (self.nearest, self.tail)]
            music = ~np.concatenate(parts)
            self._music[head.id] = None if music.all() else music
        music_only = self._music[head.id]
        if mask is None or music_only is None:
            return music_only if mask is None else mask
        both: NDArray[np.bool_] = mask & music_only
        return both


def build_snapshot(
    number: int,
    path: Path,
    model: StoredModel,
    pages: Sequence[Page],
    before: Snapshot | None,
    *,
    merge: bool,
) -> Snapshot:
    """Put pages together.

    Parameters
    ----------
    number, path, model
        As in the snapshot.
    pages : sequence of Page
        By row number.
    before : Snapshot or None
        The one before, whose search structure serves on as long as its tracks are the same.
    merge : bool
        Whether a long tail becomes part of another search structure, which takes its time.
    """
    ids = _chained(page.ids for page in pages)
    none = np.empty((0, model.dim), dtype=np.float32)
    base = before.nearest if before is not None and before.model == model else None
    if (
        base is None
        or not _fits(pages, base.matrix)
        or (merge and len(ids) > len(base) + LONGEST_TAIL)
    ):
        nearest, tail = Nearest(_matrix(pages, model.dim)).prepare(), Nearest(none)
    else:
        nearest, tail = base, Nearest(_after(pages, len(base), none))
    # An older snapshot may find tracks there that it does not have, and knows by their positions.
    grown = before is not None and ids[: len(before)] == before.ids
    places = before._places if before is not None and grown else {}
    known = len(before) if before is not None and grown else 0
    places.update(zip(ids[known:], range(known, len(ids)), strict=True))
    return Snapshot(
        number,
        path,
        model,
        _joined([page.tracks for page in pages], np.empty(0, dtype=np.int64)),
        ids,
        _chained(page.cards for page in pages),
        _chained(page.artists for page in pages),
        _joined([page.albums for page in pages], np.empty(0, dtype=np.int32)),
        _chained(page.texts for page in pages),
        nearest,
        tail,
        _joined([page.measures for page in pages], np.empty((0, len(MEASURES)), dtype=np.float32)),
        _chained(page.genres for page in pages),
        _chained(page.keys for page in pages),
        places,
    )


def _chained(lists: Iterable[list[T]]) -> list[T]:
    return list(chain.from_iterable(lists))


def _joined(arrays: list[NDArray[S]], none: NDArray[S]) -> NDArray[S]:
    return np.concatenate(arrays) if arrays else none


def _fits(pages: Sequence[Page], matrix: Array) -> bool:
    """Whether the first tracks have the vectors of a matrix; their pages hold parts of it then."""
    start = 0
    for page in pages:
        part = matrix[start : start + len(page.ids)]
        own = page.vectors[: len(part)]
        if _address(own) != _address(part) and own.tobytes() != part.tobytes():
            return False
        if len(part) == len(page.ids):
            page.vectors = part
        start += len(page.ids)
    return start >= len(matrix) > 0


def _address(array: Array) -> tuple[int, bool]:
    """Where in memory an array begins."""
    place: tuple[int, bool] = array.__array_interface__["data"]
    return place


def _after(pages: Sequence[Page], base: int, none: Array) -> Array:
    """Vectors of the tracks from a position on."""
    late, end = [], sum(len(page.ids) for page in pages)
    for page in reversed(pages):
        if end <= base:
            break
        end -= len(page.ids)
        late.append(page.vectors[max(base - end, 0) :])
    return _joined(late[::-1], none)


def _matrix(pages: Sequence[Page], dim: int) -> Array:
    """Join the pages' vectors; pages hold their part of the matrix then, not a second one."""
    matrix = np.empty((sum(len(page.ids) for page in pages), dim), dtype=np.float32)
    start = 0
    for page in pages:
        part = matrix[start : start + len(page.ids)]
        part[:] = page.vectors
        page.vectors = part
        start += len(part)
    return matrix
