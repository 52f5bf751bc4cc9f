"""Off-policy estimates and interleaving, measured where the truth is known; bandits and delay.

    python bench/offpolicy.py

Writes tables in Markdown; docs/offpolicy.md holds the last ones. Takes some minutes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.evaluation.interleaving.analyze import analyze_interleaving
from musicu.evaluation.interleaving.log import InterleavingLog
from musicu.evaluation.interleaving.team_draft import draft_teams
from musicu.evaluation.offpolicy.evaluate import WEIGHT_ALARM, evaluate_policies
from musicu.evaluation.offpolicy.log import DecisionLog
from musicu.recommend.bandit import LinearBandit
from musicu.simulation.choices import Choices, click_chances, simulate_choices
from musicu.simulation.listeners import Behavior, Population
from musicu.simulation.simulate import Simulator

Floats = NDArray[np.float64]
ITEMS, USERS, DAYS = 50, 400, 28


def main() -> None:
    """Measure and print."""
    world = _world()
    tables = {
        "| target | estimator | bias | RMSE | covered (95 %) | ESS |": estimates(world),
        "| log | alarm |": alarms(world),
        "| lists | liked known | found by interleaving | found by an A/B test |": preferences(),
        "| bandit | feedback | plays lost a round, of those that chance loses |": delays(world),
    }
    for header, rows in tables.items():
        print(header)
        print("|" + "---|" * (header.count("|") - 1))
        for row in rows:
            print("| " + " | ".join(row) + " |", flush=True)
        print()


def rate(hits: Any) -> str:
    """Return a share with its standard error."""
    share = float(np.mean(hits))
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / len(hits)):.1f} %"


def _world() -> Population:
    vectors = np.random.default_rng(0).standard_normal((ITEMS, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Simulator(vectors, n_users=USERS, days=DAYS, behavior=Behavior(new=0.0)).population


def _policies() -> tuple[Floats, dict[str, Floats]]:
    """Return what logs, and two targets: each listener's own, half or all of the time."""
    rng = np.random.default_rng(1)
    logged = 0.5 * rng.dirichlet(np.full(ITEMS, 2.0)) + 0.5 / ITEMS
    own = rng.dirichlet(np.full(ITEMS, 0.3), size=USERS)
    return logged, {"near": 0.5 * logged + 0.5 * own, "far": own}


def _log(choices: Choices, target: Floats, model: Floats) -> DecisionLog:
    at, chances = np.arange(len(choices)), choices.of(target)
    return DecisionLog(
        choices.clicked,
        choices.propensity,
        {"target": chances[at, choices.item]},
        user=choices.user,
        predicted=model[at, choices.item],
        expected={"target": (chances * model).sum(axis=1)},
    )


def estimates(world: Population, repeats: int = 200) -> Iterator[tuple[str, ...]]:
    """Every estimator on logs of one policy, of another; the model is 30 % too low."""
    logged, targets = _policies()
    for name, target in targets.items():
        for clip in (None, 10.0):
            found: dict[str, list[tuple[float, float, float]]] = {}
            for seed in range(repeats):
                choices = simulate_choices(world, logged, seed=seed)
                log = _log(choices, target, 0.7 * choices.chance)
                truth = choices.value(target)
                report = evaluate_policies(log, draws=400, clip=clip)
                share = report.diagnostics[0].effective_share
                for value in report.values:
                    covered = value.low <= truth <= value.high
                    told = value.value / truth - 1, covered, share
                    found.setdefault(value.estimator, []).append(told)
            for estimator, rows in found.items():
                if clip is not None and estimator == "direct":
                    continue
                error, covered, share = np.array(rows, dtype=float).T
                yield (
                    name + ("" if clip is None else f", weights cut at {clip:g}"),
                    estimator,
                    f"{100 * error.mean():+.1f} %",
                    f"{100 * np.sqrt((error**2).mean()):.1f} %",
                    rate(covered),
                    f"{100 * share.mean():.0f} %",
                )


