"""What is done by default: written by proof alone, retired by later proof, the same whoever asks and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tasks.effects.loop.defaults import DecidedExperiment, defaults_of
from tasks.effects.loop.service import LoopService
from tasks.errors import UnknownNameError
from tasks.experiments.service import ExperimentService
from tasks.statistics.online_discoveries import levels_of
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

START = datetime(2026, 3, 1, tzinfo=UTC)


def decided(day: int, arms: dict[str, dict[str, Any]], winner: str | None, **known: Any) -> DecidedExperiment:
    """The first arm is the control."""
    plain = {"conclusion": "winner" if winner else "no_difference", "p_value": 1e-6, "metric_name": "clicks"} | known
    name = f"test {day}"
    return DecidedExperiment(
        f"e{day}",
        name,
        completed_at=START + timedelta(days=day),
        winner=winner,
        control=next(iter(arms)),
        arms=arms,
        **plain,
    )


VIDEO = {"old": {}, "new": {"media_type": "video"}}


def test_levels_are_those_of_lord_plus_plus() -> None:
    levels = levels_of([1.0, 1e-9, 1.0, 1e-9, 1.0], 0.05)
    share = np.arange(1, 6) ** -1.6 / 2.2857656
    first, second = 0.025, 0.05
    assert levels[1] == pytest.approx(first * share[1])
    assert levels[2] == pytest.approx(first * share[2] + 0.025 * share[0])
    assert levels[4] == pytest.approx(first * share[4] + 0.025 * share[2] + second * share[0])


def test_false_defaults_are_at_most_five_in_a_hundred_however_long_the_program() -> None:
    rng, rates = np.random.default_rng(11), []
    for _ in range(400):
        is_null = rng.random(300) < 0.8
        p_values = np.where(is_null, rng.random(300), rng.random(300) ** 8)
        found = p_values <= levels_of(p_values.tolist(), 0.05)
        rates.append((found & is_null).sum() / max(found.sum(), 1))
    error = np.std(rates) / np.sqrt(len(rates))
    print(f"false discoveries {np.mean(rates):.4f} ± {error:.4f}")
    assert np.mean(rates) <= 0.05 + 2 * error


def test_a_proven_change_becomes_a_default_and_a_weak_one_is_withheld() -> None:
    program = defaults_of([decided(1, VIDEO, "new"), decided(2, {"a": {}, "b": {"emoji_count": 1}}, "b", p_value=0.04)])
    (default,), (withheld,) = program.defaults, program.withheld
    assert (default.statement, default.does) == ("content that is a video", {"media_type": "video"})
    assert withheld.experiment.experiment_id == "e2"
    assert withheld.level < 0.04


@pytest.mark.parametrize(
    ("conclusion", "winner", "arms"),
    [
        ("chosen", "new", VIDEO),
        ("invalid", "new", VIDEO),
        ("winner", "old", VIDEO),
        ("winner", "new", {"old": {}, "new": {}}),
        ("inconclusive", None, VIDEO),
    ],
)
def test_nothing_else_becomes_one(conclusion: str, winner: str | None, arms: dict[str, dict[str, Any]]) -> None:
    assert defaults_of([decided(1, arms, winner, conclusion=conclusion)]).defaults == []


def test_a_later_experiment_retires_what_it_refutes_and_nothing_else() -> None:
    first = decided(1, VIDEO, "new")
    photo = decided(2, {"now": {"media_type": "video"}, "new": {"media_type": "photo"}}, "new")
    old, new = defaults_of([photo, first]).defaults
    assert (old.retired_by, old.reason, new.retired_at) == ("e2", "another arm won in 'test 2'", None)
    assert new.statement == "content that is a photo, instead of content that is a video"
    for later, is_retired in (
        (decided(2, VIDEO, None), True),
        (decided(2, VIDEO, "old"), True),
        (decided(2, VIDEO, None, conclusion="harmed"), True),
        (decided(2, VIDEO, None, conclusion="inconclusive"), False),
        (decided(2, VIDEO, None, metric_name="sales"), False),
        (decided(2, VIDEO, None, conclusion="invalid"), False),
        (decided(2, {"a": {}, "b": {"emoji_count": 1}}, None), False),
        (decided(2, {"a": {"media_type": "video"}, "b": {"media_type": "text"}}, None), False),
    ):
        (default,) = defaults_of([first, later]).defaults
        assert (default.retired_at is not None) is is_retired, later


def test_a_pattern_is_done_or_left_off() -> None:
    doing, leaving = {"a": {}, "b": {"pattern": "rule_1"}}, {"a": {"pattern": "rule_1"}, "b": {}}
    assert defaults_of([decided(1, doing, "b")]).defaults[0].statement == "do what pattern rule_1 says"
    off, back = defaults_of([decided(1, leaving, "b"), decided(2, doing, "b")]).defaults
    assert off.statement == "leave off what pattern rule_1 says"
    assert off.retired_by == "e2"
    assert back.retired_at is None


def run(engine: ExperimentService, rates: tuple[float, float], name: str) -> str:
    experiment = engine.create_experiment(
        workspace_id="acme",
        name=name,
        hypothesis="video does better",
        variants=[{"name": "photo"}, {"name": "video", "changes": {"media_type": "video"}}],
        metric_name="clicks",
        metric_kind="binary",
    )
    identifier = str(experiment["experiment_id"])
    engine.start_experiment(identifier)
    arms = engine.assign_variants(identifier, [f"{name}-{i}" for i in range(3000)])
    rng = np.random.default_rng(5)
    clicked = rng.random(len(arms)) < np.where(np.array(arms) == "video", rates[1], rates[0])
    rows = [{"unit_id": f"{name}-{i}", "outcome": float(value)} for i, value in enumerate(clicked)]
    engine.record_outcomes(identifier, rows)
    engine.complete_experiment(identifier)
    return identifier


def test_the_decision_itself_writes_and_retires_the_default_of_its_workspace_alone(warehouse: Warehouse) -> None:
    for name in ("acme", "zenith"):
        store(warehouse, Workspace, [workspace_row(workspace_id=name)])
    engine, service = ExperimentService(warehouse=warehouse), LoopService(warehouse)
    first = run(engine, (0.2, 0.35), "first")
    (default,) = service.defaults("acme")
    assert (default["experiment_id"], default["standing"]) == (first, "current")
    assert default["statement"] == "content that is a video"
    assert default["effect_low"] < default["effect"] < default["effect_high"]
    assert service.defaults("acme") == [default], "asked again it is the same"
    assert service.known_defaults("acme") == [default], "and to those who only look"
    assert service.defaults("zenith") == []
    second = run(engine, (0.35, 0.2), "second")
    (retired,) = service.defaults("acme")
    assert (retired["standing"], retired["retired_by"]) == ("retired", second)
    assert service.known_defaults("acme") == [retired]
    with pytest.raises(UnknownNameError, match="nobody"):
        service.defaults("nobody")
