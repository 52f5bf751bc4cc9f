"""Off-policy estimates: right where the truth is known, loud where the log cannot be right."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.evaluation.offpolicy.estimators import ESTIMATORS, effective_sample_size
from musicu.evaluation.offpolicy.evaluate import OffPolicyReport, evaluate_policies
from musicu.evaluation.offpolicy.log import DecisionLog, read_decisions
from musicu.simulation.choices import Choices, simulate_choices
from musicu.simulation.listeners import Behavior, Population
from musicu.simulation.simulate import Simulator

ITEMS, USERS, RUNS = 30, 200, 60


@pytest.fixture(scope="module")
def world() -> Population:
    vectors = np.random.default_rng(0).standard_normal((ITEMS, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Simulator(vectors, n_users=USERS, days=21, behavior=Behavior(new=0.0)).population


@pytest.fixture(scope="module")
def policies() -> tuple[NDArray[Any], NDArray[Any]]:
    """Return one that explores, for all alike, and one of each listener's own."""
    rng = np.random.default_rng(1)
    logged = 0.5 * rng.dirichlet(np.full(ITEMS, 2.0)) + 0.5 / ITEMS
    return logged, rng.dirichlet(np.full(ITEMS, 0.5), size=USERS)


def _log(choices: Choices, target: NDArray[Any], *, model: float | None = None) -> DecisionLog:
    """Return the choices as a log; the model is the truth times a factor."""
    at, chances = np.arange(len(choices)), choices.of(target)
    with_model: dict[str, Any] = {}
    if model is not None:
        guess = model * choices.chance
        with_model = {
            "predicted": guess[at, choices.item],
            "expected": {"target": (chances * guess).sum(axis=1)},
        }
    shown = {"target": chances[at, choices.item]}
    return DecisionLog(choices.clicked, choices.propensity, shown, user=choices.user, **with_model)


@pytest.fixture(scope="module")
def runs(
    world: Population, policies: tuple[NDArray[Any], NDArray[Any]]
) -> list[tuple[float, OffPolicyReport]]:
    """Sixty logs of one policy, and what they say of another; the model of rewards is wrong."""
    logged, target = policies
    found = []
    for seed in range(RUNS):
        choices = simulate_choices(world, logged, seed=seed)
        report = evaluate_policies(_log(choices, target, model=0.5), draws=200)
        found.append((choices.value(target), report))
    return found


@pytest.mark.parametrize("estimator", sorted(set(ESTIMATORS) - {"direct"}))
def test_the_truth_is_found_without_bias_and_covered(
    runs: list[tuple[float, OffPolicyReport]], estimator: str
) -> None:
    errors, covered = [], []
    for truth, report in runs:
        (value,) = (v for v in report.values if v.estimator == estimator)
        errors.append(value.value - truth)
        covered.append(value.low <= truth <= value.high)
        assert value.difference == pytest.approx(value.value - report.logged)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(RUNS)
    assert np.mean(covered) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / RUNS)


def test_a_wrong_model_misleads_the_direct_estimate_alone(
    runs: list[tuple[float, OffPolicyReport]],
) -> None:
    for truth, report in runs[:5]:
        (direct,) = (v for v in report.values if v.estimator == "direct")
        assert direct.value == pytest.approx(truth / 2, rel=1e-3)
        assert not direct.low <= truth <= direct.high


