"""Whether a recommender answers as it did."""

import numpy as np
import pytest

from musicu.errors import MusicuError
from musicu.monitoring.answers import Answer, AnswerMonitor, check_answers


def answers(
    n: int, *, seed: int, items: int = 500, shift: float = 0.0, new: float = 0.1
) -> list[Answer]:
    """Return made-up lists of ten, of as many items as there are."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        ids = tuple(f"t{x}" for x in rng.choice(items, 10, replace=False))
        scores = tuple(sorted((shift + rng.normal(2, 0.5, 10)).tolist(), reverse=True))
        made.append(Answer(ids, scores, int(rng.binomial(10, new)), f"listener {i % 60}"))
    return made


def test_undisturbed_answers_are_seldom_flagged() -> None:
    flagged = [
        check_answers(answers(60, seed=2 * i), answers(60, seed=2 * i + 1), alpha=0.05).drifted
        for i in range(12)
    ]
    assert sum(map(bool, flagged)) <= 3


@pytest.mark.parametrize(
    ("changed", "signal"),
    [
        (answers(120, seed=1, shift=0.4), "mean score"),
        (answers(120, seed=1, items=60), "coverage"),
        (answers(120, seed=1, new=0.4), "new share"),
    ],
    ids=["scores", "coverage", "new"],
)
def test_what_changed_is_named(changed: list[Answer], signal: str) -> None:
    found = check_answers(answers(150, seed=0), changed)
    assert found.drifted is True and (found.n, found.reference) == (120, 120)
    assert signal in {one.name for one in found.signals if one.drifted}
    assert signal in found.words and "catalog" not in found.words


def test_of_few_answers_or_few_listeners_nothing_is_told() -> None:
    assert check_answers(answers(19, seed=0), answers(50, seed=1)).drifted is None
    one = [Answer(a.ids, a.scores, a.new, "ann") for a in answers(50, seed=0)]
    assert check_answers(one, answers(50, seed=1)).drifted is None
    same = [Answer(("a",), (1.0,))] * 50  # nobody's, and all equal: one listener
    assert check_answers(same, same).drifted is None
    with pytest.raises(MusicuError, match="alpha"):
        check_answers([], [], alpha=0.0001)


def test_a_swap_is_told_from_drift() -> None:
    monitor = AnswerMonitor(window=60)
    assert monitor.report()["drift"]["drifted"] is None
    for one in answers(150, seed=0):
        monitor.add(one, 1)
    told = monitor.report()
    assert (told["version"], told["answers"], told["before"]) == (1, 150, None)
    assert told["drift"]["n"] == 60 and told["drift"]["drifted"] is False
    assert told["swap"]["drifted"] is None
    for one in answers(70, seed=1, shift=1.0):
        monitor.add(one, 2)
    told = monitor.report()
    assert (told["version"], told["answers"], told["before"]) == (2, 70, 1)
    assert told["swap"]["drifted"] is True and "score" in told["swap"]["words"]
    assert told["drift"]["drifted"] is None  # ten answers since the first sixty
    assert monitor.report() == told
