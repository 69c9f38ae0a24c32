"""What the rule that names winners promises: plans, intervals, bandits; a running experiment keeps its own rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from tasks.experiments import ExperimentType, VariantAllocation
from tasks.experiments.inference import drift, winner_boundary
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import compare, from_estimates
from tasks.experiments.inference.power import TrafficSplit
from tasks.experiments.inference.sequential_evidence import SequentialEvidence, look
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Experiment, ExperimentLook, Workspace
from tests.factories import store, workspace_row

TEN_ARMS = [0.1] + [0.05] * 3 + [0.02] * 3 + [0.01] * 3
TWO = [{"name": "control"}, {"name": "bold"}]


@pytest.fixture
def service(sqlite_warehouse: Warehouse) -> ExperimentService:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    return ExperimentService(min_effect_size=0.2, warehouse=sqlite_warehouse)


def winners(weights: list[float], rates: list[float], smallest: int, runs: int, seed: int, **rule: Any) -> np.ndarray:
    """Of binary experiments with these weights, looked at 20 times, the last at the planned units."""
    rng, arms = np.random.default_rng(seed), len(weights)
    spending, split = SpendingRule(0.05, arms, **rule), TrafficSplit(tuple(weights), 0)
    n = np.ceil(smallest * np.array(weights) / min(weights) / 20)
    evidence, successes, won = SequentialEvidence.none(runs, arms), np.zeros((runs, arms)), np.full(runs, -1)
    for k in range(1, 21):
        successes += rng.binomial(n.astype(int), rates, size=(runs, arms))
        moments = Moments.from_smoothed_counts(np.broadcast_to(n * k, successes.shape), successes)
        every = slice(None)
        compared = compare(moments.at(every, None, every), moments.at(every, every, None), alpha=0.05, n_star=1e4)
        evidence = look(evidence, compared, spending, split.information(n * k, float(smallest)), float(n.sum() * k))
        proven = evidence.against_all()
        fresh = (won < 0) & (proven.min(axis=1) <= 0.05)
        won[fresh] = proven[fresh].argmin(axis=1)
    return won


@pytest.mark.parametrize(
    ("weights", "kind"),
    [
        ([0.5, 0.5], ExperimentType.AB_TEST),
        ([0.9, 0.1], ExperimentType.AB_TEST),
        ([0.1, 0.9], ExperimentType.AB_TEST),
        ([0.7, 0.1, 0.2], ExperimentType.AB_TEST),
        ([0.25] * 4, ExperimentType.AB_TEST),
        ([0.5, 0.5], ExperimentType.SEQUENTIAL),
    ],
)
def test_a_plan_keeps_its_promise_under_the_rule_that_is_used(
    service: ExperimentService, weights: list[float], kind: ExperimentType
) -> None:
    """The smallest treatment is the better one. Three standard errors of 1,500 runs are .031."""
    plan = service.plan_experiment(0.1, "binary", len(weights), weights=weights, experiment_type=kind)
    treatment = min(range(1, len(weights)), key=weights.__getitem__)
    rates = [0.1] * len(weights)
    rates[treatment] = 0.12
    is_hybrid = kind == ExperimentType.AB_TEST
    right = float((winners(weights, rates, plan.units_per_arm, 1500, 31, is_hybrid=is_hybrid) == treatment).mean())
    print(f"\nBAR right winner, {kind}, weights {weights} (simulated, ± 0.010): {right:.3f} (planned {plan.power:.3f})")
    assert plan.power == pytest.approx(0.8, abs=0.001)
    assert right == pytest.approx(plan.power, abs=0.031)


def test_a_plan_states_what_a_given_size_can_do_and_days_follow_the_weights(service: ExperimentService) -> None:
    assert service.plan_experiment(0.1, "binary", units_per_arm=3841).power == pytest.approx(0.7932, abs=0.0005)
    sequential = service.plan_experiment(0.1, "binary", units_per_arm=3841, experiment_type=ExperimentType.SEQUENTIAL)
    assert sequential.power == pytest.approx(0.6366, abs=0.0005)
    uneven = service.plan_experiment(0.1, "binary", weights=[0.9, 0.1], daily_units=1000)
    assert uneven.expected_days == int(np.ceil(uneven.units_per_arm / 100))
    arms = [{"name": "control", "weight": 0.9}, {"name": "bold", "weight": 0.1}]
    made = service.create_experiment(
        "uneven", "acme", arms, "clicked", metric_kind="binary", baseline=0.1, daily_units=1000
    )
    assert (made.planned_units_per_arm, made.expected_days) == (uneven.units_per_arm, uneven.expected_days)
    asked = service.plan_experiment(0.1, "binary", units_per_arm=3841, weights=[0.9, 0.1], daily_units=1000)
    assert asked.expected_days == 39, "3,841 units of an arm with 100 a day"


@pytest.mark.parametrize("arms", [2, 3, 6, 7])
def test_a_planned_size_that_is_reached_exactly_is_reached(arms: int) -> None:
    """A third of the units thrice is one less a rounding error."""
    n = np.full(arms, 5140.0)
    moments = Moments.from_smoothed_counts(n, 500 + np.arange(arms))
    compared = compare(moments.at(None), moments.at(slice(None), None), alpha=0.05, n_star=1e4)
    information = TrafficSplit.of(None, arms, 0).information(n, 5140.0)
    evidence = look(
        SequentialEvidence.none(arms), compared, SpendingRule(0.05, arms, is_hybrid=True), information, n.sum()
    )
    assert evidence.is_final_done


@pytest.mark.parametrize("rule", [{"is_hybrid": True}, {}])
@pytest.mark.parametrize("arms", [2, 5])
def test_an_interval_excludes_zero_exactly_when_its_p_value_says_so(rule: dict[str, bool], arms: int) -> None:
    rng, spending = np.random.default_rng(32), SpendingRule(0.05, arms, **rule)
    evidence, runs = SequentialEvidence.none(400, arms), 400
    score, both, t = np.zeros((runs, arms)), 0, 0.0
    effects = rng.choice([0.0, 0.0, 3.0, 6.0], size=(runs, arms))
    for step in rng.exponential(0.12, 14):
        t += step
        score += effects * step + rng.standard_normal((runs, arms)) * np.sqrt(step)
        mean, error = score / t, np.sqrt(2 / t) * (1 - np.eye(arms))
        gap = mean[:, :, None] - mean[:, None, :]
        compared = from_estimates(gap, np.broadcast_to(error, gap.shape), 1.0, alpha=0.05, n_star=1.0)
        evidence = look(evidence, compared, spending, t, float(1000 * t))
        assert np.array_equal(evidence.adjusted <= 0.05, evidence.lower >= 0)
        assert np.all(evidence.better <= evidence.adjusted)
        assert np.all(evidence.better[:, range(arms), range(arms)] == 1)
        both += int((evidence.adjusted <= 0.05).sum())
    assert both > 100
    again = SequentialEvidence.from_dict(first_of(evidence).as_dict())
    assert again.as_dict() == first_of(evidence).as_dict()


def first_of(evidence: SequentialEvidence) -> SequentialEvidence:
    arrays = (evidence.better, evidence.adjusted, evidence.lower, evidence.estimate, evidence.error)
    return SequentialEvidence(*(part[0] for part in arrays), evidence.tested, evidence.n, False, evidence.information)


def test_a_line_is_crossed_as_often_as_its_formula_says() -> None:
    """Paths of 4,000 steps cross a little less often than a motion that is watched at every instant."""
    rng, slope = np.random.default_rng(33), winner_boundary.slope_for(0.05)
    t = np.arange(1, 4001) / 4000
    start = float(winner_boundary.line_start(0.1, slope))
    paths = (np.cumsum(rng.standard_normal((500, 4000)), axis=1) / np.sqrt(4000) for _ in range(8))
    crossed = float(np.mean([(path >= start + slope * t).any(axis=1).mean() for path in paths]))
    assert crossed == pytest.approx(0.1, abs=0.015)
    assert winner_boundary.line_crossing(start, slope) == pytest.approx(0.1)


def test_looks_raise_the_last_bound_by_what_they_spent_up_to_watching_all_the_time() -> None:
    slope, level, once = winner_boundary.slope_for(0.05), np.array([0.025]), np.ones(1)
    bounds = [
        float(winner_boundary.final_bounds(level, [k / n for k in range(1, n)], once, slope)[0, 0])
        for n in (1, 20, 96, 400, 3000)
    ]
    assert bounds == pytest.approx([1.9686, 1.9986, 2.0166, 2.0407, 2.0411], abs=0.0008)
    assert bounds == sorted(bounds)
    late = winner_boundary.final_bounds(level, [0.5, 0.999999], once, slope)[0, 0]
    assert 1.9686 < late < 2.0411, "a look just before the planned size costs what watching since the last one costs"


def run(
    service: ExperimentService,
    rates: list[float],
    units: int,
    seed: int,
    *,
    later: list[float] | None = None,
    **more: Any,
) -> tuple[str, float]:
    """A bandit through the service in batches of 100; its id and regret."""
    arms = [{"name": f"a{k}"} for k in range(len(rates))]
    kind = ExperimentType.MULTI_ARMED_BANDIT
    made = service.create_experiment(
        f"{seed} {more}", "acme", arms, "clicked", kind, metric_kind="binary", salt="s", **more
    )
    service.start_experiment(made.experiment_id)
    rng, regret = np.random.default_rng(seed), 0.0
    for start in range(0, units, 100):
        now = later if later is not None and start >= units // 2 else rates
        names = [f"u{i}" for i in range(start, start + 100)]
        service._plans.clear()
        chosen = [now[int(str(arm)[1:])] for arm in service.assign_variants(made.experiment_id, names)]
        regret += sum(max(now) - rate for rate in chosen)
        rows = [{"unit_id": u, "outcome": int(rng.random() < p)} for u, p in zip(names, chosen, strict=True)]
        service.record_outcomes(made.experiment_id, rows)
    return made.experiment_id, regret


def test_floors_fall_and_ten_arms_do_not_take_half_of_the_traffic(service: ExperimentService) -> None:
    identifier, regret = run(service, TEN_ARMS, 6000, 34)
    weights = [arm.weight for arm in service.analyze_experiment(identifier).variants]
    _, before = run(service, TEN_ARMS, 6000, 34, allocation_floor=0.05)
    print(f"\nBAR regret of a bandit, 10 arms, T = 6,000 (5 % each: {before:.0f}): {regret:.0f} (bar ≤ 140)")
    assert sum(sorted(weights)[:-1]) < 0.2
    assert regret <= min(140.0, 0.6 * before)


def test_a_bandit_has_its_answer_long_before_a_size_that_finds_five_percent(service: ExperimentService) -> None:
    identifier, _ = run(service, [0.05, 0.05, 0.2], 2000, 39)
    found = service.analyze_experiment(identifier)
    assert (found.status, found.winner) == ("winner", "a2")
    assert (found.planned_units_per_arm, found.days) == (None, ()), "neither is of weights that follow the outcomes"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [VariantAllocation.THOMPSON, VariantAllocation.UCB])
def test_regret_of_a_bandit_at_its_defaults_at_full_size(
    service: ExperimentService, strategy: VariantAllocation
) -> None:
    _, regret = run(service, TEN_ARMS, 20_000, 35, allocation_strategy=strategy)
    print(f"\nBAR regret of {strategy} at its defaults, 10 arms, T = 20,000 (rule 1: 687): {regret:.0f} (bar ≤ 140)")
    assert regret <= 140


def test_a_best_arm_that_changes_midway_is_noticed(service: ExperimentService) -> None:
    changes = (
        ([0.3, 0.1, 0.1], [0.1, 0.1, 0.3], VariantAllocation.THOMPSON),
        ([0.3, 0.1], [0.3, 0.5], VariantAllocation.THOMPSON),
        ([0.3, 0.1, 0.1], [0.1, 0.1, 0.3], VariantAllocation.UCB),
        ([0.3, 0.1], [0.3, 0.5], VariantAllocation.UCB),
    )
    for seed, (rates, later, by) in enumerate(changes):
        identifier, _ = run(service, rates, 5000, 40 + seed, later=later, allocation_strategy=by)
        found = service.analyze_experiment(identifier)
        assert (found.status, found.winner) == ("running", None)
        assert any("rewards changed" in warning for warning in found.warnings)
        assert found.variants[int(np.argmax(later))].weight > 0.6


def test_rewards_that_never_change_raise_no_alarm() -> None:
    rng, alarms = np.random.default_rng(36), 0
    for _ in range(300):
        n = rng.multinomial(100, [0.5, 0.3, 0.2], size=60).astype(float)
        y = rng.binomial(n.astype(int), [0.1, 0.2, 0.3]).astype(float)
        alarms += any(drift.changed_at(n[:k], y[:k], y[:k]) is not None for k in range(2, 61))
    assert alarms / 300 <= 0.01


def test_a_running_experiment_keeps_the_rule_it_was_created_under(
    service: ExperimentService, sqlite_warehouse: Warehouse
) -> None:
    """As the first rule stored it: no number of a rule in the design, and one matrix of p-values in the evidence."""
    about: dict[str, Any] = {"workspace_id": "acme", "variants": TWO, "metric_name": "clicked", "metric_kind": "binary"}
    made = service.create_experiment("old", **about, baseline=0.1)
    with sqlite_warehouse.begin() as connection:
        design = connection.execute(select(Experiment.design)).scalar_one()
        old = {name: value for name, value in design.items() if name != "decision_rule"} | {"allocation_floor": 0.05}
        connection.execute(update(Experiment).values(design=old, planned_units_per_arm=3841))
    assert service.create_experiment("old", **about, baseline=0.1).experiment_id == made.experiment_id
    service.start_experiment(made.experiment_id)
    rng, by_hand, is_tested = np.random.default_rng(37), 1.0, False
    sums = {"control": np.zeros(2), "bold": np.zeros(2)}
    for batch in range(8):
        units = [f"u{i}" for i in range(1000 * batch, 1000 * batch + 1000)]
        chosen = [str(arm) for arm in service.assign_variants(made.experiment_id, units)]
        values = [int(rng.random() < {"control": 0.1, "bold": 0.112}[arm]) for arm in chosen]
        for arm, value in zip(chosen, values, strict=True):
            sums[arm] += (1, value)
        rows = [{"unit_id": unit, "outcome": value} for unit, value in zip(units, values, strict=True)]
        service.record_outcomes(made.experiment_id, rows)
        found = service.analyze_experiment(made.experiment_id)
        is_now = min(n for n, _ in sums.values()) >= 3841 and not is_tested
        by_hand, is_tested = min(by_hand, first_rule(sums, is_now=is_now)), is_tested or is_now
        if batch == 3:
            forget_the_rule(sqlite_warehouse)
    assert (found.looks, is_tested) == (8, True)
    assert found.method.startswith("asymptotic confidence sequence while running, one fixed test")
    evidence = service.looks(made.experiment_id)[-1]["result"]["evidence"]
    assert evidence["is_final_done"]
    assert evidence["better"][1][0] == evidence["adjusted"][1][0] == pytest.approx(by_hand)
    assert found.effects[0].p_value == pytest.approx(by_hand)


def first_rule(sums: dict[str, np.ndarray], *, is_now: bool) -> float:
    """One look's p-value by hand: a sequence with .3 of α, and at the planned size a test with .75 of it."""
    moments = Moments.from_smoothed_counts(*np.stack([sums["control"], sums["bold"]], axis=1))
    compared = compare(moments.at(0), moments.at(1), alpha=0.05 * 0.3, n_star=0.5 * 3841)
    if compared.estimate <= 0:
        return 1.0
    running = float(compared.always_valid_p_value) / 0.3
    return min(running, float(compared.p_value) / 0.75) if is_now else running


def forget_the_rule(warehouse: Warehouse) -> None:
    """Looks as the first rule kept them."""
    with warehouse.begin() as connection:
        for number, result in connection.execute(select(ExperimentLook.look, ExperimentLook.result)).all():
            kept = {name: part for name, part in result["evidence"].items() if name not in ("adjusted", "tested")}
            changed = result | {"evidence": kept}
            connection.execute(update(ExperimentLook).where(ExperimentLook.look == number).values(result=changed))
