"""Data frames of pandas, polars, PyArrow and others: columns out of them, and frames of columns.

narwhals knows the libraries; none of them has to be installed. Anything else that can be exported
as an Arrow stream (the PyCapsule interface, as DuckDB's relations) is read by PyArrow.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError

__all__ = ["LIBRARIES", "Column", "frame_columns", "is_frame", "make_frame"]

# Cells of a column: as NumPy holds numbers and moments (UTC), or a list.
Column = NDArray[Any] | Sequence[Any]

LIBRARIES = ("pandas", "polars", "pyarrow")  # that make_frame() can make frames of


def is_frame(value: object) -> bool:
    """Whether something is a table in memory: a data frame, or a mapping of columns."""
    return isinstance(value, Mapping) or _native(value) is not None


def frame_columns(frame: Any, *, name: str = "the frame") -> dict[str, Column]:
    """Return the columns of a data frame by name.

    Parameters
    ----------
    frame : data frame or mapping of str to array-like
        Of any library that narwhals knows, or that can export an Arrow stream.
    name : str
        What errors call it.

    Returns
    -------
    dict of str to np.ndarray or list [shape=(rows,)]
        Arrays where a column is numbers or moments (``datetime64[us]``, UTC) and none is missing,
        else lists, in which None is missing.

    Raises
    ------
    MetadataError
        It is no frame, or one that is not computed yet; two columns have one name, a name is no
        text, or columns differ in length.

    Examples
    --------
    >>> frame_columns({"user": ["ann", None], "plays": np.array([3, 4])})
    {'user': ['ann', None], 'plays': array([3, 4])}
    """
    columns: dict[str, Column]
    if isinstance(frame, Mapping):
        columns = {title: _plain(cells) for title, cells in frame.items()}
    else:
        native = _native(frame)
        if native is None:
            lazy = hasattr(frame, "collect")
            raise MetadataError(
                f"{name}: {type(frame).__name__} is "
                + ("not computed yet: collect() it" if lazy else "no data frame and no path")
            )
        titles = list(native.columns)
        if len(set(titles)) < len(titles):
            twice = next(title for at, title in enumerate(titles) if title in titles[:at])
            raise MetadataError(f"{name}: two columns are named {twice!r}: rename one")
        columns = {title: _cells(native[title]) for title in titles}
    if strange := [title for title in columns if not isinstance(title, str)]:
        raise MetadataError(f"{name}: a column is named {strange[0]!r}: names are text")
    lengths = {title: len(cells) for title, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise MetadataError(f"{name}: columns differ in length: {lengths}")
    return columns


def make_frame(columns: Mapping[str, Any], like: Any = None) -> Any:
    """Make a data frame of columns.

    Parameters
    ----------
    columns : mapping of str to array-like [shape=(rows,)]
    like : str, data frame or None
        A name of :data:`LIBRARIES`, or a frame of the library that is wanted. None is the first of
        them that the program uses already, else the first that is installed.

    Raises
    ------
    MetadataError
        There is no such library, or it is not installed; for None, none is.

    Examples
    --------
    >>> make_frame({"id": ["a", "b"], "score": [0.5, 0.25]}, like="pandas")["id"].tolist()
    ['a', 'b']
    """
    import narwhals as nw

    if like is None:
        used = [library for library in LIBRARIES if library in sys.modules]
        there = [library for library in LIBRARIES if find_spec(library) is not None]
        if not there:
            raise MetadataError(f"a data frame needs one of {', '.join(LIBRARIES)}: install one")
        like = next((library for library in used if library in there), there[0])
    if not isinstance(like, str):
        native = _native(like)
        if native is None:
            raise MetadataError(f"{type(like).__name__} is no data frame to make another one like")
        like = native.implementation
    elif like not in LIBRARIES:
        raise MetadataError(f"no frames of {like!r}; there are those of {', '.join(LIBRARIES)}")
    listed = {title: _listed(cells) for title, cells in columns.items()}
    try:
        return nw.from_dict(listed, backend=like).to_native()
    except ImportError:
        raise MetadataError(f"{like} is not installed here: install it, or name another") from None


def _native(value: object) -> Any:
    """Return what narwhals makes of a frame in memory; None where it is none."""
    import narwhals as nw

    found = nw.from_native(value, eager_only=True, pass_through=True)
    if isinstance(found, nw.DataFrame):
        return found
    if hasattr(value, "__arrow_c_stream__") and find_spec("pyarrow") is not None:
        return nw.DataFrame.from_arrow(value, backend="pyarrow")
    return None


def _cells(column: Any) -> Column:
    """Return the cells of a column, a series of narwhals."""
    import narwhals as nw

    if isinstance(column.dtype, nw.Datetime) and column.dtype.time_zone not in (None, "UTC"):
        column = column.dt.convert_time_zone("UTC")
    if column.dtype in (nw.Categorical, nw.Enum):
        column = column.cast(nw.String)
    if column.dtype.is_decimal():
        column = column.cast(nw.Float64)
    missing = column.is_null()
    if not missing.any() and (column.dtype.is_numeric() or column.dtype == nw.Datetime):
        return _plain(column.to_numpy())
    return [
        None if gone else cell
        for cell, gone in zip(column.to_list(), missing.to_list(), strict=True)
    ]


def _plain(cells: Any) -> Column:
    """Return numbers and moments as an array, all else as a list."""
    if not hasattr(cells, "__array__"):
        return list(cells)
    array = np.asarray(cells)
    if array.ndim == 1 and array.dtype.kind == "M" and not np.isnat(array).any():
        return array.astype("datetime64[us]")
    if array.ndim == 1 and array.dtype.kind in "iuf":
        return array
    if array.dtype.kind == "M":
        array = array.astype("datetime64[us]")
    listed: list[Any] = array.tolist()
    return listed


def _listed(cells: Any) -> Any:
    """Return the cells of a column as narwhals takes them: rows of arrays as lists."""
    if isinstance(cells, np.ndarray):
        return cells.tolist() if cells.ndim > 1 else cells
    return list(cells)
