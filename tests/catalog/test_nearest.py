from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import unit
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.catalog.int8 import Int8Matrix, product_graph
from musicu.catalog.nearest import Nearest, SearchCosts, growing_counts

RNG = np.random.default_rng(0)
ROWS = unit(RNG.standard_normal((6_000, 64)))
# Ways to add up float32 products differ by this much.
ATOL = 1e-6

Array = NDArray[np.float32]


# Look approximately first however few the rows are, and at few exactly.
EAGER = SearchCosts(small=1, each=1, extra=0, worth=1)


def _is_nearest(
    matrix: Array, query: Array, n: int, found: tuple[Any, Any], mask: Any = None
) -> None:
    """Compare with all products in float64: no row is missed, and the order is theirs."""
    exact = matrix.astype(np.float64) @ query
    rows = np.arange(len(matrix)) if mask is None else np.flatnonzero(mask)
    positions, scores = found
    assert len(positions) == min(n, len(rows)) == len(set(positions.tolist()))
    assert set(positions.tolist()) <= set(rows.tolist())
    np.testing.assert_allclose(scores, exact[positions], atol=ATOL)
    np.testing.assert_allclose(scores, np.sort(exact[rows])[::-1][: len(scores)], atol=ATOL)
    order = np.lexsort((positions, -scores))
    np.testing.assert_array_equal(order, np.arange(len(order)))


def test_the_order_and_the_cosines_are_those_of_all_products() -> None:
    near = Nearest(ROWS).prepare()
    queries = unit(np.concatenate([ROWS[:20], RNG.standard_normal((20, 64))]))
    for query, (positions, scores) in zip(queries, near.search(queries, 20), strict=True):
        products = ROWS @ query
        rows = np.lexsort((np.arange(len(ROWS)), -products))[:20]
        cosines = products[rows]
        np.testing.assert_allclose(scores, cosines, atol=ATOL)
        # Where BLAS adds up differently, rows that are equally near may change places.
        for got, row, score in zip(positions.tolist(), rows.tolist(), scores, strict=True):
            assert got == row or abs(float(ROWS[row] @ query) - score) < ATOL
        _is_nearest(ROWS, query, 20, (positions, scores))


def test_few_rows_are_compared_exactly() -> None:
    compared = []

    class Counted(Nearest):
        def cosines(self, query: Array, rows: NDArray[np.intp]) -> Array:
            compared.append(len(rows))
            return super().cosines(query, rows)

    Counted(ROWS).prepare().search(ROWS[:10], 20)
    assert sum(compared) < 10 * 0.1 * len(ROWS)


def test_equal_vectors_come_by_position_whichever_rows_stand_around_them() -> None:
    few = unit(RNG.standard_normal((7, 64)))
    matrix = few[RNG.integers(0, 7, 6_001)]
    query = unit(few[0] + few[1])
    ((positions, scores),) = Nearest(matrix).prepare().search(query[None], 2_000)
    for score in np.unique(scores):
        assert (np.diff(positions[scores == score]) > 0).all()
    assert len(np.unique(scores)) <= 7
    _is_nearest(matrix, query, 2_000, (positions, scores))


@pytest.mark.parametrize("size", [1, 2, 5, 31, 33, 4_095, 4_096, 4_101])
def test_vectors_that_are_all_equal_come_by_position(size: int) -> None:
    for vector in unit(RNG.standard_normal((5, 256))):
        near = Nearest(np.repeat(vector[None], size, axis=0)).prepare()
        ((positions, scores),) = near.search(vector[None], 5_000)
        assert positions.tolist() == list(range(size))
        np.testing.assert_allclose(scores, 1, atol=ATOL)


_KINDS = st.sampled_from(["normal", "spike", "copies", "equal", "close", "tiny", "sorted", "zero"])


