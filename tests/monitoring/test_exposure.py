"""What was served: coverage, hubs and evenness, over a window."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicu.monitoring.exposure import ExposureCounter


def test_nothing_is_said_of_nothing() -> None:
    served = ExposureCounter()
    served.add([])
    assert served.coverage(10) is served.hub_share(10) is served.gini(10) is None
    assert len(served) == 0


def test_coverage_is_the_share_of_the_catalog_that_was_served() -> None:
    served = ExposureCounter()
    served.add(["a", "b", "a"])
    served.add(["b"])
    assert served.coverage(8) == 0.25


def test_a_catalog_that_shrank_is_covered_at_most_once() -> None:
    served = ExposureCounter()
    served.add(["a", "b", "c"])
    assert served.coverage(2) == 1
    assert served.gini(2) == pytest.approx(0)


def test_the_hub_share_counts_the_tracks_served_most() -> None:
    served = ExposureCounter()
    served.add(["hub"] * 70 + [f"track {i}" for i in range(30)])
    assert served.hub_share(100) == 0.70
    assert served.hub_share(100, 0.02) == 0.71
    assert served.hub_share(101) == 0.71  # one in a hundred of 101 is more than one


def test_where_all_are_served_alike_no_track_is_a_hub() -> None:
    served = ExposureCounter()
    served.add(map(str, range(1000)))
    assert served.hub_share(1000) == pytest.approx(0.01)
    assert served.gini(1000) == pytest.approx(0, abs=1e-12)


def test_where_one_track_is_served_the_gini_is_near_one() -> None:
    served = ExposureCounter()
    served.add(["only"] * 50)
    assert served.gini(1000) == pytest.approx(1 - 1 / 1000)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_the_gini_is_half_the_relative_mean_difference(ids: list[int]) -> None:
    served = ExposureCounter()
    served.add(map(str, ids))
    counts = np.zeros(25)
    for id, n in Counter(ids).items():
        counts[id] = n
    difference = np.abs(counts[:, None] - counts).mean()
    assert served.gini(25) == pytest.approx(difference / (2 * counts.mean()))


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), max_size=30), st.integers(1, 12))
def test_only_the_latest_answers_count(answers: list[list[str]], window: int) -> None:
    """Answers are forgotten whole, so the window is never exceeded."""
    served = ExposureCounter(window)
    for answer in answers:
        served.add(answer)
    kept: list[str] = []
    for answer in reversed([answer[:window] for answer in answers]):
        if len(kept) + len(answer) > window:
            break
        kept += answer
    assert len(served) == len(kept)
    assert served.coverage(100) == (len(set(kept)) / 100 if kept else None)


def test_threads_may_add_at_once() -> None:
    served = ExposureCounter()
    threads = [
        threading.Thread(target=lambda k=k: [served.add([str(k), "all"]) for _ in range(500)])
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served) == 4000
    assert served.hub_share(5, 0.2) == 0.5
