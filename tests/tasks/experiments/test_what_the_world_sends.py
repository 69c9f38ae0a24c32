"""Outcomes that are lost, odd, early, late or of another kind than the first ones; arms that come and go."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.errors import InputError
from tasks.experiments import ExperimentService, ExperimentType, VariantAllocation
from tasks.experiments.errors import (
    InvalidDesignError,
    InvalidOutcomeError,
    OutcomeOutsideWindowError,
    UnstorableTextError,
    WrongStateError,
)
from tasks.experiments.inference import sequential_evidence
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.comparisons import Comparison, from_estimates
from tasks.experiments.inference.sample_ratio import adaptive_p_value, reporting_p_value
from tasks.experiments.inference.sequential_evidence import SequentialEvidence
from tasks.experiments.records import ExperimentResult
from tasks.experiments.store import ExperimentStore
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ExperimentMetric, ExperimentStatistic, Workspace
from tests.factories import store, workspace_row

TWO = [{"name": "control"}, {"name": "bold"}]
THREE = [*TWO, {"name": "calm"}]


@pytest.fixture
def service(sqlite_warehouse: Warehouse) -> ExperimentService:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    return ExperimentService(min_effect_size=0.2, warehouse=sqlite_warehouse)


@pytest.fixture
def on_both(warehouse: Warehouse) -> ExperimentService:
    store(warehouse, Workspace, [workspace_row()])
    return ExperimentService(warehouse=warehouse)


def started(service: ExperimentService, days_ago: float = 0, variants: Any = TWO, **more: Any) -> str:
    about: dict[str, Any] = {"name": "odd", "salt": "s", "hypothesis": "h"} | more
    made = service.create_experiment(about.pop("name"), "acme", variants, about.pop("metric_name", "bought"), **about)
    began = datetime.now(UTC) - timedelta(days=days_ago) if days_ago else None
    return service.start_experiment(made.experiment_id, began).experiment_id


def assign(service: ExperimentService, identifier: str, n: int, first: int = 0, **more: Any) -> dict[str, str]:
    units = [f"u{i}" for i in range(first, first + n)]
    return {unit: str(arm) for unit, arm in zip(units, service.assign_variants(identifier, units, **more), strict=True)}


def send(service: ExperimentService, identifier: str, values: dict[str, Any], **more: Any) -> None:
    service.record_outcomes(identifier, [{"unit_id": unit, "outcome": value} for unit, value in values.items()], **more)


# ── units that do not report ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_lost_non_converters_make_no_winner_at_any_look(service: ExperimentService, rate: float) -> None:
    """An A/A test in which 22 % of one arm's non-converters never report."""
    rng, found = np.random.default_rng(1), []
    identifier = started(service, metric_kind="binary", baseline=rate)
    for look in range(8):
        arms = assign(service, identifier, 500, 500 * look)
        values = {unit: int(rng.random() < rate) for unit in arms}
        lost = {unit for unit, arm in arms.items() if arm == "bold" and not values[unit] and rng.random() < 0.22}
        send(service, identifier, {unit: value for unit, value in values.items() if unit not in lost})
        found.append(service.analyze_experiment(identifier))
    assert {one.winner for one in found} == {None}
    last = found[-1]
    assert (last.status, last.confidence) == ("invalid", 0.0)
    assert last.sample_ratio is not None
    assert not last.sample_ratio.is_alarm, "the assignments themselves are as promised"
    assert last.reporting is not None
    assert last.reporting.is_alarm
    assert any("report more often" in warning and "bold 1," in warning for warning in last.warnings)
    rates = {arm.variant_id: arm.reporting_rate for arm in last.variants}
    assert rates["control"] == 1.0
    assert rates["bold"] == pytest.approx(1 - 0.22 * (1 - rate), abs=0.03)


def test_an_arm_that_never_reports_is_not_left_running(service: ExperimentService) -> None:
    identifier = started(service)
    arms = assign(service, identifier, 2000)
    send(service, identifier, {unit: 1.5 for unit, arm in arms.items() if arm == "control"})
    found = service.analyze_experiment(identifier)
    assert found.status == "invalid"
    assert "find the outcomes that are missing" in found.next_step