def _make(rng: np.random.Generator, kind: str, n: int, dim: int) -> Array:
    rows = rng.standard_normal((n, dim)) + 1e-9
    if kind == "spike":  # one coordinate far beyond the rest: what 8 bits are worst at
        rows *= 0.01
        rows[np.arange(n), rng.integers(0, dim, n)] = rng.choice([-1.0, 1.0], n)
    elif kind == "copies":
        rows = rows[rng.integers(0, max(n // 5, 1), n)]
    elif kind == "equal":
        rows = np.repeat(rows[:1], n, axis=0)
    elif kind == "close":  # closer together than 8 bits can tell
        rows = rows[:1] + 1e-5 * rows
    elif kind == "sorted":
        rows = rows[np.argsort(rows[:, 0])]
    made = unit(rows)
    if kind == "tiny":
        made *= np.float32(1e-6)
    if kind == "zero":
        made[:: max(n // 3, 1)] = 0
    return made


@settings(max_examples=150, deadline=None)
@given(
    _KINDS,
    st.integers(1, 300),
    st.integers(1, 40),
    st.integers(0, 400),
    st.sampled_from([None, 0.0, 0.02, 0.5, 0.98]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_nothing_is_missed(
    kind: str, n: int, dim: int, count: int, share: float | None, stored: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = _make(rng, kind, n, dim)
    query = matrix[rng.integers(0, n)] if stored else _make(rng, "normal", 1, dim)[0]
    mask = None if share is None else rng.random(n) < share
    (found,) = Nearest(matrix, EAGER).prepare().search(query[None], count, among=[mask])
    _is_nearest(matrix, query, count, found, mask)


@settings(max_examples=100, deadline=None)
@given(_KINDS, st.integers(1, 200), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_no_product_lies_beyond_the_bound(kind: str, n: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = _make(rng, kind, n, dim)
    queries = np.concatenate([_make(rng, k, 2, dim) for k in ("normal", "spike", "tiny")])
    values, scales, bounds = Int8Matrix(matrix).products(queries)
    off = np.abs(
        values.astype(np.float64) * scales[:, None] - queries.astype(np.float64) @ matrix.T
    )
    assert (off.max(axis=1) <= bounds).all()


def test_the_bound_is_tight_enough_to_be_of_use() -> None:
    """The query's 7 bits and the rows' 8 are half a step off at most, a third of that squared."""
    _, _, bounds = Int8Matrix(ROWS).products(ROWS[:50])
    step = np.abs(ROWS).max() / 63
    assert bounds.max() < 1.5 * step * np.sqrt(64 / 12)


def test_products_at_the_ends_of_the_range_are_whole() -> None:
    """Pairs of the greatest products must not be clipped at 16 bits, as some processors would."""
    matrix = np.ones((64, 256), dtype=np.float32)
    matrix[1::2] = -1
    queries = np.concatenate([matrix[:1], matrix[1:2]])
    values, scales, _ = Int8Matrix(matrix).products(queries)
    expected = 256.0 * np.outer([1, -1], np.resize([1, -1], 64))
    np.testing.assert_allclose(values * scales[:, None], expected, rtol=1e-6)


@pytest.mark.parametrize("allowed", [0, 1, 10, 3_000, 5_000, 6_000])
def test_a_mask_acts_before_the_ranking(allowed: int) -> None:
    mask = np.zeros(len(ROWS), dtype=bool)
    mask[:allowed] = True  # side by side, as the tracks of one album are
    near = Nearest(ROWS).prepare()
    (found,) = near.search(ROWS[5_500:5_501], 20, among=[mask])
    _is_nearest(ROWS, ROWS[5_500], 20, found, mask)


def test_a_mask_that_leaves_few_of_the_groups_is_obeyed() -> None:
    """Of 200 wanted, groups have 14 rows that lie 14,285 apart; most groups are masked whole."""
    rows = unit(RNG.standard_normal((200_000, 8)))
    near = Nearest(rows).prepare()
    for mask in (np.arange(200_000) % 14_285 < 520, np.arange(200_000) % 9 == 0):
        (found,) = near.search(rows[:1], 200, among=[mask])
        _is_nearest(rows, rows[0], 200, found, mask)


def test_queries_of_one_search_may_want_different_things() -> None:
    near = Nearest(ROWS).prepare()
    mask = np.arange(len(ROWS)) % 2 == 0
    few = np.arange(len(ROWS)) < 3
    counts, masks = [5, 0, 7_000, 20, 40], [None, None, None, mask, few]
    found = near.search(ROWS[:5], counts, among=masks)
    assert [len(positions) for positions, _ in found] == [5, 0, 6_000, 20, 3]
    for query, count, allowed, one in zip(ROWS, counts, masks, found, strict=False):
        _is_nearest(ROWS, query, count, one, allowed)


def test_together_queries_find_what_each_finds_alone() -> None:
    near = Nearest(ROWS).prepare()
    for query, (positions, scores) in zip(ROWS, near.search(ROWS[:16], 20), strict=False):
        ((alone, cosines),) = near.search(query[None], 20)
        np.testing.assert_array_equal(positions, alone)
        np.testing.assert_array_equal(scores, cosines)


def test_searches_side_by_side_find_what_each_finds_alone() -> None:
    near = Nearest(ROWS).prepare()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: near.search(ROWS[at : at + 1], 10)[0][0], range(200)))
    for at, positions in enumerate(found):
        np.testing.assert_array_equal(positions, near.search(ROWS[at : at + 1], 10)[0][0])


def test_the_copy_is_made_when_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """One question is answered without it; many are, and are answered alike before and after."""
    made = []

    class Counted(Int8Matrix):
        def __init__(self, matrix: Array, graph_bytes: int) -> None:
            made.append(len(matrix))
            super().__init__(matrix, graph_bytes)

    monkeypatch.setattr("musicu.catalog.nearest.Int8Matrix", Counted)
    near = Nearest(ROWS)
    first = [near.search(query[None], 20)[0] for query in ROWS[:8]]
    assert made == []
    later = near.search(ROWS[:100], 20)
    assert made == [len(ROWS)]
    for (positions, scores), (expected, cosines) in zip(first, later, strict=False):
        np.testing.assert_array_equal(positions, expected)
        np.testing.assert_array_equal(scores, cosines)


def test_many_queries_are_compared_in_portions() -> None:
    whole = Nearest(ROWS).prepare().search(ROWS[:50], 9)
    near = Nearest(ROWS, SearchCosts(scores=7 * len(ROWS))).prepare()
    for (positions, scores), (expected, cosines) in zip(
        near.search(ROWS[:50], 9), whole, strict=True
    ):
        np.testing.assert_array_equal(positions, expected)
        np.testing.assert_array_equal(scores, cosines)


@pytest.mark.parametrize(("n", "most"), [(1, 1), (5, 3), (3, 200), (10, 80)])
def test_more_and_more_neighbors_are_looked_for(n: int, most: int) -> None:
    numbers = list(growing_counts(n, most))
    assert numbers[0] == n and numbers[-1] == max(n, most)
    assert all(a < b <= 8 * a for a, b in pairwise(numbers))


def test_nothing_is_found_among_nothing() -> None:
    near = Nearest(np.empty((0, 64), dtype=np.float32)).prepare()
    ((positions, scores),) = near.search(ROWS[:1], 20)
    assert len(near) == len(positions) == len(scores) == 0
    assert Nearest(ROWS).search(ROWS[:0], 20) == []


def test_a_row_that_is_not_finite_hides_no_other() -> None:
    matrix = ROWS.copy()
    matrix[17, 3] = np.nan
    matrix[18, 3] = np.inf
    ((positions, scores),) = Nearest(matrix).prepare().search(ROWS[:1], 20)
    ((expected, cosines),) = Nearest(ROWS).prepare().search(ROWS[:1], 20)
    assert not {17, 18} & set(expected.tolist())
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_allclose(scores, cosines, atol=ATOL)


def test_several_graphs_find_what_one_finds() -> None:
    whole = Nearest(ROWS).prepare().search(ROWS[:4], 20)
    graph_bytes = 64 * 2_500
    assert Int8Matrix(ROWS, graph_bytes).n_graphs == 3
    near = Nearest(ROWS, SearchCosts(graph_bytes=graph_bytes)).prepare()
    for (positions, scores), (expected, cosines) in zip(
        near.search(ROWS[:4], 20), whole, strict=True
    ):
        np.testing.assert_array_equal(positions, expected)
        np.testing.assert_array_equal(scores, cosines)


def test_the_graph_is_one_that_the_format_s_own_tools_accept() -> None:
    onnx = pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    reduced = RNG.integers(-127, 128, (16, 5), dtype=np.int8)
    scales = RNG.random(5, dtype=np.float32)
    model = onnx.load_from_string(product_graph(scales, 16))
    (matrix,) = [t for t in model.graph.initializer if t.name == "reduced"]
    assert list(matrix.dims) == [16, 5] and matrix.data_location == onnx.TensorProto.EXTERNAL
    matrix.ClearField("external_data")
    matrix.data_location = onnx.TensorProto.DEFAULT
    matrix.raw_data = reduced.tobytes()
    onnx.checker.check_model(model, full_check=True)
    queries = RNG.integers(1, 128, (3, 16), dtype=np.uint8)
    (products,) = reference.ReferenceEvaluator(model).run(None, {"queries": queries})
    exact = (queries.astype(int) - 64) @ reduced.astype(int) * scales
    np.testing.assert_allclose(products, exact, rtol=1e-6)
