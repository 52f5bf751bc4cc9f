"""The arrays of a recommender's folder: one file each, mapped into memory, checked before use.

What is damaged must not be found by whoever reads past the end of an array: shapes, types and all
positions are looked at when a folder is opened. That is a hundredth of its bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import CatalogError

__all__ = ["MAP", "mapped_arrays", "mapped_bytes", "write_arrays"]

Arrays = dict[str, NDArray[Any]]

MAP = "map_"  # begins the names of the content map's arrays, before the set of fields
# Types and shapes; a letter is the same number everywhere, "n+" is one more than n: n items, k
# axes of factors, f of them fitted, D dense and d all columns of fused vectors, F fields.
_LAYOUT: Mapping[str, tuple[str, str]] = {
    "audio": ("f4", "n a"),
    "heard": ("b1", "n"),
    "listeners": ("i8", "n"),
    "als": ("f4", "f k"),
    "als_power": ("f8", "k"),
    "sample": ("i8", "s"),
    "mean": ("f4", "d"),
    "factors": ("f4", "n k"),
    "content": ("f4", "n k"),
    "scale": ("f4", "n"),
    "inv_std": ("f4", "n"),
    "vectors_present": ("b1", "n F"),
    "vectors_dense": ("f4", "n D"),
    "vectors_data": ("f4", "z"),
    "vectors_indices": ("i4", "z"),
    "vectors_indptr": ("i4", "n+"),
    "items_text": ("u1", "t"),
    "items_ends": ("i8", "n+"),
    "items_hashes": ("u8", "n"),
    "items_order": ("i4", "n"),
    "items_line_ends": ("i8", "n+"),
    "links_ends": ("i4", "n+"),
    "links_artists": ("i4", "l"),
    "links_turned_ends": ("i4", "m+"),
    "links_items": ("i4", "l"),
    "artist_names_text": ("u1", "u"),
    "artist_names_ends": ("i8", "m+"),
    "artist_names_hashes": ("u8", "m"),
    "artist_names_order": ("i4", "m"),
}
_OPTIONAL: Mapping[str, tuple[str, str]] = {
    "preference": ("f4", "d"),
    "index_factors_centers": ("f4", "c k"),
    "index_factors_starts": ("i8", "c+"),
    "index_factors_order": ("i4", "i"),
    "index_factors_rows": ("f4", "i k"),
    "index_contents_centers": ("f4", "e x"),
    "index_contents_starts": ("i8", "e+"),
    "index_contents_order": ("i4", "i"),
    "index_contents_rows": ("f4", "i x"),
    "index_columns": ("i4", "y"),
    "index_axes": ("f4", "y x"),
}
# Below which number all of an array's entries lie; and up to which those rise that are ends.
_POSITIONS = {
    "sample": "n",
    "vectors_indices": "C",
    "items_order": "n",
    "links_artists": "m",
    "links_items": "n",
    "artist_names_order": "m",
    "index_factors_order": "n",
    "index_contents_order": "n",
    "index_columns": "d",
}
_ENDS = {
    "vectors_indptr": "z",
    "items_ends": "t",
    "links_ends": "l",
    "links_turned_ends": "l",
    "artist_names_ends": "u",
    "index_factors_starts": "i",
    "index_contents_starts": "i",
}


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write each array into a file of its own.

    Raises
    ------
    OSError
        One cannot be written.
    """
    for name, array in arrays.items():
        kind, _ = _layout(name)
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array, dtype=kind), allow_pickle=False)


def mapped_arrays(folder: Path, names: Collection[str], *, columns: int) -> Arrays:
    """Return the arrays of a folder; what is looked at is read.

    Parameters
    ----------
    folder : Path
    names : collection of str
        Which there are.
    columns : int
        How many sparse columns fused vectors have.

    Raises
    ------
    CatalogError
        One is missing, or is not what it should be.
    OSError, ValueError
        A file cannot be read, or holds no array.
    """
    arrays = {name: _mapped(folder / f"{name}.npy") for name in names if _layout(name)}
    if missing := [name for name in _LAYOUT if name not in arrays]:
        raise CatalogError(f"{folder}: no recommender that can be read ({missing[0]} is missing)")
    dense = arrays["vectors_dense"].shape
    sizes = {"C": columns, "d": columns + (dense[1] if len(dense) == 2 else 0)}
    for name, array in arrays.items():
        if not _fits(array, *_layout(name), sizes):
            raise CatalogError(f"{folder}: no recommender that can be read ({name} does not fit)")
    for name, array in arrays.items():
        limit, end = _POSITIONS.get(name), _ENDS.get(name)
        wrong = bool(limit and len(array) and not 0 <= array.min() <= array.max() < sizes[limit])
        if end:
            wrong = bool(array[0] or array[-1] != sizes[end] or (array[1:] < array[:-1]).any())
        if wrong:
            raise CatalogError(f"{folder}: no recommender that can be read ({name} is damaged)")
    return arrays


def mapped_bytes(path: Path) -> NDArray[np.uint8]:
    """Return the bytes of a file; what is looked at is read.

    Raises
    ------
    OSError
        It cannot be read.
    """
    _check_regular(path)
    if not path.stat().st_size:
        return np.zeros(0, dtype=np.uint8)
    return np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))


def _layout(name: str) -> tuple[str, str]:
    if name.startswith(MAP):
        return "f4", "d k"
    if found := _LAYOUT.get(name, _OPTIONAL.get(name)):
        return found
    raise CatalogError(f"{name}.npy: no array of a recommender")


def _fits(array: NDArray[Any], kind: str, shape: str, sizes: dict[str, int]) -> bool:
    """Whether an array has a type and a shape; notes sizes that are met for the first time."""
    letters = shape.split()
    if array.dtype != np.dtype(kind) or array.ndim != len(letters):
        return False
    pairs = zip(letters, array.shape, strict=True)
    known = [(letter[0], size - letter.endswith("+")) for letter, size in pairs]
    return all(size >= 0 and sizes.setdefault(letter, size) == size for letter, size in known)


def _mapped(path: Path) -> NDArray[Any]:
    _check_regular(path)
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (TokenError, SyntaxError) as error:  # NumPy reads headers as Python
        raise ValueError(f"{path.name} holds no array: {error}") from None


def _check_regular(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):
        raise CatalogError(f"{path}: no regular file")
