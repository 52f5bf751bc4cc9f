"""What groups of artists are shown beside what listeners want of them, and what a target costs.

Exposure is what attention places get, 1 / log2(1 + rank), shared out over all lists; merit is what
listeners later played of what they had not played before (Singh & Joachims, "Fairness of Exposure
in Rankings", KDD 2018). A group that has less exposure than merit is held back by more than its
quality. A target is a least share of every beginning of a list, kept as
:func:`musicu.search.rerank.rerank` keeps it (FA*IR, Zehlike et al., CIKM 2017), and its price is
the NDCG that lists lose by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.evaluation.bootstrap import bootstrap_means, interval
from musicu.evaluation.ranking_metrics import measure
from musicu.evaluation.recommenders.fairness_results import (
    FairnessReport,
    GroupExposure,
    TargetPrice,
)
from musicu.evaluation.significance import DRAWS, bootstrap_test, randomization_test
from musicu.recommend.candidates import propose
from musicu.recommend.groups import item_groups
from musicu.recommend.interactions import Interactions
from musicu.recommend.rank_fit import rank_scores
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.scorer import Scorer
from musicu.search.rerank import rerank

__all__ = ["evaluate_fairness"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_POOL = 200  # candidates that are placed, and as many of a group that a target is for
_MOST_GROUPS = 12


def evaluate_fairness(
    recommender: Recommender,
    log: Interactions,
    since: float,
    *,
    by: str = "audience",
    n: int = 20,
    targets: Mapping[str, float] | None = None,
    most: int | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[int, int], None] | None = None,
) -> FairnessReport:
    """Measure exposure against merit, and what targets cost.

    Parameters
    ----------
    recommender : Recommender
        Fitted on nothing later than `since`.
    log : Interactions
        With times, before and after the cut.
    since : float
        Seconds since 1970 UTC: histories end, and merit begins.
    by : str
        As for :func:`musicu.recommend.groups.item_groups`.
    n : int >= 1
        Length of the lists.
    targets : mapping of str to float in [0, 1], optional
        Least shares by group; if None, its merit for each group that is shown less than that.
    most : int >= 2, optional
        Listeners at most; drawn if there are more.
    seed, draws : int
        Of the listeners, and of tests and intervals.
    progress : callable, optional
        Told listeners that are done, and how many there are.

    Raises
    ------
    MusicuError
        There are no such groups; the log has no times, or fewer than two listeners played
        something new to them after the cut.
    """
    model, labels = recommender.model, item_groups(recommender.model, by)
    asked = _listeners(recommender, log, since, most=most, seed=seed)
    merit = _shares([np.ones(len(wanted)) for _, wanted in asked], [w for _, w in asked], labels)
    names = sorted(merit, key=lambda name: -merit[name].sum())[:_MOST_GROUPS]
    if stray := sorted(set(targets or {}) - set(labels.tolist())):
        raise MusicuError(f"no group {stray[0]!r} by {by}; there are {', '.join(names)}")
    lists = _Lists(recommender, [history for history, _ in asked], n, progress)
    served = lists.placed(labels, None, model.settings.exploration)
    plain = lists.placed(labels, None, 0.0)
    exposure = _exposure(served, labels)
    groups = tuple(_groups(names, labels, exposure, merit, draws))
    if targets is None:
        chosen = {g.group: g.merit for g in groups if g.group and g.exposure < g.merit}
    else:
        chosen = dict(targets)
    base = _ndcg(plain, asked, len(model.items), n)
    priced = []
    for group, share in chosen.items():
        kept = lists.placed(labels, group, share)
        with_it = _ndcg(kept, asked, len(model.items), n)
        price = with_it - base
        (span,) = bootstrap_test(price, draws=draws)[1]
        priced.append(
            TargetPrice(
                group=group,
                target=share,
                reached=float(_share_of(group, _exposure(kept, labels)).mean()),
                met=float(np.mean([_is_met(row, labels == group, share, n) for row in kept])),
                ndcg=float(with_it.mean()),
                base=float(base.mean()),
                difference=float(price.mean()),
                low=span[0],
                high=span[1],
                p=float(randomization_test(price, draws=draws)[0]),
            )
        )
    notes = [
        "Merit is what was played later, under what was shown then: it is no measure of worth."
    ]
    if len(merit) > len(names):
        notes.append(f"{len(merit) - len(names):,} groups with less merit are left out.")
    return FairnessReport(
        by=by,
        listeners=len(asked),
        n=n,
        groups=groups,
        targets=tuple(priced),
        notes=tuple(notes),
    )


def _listeners(
    recommender: Recommender, log: Interactions, since: float, *, most: int | None, seed: int
) -> list[tuple[History, Positions]]:
    """Return who played before and something else after, and what that was."""
    before = log.before(since)
    assert log.time is not None
    after = log.where(log.time >= since)
    items = recommender.items
    users = np.intersect1d(before.user, after.user)
    users = np.random.default_rng(seed).permutation(users)
    found: list[tuple[History, Positions]] = []
    for user in (log.users[i] for i in users.tolist()):
        ids, weights, times = before.of_user(user)
        kept = [i for i, id in enumerate(ids) if items.find(id) is not None]
        played = set(ids)
        fresh = dict.fromkeys(id for id in after.of_user(user)[0] if id not in played)
        at = [place for id in fresh if (place := items.find(id)) is not None]
        if kept and at:
            assert times is not None
            history = History([ids[i] for i in kept], weights[kept], times[kept])
            found.append((history, np.array(at, dtype=np.intp)))
        if most is not None and len(found) == most:
            break
    if len(found) < 2:
        raise MusicuError(
            "fewer than two listeners played something new to them after: choose another day"
        )
    return found


class _Lists:
    """Scored candidates of listeners, placed again for each target."""

    def __init__(
        self,
        recommender: Recommender,
        histories: list[History],
        n: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._n, self._new = n, recommender.model.listeners == 0
        self._factors = recommender.model.item_factors.factors
        self._scorer, self._ranker = Scorer(recommender.model), recommender.ranker
        self._asked = []
        for done, history in enumerate(histories, 1):
            listener = self._scorer.listener(history)
            found = propose(recommender.model, listener, sources=recommender.sources)
            at = np.setdiff1d(np.array([*found], dtype=np.intp), listener.played)
            self._asked.append((listener, at))
            if progress is not None:
                progress(done, len(histories))

    def placed(self, labels: NDArray[np.str_], group: str | None, share: float) -> list[Positions]:
        """Return lists in which a group, or what is new, has a least share."""
        member = self._new if group is None else labels == group
        there = np.flatnonzero(member)
        lists = []
        for listener, at in self._asked:
            near = self._factors[there] @ listener.factor
            more = there[np.argsort(-near, kind="stable")[:_POOL]] if share else there[:0]
            at = np.union1d(at, np.setdiff1d(more, listener.played)).astype(np.intp)
            scores = rank_scores(self._scorer, self._ranker, listener, at)
            order = np.argsort(-scores, kind="stable")
            inside = member[at[order]]
            top = order[: max(_POOL, self._n)]
            if share:
                top = np.union1d(top, order[inside][:_POOL])
            rows, _ = rerank(scores[top], n=self._n, is_new=member[at[top]], min_new=share)
            lists.append(at[top[[row.position for row in rows]]] if rows else at[:0])
        return lists


def _exposure(lists: list[Positions], labels: NDArray[np.str_]) -> dict[str, Floats]:
    weights = [1 / np.log2(2.0 + np.arange(len(row))) for row in lists]
    return _shares(weights, lists, labels)


def _shares(
    weights: list[Floats], positions: list[Positions], labels: NDArray[np.str_]
) -> dict[str, Floats]:
    """Return each listener's amount in each group; a listener's add up to 1."""
    found: dict[str, Floats] = {}
    for row, (weight, at) in enumerate(zip(weights, positions, strict=True)):
        total = float(weight.sum()) or 1.0
        for name, amount in zip(labels[at].tolist(), weight.tolist(), strict=True):
            values = found.setdefault(name, np.zeros(len(positions)))
            values[row] += amount / total
    return found


def _share_of(group: str, shares: Mapping[str, Floats]) -> Floats:
    size = len(next(iter(shares.values())))
    return shares.get(group, np.zeros(size))


def _groups(
    names: list[str],
    labels: NDArray[np.str_],
    exposure: Mapping[str, Floats],
    merit: Mapping[str, Floats],
    draws: int,
) -> Iterator[GroupExposure]:
    for name in names:
        shown, wanted = _share_of(name, exposure), _share_of(name, merit)
        who = np.arange(len(shown))
        ends = [
            interval(row) for row in bootstrap_means(np.stack([shown, wanted]), who, draws=draws)
        ]
        share = float(wanted.mean())
        yield GroupExposure(
            group=name,
            items=int((labels == name).sum()),
            exposure=float(shown.mean()),
            exposure_low=ends[0][0],
            exposure_high=ends[0][1],
            merit=share,
            merit_low=ends[1][0],
            merit_high=ends[1][1],
            ratio=float(shown.mean()) / share if share else float("nan"),
        )


def _ndcg(
    lists: list[Positions], asked: list[tuple[History, Positions]], items: int, n: int
) -> Floats:
    from scipy.sparse import csr_array

    table = np.full((len(lists), n), -1, dtype=np.intp)
    for row, found in zip(table, lists, strict=True):
        row[: len(found)] = found
    ends = np.cumsum([0, *(len(wanted) for _, wanted in asked)])
    columns = np.concatenate([wanted for _, wanted in asked])
    wanted = csr_array((np.ones(len(columns)), columns, ends), shape=(len(asked), items))
    return measure(table, wanted, ks=(n,)).values[f"ndcg@{n}"]


def _is_met(found: Positions, member: NDArray[np.bool_], share: float, n: int) -> bool:
    least = np.floor(share * np.arange(1, n + 1) + 1e-9)
    have = np.cumsum(member[found])
    return len(found) == n and bool((have >= least).all())
