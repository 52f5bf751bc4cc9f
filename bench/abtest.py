"""Error rates of the A/B analysis, measured on trials whose truth is known.

    python bench/abtest.py

Writes a table in Markdown; docs/abtest.md holds the last one. Takes about three minutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.evaluation.ab.analyze import SRM_ALARM, analyze_ab
from musicu.evaluation.ab.anytime import anytime_p
from musicu.evaluation.ab.log import ABLog
from musicu.evaluation.ab.statistics import compare_groups, required_users

Floats = NDArray[np.float64]
RNG = np.random.default_rng(0)
DAY = 86_400.0


def main() -> None:
    """Measure and print."""
    print("| what | wanted | measured | repeats |")
    print("|---|---|---|---|")
    for part in (single_looks, whole_reports, cuped, peeking, whole_peeking, split, plans):
        for row in part():
            print("| " + " | ".join(row) + " |", flush=True)


def rate(hits: Any, repeats: int) -> str:
    """Return a share with its standard error."""
    share = float(np.mean(hits))
    return f"{100 * share:.2f} ± {100 * math.sqrt(share * (1 - share) / repeats):.2f} %"


def single_looks(repeats: int = 10_000) -> Iterator[tuple[str, ...]]:
    """Trials without an effect, looked at once, one library call each."""
    draws: dict[str, Callable[[], list[tuple[list[Floats], list[Floats]]]]] = {
        "mean of exponential values, 60 + 60 users": lambda: [
            ([RNG.exponential(size=60)], []) for _ in range(2)
        ],
        "mean of counts (Poisson 0.5), 200 + 300 users": lambda: [
            ([RNG.poisson(0.5, n).astype(float)], []) for n in (200, 300)
        ],
        "clicks / shown, 100 + 100 users": lambda: [_ratio(100) for _ in range(2)],
        "with covariate (rho 0.8), 60 + 60 users": lambda: [_covaried(60, 0.8) for _ in range(2)],
    }
    for name, draw in draws.items():
        found = [compare_groups(*draw(), alpha=0.05, name=name).p <= 0.05 for _ in range(repeats)]
        yield f"A/A: {name}", "5 %", rate(found, repeats), f"{repeats:,}"


def whole_reports(repeats: int = 3_000) -> Iterator[tuple[str, ...]]:
    """Any of three metrics and two variants called different, by the whole analysis."""
    for sequential, wanted in ((False, "<= 5 %"), (True, "<= 5 %")):
        found = []
        for _ in range(repeats):
            n = 300
            base = RNG.normal(size=n)
            columns = {name: 5 + base + RNG.normal(size=n) for name in ("a", "b", "c")}
            log = ABLog(range(n), RNG.integers(3, size=n), columns)
            report = analyze_ab(log, ["a", "b", "c"], sequential=sequential, planned=300)
            found.append(any(effect.verdict in ("higher", "lower") for effect in report.effects))
        kind = "anytime" if sequential else "single look"
        yield f"A/A/A: any of 6 verdicts, {kind}", wanted, rate(found, repeats), f"{repeats:,}"


def cuped(repeats: int = 4_000) -> Iterator[tuple[str, ...]]:
    """Variance and bias of adjusted effects of 0.3."""
    for rho in (0.5, 0.8, 0.9):
        found = []
        for _ in range(repeats):
            control, new = _covaried(200, rho), _covaried(200, rho)
            new = [new[0][0] + 0.3], new[1]
            plain = compare_groups((control[0], []), (new[0], []), alpha=0.05, name="x")
            both = compare_groups(control, new, alpha=0.05, name="x")
            found.append((plain.effect, both.effect, both.variance_left))
        plain, adjusted, left = np.array(found).T
        yield (
            f"CUPED: variance left at rho {rho}",
            f"{1 - rho**2:.3f}",
            f"{adjusted.var() / plain.var():.3f} (reported {left.mean():.3f})",
            f"{repeats:,}",
        )
        error = adjusted.std() / math.sqrt(repeats)
        yield (
            f"CUPED: mean of an effect of 0.3 at rho {rho}",
            "0.3",
            f"{adjusted.mean():.4f} ± {error:.4f}",
            f"{repeats:,}",
        )


def peeking(repeats: int = 5_000) -> Iterator[tuple[str, ...]]:
    """Trials without an effect, looked at every day, ended at the first finding."""
    cases = {
        "new users every day": (True, 0.0),
        "the same users, days independent": (False, 0.0),
        "the same users, half of the variance theirs": (False, 1.0),
    }
    for days in (28, 90):
        for name, (arriving, own) in cases.items():
            often = np.zeros(repeats, bool)
            hits = {planned: np.zeros(repeats, bool) for planned in (1_000, 10_000)}
            for low in range(0, repeats, 250):
                block = slice(low, low + 250)
                for effect, error, users in _days(250, days, arriving, own):
                    often[block] |= np.abs(effect) > 1.96 * error
                    for planned, hit in hits.items():
                        hit[block] |= anytime_p(effect, error, users, planned=planned) <= 0.05
            text = f"{days} daily looks, {name}"
            yield f"{text}: p < .05", "", rate(often, repeats), f"{repeats:,}"
            for planned, hit in hits.items():
                label = f"{text}: anytime, planned {planned:,}"
                yield label, "<= 5 %", rate(hit, repeats), f"{repeats:,}"


def whole_peeking(repeats: int = 1_000) -> Iterator[tuple[str, ...]]:
    """Peek through the whole analysis of a log with time, two metrics."""
    found, open_once = [], []
    for _ in range(repeats):
        n, days = 800, 14
        user = np.repeat(np.arange(n), 3)
        start = np.repeat(RNG.integers(days, size=n), 3)
        day = np.minimum(start + RNG.integers(0, 5, size=len(user)), days - 1)
        heavy = np.repeat(RNG.exponential(size=n), 3)
        columns = {name: RNG.poisson(2 * heavy).astype(float) for name in ("plays", "skips")}
        variant = RNG.integers(2, size=n)[user]
        log = ABLog(user, variant, columns, 1.7e9 + day * DAY)
        report = analyze_ab(log, ["plays", "skips"], planned=1_000)
        found.append(any(effect.decided is not None for effect in report.effects))
        open_once.append(all(len(effect.looks) >= 12 for effect in report.effects))
    assert all(open_once)
    yield "14 daily looks by analyze_ab, 2 metrics", "<= 5 %", rate(found, repeats), f"{repeats:,}"


def split(repeats: int = 20_000) -> Iterator[tuple[str, ...]]:
    """Sound the alarm for a broken split."""
    from scipy.stats import chisquare

    for lost, wanted in ((0.0, f"{100 * SRM_ALARM:g} %"), (0.02, ""), (0.05, ""), (0.1, "")):
        new = RNG.binomial(10_000, (1 - lost) / (2 - lost), size=repeats)
        p = chisquare(np.stack([new, 10_000 - new]), axis=0).pvalue
        label = f"split alarm, 10,000 users, {100 * lost:g} % of one variant lost"
        yield label, wanted, rate(p < SRM_ALARM, repeats), f"{repeats:,}"


def plans(repeats: int = 4_000) -> Iterator[tuple[str, ...]]:
    """Power at the number of users asked for, and how early anytime looks end."""
    past = RNG.exponential(size=20_000)
    for sequential in (False, True):
        n = required_users(past, effect=0.1, sequential=sequential)
        hit, ended = np.zeros(repeats, bool), np.full(repeats, n)
        for low in range(0, repeats, 100):
            values = RNG.exponential(size=(100, n))
            second = np.arange(n) % 2 == 0
            values[:, second] += 0.1
            for share in np.arange(1, 21) / 20 if sequential else [1.0]:
                seen = int(n * share)
                parts = [values[:, :seen][:, s[:seen]] for s in (second, ~second)]
                effect = parts[0].mean(axis=1) - parts[1].mean(axis=1)
                error = np.sqrt(sum(x.var(axis=1, ddof=1) / x.shape[1] for x in parts))
                found = (
                    anytime_p(effect, error, seen, planned=n) <= 0.05
                    if sequential
                    else np.abs(effect) > 1.96 * error
                )
                new = found & ~hit[low : low + 100]
                ended[low : low + 100][new] = seen
                hit[low : low + 100] |= found
        kind = "anytime, 20 looks" if sequential else "single look"
        text = f"power at {n:,} users, effect 10 %, {kind}"
        wanted = ">= 80 %" if sequential else "80 %"
        yield text, wanted, rate(hit, repeats), f"{repeats:,}"
    yield (
        f"mean users until the end of the latter (at most {n:,})",
        "",
        f"{ended.mean():,.0f}",
        f"{repeats:,}",
    )


def _ratio(n: int) -> tuple[list[Floats], list[Floats]]:
    shown = 1 + RNG.poisson(20 * RNG.exponential(size=n))
    return [RNG.binomial(shown, RNG.beta(1, 9, size=n)).astype(float), shown.astype(float)], []


def _covaried(n: int, rho: float) -> tuple[list[Floats], list[Floats]]:
    before = RNG.normal(size=n)
    return [rho * before + math.sqrt(1 - rho**2) * RNG.normal(size=n)], [before]


def _days(
    repeats: int, days: int, arriving: bool, own: float
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield effect, error and users [repeats] at the end of each day."""
    if arriving:
        sums = np.zeros((2, 3, repeats))
        for _ in range(days):
            values = RNG.exponential(size=(repeats, 60))
            second = RNG.random((repeats, 60)) < 0.5
            for side, group in enumerate((~second, second)):
                for power in range(3):
                    sums[side, power] += (values**power * group).sum(axis=1)
            n, total, square = sums[:, 0], sums[:, 1], sums[:, 2]
            error = np.sqrt(((square - total**2 / n) / (n - 1) / n).sum(axis=0))
            yield (total / n)[1] - (total / n)[0], error, 4 / (1 / n).sum(axis=0)
        return
    habit = own * RNG.normal(size=(repeats, 600))
    second = np.arange(600) % 2 == 0
    total = np.zeros((repeats, 600))
    for _ in range(days):
        total += habit + RNG.normal(size=total.shape)
        parts = total[:, second], total[:, ~second]
        error = np.sqrt(sum(x.var(axis=1, ddof=1) / x.shape[1] for x in parts))
        yield parts[0].mean(axis=1) - parts[1].mean(axis=1), error, np.full(repeats, 600.0)


if __name__ == "__main__":
    main()