def test_conversions_alone_are_recognized_and_zeros_can_be_declared(service: ExperimentService) -> None:
    rng, rates = np.random.default_rng(2), {"control": 0.10, "bold": 0.15}
    found: dict[str, ExperimentResult] = {}
    for missing in ("exclude", "zero"):
        identifier = started(service, name=missing, metric_kind="binary", missing_outcomes=missing)
        arms = assign(service, identifier, 6000)
        bought = {unit: 1 for unit, arm in arms.items() if rng.random() < rates[arm]}
        send(service, identifier, bought)
        found[missing] = service.analyze_experiment(identifier)
    told = found["exclude"]
    assert (told.status, told.winner) == ("invalid", None)
    assert told.next_step.startswith("every outcome so far is a conversion")
    assert "missing_outcomes='zero'" in told.next_step
    zero = found["zero"]
    assert (zero.status, zero.winner, zero.n) == ("winner", "bold", 6000)
    for arm in zero.variants:
        assigned = [unit for unit, name in arms.items() if name == arm.variant_id]
        assert arm.n == arm.assigned == len(assigned)
        assert arm.mean == pytest.approx(sum(unit in bought for unit in assigned) / len(assigned))
    assert zero.effects[0].interval[0] > 0


def test_few_conversions_of_equal_arms_are_no_missing_difference(service: ExperimentService) -> None:
    identifier = started(service, metric_kind="binary")
    arms = assign(service, identifier, 3000)
    send(service, identifier, {unit: 1 for i, unit in enumerate(arms) if i % 10 == 0})
    found = service.analyze_experiment(identifier)
    assert found.status == "invalid", "both means are 1, which is no 'no difference'"
    assert any("every outcome so far is a conversion" in warning for warning in found.warnings)


def test_zeros_equal_an_experiment_in_which_they_were_recorded(service: ExperimentService) -> None:
    """With segments, a covariate far from zero, and totals that are not 0 and 1."""
    rng, found = np.random.default_rng(3), []
    units = [f"u{i}" for i in range(900)]
    x = [1e8 + float(value) for value in rng.normal(size=900)]
    amounts = [float(rng.poisson(3)) if rng.random() < 0.3 else 0.0 for _ in units]
    for missing in ("exclude", "zero"):
        identifier = started(service, name=missing, metric_kind="count", missing_outcomes=missing, min_sample_size=50)
        service.assign_variants(identifier, units, ["a" if i % 3 else "b" for i in range(900)], x)
        told = {unit: value for unit, value in zip(units, amounts, strict=True) if missing == "exclude" or value}
        send(service, identifier, told)
        found.append(service.analyze_experiment(identifier))
    recorded, zero = found
    assert recorded.n == zero.n == 900
    for mine, theirs in zip(zero.variants, recorded.variants, strict=True):
        assert mine.mean == pytest.approx(theirs.mean, rel=1e-9)
    assert zero.effects[0].interval == pytest.approx(recorded.effects[0].interval, rel=1e-6)
    assert [row["effect"] for row in zero.segments] == pytest.approx([row["effect"] for row in recorded.segments])


def test_what_a_zero_is_no_value_of_is_refused(service: ExperimentService) -> None:
    for kind in ("rate", "ratio"):
        with pytest.raises(InvalidDesignError, match="count or add up"):
            started(service, metric_kind=kind, missing_outcomes="zero")
    with pytest.raises(InvalidDesignError, match="follow outcomes"):
        started(service, missing_outcomes="zero", experiment_type=ExperimentType.MULTI_ARMED_BANDIT)
    with pytest.raises(InvalidDesignError, match="'exclude' or 'zero'"):
        started(service, missing_outcomes="drop")


