"""What one listener can teach is bounded as is said."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import log

from musicu.errors import RecommenderError
from musicu.recommend.bounds import Bound


@settings(max_examples=30, deadline=None)
@given(
    most_items=st.none() | st.integers(5, 12),
    most_weight=st.none() | st.floats(0.5, 20),
    least_listeners=st.integers(1, 4),
)
def test_nobody_teaches_more(
    most_items: int | None, most_weight: float | None, least_listeners: int
) -> None:
    bound = Bound(most_items=most_items, most_weight=most_weight, least_listeners=least_listeners)
    found = bound.apply(log())
    pairs = Counter(zip(found.user.tolist(), found.item.tolist(), strict=True))
    taught = Counter(user for user, _ in pairs)
    assert max(taught.values()) <= (most_items or np.inf)
    assert min(Counter(item for _, item in pairs).values()) >= least_listeners
    if most_weight is not None:
        assert found.matrix("raw").max() <= most_weight * (1 + 1e-5)
    again = bound.apply(found) if least_listeners == 1 else found
    assert again.weight.tolist() == pytest.approx(found.weight.tolist())


def test_without_a_bound_all_counts() -> None:
    assert Bound().apply(log()).weight.tolist() == log().weight.tolist()


def test_what_is_played_most_stays() -> None:
    whole, few = log(), Bound(most_items=1).apply(log())
    for user in whole.users[:10]:
        ids, weights, _ = whole.of_user(user)
        (kept,) = few.of_user(user)[0]
        assert weights[ids.index(kept)] == max(weights)


@pytest.mark.parametrize("wrong", [{"most_items": 0}, {"most_weight": 0.0}, {"least_listeners": 0}])
def test_a_bound_out_of_range_is_a_fault(wrong: dict[str, int]) -> None:
    with pytest.raises(RecommenderError, match="at least 1|above 0"):
        Bound(**wrong)  # type: ignore[arg-type]
    with pytest.raises(RecommenderError, match="nothing is left"):
        Bound(least_listeners=1000).apply(log())
