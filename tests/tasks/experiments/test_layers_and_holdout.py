"""Who takes part: layers share no unit, a holdout is the same everywhere and analyzed, a ramp stops at harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from tasks.errors import InputError
from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.layers import free_ranges, require_room
from tasks.experiments.segments import as_text, by_dimension, labels_of
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Experiment, Workspace
from tests.factories import store, workspace_row

TWO = [{"name": "control"}, {"name": "bold"}]
UNITS = [f"u{i}" for i in range(4000)]


@pytest.fixture
def service(warehouse: Warehouse) -> ExperimentService:
    store(warehouse, Workspace, [workspace_row()])
    return ExperimentService(warehouse=warehouse)


def started(service: ExperimentService, name: str, **changes: Any) -> str:
    made = service.create_experiment(name, "acme", TWO, "clicked", metric_kind="binary", **changes)
    return service.start_experiment(made.experiment_id).experiment_id


def taking_part(service: ExperimentService, experiment_id: str) -> set[str]:
    arms = service.assign_variants(experiment_id, UNITS)
    return {unit for unit, arm in zip(UNITS, arms, strict=True) if arm is not None}


def test_experiments_of_one_layer_share_no_unit_and_hold_their_shares(service: ExperimentService) -> None:
    first = taking_part(service, started(service, "one", layer="page", layer_share=0.3))
    second = taking_part(service, started(service, "two", layer="page", layer_share=0.5))
    other = taking_part(service, started(service, "three", layer="mail", layer_share=0.5))
    assert not first & second
    assert len(first) / len(UNITS) == pytest.approx(0.3, abs=0.03)
    assert len(second) / len(UNITS) == pytest.approx(0.5, abs=0.03)
    assert len(first & other) / len(first) == pytest.approx(0.5, abs=0.06), "layers are independent"


def test_a_full_layer_refuses_and_names_who_holds_it_and_a_completed_one_gives_its_units_back(
    service: ExperimentService,
) -> None:
    one, _ = (
        started(service, "one", layer="page", layer_share=0.7),
        started(service, "two", layer="page", layer_share=0.2),
    )
    draft = service.create_experiment("three", "acme", TWO, "clicked", layer="page", layer_share=0.5)
    with pytest.raises(InvalidDesignError, match=r"has 10 % of its units left, not 50 %; complete one of 'one', 'two'"):
        service.start_experiment(draft.experiment_id)
    assert service.get_experiment(draft.experiment_id).status == "draft"
    service.complete_experiment(one)
    service.start_experiment(draft.experiment_id)
    assert len(taking_part(service, draft.experiment_id)) / len(UNITS) == pytest.approx(0.5, abs=0.03)


def test_ranges_are_found_between_those_that_are_held() -> None:
    free = free_ranges([(0.2, 0.5), (0.0, 0.1), (0.8, 1.0)])
    assert free == ((0.1, 0.2), (0.5, 0.8))
    assert require_room("l", free, 0.25, []) == ((0.1, 0.2), (0.5, pytest.approx(0.65)))
    assert free_ranges([(0.0, 1.0)]) == ()
    assert free_ranges([]) == ((0.0, 1.0),)


def test_a_holdout_is_left_out_of_every_later_experiment_and_compared_with_everybody_else(
    service: ExperimentService,
) -> None:
    holdout = service.start_experiment(
        service.create_holdout("acme", 0.2, "revenue", metric_kind="continuous").experiment_id
    ).experiment_id
    first, second = (taking_part(service, started(service, name)) for name in ("one", "two"))
    assert first == second, "all but the same units"
    arms = dict(zip(UNITS, service.assigned_variants(holdout, UNITS), strict=True))
    assert {unit for unit, arm in arms.items() if arm == "everybody else"} == first
    assert (len(UNITS) - len(first)) / len(UNITS) == pytest.approx(0.2, abs=0.02)
    rng = np.random.default_rng(4)
    rows = [{"unit_id": unit, "outcome": float(rng.normal(10 + (arm != "holdout")))} for unit, arm in arms.items()]
    service.record_outcomes(holdout, rows)
    (effect,) = service.analyze_experiment(holdout).effects
    assert effect.variant_id == "everybody else"
    assert effect.interval[0] < 1 < effect.interval[1]
    assert effect.is_significant


def test_a_holdout_is_one_a_workspace_and_earlier_experiments_stay_as_they_were(service: ExperimentService) -> None:
    before = started(service, "before")
    service.create_holdout("acme", 0.1, "revenue")
    assert started(service, "before") == before, "the same design again is the same experiment"
    with pytest.raises(InvalidDesignError, match="has a holdout already, 'holdout'"):
        service.create_holdout("acme", 0.1, "revenue", name="another")
    with pytest.raises(InvalidDesignError, match="holds out 10 % of its units; leave out holdout_share"):
        started(service, "after", holdout_share=0.3)
    for share in (0.0, 0.6, float("nan")):
        with pytest.raises(ValueError, match="share must be"):
            service.create_holdout("acme", share, "revenue")


def advanced(service: ExperimentService, experiment_id: str) -> str:
    step = service.advance_ramp(service.analyze_experiment(experiment_id))
    assert step is not None
    return step.in_words()


def test_a_ramp_goes_on_stage_by_stage_and_moves_no_unit(service: ExperimentService, warehouse: Warehouse) -> None:
    experiment_id = started(service, "ramp", ramp=[0.1, 0.5, 1.0])
    assert "10 % of the traffic until" in advanced(service, experiment_id), "a day has not passed"
    with warehouse.begin() as connection:
        connection.execute(update(Experiment).values(started_at=datetime.now(UTC) - timedelta(days=2)))
    before = dict(zip(UNITS, service.assign_variants(experiment_id, UNITS), strict=True))
    assert advanced(service, experiment_id).startswith("traffic raised to 50 %")
    after = dict(zip(UNITS, service.assign_variants(experiment_id, UNITS), strict=True))
    share = [sum(arm is not None for arm in arms.values()) / len(UNITS) for arms in (before, after)]
    assert share == [pytest.approx(0.1, abs=0.02), pytest.approx(0.5, abs=0.03)]
    assert all(after[unit] == arm for unit, arm in before.items() if arm is not None)
    assert "50 % of the traffic until" in advanced(service, experiment_id), "the next stage takes its day, too"


@pytest.mark.parametrize("arms", [2, 3])
def test_a_ramp_stops_what_harms_a_guardrail(service: ExperimentService, arms: int) -> None:
    names = ["control", "bold", "calm"][:arms]
    guardrails = [{"name": "left", "direction": "decrease"}]
    made = service.create_experiment(
        "ramp", "acme", [{"name": name} for name in names], "clicked", ramp=[0.5, 1.0], guardrails=guardrails
    )
    experiment_id = service.start_experiment(made.experiment_id).experiment_id
    units = taking_part(service, experiment_id)
    assigned = dict(zip(UNITS, service.assigned_variants(experiment_id, UNITS), strict=True))
    rng = np.random.default_rng(1)
    rows = [
        {"unit_id": u, "outcome": float(rng.random() < (0.6 if assigned[u] == "bold" else 0.2))} for u in sorted(units)
    ]
    service.record_outcomes(experiment_id, rows, metric_name="left")
    service.record_outcomes(experiment_id, [row | {"outcome": float(rng.random() < 0.3)} for row in rows])
    step = advanced(service, experiment_id)
    assert "bold makes left worse" in step
    record = service.get_experiment(experiment_id)
    if arms == 2:
        assert (record.status, record.winner) == ("completed", "control")
    else:
        assert record.status == "running"
        (last,) = service.store.assignments.epochs(experiment_id)[-1:]
        assert last["weights"][1] == 0.0


def test_units_have_several_labels_and_each_dimension_is_read_by_itself(service: ExperimentService) -> None:
    experiment_id = started(service, "labels")
    labels = [{"country": "DE" if i % 2 else "FR", "device": "ios" if i % 3 else "web"} for i in range(len(UNITS))]
    arms = service.assign_variants(experiment_id, UNITS, labels)
    rng = np.random.default_rng(2)
    rows = [
        {"unit_id": unit, "outcome": float(rng.random() < 0.2 + 0.3 * (arm == "bold") * (label["country"] == "DE"))}
        for unit, arm, label in zip(UNITS, arms, labels, strict=True)
    ]
    service.record_outcomes(experiment_id, rows)
    found = {row["segment"]: row for row in service.analyze_experiment(experiment_id).segments}
    assert sorted(found) == ["country=DE", "country=FR", "device=ios", "device=web"]
    assert found["country=DE"]["effect"] == pytest.approx(0.3, abs=0.09), "within 4.5 standard errors"
    assert found["country=FR"]["effect"] == pytest.approx(0.0, abs=0.09)
    assert found["country=DE"]["n"] + found["country=FR"]["n"] == len(UNITS)
    assert found["country=DE"]["heterogeneity_p_value"] < 1e-6
    assert found["device=ios"]["heterogeneity_p_value"] > 0.001, "devices do not differ, whatever countries do"


def test_labels_are_kept_as_one_text_and_what_cannot_be_kept_is_refused() -> None:
    assert as_text({"device": "ios", "country": "DE", "plan": None}) == "country=DE;device=ios"
    assert labels_of("country=DE;device=ios") == ["country=DE", "device=ios"]
    assert labels_of("mobile; new") == ["mobile; new"]
    assert labels_of("") == []
    assert by_dimension(["country=DE;device=ios", "country=FR"]) == {
        "country": ["country=DE", "country=FR"], "device": ["device=ios"],
    }  # fmt: skip
    for bad in ({"a;b": "c"}, {"a": "b=c"}, {"": "c"}, {"a": " "}, {"a": "x" * 130}, "x" * 130):
        with pytest.raises(InvalidDesignError):
            as_text(bad)


@pytest.mark.parametrize(
    "design",
    [
        {"ramp": [0.5, 0.1]}, {"ramp": []}, {"ramp": [0.1, 0.1]}, {"ramp": [0, 1]}, {"ramp": ["a"]}, {"ramp": 0.5},
        {"ramp": [0.1, 1], "traffic_share": 0.5}, {"layer": ""}, {"layer": "x" * 65}, {"layer_share": 0},
        {"layer_share": 1.5}, {"assigned_elsewhere": "yes"}, {"ramp_days": -1},
    ],
)  # fmt: skip
def test_bad_traffic_is_one_typed_error_and_nothing_is_written(
    service: ExperimentService, design: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as refused:
        service.create_experiment("bad", "acme", TWO, "clicked", **design)
    assert len(str(refused.value).splitlines()) == 1
    assert service.list_experiments("acme") == []