def test_reports_that_do_not_depend_on_the_arm_raise_no_alarm() -> None:
    """100 looks at late reports, shares of 90/10 and weights that change: at level .05 at most 5 %, so at .001 less."""
    rng, alarms = np.random.default_rng(4), np.zeros(2)
    for run in range(100):
        weights = np.array([[0.9, 0.1], [0.6, 0.4]]) if run % 2 else np.array([[0.5, 0.5], [0.3, 0.7]])
        assigned, reported, lowest = np.zeros((2, 2)), np.zeros((2, 2)), np.ones(2)
        for look in range(1, 101):
            assigned[int(look > 50)] += rng.multinomial(40, weights[int(look > 50)])
            reported += rng.binomial((assigned - reported).astype(int), 0.1)
            p = reporting_p_value(reported, assigned, look), adaptive_p_value(assigned, weights)
            lowest = np.minimum(lowest, p)
        alarms += lowest <= 0.05
    print(f"\nBAR alarms at level .05 over 100 looks, reports and arrivals (100 runs): {alarms / 100} (bar ≤ 0.05)")
    assert (alarms / 100 <= 0.05).all()
    assert reporting_p_value([[10004, 6999]], [[12000, 12000]]) < 1e-9
    assert reporting_p_value([[0, 1000]], [[1000, 1000]], 100) < 1e-9
    assert reporting_p_value([[5, 0]], [[5, 0]]) == reporting_p_value([[0, 0]], [[9, 9]]) == 1.0


# ── kinds that are decided when one looks ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("first", "then", "kind"),
    [
        ([0] * 30, 49.99, "continuous"),
        ([0.4, 0.9] * 15, 1.04, "continuous"),
        ([1, 2, 3] * 10, 2.5, "continuous"),
        ([0, 1] * 15, 7, "count"),
        ([0, 1] * 15, 0.5, "rate"),
        ([1, 2] * 15, -1, "continuous"),
    ],
)
def test_a_kind_widens_with_its_outcomes_and_refuses_none(
    on_both: ExperimentService, first: list[float], then: float, kind: str
) -> None:
    identifier = started(on_both, min_sample_size=2)
    arms = assign(on_both, identifier, len(first) + 1)
    send(on_both, identifier, dict(zip(arms, first, strict=False)))
    before = on_both.analyze_experiment(identifier).metric_kind
    last = list(arms)[-1]
    send(on_both, identifier, {last: then})
    found = on_both.analyze_experiment(identifier)
    assert (before == kind, found.metric_kind) == (False, kind)
    assert on_both.get_experiment(identifier).metric_kind == kind
    values = dict(zip(arms, [*first, then], strict=True))
    for arm in found.variants:
        mine = [values[unit] for unit, name in arms.items() if name == arm.variant_id]
        assert arm.mean == pytest.approx(np.mean(mine)), "sums that serve any kind were kept from the first outcome"
    send(on_both, identifier, {last: first[0]}, amend=True)
    assert on_both.analyze_experiment(identifier).metric_kind == before, "what was amended says nothing any more"


def test_numbers_and_ids_of_other_types_are_taken(on_both: ExperimentService) -> None:
    identifier, unit = started(on_both), uuid.uuid4()
    on_both.assign_variants(identifier, [unit, "u1", "u2"], None, [Decimal("1.5"), np.bool_(True), None])  # type: ignore[list-item]
    on_both.record_outcome(identifier, unit_id=unit, outcome=Decimal("2.25"))  # type: ignore[arg-type]
    on_both.record_outcome(identifier, unit_id="u1", outcome=np.bool_(True))  # type: ignore[arg-type]
    on_both.record_outcome(identifier, unit_id=str(unit), outcome=1, key="again")
    assert sum(arm.n for arm in on_both.analyze_experiment(identifier).variants) == 2


