"""A/B logs: right where the truth is known, loud where the log cannot be right."""

import datetime
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.errors import MissingExtraError, MusicuError
from musicu.evaluation.ab.analyze import SRM_ALARM, analyze_ab, srm_p_value
from musicu.evaluation.ab.anytime import anytime_margin, anytime_p
from musicu.evaluation.ab.log import ABLog, read_ab_log
from musicu.evaluation.ab.statistics import compare_groups, detectable_effect, required_users
from musicu.simulation.listeners import Behavior
from musicu.simulation.simulate import Simulator, ab_table

pytest.importorskip("tea_tasting")

DAY = 86_400.0
NOON = 1_704_110_400.0  # 2024-01-01 12:00 UTC


def _log(n: int = 400, *, seed: int = 0, effect: float = 0.0, shift: float = 10.0) -> ABLog:
    """One row a user; `plays` after the trial, `before` with a correlation of 0.8 to it."""
    rng = np.random.default_rng(seed)
    before = rng.normal(size=n)
    plays = shift + 0.8 * before + 0.6 * rng.normal(size=n)
    variant = np.array(["control", "new"])[rng.integers(2, size=n)]
    plays += effect * (variant == "new")
    columns = {"plays": plays, "before": before, "hours": 1 + rng.poisson(5, n) + 0.1 * plays}
    return ABLog([f"u{i}" for i in range(n)], variant, columns)


def _band(rate: float, repeats: int) -> float:
    """Four standard errors of an estimated rate."""
    return 4 * float(np.sqrt(rate * (1 - rate) / repeats))


