"""Defaults are tested again: by age, by what posts show now, by the holdout; and an experiment alone retires one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from tasks.effects.arms import UsualMetric
from tasks.effects.loop.candidates import Traffic
from tasks.effects.loop.defaults import DecidedExperiment, Default, defaults_of
from tasks.effects.loop.drafts import LoopTerms
from tasks.effects.loop.retests import DefaultInDoubt, in_doubt, retest
from tasks.effects.loop.service import LoopService
from tasks.effects.loop.worth import HORIZON_WEEKS, worth_of
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Content, PatternAnalysis, PatternFinding, Workspace
from tests.factories import content_row, store, workspace_row
from tests.learning_history import analysis_row, finding_row

START = datetime(2026, 3, 1, tzinfo=UTC)
SOON, LATE = START + timedelta(weeks=4), START + timedelta(weeks=HORIZON_WEEKS + 1)
EMOJI = [{"feature": "emoji_count", "op": ">=", "value": 1, "level": "present"}]
LIFT = (0.1, 0.05, 0.15)
CLICKS = UsualMetric("clicks", "binary", "increase", 0.03, 0.17)
TRAFFIC = Traffic(posts=50, impressions=1e6, rate=0.03, per_post=600, post_variance=1.0)


def decided(day: int, arms: Mapping[str, Mapping[str, Any]], winner: str | None, **known: Any) -> DecidedExperiment:
    """The first arm is the control."""
    plain = {"conclusion": "winner" if winner else "no_difference", "p_value": 1e-6, "metric_name": "clicks"} | known
    at = START + timedelta(days=day)
    return DecidedExperiment(
        f"e{day}", f"test {day}", completed_at=at, winner=winner, control=next(iter(arms)), arms=arms, **plain
    )


DOING: dict[str, dict[str, Any]] = {"as it is": {}, "new": {"pattern": "rule_1"}}


def due(
    experiments: list[DecidedExperiment],
    now: datetime,
    log_effect: float | None = None,
    holdouts: Mapping[str, tuple[float, float]] | None = None,
) -> list[DefaultInDoubt]:
    patterns = []
    if log_effect is not None:
        effect = {"log_estimate": log_effect, "log_interval": [log_effect - 0.1, log_effect + 0.1]}
        patterns = [{"pattern_key": "rule_1", "details": {"rule": EMOJI, "effect": effect, "share_of_posts": 0.4}}]
    return in_doubt(defaults_of(experiments).defaults, experiments, patterns, holdouts or {}, now)


def test_a_default_is_due_half_a_year_after_it_was_last_compared() -> None:
    first = decided(0, DOING, "new", effect=LIFT)
    assert due([first], SOON) == []
    (old,) = due([first], LATE)
    (older,) = due([first], LATE + timedelta(weeks=200))
    assert old.reasons == ("last tested 27 weeks ago",)
    assert old.mean == older.mean < math.log1p(0.1)
    assert older.error > 1.5 * old.error, "what was proven long ago is known less exactly"
    for known, is_due in (
        ({"conclusion": "inconclusive"}, False),
        ({"conclusion": "invalid"}, True),
        ({"metric_name": "sales"}, True),
    ):
        again = decided(150, {"now": {"pattern": "rule_1"}, "off": {}}, None, **known)
        assert bool(due([first, again], LATE)) is is_due, known
    refuting = decided(150, {"now": {"pattern": "rule_1"}, "off": {}}, "off")
    assert all(one.default.experiment != first for one in due([first, refuting], LATE)), "it is retired"


def test_what_posts_show_now_counts_where_it_contradicts() -> None:
    first = decided(0, DOING, "new", effect=LIFT)
    assert due([first], SOON, 0.05) == []
    (one,) = due([first], SOON, -0.2)
    assert one.reasons == ("what posts show now lets expect -18 % of it",)
    (old,), (aged,) = due([first], LATE, -0.2), due([first], LATE)
    assert old.mean < aged.mean
    leaving = decided(0, {"as it is": {"pattern": "rule_1"}, "new": {}}, "new", effect=LIFT)
    assert due([leaving], SOON, -0.2) == []
    assert due([leaving], SOON, 0.2)[0].share_of_posts == pytest.approx(0.6)
    emoji = decided(0, {"as it is": {}, "new": {"emoji_count": 2}}, "new", effect=LIFT)
    assert len(due([emoji], SOON, -0.2)) == 1, "a feature that its pattern is about"
    other = decided(0, {"as it is": {}, "new": {"number_count": 2}}, "new", effect=LIFT)
    assert due([other], SOON, -0.2) == []


def test_where_the_holdout_does_better_all_defaults_of_its_metric_are_due_the_unsure_one_most() -> None:
    experiments = [
        decided(0, DOING, "new", effect=LIFT),
        decided(1, {"a": {}, "b": {"media_type": "video"}}, "b", effect=(0.1, -0.05, 0.3)),
        decided(2, {"a": {}, "b": {"tone": "warm"}}, "b", effect=LIFT, metric_name="sales"),
    ]
    assert due(experiments, SOON, holdouts={"clicks": (0.02, 0.02)}) == []
    sure, unsure = due(experiments, SOON, holdouts={"clicks": (-0.1, 0.02)})
    assert sure.reasons == ("everybody else does -10 % beside the holdout group",)
    assert unsure.mean < sure.mean < math.log1p(0.1) * 0.8


def test_a_retest_holds_what_is_done_against_what_was_before_and_pays_where_the_doubt_is_large() -> None:
    doubted, sure = (
        retest(due([decided(0, DOING, "new", effect=LIFT)], LATE, effect)[0], TRAFFIC, CLICKS)
        for effect in (-0.2, None)
    )
    assert doubted.changes == ({"pattern": "rule_1"}, {})
    assert (doubted.change, doubted.metric) == ("no longer do what pattern rule_1 says", CLICKS)
    assert doubted.earned == CLICKS.name, "not engagements: it was proven on clicks"
    assert worth_of(doubted.prospect).net > worth_of(sure.prospect).net
    video = decided(0, {"a": {"media_type": "photo"}, "b": {"media_type": "video"}}, "b", effect=LIFT)
    assert retest(due([video], LATE)[0], TRAFFIC, CLICKS).changes == ({"media_type": "video"}, {"media_type": "photo"})
    again = decided(200, {"now": {"pattern": "rule_1"}, "off": {}}, None, conclusion="inconclusive")
    first = decided(0, DOING, "new", effect=LIFT)
    later = retest(due([first, again], LATE + timedelta(weeks=60))[0], TRAFFIC, CLICKS)
    assert later.key != sure.key, "after another half year it is another question"


def program(rng: np.random.Generator, *, tests_again: bool) -> list[Default]:
    """Forty changes of which one in ten brings something; each default is held against what was, ten later."""
    experiments: list[DecidedExperiment] = []
    for day in range(40):
        is_true = rng.random() < 0.1
        experiments.append(looked_at(rng, day, f"rule_{day}_{is_true}", is_true=is_true))
        if tests_again:
            for one in defaults_of(experiments).defaults:
                if one.retired_at is None and one.experiment.completed_at == START + timedelta(days=day - 10):
                    key = str(one.experiment.arms["new"]["pattern"])
                    experiments.append(looked_at(rng, day + 0.5, key, is_true=key.endswith("True")))
    return defaults_of(experiments).defaults


def looked_at(rng: np.random.Generator, day: float, key: str, *, is_true: bool) -> DecidedExperiment:
    """A test with power .8 at a two-sided 1 %."""
    z = rng.normal(3.42 if is_true else 0.0)
    arms: dict[str, dict[str, Any]] = {"as it is": {}, "new": {"pattern": key}}
    p_value = float(2.0 * ndtr(-abs(z)))
    wins = p_value < 0.01
    ending = ("new" if z > 0 else "as it is") if wins else None
    made = decided(0, arms, ending, p_value=p_value, conclusion="winner" if wins else "no_difference")
    return DecidedExperiment(
        **{name: getattr(made, name) for name in made.__dataclass_fields__}
        | {"experiment_id": f"e{day}", "completed_at": START + timedelta(days=day)}
    )


@pytest.mark.slow
def test_testing_again_leaves_fewer_false_defaults_and_writes_no_more() -> None:
    shares = {}
    for tests_again in (False, True):
        rng, ever, standing = np.random.default_rng(31), [], []
        for _ in range(400):
            defaults = program(rng, tests_again=tests_again)
            false = ["False" in str(one.does) for one in defaults]
            left = [wrong for wrong, one in zip(false, defaults, strict=True) if one.retired_at is None]
            ever.append(sum(false) / max(len(false), 1))
            standing.append(sum(left) / max(len(left), 1))
        shares[tests_again] = (np.mean(ever), np.mean(standing), np.std(ever) / np.sqrt(len(ever)))
    print("share of false defaults ever and at the end, without and with tests again:", shares)
    assert shares[True][0] <= 0.05 + 2 * shares[True][2]
    assert shares[True][1] <= shares[False][1]


def test_the_loop_proposes_the_retest_once_and_its_answer_retires_the_default(warehouse: Warehouse) -> None:
    for name in ("acme", "zenith"):
        store(warehouse, Workspace, [workspace_row(workspace_id=name)])
        posts = [content_row(i, workspace_id=name, impressions=200_000, engagements=6000) for i in range(300)]
        store(warehouse, Content, posts)
    analysis = analysis_row("acme", "social", START)
    row = finding_row(analysis, EMOJI, 30.0)
    row["details"] |= {"effect": {"log_estimate": 0.1, "log_interval": [0.0, 0.2]}, "share_of_posts": 0.4}
    store(warehouse, PatternAnalysis, [analysis])
    store(warehouse, PatternFinding, [row])
    engine, loop = ExperimentService(warehouse=warehouse), LoopService(warehouse)
    arms = [{"name": "old"}, {"name": "new", "changes": {"pattern": row["pattern_key"]}}]
    run(engine, engine.create_experiment("first", "acme", arms, "clicks", metric_kind="binary").experiment_id, 0.35)
    now = datetime.now(UTC)
    assert [one["in_doubt"] for one in loop.known_defaults("acme")] == [None]
    assert loop.backlog("acme", now) == []
    later = analysis_row("acme", "social", now)
    effect = {"log_estimate": -0.4, "log_interval": [-0.5, -0.3]}
    turned = finding_row(later, EMOJI, -30.0)
    turned["details"] |= {"effect": effect, "share_of_posts": 0.4}
    store(warehouse, PatternAnalysis, [later])
    store(warehouse, PatternFinding, [turned])
    (default,) = loop.defaults("acme")
    assert default["in_doubt"] == "what posts show now lets expect -33 % of it"
    assert loop.defaults("acme") == loop.known_defaults("acme") == [default]
    service = OrchestrationService(warehouse=warehouse)
    (draft,) = service.propose("acme", LoopTerms(), now)
    assert draft.source == "default"
    assert draft.definition["metric_name"] == "clicks"
    assert "Due since: what posts show now" in draft.claim["words"]
    assert service.propose("zenith", LoopTerms(), now) == []
    loop.answer([draft], "ann", "let us see", now, yes=True)
    (stands,) = service.carry_out("acme", LoopTerms(), now)
    assert (stands["state"], service.propose("acme", LoopTerms(most_running=5), now)) == ("running", [])
    run(engine, stands["experiment_id"], 0.1, start=False)
    assert [one["standing"] for one in loop.defaults("acme")][-1] == "retired"
    retired = loop.defaults("acme")[-1]
    assert retired["retired_reason"] == f"another arm won in '{draft.name}'"
    assert retired["in_doubt"] is None


def test_a_stored_holdout_that_does_better_makes_its_metrics_defaults_due(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="acme")])
    engine, loop = ExperimentService(warehouse=sqlite_warehouse), LoopService(sqlite_warehouse)
    arms = [{"name": "old"}, {"name": "new", "changes": {"media_type": "video"}}]
    run(engine, engine.create_experiment("first", "acme", arms, "clicks", metric_kind="binary").experiment_id, 0.35)
    holdout = engine.create_holdout("acme", 0.3, "clicks", metric_kind="binary").experiment_id
    engine.start_experiment(holdout)
    units = [f"u{i}" for i in range(2000)]
    held = [name == "holdout" for name in engine.assign_variants(holdout, units)]
    assert loop.known_defaults("acme")[0]["in_doubt"] is None
    rows = [{"unit_id": unit, "outcome": float(k % 10 < (5 if held[k] else 2))} for k, unit in enumerate(units)]
    engine.record_outcomes(holdout, rows)
    (default,) = loop.known_defaults("acme")
    assert re.fullmatch(r"everybody else does -(5|6)\d % beside the holdout group", default["in_doubt"])


def run(engine: ExperimentService, experiment_id: str, rate: float, *, start: bool = True) -> None:
    """The arm that does it clicks at `rate`, the other at .2."""
    if start:
        engine.start_experiment(experiment_id)
    units = [f"{experiment_id}-{i}" for i in range(3000)]
    arms = engine.assign_variants(experiment_id, units)
    does = {"old": False, "new": True, "control": True, "treatment": False}
    rng = np.random.default_rng(5)
    rows = [
        {"unit_id": unit, "outcome": float(rng.random() < (rate if does[arm] else 0.2))}
        for unit, arm in zip(units, arms, strict=True)
        if arm is not None
    ]
    engine.record_outcomes(experiment_id, rows)
    engine.complete_experiment(experiment_id)