@pytest.mark.parametrize("wild", [1e9, -1e12, 1e15])
def test_a_wild_first_value_that_is_amended_leaves_no_trace(service: ExperimentService, wild: float) -> None:
    rng, widths = np.random.default_rng(5), []
    values = {f"u{i}": float(value) for i, value in enumerate(rng.normal(5, 1, 800))}
    for name in ("plain", "wild"):
        identifier = started(service, name=name)
        assign(service, identifier, 800)
        if name == "wild":
            send(service, identifier, {"u0": wild})
            send(service, identifier, dict(list(values.items())[1:]))
            send(service, identifier, {"u0": values["u0"]}, amend=True)
        else:
            send(service, identifier, values)
        effect = service.analyze_experiment(identifier).effects[0]
        widths.append((effect.effect, *effect.interval))
    assert widths[1] == pytest.approx(widths[0], rel=1e-7)


@pytest.mark.parametrize(("rate", "per_look"), [(0.05, 210), (0.003, 1200)])
def test_looking_early_does_not_lose_the_plan(service: ExperimentService, rate: float, per_look: int) -> None:
    rng = np.random.default_rng(6)
    for run in range(2):
        identifier = started(service, name=f"early {run}")
        for look in range(6):
            arms = assign(service, identifier, per_look, per_look * look)
            send(service, identifier, {unit: int(rng.random() < rate) for unit in arms})
            found = service.analyze_experiment(identifier)
        assert found.planned_units_per_arm is not None
        assert found.effects, "and it is judged from then on"


def test_sums_that_served_one_kind_are_made_anew(service: ExperimentService, sqlite_warehouse: Warehouse) -> None:
    """As a database holds them that was migrated while the experiment ran."""
    from sqlalchemy import update

    identifier = started(service)
    arms = assign(service, identifier, 300)
    send(service, identifier, {unit: i % 5 for i, unit in enumerate(arms)})
    before = service.analyze_experiment(identifier)
    with sqlite_warehouse.begin() as connection:
        connection.execute(update(ExperimentMetric).values(has_all_sums=False))
        connection.execute(update(ExperimentStatistic).values(b=0, m=0, not_binary=0, not_rate=0))
    more = assign(service, identifier, 1, 300)
    send(service, identifier, dict.fromkeys(more, 2))
    after = service.analyze_experiment(identifier)
    assert (after.metric_kind, after.n) == ("count", 301)
    assert after.effects[0].effect == pytest.approx(before.effects[0].effect, abs=0.02)


# ── when outcomes occurred ───────────────────────────────────────────────────────────────────────────────────────────


def test_outcomes_outside_their_units_window_are_refused_and_the_rest_is_kept(on_both: ExperimentService) -> None:
    now = datetime.now(UTC)
    identifier = started(on_both, days_ago=20, conversion_window_days=3, time_zone="Europe/Berlin")
    on_both.assign_variants(identifier, ["u0", "u1", "u2", "u3"], assigned_at=now - timedelta(days=10))
    for at, why in (
        (now - timedelta(days=11), "before its unit was exposed"),
        (now + timedelta(days=365), "in the future"),
        (now - timedelta(days=6), "outside the conversion window"),
        (now - timedelta(days=30), "before the start"),
    ):
        with pytest.raises(OutcomeOutsideWindowError, match=why):
            on_both.record_outcome(identifier, unit_id="u0", outcome=1, occurred_at=at)
    naive = (now - timedelta(days=9)).replace(tzinfo=None)
    rows = [
        {"unit_id": "u0", "outcome": 1, "occurred_at": now - timedelta(days=9)},
        {"unit_id": "u1", "outcome": 1, "occurred_at": now - timedelta(days=12)},
        {"unit_id": "u2", "outcome": 1, "occurred_at": naive},
    ]
    told = on_both.record_outcomes(identifier, rows)
    assert (told.recorded, [row["unit_id"] for row in told.refused]) == (2, ["u1"])
    assert "before its unit was exposed" in told.refused[0]["reason"]
    days = ExperimentStore(on_both.store.warehouse).outcomes.by_day(identifier)
    assert sum(row["n"] for row in days) == 2
    assert {row["day"] for row in days} == {1} or {row["day"] for row in days} == {0, 1}
    again = on_both.record_outcomes(identifier, pl.DataFrame(rows[:1]))
    assert (again.recorded, again.unchanged) == (0, 1)
    other = started(on_both, name="no zone")
    on_both.assign_variants(other, ["u0"])
    with pytest.raises(InvalidOutcomeError, match="or the experiment a time_zone"):
        on_both.record_outcome(other, unit_id="u0", outcome=1, occurred_at=naive)
    with pytest.raises(InvalidDesignError, match="IANA"):
        started(on_both, name="bad zone", time_zone="Mars/Base")


