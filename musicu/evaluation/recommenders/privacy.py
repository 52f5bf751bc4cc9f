"""Whether a recommender tells who was in its log, and what one listener changes in its answers.

Membership inference (Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
IEEE S&P 2017): half of the listeners are learned from. Somebody who knows a listener's history, and
has the recommender's folder or may ask it, guesses whether this listener was among them; the area
under the ROC curve says how well: 0.5 is chance, 1 is certainty. Influence: it is fitted without
one listener, and the answers to others are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import RecommenderError
from musicu.evaluation.bootstrap import interval
from musicu.items.item import Items
from musicu.recommend.bounds import Bound
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.scorer import Scorer

__all__ = ["Attack", "Influence", "PrivacyReport", "auc", "evaluate_privacy"]

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]

_FEWEST = 4  # items of a history that can be parted
_ASKED = 100  # recommendations that an answer has
_DRAWS = 500


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A way to guess who was in the log.

    Attributes
    ----------
    name : str
        What is looked at.
    against : {"folder", "answers"}
        What one must have for it.
    auc, low, high : float
        Area under the ROC curve, with an interval over listeners.
    """

    name: str
    against: str
    auc: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Influence:
    """What a listener changes in the answers to others.

    Attributes
    ----------
    items : int
        How many different items the listener played; no name.
    changed, most : float
        Share of the places of others' lists that hold something else without this listener: in the
        mean, and in the list that changes most.
    """

    items: int
    changed: float
    most: float


@dataclass(frozen=True, kw_only=True)
class PrivacyReport:
    """What a recommender tells of its listeners.

    Attributes
    ----------
    bound : dict
        The bound it was fitted with.
    members, others : int
        Listeners in the log, and out of it.
    attacks : tuple of Attack
    influences : tuple of Influence
        The heaviest listener first, then some that were drawn.
    notes : tuple of str
    """

    bound: dict[str, Any]
    members: int
    others: int
    attacks: tuple[Attack, ...]
    influences: tuple[Influence, ...]
    notes: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row an attack."""
        return [asdict(one) for one in self.attacks]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


def evaluate_privacy(
    log: Interactions,
    items: Items,
    *,
    settings: Mapping[str, Any] | None = None,
    bound: Bound | None = None,
    most: int | None = None,
    left_out: int = 3,
    panel: int = 50,
    n: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
) -> PrivacyReport:
    """Attack a recommender that is fitted on half of a log's listeners, and leave some out.

    Parameters
    ----------
    log : Interactions
    items : Items
    settings : mapping, optional
        Of :class:`musicu.Recommender`.
    bound : Bound, optional
        What one listener can teach.
    most : int >= 4, optional
        Listeners at most that are guessed about, half of them members; all if None.
    left_out : int >= 0
        Of how many listeners the influence is measured: each is one more fit.
    panel, n : int >= 1
        To how many others, and how long their lists are.
    seed : int
        Of all that is drawn.
    progress : callable, optional
        Told fits that are done, and how many there are.

    Raises
    ------
    RecommenderError
        Fewer than four listeners played four items each.
    """
    rng = np.random.default_rng(seed)
    bound = bound or Bound()
    sizes = np.bincount(np.unique(_pairs(log)) // max(len(log.items), 1), minlength=len(log.users))
    able = rng.permutation(np.flatnonzero(sizes >= _FEWEST))
    if len(able) < 4:
        raise RecommenderError("fewer than four listeners played four items each: too few to part")
    inside = able[: len(able) // 2]
    total, done = 1 + (left_out + 1 if left_out else 0), 0

    def fit(kept: NDArray[np.intp]) -> Recommender:
        nonlocal done
        part = bound.apply(log.where(np.isin(log.user, kept)))
        fitted = Recommender(**(settings or {})).fit(part, items)
        done += 1
        if progress is not None:
            progress(done, total)
        return fitted

    half = None if most is None else most // 2
    asked = np.concatenate([inside[:half], able[len(inside) :][:half]])
    is_member = np.isin(asked, inside)
    attacks = _attack(fit(inside), log, asked, is_member, rng)
    influences: list[Influence] = []
    if left_out:
        everybody = np.arange(len(log.users))
        others = rng.permutation(able)
        chosen = [int(np.argmax(sizes)), *others[others != np.argmax(sizes)].tolist()][:left_out]
        watched = [log.users[i] for i in others.tolist() if i not in chosen][:panel]
        usual = _answers(fit(everybody), log, watched, n)
        for user in chosen:
            without = _answers(fit(np.delete(everybody, user)), log, watched, n)
            changes = [_changed(a, b) for a, b in zip(usual, without, strict=True)]
            influences.append(
                Influence(
                    items=int(sizes[user]),
                    changed=float(np.mean(changes)),
                    most=float(np.max(changes)),
                )
            )
    return PrivacyReport(
        bound=asdict(bound),
        members=int(is_member.sum()),
        others=int((~is_member).sum()),
        attacks=attacks,
        influences=tuple(influences),
        notes=_NOTES,
    )


_NOTES = (
    "These attacks are some of many: an AUC near 0.5 says that these fail, not that all do.",
    "Without one listener items keep their place and the factors their start: what changes is what "
    "was learned from that listener.",
)


def auc(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: how often a positive one scores above another one.

    Ties count half (Mann & Whitney 1947).

    Parameters
    ----------
    scores : np.ndarray [shape=(n,)]
    positive : np.ndarray [shape=(n,), bool]

    Returns
    -------
    float
        NaN without one of either kind.
    """
    from scipy.stats import rankdata

    yes, no = int(positive.sum()), int((~positive).sum())
    if not yes or not no:
        return float("nan")
    above = rankdata(scores)[positive].sum() - yes * (yes + 1) / 2
    return float(above / (yes * no))