def alarms(world: Population, repeats: int = 200) -> Iterator[tuple[str, ...]]:
    """How often the weights raise the alarm, where propensities are right, and where not."""
    logged, targets = _policies()
    logs = {"right": 1.0, "propensities 5 % too high": 1.05, "20 % too high": 1.2}
    for name, factor in logs.items():
        hits = []
        for seed in range(repeats):
            choices = simulate_choices(world, logged, seed=seed)
            right = _log(choices, targets["near"], choices.chance)
            told = np.minimum(1, factor * right.propensity)
            log = DecisionLog(right.reward, told, right.policies, user=right.user)
            report = evaluate_policies(log, draws=20)
            hits.append(report.diagnostics[0].mean_p < WEIGHT_ALARM)
        yield name, rate(hits)


def preferences(repeats: int = 100, users: int = 60) -> Iterator[tuple[str, ...]]:
    """Rankings of 40 items, of which the new one knows some of what is liked; 8 places."""
    for better, lists in ((0.0, 240), (0.02, 240), (0.05, 240)):
        both, apart = [], []
        for seed in range(repeats):
            rng = np.random.default_rng([seed, lists, int(100 * better)])
            liked = rng.random((users, 40)) < 0.3
            rows: list[tuple[int, int, str, bool]] = []
            clicks = np.zeros((2, users))
            for number in range(lists):
                user = number % users
                control, new = rng.permutation(40), rng.permutation(40)
                known = liked[user][new] & (rng.random(40) < better)
                new = new[np.argsort(~known, kind="stable")]
                named = {"control": [*map(str, control)], "new": [*map(str, new)]}
                drafted = draft_teams(named, 8, seed=[seed, number])
                seen = rng.random(8) < 1 / np.arange(1, 9)
                for place, (item, team) in enumerate(
                    zip(drafted.items, drafted.teams, strict=True)
                ):
                    rows.append((number, user, team, seen[place] and liked[user][int(item)]))
                # The same listener, had the list been of one ranking only: even users see the new.
                alone = (control, new)[user % 2][:8]
                clicks[user % 2, user] += (seen & liked[user][alone]).sum()
            report = analyze_interleaving(InterleavingLog(*zip(*rows, strict=True)), draws=400)
            both.append(report.effects[0].p <= 0.05)
            apart.append(_welch(clicks[0, ::2], clicks[1, 1::2]) <= 0.05)
        yield f"{lists} of {users} users", f"{better:.0%}", rate(both), rate(apart)


def _welch(one: Floats, other: Floats) -> float:
    from scipy.stats import ttest_ind

    return float(ttest_ind(one, other, equal_var=False).pvalue)


def delays(world: Population, repeats: int = 3, rounds: int = 1000) -> Iterator[tuple[str, ...]]:
    """One listener's sessions again and again, from the chances of a made-up one."""
    chances = click_chances(world).astype(np.float64)
    x = np.column_stack([np.ones(ITEMS), world.vectors])
    for method, exploration in (("thompson", 1.0), ("linucb", 1.0), ("thompson", 0.0)):
        for delay in (0, 100, 400):
            lost = []
            for seed in range(repeats):
                rng = np.random.default_rng(seed)
                chance = chances[rng.integers(len(chances))]
                bandit = LinearBandit(x.shape[1], method=method, exploration=exploration, seed=seed)
                waiting: deque[tuple[int, bool]] = deque()
                total = 0.0
                for _ in range(rounds):
                    (at,), (number,) = bandit.choose(x)
                    waiting.append((number, rng.random() < chance[at]))
                    total += chance.max() - chance[at]
                    if len(waiting) > delay:
                        bandit.tell(*waiting.popleft())
                        bandit.learn()
                lost.append(total / rounds / (chance.max() - chance.mean()))
            label = method if exploration else "no exploration"
            yield label, f"{delay} rounds late", f"{100 * np.mean(lost):.0f} %"


if __name__ == "__main__":
    main()