def live(
    service: ExperimentService, identifier: str, days: int, per_day: int, lift: Any, seed: int, rate: float = 0.2
) -> list[ExperimentResult]:
    """Units and their outcomes day by day from as many days ago, with a look every day."""
    rng, begin, found = np.random.default_rng(seed), datetime.now(UTC) - timedelta(days=days + 1), []
    for day in range(days):
        at = begin + timedelta(days=day, hours=1)
        arms = assign(service, identifier, per_day, per_day * day, assigned_at=at)
        rates = {"control": rate, "bold": rate * (1 + lift(day))}
        values = {unit: int(rng.random() < rates[arm]) for unit, arm in arms.items()}
        send(service, identifier, values, occurred_at=at + timedelta(hours=2))
        found.append(service.analyze_experiment(identifier))
    return found


def test_nothing_is_declared_before_a_full_cycle_of_days(service: ExperimentService) -> None:
    identifier = started(service, days_ago=12, metric_kind="binary", baseline=0.2)
    found = live(service, identifier, 10, 400, lambda day: 0.5, 7)
    first = next(day for day, one in enumerate(found) if one.status == "winner")
    assert first == 7
    assert {one.status for one in found[:7]} <= {"running", "insufficient_data"}
    assert all(one.confidence < 0.95 for one in found[:7]), "who stops at a confidence does not stop too early"
    assert "4 more days" in found[3].next_step
    assert found[-1].days[0]["day"] == 0
    assert found[-1].days[0]["effect"] == pytest.approx(0.1, abs=0.03)
    declared = started(service, name="declared", metric_kind="binary", cycle_days=3, baseline=0.2)
    arms = assign(service, declared, 2000)
    send(
        service,
        declared,
        {unit: int(i % 10 < (6 if arm == "bold" else 2)) for i, (unit, arm) in enumerate(arms.items())},
    )
    waiting = service.analyze_experiment(declared)
    assert (waiting.status, waiting.winner) == ("running", None)
    assert "3 more days" in waiting.next_step


def test_a_novelty_that_is_gone_does_not_win(service: ExperimentService) -> None:
    identifier = started(service, days_ago=16, metric_kind="binary", baseline=0.2)
    found = live(service, identifier, 12, 500, lambda day: 0.6 * np.exp(-day / 1.5) - 0.03, 8)
    assert {one.winner for one in found} == {None}


def test_what_every_newcomer_likes_and_leaves_does_not_win(service: ExperimentService) -> None:
    """Every day has as many newcomers as the one before, so that by the calendar the effect never ends."""
    rng, days, begin = np.random.default_rng(12), 10, datetime.now(UTC) - timedelta(days=12)
    identifier = started(service, days_ago=12, metric_kind="continuous", baseline=(10.0, 4.0), min_effect_size=0.02)
    arms: dict[str, str] = {}
    age_of: dict[str, int] = {}
    for day in range(days):
        at = begin + timedelta(days=day, hours=1)
        new = assign(service, identifier, 400, 400 * day, assigned_at=at)
        arms |= new
        age_of |= dict.fromkeys(new, day)
        ages = {unit: day - first for unit, first in age_of.items()}
        lift = {unit: (0.9 * np.exp(-age / 0.7) - 0.1) * (arms[unit] == "bold") for unit, age in ages.items()}
        rows = [
            {"unit_id": unit, "outcome": float(1 + gain + 0.5 * rng.standard_normal()), "key": f"d{day}"}
            for unit, gain in lift.items()
        ]
        service.record_outcomes(identifier, rows, occurred_at=at + timedelta(minutes=5))
        found = service.analyze_experiment(identifier)
    assert (found.status, found.winner) == ("contradicted", None)
    assert found.effects[0].effect > 0
    assert [row["effect"] > 0 for row in found.days] == [True] * 2 + [False] * (len(found.days) - 2)