def _welch(values: NDArray[Any], second: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Differences and standard errors along the last axis; `second` marks the treatment."""
    groups = [np.where(mask, values, np.nan) for mask in (second, ~second)]
    means = [np.nanmean(g, axis=-1) for g in groups]
    errors = [np.nanvar(g, axis=-1, ddof=1) / (~np.isnan(g)).sum(axis=-1) for g in groups]
    return means[0] - means[1], np.sqrt(errors[0] + errors[1])


def test_the_effect_is_welchs() -> None:
    from scipy.stats import ttest_ind

    log = _log(effect=0.2)
    (effect,) = analyze_ab(log, ["plays"]).effects
    plays = log.totals("plays")
    groups = plays[log.variants == "new"], plays[log.variants == "control"]
    test = ttest_ind(*groups, equal_var=False)
    assert effect.p == pytest.approx(test.pvalue, rel=1e-9)
    low, high = test.confidence_interval(0.95)
    assert (effect.low, effect.high) == pytest.approx((low, high), rel=1e-9)
    assert effect.effect == pytest.approx(groups[0].mean() - groups[1].mean())
    assert effect.relative == pytest.approx(groups[0].mean() / groups[1].mean() - 1)
    assert effect.variance_left == pytest.approx(1.0)


def test_cuped_is_the_regression_on_the_covariate() -> None:
    log = _log(4_000, effect=0.1)
    (effect,) = analyze_ab(log, ["plays"], covariates={"plays": "before"}).effects
    design = np.stack(
        [np.ones(4_000), log.variants == "new", log.totals("before")], axis=1, dtype=np.float64
    )
    slope = np.linalg.lstsq(design, log.totals("plays"), rcond=None)[0]
    assert effect.effect == pytest.approx(slope[1], abs=2e-3)
    rho = np.corrcoef(log.totals("plays"), log.totals("before"))[0, 1]
    assert effect.variance_left == pytest.approx(1 - rho**2, rel=0.02)


def test_a_ratio_is_a_ratio_of_totals_with_the_errors_of_the_jackknife() -> None:
    log = _log(600, effect=0.5)
    (effect,) = analyze_ab(log, ["plays / hours"]).effects

    def jackknife(who: NDArray[Any]) -> tuple[float, float]:
        plays, hours = log.totals("plays")[who], log.totals("hours")[who]
        left = (plays.sum() - plays) / (hours.sum() - hours)
        return plays.sum() / hours.sum(), (len(left) - 1) * float(left.var())

    new, control = (jackknife(log.variants == name) for name in ("new", "control"))
    assert effect.effect == pytest.approx(new[0] - control[0])
    error = (effect.high - effect.low) / 2 / 1.9639
    assert error**2 == pytest.approx(new[1] + control[1], rel=0.02)


def test_of_trials_without_an_effect_five_per_cent_find_one() -> None:
    rng = np.random.default_rng(1)
    skewed = rng.exponential(size=(10_000, 160))  # as plays are
    second = np.broadcast_to(np.arange(160) % 2 == 0, skewed.shape)
    effect, error = _welch(skewed, second)
    assert 0.04 <= (np.abs(effect / error) > 1.975).mean() <= 0.06  # Student's t, 158 degrees
    for row in range(1_000):
        groups = [([skewed[row, start::2]], []) for start in (1, 0)]
        found = compare_groups(*groups, alpha=0.05, name="plays")
        assert found.effect == pytest.approx(effect[row])
        assert found.error == pytest.approx(error[row])
        assert (found.p <= 0.05) == (found.low > 0 or found.high < 0)


def test_of_whole_analyses_without_an_effect_five_per_cent_find_one_in_any_metric() -> None:
    found = 0
    for seed in range(300):
        report = analyze_ab(_log(100, seed=seed), ["plays", "hours"], sequential=False)
        found += any(effect.verdict != "open" for effect in report.effects)
    # Holm: at most 5 % for both together; they are nearly independent, so not far below.
    assert abs(found / 300 - 0.05) < _band(0.05, 300)


def test_cuped_leaves_one_less_rho_squared_of_the_variance_and_no_bias() -> None:
    plain, adjusted = [], []
    for seed in range(400):
        log = _log(200, seed=seed, effect=0.3)
        groups = [log.variants == "control", log.variants == "new"]
        values, before = log.totals("plays"), log.totals("before")
        for fixed, found in (((), plain), ((before,), adjusted)):
            pair = [([values[g]], [c[g] for c in fixed]) for g in groups]
            found.append(compare_groups(*pair, alpha=0.05, name="plays").effect)
    ratio = np.var(adjusted) / np.var(plain)
    assert ratio == pytest.approx(1 - 0.8**2, rel=0.25)
    for found in (plain, adjusted):
        assert abs(np.mean(found) - 0.3) < 4 * np.std(found) / np.sqrt(400)


def test_looking_every_day_does_not_find_what_is_not_there() -> None:
    repeats, days, daily = 4_000, 28, 40
    rng = np.random.default_rng(2)
    values = rng.exponential(size=(repeats, days, daily))
    second = rng.random((repeats, days, daily)) < 0.5
    sums = [
        [np.cumsum((values**power * group).sum(axis=2), axis=1) for power in range(3)]
        for group in (second, ~second)
    ]
    (mean1, error1), (mean0, error0) = (
        (total / n, (square - total**2 / n) / (n - 1) / n) for n, total, square in sums
    )
    effects, errors = mean1 - mean0, np.sqrt(error0 + error1)
    users = 4 / (1 / sums[0][0] + 1 / sums[1][0])
    often = (np.abs(effects / errors) > 1.96).any(axis=1)
    anytime = (anytime_p(effects, errors, users, planned=1_000) <= 0.05).any(axis=1)
    margin = anytime_margin(errors, users, planned=1_000)
    missed = (np.abs(effects) > margin).any(axis=1)
    assert often.mean() > 0.15  # the fault that it is for
    assert anytime.mean() <= 0.05
    assert (missed == anytime).all()


def test_an_anytime_interval_is_narrowest_where_it_is_planned_for() -> None:
    users = np.arange(100, 20_000, 100)
    factor = anytime_margin(1.0, users, planned=5_000)
    assert users[factor.argmin()] == 5_000
    assert factor.min() == pytest.approx(3.03, abs=0.01)
    assert (factor > 1.96).all()


@settings(max_examples=60, deadline=None)
@given(
    z=st.floats(-8, 8),
    users=st.floats(4, 1e6),
    planned=st.integers(10, 100_000),
    alpha=st.floats(0.001, 0.2),
)
def test_the_anytime_interval_excludes_zero_when_the_p_value_is_below_alpha(
    z: float, users: float, planned: int, alpha: float
) -> None:
    p = float(anytime_p(z, 1.0, users, planned=planned, alpha=alpha))
    margin = float(anytime_margin(1.0, users, planned=planned, alpha=alpha))
    assert 0 <= p <= 1
    if abs(abs(z) - margin) > 1e-6:
        assert (p < alpha) == (abs(z) > margin)


def test_a_strong_effect_is_decided_on_its_day_and_a_weak_one_stays_open() -> None:
    rng = np.random.default_rng(3)
    n, days = 2_000, 20
    variant = np.array(["a", "b"])[rng.integers(2, size=n)]
    strong = rng.normal(size=n) + 0.5 * (variant == "b")
    weak = rng.normal(size=n) + 0.02 * (variant == "b")
    time = NOON + rng.integers(days, size=n) * DAY
    log = ABLog(range(n), variant, {"strong": strong, "weak": weak}, time)
    first, second = analyze_ab(log, ["strong", "weak"], planned=n).effects
    assert (first.verdict, second.verdict) == ("higher", "open")
    assert first.decided is not None and second.decided is None
    assert first.decided < NOON + (days - 1) * DAY
    assert [look.time for look in first.looks] == sorted({look.time for look in first.looks})
    assert first.looks[0].time % DAY == 0
    assert len(first.looks) == days
    assert (np.diff([look.p for look in first.looks]) <= 0).all()
    # The day it was decided, analyzed as a log of its own, says the same.
    early = time < first.decided
    part = ABLog(
        np.arange(n)[early],
        variant[early],
        {"strong": strong[early], "weak": weak[early]},
        time[early],
    )
    again = analyze_ab(part, ["strong", "weak"], planned=n).effects[0]
    assert again.decided == first.decided
    look = next(look for look in first.looks if look.time == first.decided)
    assert (again.effect, again.anytime_low) == pytest.approx((look.effect, look.low))


def test_rows_of_a_user_are_added_up_however_they_are_cut() -> None:
    rng = np.random.default_rng(4)
    log = _log(200, effect=0.3)
    whole = analyze_ab(log, ["plays", "plays / hours"], covariates={"plays": "before"})
    part = rng.random(200)
    order = rng.permutation(400)
    columns = {
        name: np.concatenate([log.columns[name] * part, log.columns[name] * (1 - part)])[order]
        for name in ("plays", "hours")
    }
    before = np.tile(log.columns["before"], 2)[order]
    user = np.tile([f"u{i}" for i in range(200)], 2)[order]
    variant = np.tile(log.variants[log.index], 2)[order]
    halves = ABLog(user, variant, columns | {"before": before})
    again = analyze_ab(halves, ["plays", "plays / hours"], covariates={"plays": "before"})
    for one, two in zip(whole.rows(), again.rows(), strict=True):
        for name, value in one.items():
            assert two[name] == (pytest.approx(value) if isinstance(value, float) else value)


def test_the_alarm_for_a_broken_split_rings_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for share, repeats in ((0.5, 2_000), (0.45, 60)):
        alarms = 0
        for _ in range(repeats):
            new = rng.binomial(4_000, share)
            alarms += _srm_of(4_000 - new, new) < SRM_ALARM
        if share == 0.5:
            assert alarms / repeats <= SRM_ALARM + _band(SRM_ALARM, repeats)
    assert alarms / 60 > 0.95


def _srm_of(control: int, new: int) -> float:
    return srm_p_value({"control": control, "new": new})


def test_a_broken_split_makes_every_verdict_untrusted() -> None:
    rng = np.random.default_rng(6)
    variant = ["control"] * 500 + ["new"] * 650
    plays = rng.normal(size=1_150) + 3 * (np.arange(1_150) >= 500)
    report = analyze_ab(ABLog(range(1_150), variant, {"plays": plays}), ["plays"])
    assert report.srm and report.srm_p < SRM_ALARM
    assert report.effects[0].verdict == "untrusted"
    assert "The split is broken: 'control' has 500 (575 expected)" in report.notes[0]
    meant = analyze_ab(
        ABLog(range(1_150), variant, {"plays": plays}), ["plays"], shares={"control": 10, "new": 13}
    )
    assert not meant.srm and meant.effects[0].verdict == "higher"


def test_three_variants_are_compared_with_control_and_corrected_together() -> None:
    rng = np.random.default_rng(7)
    variant = np.array(["a", "b", "c"])[np.arange(900) % 3]
    plays = rng.normal(size=900) - 0.25 * (variant == "c")
    report = analyze_ab(
        ABLog(range(900), variant, {"plays": plays}), ["plays"], control="b", sequential=False
    )
    assert [effect.variant for effect in report.effects] == ["a", "c"]
    assert report.users == {"a": 300, "b": 300, "c": 300}
    small, large = sorted(effect.p for effect in report.effects)
    assert sorted(effect.p_holm for effect in report.effects) == pytest.approx(
        [min(1, 2 * small), max(2 * small, large)]
    )
    assert report.effects[1].verdict == "lower"
    assert report.effects[0].anytime_p is None
    assert "only if this is the one look" in report.notes[-1]


def test_a_report_is_plain_values() -> None:
    import json

    log = _log(60)
    report = analyze_ab(log, ["plays", "plays / hours"])
    assert json.loads(json.dumps(report.to_dict()))["control"] == "control"
    assert [row["metric"] for row in report.rows()] == ["plays", "plays / hours"]
    assert "looks" not in report.rows()[0]
    assert any("has 2" in note or "has 3" in note for note in report.notes)  # few users


def test_a_mean_that_is_not_positive_has_no_relative_effect() -> None:
    (effect,) = analyze_ab(_log(shift=-10.0), ["plays"]).effects
    assert effect.relative is None and effect.relative_low is None
    for control in (0.0, -1.0):
        plays = np.where(np.arange(60) < 30, control, np.arange(60.0))
        log = ABLog(range(60), ["a"] * 30 + ["b"] * 30, {"plays": plays})
        (effect,) = analyze_ab(log, ["plays"]).effects
        assert effect.relative is None and effect.verdict == "higher"


def test_means_near_zero_are_compared_as_any_others() -> None:
    rng = np.random.default_rng(12)
    hours = 1 + rng.random(400)
    plays = rng.normal(size=400)
    plays -= np.where(np.arange(400) % 2, plays[1::2].mean() - 1e-9, plays[::2].mean())
    variant = ["a", "b"] * 200
    for metric, constant in (("plays", 30.0), ("plays / hours", 30.0 * hours)):
        near, far = (
            analyze_ab(ABLog(range(400), variant, {"plays": x, "hours": hours}), [metric]).effects[
                0
            ]
            for x in (plays, plays + constant)
        )
        assert near.relative is None and far.relative is not None
        for name in ("effect", "low", "high", "p", "anytime_high"):
            assert getattr(near, name) == pytest.approx(getattr(far, name), abs=1e-9)
        assert near.control == pytest.approx(far.control - 30)


def test_no_difference_at_all_is_no_finding() -> None:
    log = ABLog(range(80), ["a", "b"] * 40, {"plays": np.arange(80) // 2})
    (effect,) = analyze_ab(log, ["plays"]).effects
    assert (effect.effect, effect.p, effect.anytime_p) == (0, 1, 1)
    assert effect.anytime_low == pytest.approx(-float(effect.anytime_high or 0))


def test_the_verdict_goes_by_looks_of_any_number_and_by_all_metrics() -> None:
    rng = np.random.default_rng(11)
    variant = np.arange(4_000) % 2

    def report(z: float, metrics: list[str]) -> Any:
        noise = rng.normal(size=4_000)
        noise -= np.where(variant, noise[variant == 1].mean(), noise[variant == 0].mean())
        columns = {"x": noise + z * variant * np.sqrt(4 / 4_000), "y": noise}
        return analyze_ab(ABLog(range(4_000), variant, columns), metrics, planned=4_000)

    only = report(2.8, ["x"]).effects[0]
    assert only.p_holm < 0.01 and only.anytime_p > 0.05 and only.verdict == "open"
    assert report(3.15, ["x"]).effects[0].verdict == "higher"
    both = report(3.15, ["x", "y"]).effects[0]
    assert both.anytime_p_holm == pytest.approx(2 * both.anytime_p)
    assert both.verdict == "open"
    assert both.decided is None and both.looks == ()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_log_reads_the_same_from_any_file(tmp_path: Path, suffix: str) -> None:
    import json

    path = tmp_path / f"trial{suffix}"
    rows = [
        {"user": "x", "variant": "A", "time": "2024-01-01", "plays": 3, "land": "DE"},
        {
            "user": "y",
            "variant": "B",
            "time": "2024-01-02T10:00:00+02:00",
            "plays": 4.5,
            "land": "",
        },
        {"user": "x", "variant": "A", "time": "2024-01-03", "plays": 1, "land": "FR"},
    ]
    if suffix == ".csv":
        lines = [";".join(rows[0]), *(";".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines))
    elif suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    log = read_ab_log(path)
    assert log.users.tolist() == ["x", "y"]
    assert log.variants.tolist() == ["A", "B"]
    assert log.totals("plays").tolist() == [4.0, 4.5]
    assert log.time is not None
    moment = datetime.datetime(2024, 1, 2, 8, tzinfo=datetime.UTC).timestamp()
    assert log.time.tolist() == [1704067200.0, moment, 1704240000.0]
    with pytest.raises(MusicuError, match=r"column 'land' is no number: row \d holds 'DE'"):
        log.column("land")


GOOD = "user,variant,plays,hours\na,A,1,2\nb,A,2,3\nc,B,3,4\nd,B,5,5\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,plays\na,1\n", "no column 'variant'; columns found: 'user', 'plays'"),
        (GOOD.replace("B", "A"), "only one variant, 'A'"),
        (GOOD + "a,B,1,1\n", r"one user is in 'A' \(row 2\) and in 'B' \(row 6\)"),
        (GOOD + "e,B,,1\n", "row 6 has no value of 'plays'"),
        (GOOD + "e,B,nan,1\n", "row 6 has no value of 'plays'"),
        (GOOD + "e,B,many,1\n", "column 'plays' is no number: row 6 holds 'many'"),
        (GOOD + "e,,1,1\n", "row 6 has no variant"),
        (GOOD + ",A,1,1\n", "row 6 has no user"),
        (GOOD.replace("plays", "listens"), "no column 'plays'; columns of numbers: 'listens'"),
        ("user,variant,plays\na,A,1\nb,A,1\nc,B,1\nd,B,1\n", "'plays' does not vary"),
        ("user,variant,plays\na,A,1\nb,A,2\nc,B,1\n", "variant 'B' has one user"),
        (GOOD.replace("hours", "time"), "row 2: '2' is no time"),
        (
            "user,variant,plays,time\na,A,1,2024-01-01\nb,B,2,1704240000\n",
            "column 'time' mixes dates and numbers: '2024-01-01' in row 2 and '17",
        ),
        ("user,variant,plays,time\na,A,1,20240101\n", "row 2: 20240101 is a day, not seconds"),
    ],
)
def test_a_log_that_cannot_be_analyzed_is_told_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "trial.csv"
    path.write_text(text)
    with pytest.raises(MusicuError, match=message) as raised:
        analyze_ab(path, ["plays"])
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"control": "old"}, "no variant 'old'; there are 'control', 'new'"),
        ({"covariates": {"skips": "before"}}, "a covariate is given for 'skips'"),
        ({"covariates": {"plays": "plays"}}, "'plays' cannot adjust itself"),
        ({"shares": {"control": 1}}, "shares are given for 'control', and the variants are"),
        ({"shares": {"control": 1, "new": 0}}, "the share of 'new' is 0"),
        ({"alpha": 1.0}, "alpha is 1.0"),
        ({"planned": 0}, "planned is 0"),
        ({"metrics": ["plays / zero"]}, "'zero' is 0 everywhere"),
        ({"metrics": ["plays / hours / before"]}, "is no metric: write a column"),
        ({"metrics": []}, "no metric is named"),
    ],
)
def test_a_question_that_makes_no_sense_is_told(arguments: dict[str, Any], message: str) -> None:
    log = _log(50)
    log.columns["zero"] = np.zeros(50)
    with pytest.raises(MusicuError, match=message):
        analyze_ab(log, arguments.pop("metrics", ["plays"]), **arguments)


def test_a_covariate_that_changes_in_the_trial_is_refused() -> None:
    log = ABLog(list("aabbccdd"), list("xxxxyyyy"), {"plays": range(8)})
    log.columns["before"] = np.array([1.0, 1, 2, 3, 4, 4, 5, 5])
    with pytest.raises(MusicuError, match="row 3: 'before' is not what it is"):
        analyze_ab(log, ["plays"], covariates={"plays": "before"})


def test_without_tea_tasting_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tea_tasting", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[ab\]'"):
        analyze_ab(_log(), ["plays"])


def test_the_required_number_of_users_has_the_power_that_was_asked_for() -> None:
    rng = np.random.default_rng(8)
    past = rng.exponential(size=5_000)
    n = required_users(past, effect=0.2)
    values = rng.exponential(size=(2_000, n))
    second = np.arange(n) % 2 == 0
    values[:, second] += 0.2
    effect, error = _welch(values, np.broadcast_to(second, values.shape))
    assert (effect / error > 1.96).mean() == pytest.approx(0.8, abs=0.05)
    assert detectable_effect(past, users=n) == pytest.approx(0.2, rel=0.01)
    # Anytime intervals cost more users, and a covariate saves some.
    longer = required_users(past, effect=0.2, sequential=True)
    assert longer == pytest.approx(1.9 * n, rel=0.05)
    assert detectable_effect(past, users=longer, sequential=True) == pytest.approx(0.2, rel=0.01)
    before = past + rng.normal(size=5_000) * past.std()
    rho = np.corrcoef(past, before)[0, 1]
    assert required_users(past, effect=0.2, covariate=before) == pytest.approx(
        (1 - rho**2) * n, rel=0.02
    )
    # Totals divided by a constant are the same question.
    assert required_users(past, per=np.full(5_000, 3.0), effect=0.2) == n


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0, 2.0], {"effect": 0.0}, "effect is 0.0"),
        ([1.0, 1.0], {"effect": 0.1}, "values do not vary"),
        ([-1.0, 1.0], {"effect": 0.1}, "their mean is 0"),
        ([1.0, np.nan], {"effect": 0.1}, "values are missing"),
        ([1.0, 2.0], {"effect": 0.1, "per": [1.0]}, "one number a user"),
    ],
)
def test_a_plan_that_cannot_be_made_is_told(
    values: list[float], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(MusicuError, match=message):
        required_users(values, **options)


def test_a_simulated_trial_with_a_planted_effect_is_read_right() -> None:
    rng = np.random.default_rng(9)
    vectors = rng.normal(size=(300, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    simulator = Simulator(vectors, n_users=500, days=28, seed=10, behavior=Behavior(spread=0.3))
    table = ab_table(
        simulator.replay({"control": None, "new": None}, from_day=14, appeal={"new": 1.4})
    )
    names = ("user", "variant", "time")
    columns = {name: values for name, values in table.items() if name not in names}
    log = ABLog(table["user"], table["variant"], columns, table["time"])
    clicks, sessions = analyze_ab(
        log,
        ["clicks / shown", "sessions"],
        covariates={"sessions": "sessions_before"},
        planned=500,
    ).effects
    assert clicks.verdict == "higher"
    assert clicks.relative_low is not None and clicks.relative_high is not None
    assert clicks.relative_low < 0.4 < clicks.relative_high
    assert clicks.relative_low > 0.1
    assert sessions.verdict == "open"
    assert sessions.variance_left < 0.9
    assert len(sessions.looks) == 14
