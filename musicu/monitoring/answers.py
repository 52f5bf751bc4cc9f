"""Whether a recommender answers as it did: drift of its scores, and of what it covers.

Answers are compared as batches of tracks are: what is exchanged, if nothing has drifted, is the
listener with all answers to him or her (:mod:`musicu.monitoring.permutations`), and p values are
adjusted for the number of signals (:func:`musicu.monitoring.drift.judge`). After another version of
the recommender has taken over, its answers are held against those of the one before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.monitoring.drift import DriftReport, judge
from musicu.monitoring.permutations import Permutations, permute_batches
from musicu.monitoring.statistics import FEWEST, Statistic, number_statistic

__all__ = ["Answer", "AnswerMonitor", "check_answers"]

Floats = NDArray[np.float64]

_WINDOW = 200  # answers on either side
_GROUPS = 5  # of fewer listeners nothing is told
_DRAWS = 2000
_AT_ONCE = 250  # draws whose items are counted at a time


@dataclass(frozen=True)
class Answer:
    """A list that was served.

    Parameters
    ----------
    ids : tuple of str
        Its items.
    scores : tuple of float
        Theirs, the first place first.
    new : int
        How many of them nobody had played.
    listener : hashable or None
        Whose it is; answers without one are each of somebody else, unless they are equal.
    """

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    new: int = 0
    listener: Hashable | None = None


def check_answers(
    reference: Sequence[Answer], latest: Sequence[Answer], *, alpha: float = 0.01, seed: int = 0
) -> DriftReport:
    """Tell whether answers differ from earlier ones.

    Compared are the mean score of a list, the score at its top, the share of new items, and how
    many different items so many lists cover.

    Parameters
    ----------
    reference, latest : sequence of Answer
        At least 20 of 5 listeners on either side; the last of the larger one are taken, so that
        both are as many.
    alpha : float in (0, 0.5]
        At most so often undisturbed answers may be flagged.
    seed : int
        Of the divisions.

    Raises
    ------
    MusicuError
        ``alpha`` is out of range.

    Examples
    --------
    >>> from musicu.monitoring.answers import Answer, check_answers
    >>> some = [Answer((f"t{i % 7}", f"t{i % 5}"), (2.0, 1.0 + i % 3), 0, i) for i in range(40)]
    >>> check_answers(some[:20], some[20:]).drifted
    False
    """
    if not 10 / _DRAWS <= alpha <= 0.5:
        raise MusicuError(f"alpha is a probability in [{10 / _DRAWS}, 0.5], not {alpha}")
    both = [[one for one in some if one.ids] for some in (latest, reference)]
    size = min(map(len, both))
    answers = [one for some in both for one in some[len(some) - size :]]
    inside = np.arange(len(answers)) < size
    group = _groups(answers)
    groups = min(len(np.unique(group[side])) for side in (inside, ~inside)) if size else 0
    if size < FEWEST or groups < _GROUPS:
        words = f"too few to say: {FEWEST} answers to {_GROUPS} listeners are the least"
        return DriftReport(
            drifted=None, n=size, groups=groups, reference=size, signals=(), words=words
        )
    draws = permute_batches(group, inside, known=True, draws=_DRAWS, seed=seed)
    columns = {
        "mean score": [np.mean(one.scores) for one in answers],
        "top score": [max(one.scores) for one in answers],
        "new share": [one.new / len(one.ids) for one in answers],
    }
    measured = [
        number_statistic(name, "", np.array(values, np.float64), draws, other="before")
        for name, values in columns.items()
    ]
    signals = judge([*measured, _coverage(answers, draws)], alpha)
    found = [signal for signal in signals if signal.drifted]
    return DriftReport(
        drifted=bool(found),
        n=size,
        groups=groups,
        reference=size,
        signals=signals,
        words="; ".join(f"{one.name}: {one.words}" for one in found) or "as before",
    )


def _groups(answers: Sequence[Answer]) -> NDArray[np.intp]:
    number: dict[Hashable, int] = {}
    keys = (one.ids if one.listener is None else (one.listener,) for one in answers)
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.intp)


def _coverage(answers: Sequence[Answer], draws: Permutations) -> Statistic:
    """Compare how many different items the lists of either side hold."""
    place: dict[str, int] = {}
    for one in answers:
        for id in one.ids:
            place.setdefault(id, len(place))
    inside = np.zeros((len(answers), len(place)), dtype=np.float32)
    for row, one in zip(inside, answers, strict=True):
        row[[place[id] for id in one.ids]] = 1
    counts: list[list[Floats]] = [[], []]
    for start in range(0, len(draws.batch), _AT_ONCE):
        for found, side in zip(counts, (draws.batch, draws.rest), strict=True):
            covered = side[start : start + _AT_ONCE] @ inside > 0
            found.append(covered.sum(axis=1).astype(np.float64))
    here, there = (np.concatenate(found) for found in counts)
    words = f"{here[0]:,.0f} different items, before {there[0]:,.0f}"
    return Statistic("coverage", np.abs(np.log(here / there)), words)


class AnswerMonitor:
    """Keeps the latest answers of a recommender. Any thread may add and ask.

    Parameters
    ----------
    window : int >= 20
        How many are compared with as many.
    """

    def __init__(self, window: int = _WINDOW) -> None:
        self.window = window
        self._version: int | None = None
        self._count = 0
        self._first: list[Answer] = []
        self._latest: deque[Answer] = deque(maxlen=window)
        self._before: list[Answer] = []
        self._before_version: int | None = None
        self._told: tuple[tuple[int | None, int], dict[str, Any]] | None = None
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def add(self, answer: Answer, version: int | None = None) -> None:
        """Remember an answer of a version; a listener is kept as a number of this process."""
        listener = None if answer.listener is None else hash((id(self), answer.listener))
        kept = Answer(answer.ids, answer.scores, answer.new, listener)
        with self._lock:
            if version != self._version and self._count:
                self._before, self._before_version = list(self._latest), self._version
                self._first, self._count = [], 0
                self._latest.clear()
            self._version = version
            self._count += 1
            if len(self._first) < self.window:
                self._first.append(kept)
            self._latest.append(kept)

    def report(self) -> dict[str, Any]:
        """Compare the latest answers with the first ones of this version, and of the one before.

        Returns
        -------
        dict
            ``version``, ``answers`` (how many it gave), ``before`` (the version before), and
            ``drift`` and ``swap``, as :meth:`musicu.monitoring.drift.DriftReport.to_dict`.
        """
        with self._turn:
            with self._lock:
                count, version = self._count, self._version
                first, latest, before = list(self._first), list(self._latest), self._before
                earlier = self._before_version
            # An answer is compared once, as first or as latest.
            since = latest[max(0, len(latest) - (count - len(first))) :]
            if self._told is None or self._told[0] != (version, count):
                told = {
                    "drift": check_answers(first, since).to_dict(),
                    "swap": check_answers(before, latest).to_dict(),
                }
                self._told = (version, count), told
            kept = self._told[1]
        return {"version": version, "answers": count, "before": earlier, **kept}