def test_an_effect_that_turns_is_contradicted_and_no_winner(service: ExperimentService) -> None:
    """+50 % for 4,000 units, then −8 %: the intervals of the first looks are none of the last."""
    rng = np.random.default_rng(9)
    identifier = started(service, metric_kind="binary", baseline=0.1)
    for look in range(7):
        arms = assign(service, identifier, 2000 if look < 2 else 4000, 4000 * look)
        rates = {"control": 0.1, "bold": 0.1 * (1.5 if look < 2 else 0.92)}
        send(service, identifier, {unit: int(rng.random() < rates[arm]) for unit, arm in arms.items()})
        found = service.analyze_experiment(identifier)
    assert (found.status, found.winner, found.confidence) == ("contradicted", None, 0.0)
    assert any("nothing can be declared" in warning for warning in found.warnings)
    assert service.complete_experiment(identifier).conclusion == "contradicted"


def at(n: float, effect: float) -> tuple[Comparison, float]:
    """A look at two arms of so many units each."""
    error = np.sqrt(2 / n) * (1 - np.eye(2))
    gap = np.array([[0.0, -effect], [effect, 0.0]])
    return from_estimates(gap, error, 2 * n, alpha=0.05, n_star=1e4), 2 * n


def test_a_gap_in_the_data_is_not_believed_where_units_have_doubled() -> None:
    """As in ASOS's streams, where an arm's orders came in a day late: z = 6 between two days of nothing."""
    rule, evidence = SpendingRule(0.05, 2), SequentialEvidence.none(2)
    doubted = []
    for n, effect in ((10_000, 0.0), (25_000, 0.08), (26_000, 0.0), (60_000, 0.07), (70_000, 0.07), (80_000, 0.07)):
        compared, units = at(n, effect)
        evidence = SequentialEvidence.from_dict(
            sequential_evidence.look(evidence, compared, rule, n / 1e5, units).as_dict()
        )
        doubted.append(bool(evidence.is_doubtful))
        if len(doubted) == 3:
            assert evidence.against_all().min() > 0.05, "one look with a gap proves nothing"
    assert doubted == [False, True, False, True, False, False], "what lasts is believed at the second look"
    assert evidence.against_all().min() <= 0.05


# ── what no database keeps, and what no square keeps ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bad", ["nul\x00", "half\ud800"])
def test_texts_that_no_database_keeps_are_refused_alike_and_the_rest_is_kept(
    on_both: ExperimentService, bad: str
) -> None:
    identifier = started(on_both)
    arms = on_both.assign_variants(identifier, ["u0", bad, "u1"])
    assert [arm is None for arm in arms] == [False, True, False]
    segmented = on_both.assign_variants(identifier, ["u2", "u3"], [bad, "desk"])
    assert [arm is None for arm in segmented] == [True, False]
    assert [arm is None for arm in on_both.assign_variants(identifier, ["u0", "u1", "u3"])] == [False] * 3
    for wrong in ({"unit_id": bad}, {"unit_id": "u1", "segment": bad}):
        with pytest.raises(UnstorableTextError, match="no database keeps it"):
            on_both.assign_variant(identifier, **wrong)
    rows: list[dict[str, Any]] = [{"unit_id": "u0", "outcome": 1}, {"unit_id": bad, "outcome": 1}]
    rows += [{"unit_id": "u1", "outcome": 1, "key": bad}, {"unit_id": "u3", "outcome": 0}]
    told = on_both.record_outcomes(identifier, rows)
    assert (told.recorded, len(told.refused)) == (2, 2)
    assert sum(arm.n for arm in on_both.analyze_experiment(identifier).variants) == 2
    with pytest.raises(UnstorableTextError, match="key"):
        on_both.record_outcome(identifier, unit_id="u1", outcome=1, key=bad)
    for design in (
        {"name": bad},
        {"metric_name": bad},
        {"hypothesis": bad},
        {"variants": [{"name": bad}, {"name": "b"}]},
    ):
        with pytest.raises(InputError, match="no database keeps it"):
            started(on_both, **design)


