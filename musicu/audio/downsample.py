"""A signal of any length in a limited number of bins: what pictures of it are drawn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Downsampler"]

Array = NDArray[np.float32]


class Downsampler:
    """Rows as they come, combined by twos whenever there are too many.

    Two hours then take no more memory than two minutes, and whatever is read from it is off by
    less than one bin.

    Parameters
    ----------
    combine : ufunc
        `np.maximum`, or `np.add` to read means.
    most : int
        Bins that are kept.
    *shape : int
        Of a row.

    Examples
    --------
    >>> bins = Downsampler(np.maximum, 4)
    >>> bins.push(np.arange(8, dtype=np.float32))
    >>> bins.read(2).tolist()
    [3.0, 7.0]
    """

    def __init__(self, combine: np.ufunc, most: int, *shape: int) -> None:
        self._combine = combine
        self._bins = np.empty((most, *shape), dtype=np.float32)
        self._step = 1  # rows a bin
        self._rows = 0

    def __len__(self) -> int:
        return -(-self._rows // self._step)

    def push(self, rows: Array) -> None:
        """Take the next rows, [n, ...]."""
        if not len(rows):
            return
        while self._rows + len(rows) > len(self._bins) * self._step:
            pairs = self._combine.reduceat(self._bins[: len(self)], range(0, len(self), 2), axis=0)
            self._bins[: len(pairs)] = pairs
            self._step *= 2
        begun = self._rows % self._step  # rows in a bin that is not full
        starts = [0, *range(self._step - begun, len(rows), self._step)]
        new = self._combine.reduceat(rows, starts, axis=0)
        at = len(self)
        if begun:
            at -= 1
            new[0] = self._combine(self._bins[at], new[0])
        self._bins[at : at + len(new)] = new
        self._rows += len(rows)

    def read(self, n: int) -> Array:
        """Combine all into n rows of equal stretches; where there are fewer, some come again.

        Raises
        ------
        ValueError
            There is nothing.
        """
        if not self._rows:
            raise ValueError("nothing to read from")
        starts = np.arange(n) * len(self) // n
        read: Array = self._combine.reduceat(self._bins[: len(self)], starts, axis=0)
        if self._combine is np.add:
            counts = np.full(len(self), self._step, dtype=np.float32)
            counts[-1] -= len(self) * self._step - self._rows
            read /= np.add.reduceat(counts, starts)[:, None]
        return read
