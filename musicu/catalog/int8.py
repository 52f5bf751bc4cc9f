"""An 8-bit copy of a matrix of vectors: products with all rows quickly, within a known error.

ONNX Runtime multiplies 8-bit integers with the processor's own instructions for it and reads a
fourth of the memory that float32 takes. The graph has three nodes and is written here by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.runtime import open_session

__all__ = ["GRAPH_BYTES", "ApproxScores", "Int8Matrix", "product_graph"]

Array = NDArray[np.float32]

# Rows made into integers at a time; they stay in the processor's cache.
_CHUNK = 1024
# Of one graph's matrix: while the runtime lays it out, there are two of it.
GRAPH_BYTES: Final = 1 << 28
# A query has 7 bits, so that the sum of two of its products with 8 bits fits 16: processors without
# instructions for integer dot products add in pairs, and clip.
_ZERO = 64
_HIGHEST = 63
# ONNX's numbers for types of tensors.
_FLOAT, _UINT8, _INT8 = 1, 2, 3


class ApproxScores(NamedTuple):
    """Approximate products of queries with all rows.

    Attributes
    ----------
    values : np.ndarray [shape=(m, n), float32]
        To be multiplied by `scales`.
    scales, bounds : np.ndarray [shape=(m,), float64]
        A true product lies no farther than the bound from ``value * scale``.
    """

    values: Array
    scales: NDArray[np.float64]
    bounds: NDArray[np.float64]


class Int8Matrix:
    """A matrix in 8 bits, a scale for each row.

    Parameters
    ----------
    matrix : np.ndarray [shape=(n, dim), float32]
        Rows to multiply with. One that is not finite is taken for 0.
    graph_bytes : int > 0
        Bytes of one graph's matrix; of more rows there are several graphs.

    Attributes
    ----------
    n_graphs : int
    """

    def __init__(self, matrix: Array, graph_bytes: int = GRAPH_BYTES) -> None:
        n, dim = matrix.shape
        rows = max(graph_bytes // dim, 1)
        self._error = self._longest = 0.0
        self._sessions = []
        self._kept = []  # where the processor needs no other layout, the runtime reads from there
        for start in range(0, n, rows):
            reduced, scales = self._reduce(matrix[start : start + rows])
            graph = product_graph(scales, len(reduced))
            self._sessions.append(open_session(graph, {"reduced": reduced}))
            self._kept.append(reduced)
        self.n_graphs = len(self._sessions)
        # What rounding adds in float32 products, at worst (Higham 2002, section 3.1), the ones
        # here and those that are compared with them.
        self._rounding = dim * 2.0**-22

    def products(self, queries: Array) -> ApproxScores:
        """Multiply queries [m, dim] float32 with all rows."""
        scales = np.maximum(np.abs(queries).max(axis=1), np.finfo(np.float32).tiny) / _HIGHEST
        reduced = np.rint(queries / scales[:, None])
        # By Cauchy and Schwarz: x q - x' q' = (x - x') q + x' (q - q').
        off = np.linalg.norm(queries - reduced * scales[:, None], axis=1).astype(np.float64)
        lengths = np.linalg.norm(queries, axis=1).astype(np.float64)
        bounds = self._error * lengths + self._longest * (off + self._rounding * lengths)
        given = {"queries": (reduced + _ZERO).astype(np.uint8)}
        parts: list[Array] = [session.run(None, given)[0] for session in self._sessions]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return ApproxScores(values, scales.astype(np.float64), bounds * 1.001)

    def _reduce(self, matrix: Array) -> tuple[NDArray[np.int8], Array]:
        """Round rows to 8 bits [dim, n] and scales [n]; note the worst error, and the longest."""
        reduced = np.empty(matrix.shape[::-1], dtype=np.int8)
        scales = np.empty(len(matrix), dtype=np.float32)
        for start in range(0, len(matrix), _CHUNK):
            chunk = matrix[start : start + _CHUNK]
            scale = np.abs(chunk).max(axis=1) / np.float32(127)
            fit = np.isfinite(scale)
            if not fit.all():
                chunk, scale = np.where(fit[:, None], chunk, 0), np.where(fit, scale, 0)
            rounded = np.rint(chunk / np.maximum(scale, np.finfo(np.float32).tiny)[:, None])
            back = rounded * scale[:, None]
            self._error = max(self._error, _longest(chunk - back))
            self._longest = max(self._longest, _longest(back))
            reduced[:, start : start + _CHUNK] = rounded.T
            scales[start : start + _CHUNK] = scale
        return reduced, scales


def _longest(rows: Array) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", rows, rows).max()))


def product_graph(scales: Array, dim: int) -> bytes:
    """Write the graph ``(queries - 64) @ reduced * scales`` in ONNX's format.

    The matrix ``reduced``, int8 [dim, n], is a constant that is handed over beside the graph.

    Parameters
    ----------
    scales : np.ndarray [shape=(n,), float32]
    dim : int > 0

    Returns
    -------
    bytes
        A serialized ``ModelProto``: input ``queries`` uint8 [m, dim], output ``products`` float32
        [m, n].
    """
    n = len(scales)
    matrix = _tensor("reduced", _INT8, (dim, n))
    place = _field(13, _field(1, "location") + _field(2, "beside")) + _field(14, 1)
    graph = [
        *(_field(1, node) for node in _nodes()),
        _field(2, "products"),
        _field(5, matrix + place),
        _field(5, _tensor("scales", _FLOAT, (n,)) + _field(9, scales.astype("<f4").tobytes())),
        _field(5, _tensor("zero", _UINT8, ()) + _field(9, bytes([_ZERO]))),
        _field(11, _value("queries", _UINT8, dim)),
        _field(12, _value("products", _FLOAT, n)),
    ]
    opset = _field(1, "") + _field(2, 13)
    return _field(1, 8) + _field(7, b"".join(graph)) + _field(8, opset)


def _nodes() -> list[bytes]:
    to_float = _field(1, "to") + _field(3, _FLOAT) + _field(20, 2)
    return [
        _node("MatMulInteger", ["queries", "reduced", "zero"], "whole"),
        _node("Cast", ["whole"], "numbers") + _field(5, to_float),
        _node("Mul", ["numbers", "scales"], "products"),
    ]


def _node(operator: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, operator)


def _tensor(name: str, kind: int, shape: Sequence[int]) -> bytes:
    return b"".join(_field(1, size) for size in shape) + _field(2, kind) + _field(8, name)


def _value(name: str, kind: int, width: int) -> bytes:
    """Describe an input or output [m, width]."""
    sizes = _field(1, _field(2, "m")) + _field(1, _field(1, width))
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, sizes)))


def _field(number: int, value: int | str | bytes) -> bytes:
    """Write a field of a protocol buffer: a number, or a text, bytes or message of known length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