def test_numbers_that_no_square_keeps_are_one_typed_error(service: ExperimentService) -> None:
    identifier = started(service)
    for value in (1e308, -1e308, 10**400, Decimal("1e500")):
        with pytest.raises(InvalidDesignError, match="covariate"):
            service.assign_variant(identifier, "u0", covariate=value)  # type: ignore[arg-type]
        assign(service, identifier, 1)
        with pytest.raises(InvalidOutcomeError, match=r"larger unit|finite number"):
            service.record_outcome(identifier, unit_id="u0", outcome=value)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="baseline"):
            service.plan_experiment((value, 1.0))  # type: ignore[arg-type]
    for value in (1e308, 1e-308):
        with pytest.raises(InvalidOutcomeError, match="denominator"):
            service.record_outcome(identifier, unit_id="u0", outcome=1, denominator=value)
    units = assign(service, identifier, 400)
    send(service, identifier, {unit: 1e70 * (i % 3 - 1) for i, unit in enumerate(units)})
    found = service.analyze_experiment(identifier)
    assert all(np.isfinite(arm.mean) for arm in found.variants if arm.mean is not None)


# ── traffic that is raised, arms that are switched off, users that stay ──────────────────────────────────────────────


def test_a_traffic_share_is_raised_without_moving_anybody(on_both: ExperimentService) -> None:
    identifier = started(on_both, traffic_share=0.1)
    units = [f"u{i}" for i in range(600)]
    before = on_both.assign_variants(identifier, units)
    for _ in range(2):
        on_both.set_traffic_share(identifier, 0.5, "ramp")
    after = on_both.assign_variants(identifier, units)
    assert sum(arm is not None for arm in before) == pytest.approx(60, abs=25)
    assert sum(arm is not None for arm in after) == pytest.approx(300, abs=50)
    assert all(new == old for new, old in zip(after, before, strict=True) if old is not None)
    assert [row["action"] for row in on_both.decisions(identifier)].count("traffic raised") == 1
    again = on_both.create_experiment("odd", "acme", TWO, "bought", traffic_share=0.1, hypothesis="h")
    assert again.experiment_id == identifier
    with pytest.raises(InvalidDesignError, match="only be raised"):
        on_both.set_traffic_share(identifier, 0.2, "back")


def test_an_arm_that_is_switched_off_gets_nobody_and_the_others_go_on(service: ExperimentService) -> None:
    """The world gets better while it runs: who is compared across that time would look worse without being so."""
    rng = np.random.default_rng(10)
    identifier = started(service, variants=THREE, metric_kind="binary", baseline=0.2)
    effects: dict[str, float] = {}
    for look in range(6):
        if look == 2:
            service.switch_off(identifier, "calm", "it annoys people")
        arms = assign(service, identifier, 2000, 2000 * look)
        assert ("calm" in arms.values()) == (look < 2)
        base = 0.2 + 0.08 * look
        rates = {"control": base, "calm": base, "bold": base + 0.05}
        send(service, identifier, {unit: int(rng.random() < rates[arm]) for unit, arm in arms.items()})
        found = service.analyze_experiment(identifier)
        effects = {effect.variant_id: effect.effect for effect in found.effects}
    assert (found.status, found.winner) == ("winner", "bold")
    assert effects == pytest.approx({"calm": 0.0, "bold": 0.05}, abs=0.035)
    assert [arm.weight for arm in found.variants] == pytest.approx([0.5, 0.5, 0.0])
    assert found.sample_ratio is not None
    assert not found.sample_ratio.is_alarm
    with pytest.raises(InvalidDesignError, match="the control"):
        service.switch_off(identifier, "control", "no")
    with pytest.raises(InvalidDesignError, match="nothing is left"):
        service.switch_off(identifier, "bold", "no")


