"""Experiments whose best arm depends on the context, from creation to the policy that is served."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.errors import InputError, UnknownNameError
from tasks.experiments import ExperimentEngine, ExperimentType
from tasks.experiments.errors import InvalidDesignError, WrongStateError
from tasks.experiments.records import ExperimentStatus
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

ARMS = [{"name": "short"}, {"name": "long"}]
CONTEXT = ["device", "hour"]
BATCH = 400


def created(warehouse: Warehouse, **design: Any) -> tuple[ExperimentService, str]:
    store_content(warehouse, posts(1))
    service = ExperimentService(warehouse=warehouse)
    made = service.create_experiment(
        "teaser",
        "acme",
        ARMS,
        "clicked",
        ExperimentType.CONTEXTUAL,
        metric_kind="binary",
        context=CONTEXT,
        salt="of the tests",
        **design,
    )
    service.start_experiment(made.experiment_id)
    return service, made.experiment_id


def visitors(rng: np.random.Generator, first: int, n: int) -> list[tuple[str, dict[str, Any]]]:
    devices = rng.choice(["mobile", "desktop"], n)
    return [(f"u{first + k}", {"device": str(devices[k]), "hour": int(rng.integers(0, 24))}) for k in range(n)]


def chance(context: dict[str, Any], arm: str) -> float:
    """On a phone the short teaser is clicked three times as often, at a desk the long one."""
    return 0.3 if (arm == "short") == (context["device"] == "mobile") else 0.1


def serve(service: ExperimentService, identifier: str, batches: int, seed: int = 0) -> float:
    """Units come, get arms and report; returns the share of the last batch that got the better arm."""
    rng = np.random.default_rng(seed)
    better = 0.0
    for batch in range(batches):
        units = visitors(rng, batch * BATCH, BATCH)
        arms = service.assign_variants(
            identifier, [unit for unit, _ in units], contexts=[context for _, context in units]
        )
        rows = [
            {"unit_id": unit, "outcome": float(rng.random() < chance(context, str(arm)))}
            for (unit, context), arm in zip(units, arms, strict=True)
        ]
        service.record_outcomes(identifier, rows)
        service._plans.clear()  # another process would see the new policy a second later
        better = float(
            np.mean([chance(context, str(arm)) > 0.2 for (_, context), arm in zip(units, arms, strict=True)])
        )
    return better


def test_the_arm_follows_the_context_and_the_policy_is_served(warehouse: Warehouse) -> None:
    service, identifier = created(warehouse)
    better = serve(service, identifier, 10)
    assert better > 0.85, "of two arms half are right by chance"
    found = service.analyze_experiment(identifier)
    assert found.status == ExperimentStatus.POLICY
    assert found.policy is not None
    assert found.policy["does_context_matter"]
    assert found.policy["interval"][0] < 0.3 < found.policy["interval"][1], "what the better arm of each earns"
    assert found.policy["gain_over_served"]["lower"] > 0
    assert found.sample_ratio is not None
    assert not found.sample_ratio.is_alarm
    assert "the context matters" in found.policy["in_words"]
    again = service.analyze_experiment(identifier)
    assert again.looks == found.looks, "the same data are one look"
    record = service.decide_experiment(identifier)
    assert (record.conclusion, record.winner) == ("policy", None)
    assert service.recommend_variant(identifier, {"device": "mobile", "hour": 9}) == "short"
    assert service.recommend_variant(identifier, {"device": "desktop"}) == "long"
    with pytest.raises(UnknownNameError, match="device, hour"):
        service.recommend_variant(identifier, {"browser": "lynx"})


def test_a_unit_keeps_its_arm_and_its_probability_is_logged(sqlite_warehouse: Warehouse) -> None:
    service, identifier = created(sqlite_warehouse)
    serve(service, identifier, 3)
    context = {"device": "mobile", "hour": 12}
    first = service.assign_variant(identifier, "somebody", context=context)
    assert first is not None
    assert service.assign_variant(identifier, "somebody", context={"device": "desktop"}) == first
    policy = service._plan(identifier).policy
    assert policy is not None
    shares = policy.probabilities([context])[0]
    assert shares.sum() == pytest.approx(1.0)
    assert shares.min() >= 0.025 - 1e-12, "a floor of 5 % for two arms"
    assert first.propensity == pytest.approx(shares[["short", "long"].index(str(first))])
    without = service.assign_variant(identifier, "of whom nothing is known")
    assert without is not None


def test_nothing_is_served_that_is_not_proven(sqlite_warehouse: Warehouse) -> None:
    service, identifier = created(sqlite_warehouse)
    serve(service, identifier, 1)
    with pytest.raises(WrongStateError, match="serve short"):
        service.recommend_variant(identifier, {"device": "mobile"})
    assert service.analyze_experiment(identifier).status in (
        ExperimentStatus.RUNNING,
        ExperimentStatus.INSUFFICIENT_DATA,
    )
    with pytest.raises(WrongStateError, match="no answer"):
        service.decide_experiment(identifier)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"context": None}, "names the columns of its context"),
        ({"context": []}, "1 to 20 columns"),
        ({"context": "device"}, "1 to 20 columns"),
        ({"context": [f"c{k}" for k in range(21)]}, "1 to 20 columns"),
        ({"context": ["device", "device"]}, "must differ"),
        ({"context": ["device", 3]}, "text of 1 to 64"),
        ({"allocation_strategy": "ucb"}, "allocates by thompson"),
        ({"ramp": [0.1, 1.0]}, "has no ramp"),
        ({"secondary": ["time"]}, "judges its one metric"),
        ({"metric_kind": "ratio"}, "each unit's own value"),
    ],
)
def test_a_design_that_no_policy_can_be_learned_from_is_refused(
    sqlite_warehouse: Warehouse, design: dict[str, Any], message: str
) -> None:
    store_content(sqlite_warehouse, posts(1))
    wanted: dict[str, Any] = {"experiment_type": "contextual", "context": CONTEXT} | design
    with pytest.raises(InputError, match=message):
        ExperimentService(warehouse=sqlite_warehouse).create_experiment("t", "acme", ARMS, "clicked", **wanted)
    with pytest.raises(InvalidDesignError, match="no other type has any"):
        ExperimentService(warehouse=sqlite_warehouse).create_experiment("t", "acme", ARMS, "clicked", context=CONTEXT)


@pytest.mark.parametrize(
    "context", [{"browser": "x"}, ["mobile"], {"device": ["a"]}, {"hour": float("nan")}, {"hour": 1e300}, "mobile"]
)
def test_a_context_that_is_none_assigns_nobody(sqlite_warehouse: Warehouse, context: Any) -> None:
    service, identifier = created(sqlite_warehouse)
    with pytest.raises(InputError):
        service.assign_variants(identifier, ["good", "bad"], contexts=[{"device": "mobile"}, context])
    assert service.assigned_variants(identifier, ["good", "bad"]) == [None, None]


def test_other_experiments_take_no_context(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, posts(1))
    service = ExperimentService(warehouse=sqlite_warehouse)
    made = service.create_experiment("plain", "acme", ARMS, "clicked")
    service.start_experiment(made.experiment_id)
    with pytest.raises(InvalidDesignError, match="only a contextual experiment"):
        service.assign_variant(made.experiment_id, "u", context={"device": "mobile"})


async def test_agents_call_it_through_the_engine(sqlite_warehouse: Warehouse) -> None:
    _, identifier = created(sqlite_warehouse)
    engine = ExperimentEngine(warehouse=sqlite_warehouse)
    arm = await engine.assign_variant(identifier, "u1", context={"device": "mobile", "hour": 9})
    many = await engine.assign_variants(identifier, ["u1"], contexts=[{"device": "mobile", "hour": 9}])
    assert many == [arm]
    with pytest.raises(WrongStateError):
        await engine.recommend_variant(identifier, {"device": "mobile"})