def test_a_good_model_makes_estimates_surer(
    world: Population, policies: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    choices = simulate_choices(world, policies[0], seed=1)
    log = _log(choices, policies[1], model=0.9)
    exact = choices.chance[np.arange(len(choices)), choices.item]  # no luck in rewards
    log = DecisionLog(
        exact,
        log.propensity,
        log.policies,
        user=choices.user,
        predicted=log.predicted,
        expected=log.expected,
    )
    report = evaluate_policies(log, draws=400)
    width = {value.estimator: value.high - value.low for value in report.values}
    assert width["direct"] < width["dr"] < 0.7 * width["ips"]


def test_the_logging_policy_itself_is_what_was_logged(
    world: Population, policies: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    choices = simulate_choices(world, policies[0], seed=2)
    report = evaluate_policies(_log(choices, policies[0]), draws=50)
    for value in report.values:
        assert (value.value, value.difference) == (choices.clicked.mean(), 0)
        assert value.verdict == "open"
    (reach,) = report.diagnostics
    assert (reach.effective, reach.mean, reach.mean_p, reach.largest) == (len(choices), 1, 1, 1)


def test_wrong_propensities_are_noticed(
    world: Population, policies: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    choices = simulate_choices(world, policies[0], seed=3)
    right = _log(choices, policies[1])
    wrong = DecisionLog(
        right.reward, np.minimum(1, 1.5 * right.propensity), right.policies, user=right.user
    )
    report = evaluate_policies(wrong, draws=50)
    assert {value.verdict for value in report.values} == {"untrusted"}
    assert report.diagnostics[0].mean_p < 0.001
    assert any("propensities are wrong" in note for note in report.notes)
    assert evaluate_policies(right, draws=50).notes == ()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 40))
def test_what_holds_for_any_log(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    reward, propensity = rng.random(n), rng.uniform(0.05, 1, n)
    chances = {"a": rng.random(n), "b": rng.random(n)}
    log = DecisionLog(reward, propensity, chances)
    values = {(v.policy, v.estimator): v for v in evaluate_policies(log, draws=20).values}
    assert set(values) == {(p, e) for p in "ab" for e in ("ips", "snips")}
    for name in chances:
        weight = log.weights(name)
        assert values[name, "ips"].value == pytest.approx((weight * reward).mean())
        snips = values[name, "snips"].value
        assert reward.min() - 1e-9 <= snips <= reward.max() + 1e-9
        assert 1 - 1e-9 <= effective_sample_size(weight) <= n + 1e-9
    # A constant added to rewards is added to self-normalized values, exactly.
    more = DecisionLog(reward + 5, propensity, chances)
    moved = {(v.policy, v.estimator): v for v in evaluate_policies(more, draws=20).values}
    assert moved["a", "snips"].value == pytest.approx(values["a", "snips"].value + 5)
    clipped = evaluate_policies(log, clip=1.0, draws=20)
    for value in clipped.values:
        if value.estimator == "ips":
            assert value.value <= values[value.policy, "ips"].value + 1e-12


def test_rows_of_a_user_are_not_independent() -> None:
    rng = np.random.default_rng(0)
    likes = rng.random(50) < 0.5
    user = np.repeat(np.arange(50), 40)
    half = np.full(2000, 0.5)
    widths = []
    for who in (user, None):
        (ips, _) = evaluate_policies(DecisionLog(likes[user], half, {"p": half}, user=who)).values
        widths.append(ips.high - ips.low)
    assert widths[0] == pytest.approx(widths[1] * np.sqrt(40), rel=0.15)


def test_several_policies_are_corrected_together() -> None:
    rng = np.random.default_rng(4)
    n, half = 400, np.full(400, 0.5)
    chances = {f"p{i}": rng.integers(2, size=n) * 1.0 for i in range(8)}
    report = evaluate_policies(DecisionLog(rng.random(n), half, chances))
    ips = [value for value in report.values if value.estimator == "ips"]
    assert all(value.p_holm >= value.p for value in ips)
    assert min(ips, key=lambda v: v.p).p_holm == pytest.approx(min(1, 8 * min(v.p for v in ips)))


GOOD = {"reward": [1.0, 0.0], "propensity": [0.5, 0.5], "new": [0.5, 1.0], "user": ["ann", "ben"]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"propensity": [0.5, 0.0]}, "row 2: propensity is 0"),
        ({"propensity": [0.5, 1.2]}, "row 2: propensity is 1.2"),
        ({"propensity": [0.5, None]}, "row 2: its propensity is empty: fill it in"),
        ({"propensity": [0.5, "often"]}, "row 2: its propensity is no number"),
        ({"reward": [1.0, float("inf")]}, "row 2: reward is inf"),
        ({"reward": [1.0, None]}, "row 2: its reward is empty"),
        ({"new": [0.5, -0.1]}, "row 2: policy 'new' is -0.1"),
        ({"new": [0.0, 0.0]}, "policy 'new' would show nothing of what was shown"),
        ({"user": ["ann", None]}, "row 2: its user is empty"),
        ({"user": ["ann", "ann"]}, "all rows are one user's"),
        ({"reward": [], "propensity": [], "new": [], "user": []}, "a header and no rows"),
    ],
)
def test_a_log_that_cannot_be_right_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MusicuError, match=said) as raised:
        evaluate_policies(GOOD | changes, {"new": "new"})
    assert "\n" not in str(raised.value) and "ann" not in str(raised.value)


def test_what_is_asked_for_has_to_be_there() -> None:
    with pytest.raises(MusicuError, match="no column 'p_new'"):
        read_decisions(GOOD, {"new": "p_new"})
    with pytest.raises(MusicuError, match="no policy is named"):
        read_decisions(GOOD, {})
    with pytest.raises(MusicuError, match="give both"):
        read_decisions(GOOD, {"new": "new"}, predicted="reward")
    with pytest.raises(MusicuError, match="clip is 0.5"):
        evaluate_policies(GOOD, {"new": "new"}, clip=0.5)
    with pytest.raises(MusicuError, match="3 values of 'p' for 2 rows"):
        DecisionLog([1, 0], [1, 1], {"p": [1, 1, 1]})


def test_choices_are_drawn_as_the_policy_says(world: Population) -> None:
    with pytest.raises(MusicuError, match="sum to 1"):
        simulate_choices(world, np.full(ITEMS, 0.5))
    with pytest.raises(MusicuError, match=r"probabilities of shape \(3,\)"):
        simulate_choices(world, np.full(3, 1 / 3))
    only = np.zeros(ITEMS)
    only[4] = 1
    choices = simulate_choices(world, only)
    assert set(choices.item) == {4} and set(choices.propensity) == {1}
    rate = choices.clicked.mean()
    assert abs(rate - choices.value(only)) < 4 * np.sqrt(rate / len(choices))