def test_a_bandit_goes_on_without_an_arm_that_is_switched_off(service: ExperimentService) -> None:
    rng = np.random.default_rng(11)
    identifier = started(service, variants=THREE, metric_kind="binary", allocation_strategy=VariantAllocation.THOMPSON)
    rates = {"control": 0.2, "bold": 0.4, "calm": 0.5}
    for batch in range(12):
        if batch == 3:
            service.switch_off(identifier, "calm", "too dear")
        arms = assign(service, identifier, 150, 150 * batch)
        assert batch < 3 or "calm" not in arms.values()
        send(service, identifier, {unit: int(rng.random() < rates[arm]) for unit, arm in arms.items()})
    found = service.analyze_experiment(identifier)
    assert (found.status, found.winner) == ("winner", "bold")
    assert not [number for effect in found.effects for number in effect.interval if not np.isfinite(number)]


def test_known_users_keep_their_arm_after_the_end(on_both: ExperimentService) -> None:
    identifier = started(on_both)
    before = on_both.assign_variants(identifier, ["u0", "u1"])
    on_both.complete_experiment(identifier)
    assert on_both.assign_variants(identifier, ["u0", "u1", "stranger"]) == [*before, None]
    assert on_both.assign_variant(identifier, "u0") == before[0]
    with pytest.raises(WrongStateError, match="serve its winner"):
        on_both.assign_variant(identifier, "stranger")


# ── more than a winner ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_harmed_guardrail_is_told_whoever_leads(service: ExperimentService) -> None:
    guardrail = {"name": "complained", "direction": "decrease", "kind": "binary"}
    identifier = started(service, metric_kind="binary", guardrails=[guardrail], baseline=0.3)
    arms = assign(service, identifier, 1000)
    send(service, identifier, {unit: int(i % 10 < 3) for i, unit in enumerate(arms)})
    harm = {unit: int(i % 10 < (5 if arm == "bold" else 1)) for i, (unit, arm) in enumerate(arms.items())}
    send(service, identifier, harm, metric_name="complained")
    found = service.analyze_experiment(identifier)
    assert (found.status, found.winner) == ("harmed", None)
    assert found.next_step == "do not ship: bold makes complained worse; complete the experiment and keep the control"
    assert any("bold makes complained worse" in warning for warning in found.warnings)


def test_two_good_arms_have_an_answer(service: ExperimentService) -> None:
    rng = np.random.default_rng(12)
    identifier = started(service, variants=THREE, metric_kind="binary", baseline=0.1)
    arms = assign(service, identifier, 15_000)
    rates = {"control": 0.1, "bold": 0.15, "calm": 0.15}
    send(service, identifier, {unit: int(rng.random() < rates[arm]) for unit, arm in arms.items()})
    found = service.analyze_experiment(identifier)
    assert (found.status, found.better_than_control) == ("running", ("bold", "calm"))
    assert found.next_step.startswith("bold and calm both beat the control; between them not yet: ship either now")


def test_a_crossing_segment_is_mentioned(service: ExperimentService) -> None:
    rng = np.random.default_rng(13)
    identifier = started(service, metric_kind="binary", baseline=0.2)
    units = [f"u{i}" for i in range(4000)]
    segments = ["desk" if i % 2 else "mobile" for i in range(4000)]
    arms = [str(arm) for arm in service.assign_variants(identifier, units, segments)]
    shift = {("bold", "desk"): 0.08, ("bold", "mobile"): -0.08}
    where = zip(arms, segments, strict=True)
    send(service, identifier, {u: int(rng.random() < 0.2 + shift.get(w, 0)) for u, w in zip(units, where, strict=True)})
    found = service.analyze_experiment(identifier)
    assert any("bold differs between segments" in warning and "desk +" in warning for warning in found.warnings)