def _attack(
    recommender: Recommender,
    log: Interactions,
    asked: NDArray[np.intp],
    is_member: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Attack, ...]:
    model, scorer = recommender.model, Scorer(recommender.model)
    told: dict[tuple[str, str], list[float]] = {}
    for user in asked.tolist():
        ids = [*dict.fromkeys(log.of_user(log.users[user])[0])]
        at = model.positions(ids)
        counts = model.listeners[at]
        order = rng.permutation(len(ids))
        shown, hidden = order[: len(ids) // 2], order[len(ids) // 2 :]
        history = History([ids[i] for i in shown.tolist()])
        scores = scorer.scores(scorer.listener(history), at[hidden])
        answer = {one.id for one in recommender.recommend(history, _ASKED, explain=False)}
        found = np.mean([ids[i] in answer for i in hidden.tolist()])
        signs = {
            ("fewest listeners of an item", "folder"): float(counts.min()),
            ("items that somebody played", "folder"): float(np.mean(counts > 0)),
            ("scores of half the history from the other", "folder"): float(scores.mean()),
            ("half the history found from the other", "answers"): float(found),
        }
        for sign, value in signs.items():
            told.setdefault(sign, []).append(value)
    attacks = []
    for (name, against), values in told.items():
        row = np.array(values)
        low, high = interval(_resampled(row, is_member, rng))
        attacks.append(
            Attack(name=name, against=against, auc=auc(row, is_member), low=low, high=high)
        )
    return tuple(attacks)


def _resampled(row: Floats, is_member: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    kinds = [np.flatnonzero(side) for side in (is_member, ~is_member)]
    drawn = []
    for _ in range(_DRAWS):
        at = np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])
        drawn.append(auc(row[at], is_member[at]))
    return np.array(drawn)


def _answers(
    recommender: Recommender, log: Interactions, users: list[str], n: int
) -> list[set[str]]:
    return [
        {one.id for one in recommender.recommend(History(*log.of_user(user)), n, explain=False)}
        for user in users
    ]


def _changed(before: set[str], after: set[str]) -> float:
    return 1 - len(before & after) / max(len(before), len(after), 1)


def _pairs(log: Interactions) -> NDArray[np.int64]:
    return log.user.astype(np.int64) * max(len(log.items), 1) + log.item
