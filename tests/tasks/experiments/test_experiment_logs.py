"""Logs of teams whose flags live elsewhere: each row counts by rule or is counted as left out, in any order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.errors import InputError
from tasks.experiments.errors import InvalidDesignError, WrongStateError
from tasks.experiments.log_service import LogService, TakenIn
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.records import IngestionReport
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Seen = tuple[str, str, datetime]
Got = tuple[str, str, float, datetime]


@pytest.fixture
def service(warehouse: Warehouse) -> ExperimentService:
    store(warehouse, Workspace, [workspace_row()])
    return ExperimentService(warehouse=warehouse)


def started(service: ExperimentService, **design: object) -> str:
    made = service.create_experiment(
        "checkout", "acme", [{"name": "control"}, {"name": "bold"}], "clicked", metric_kind="binary",
        secondary=["sold"], assigned_elsewhere=True, **design,
    )  # fmt: skip
    return service.start_experiment(made.experiment_id).experiment_id


def exposures(warehouse: Warehouse, folder: Path, rows: Iterable[Seen]) -> IngestionReport:
    lines = [f"{unit},{arm},{at.isoformat()}\n" for unit, arm, at in rows]
    path = folder / "exposures.csv"
    path.write_text("unit,variant,time\n" + "".join(lines))
    return ingest("exposures", [path], workspace="acme", experiment="checkout", warehouse=warehouse)


def outcomes(warehouse: Warehouse, folder: Path, rows: Iterable[Got]) -> IngestionReport:
    lines = [f"acme,checkout,{unit},{metric},{value},{at.isoformat()}\n" for unit, metric, value, at in rows]
    path = folder / "outcomes.csv"
    path.write_text("workspace_id,experiment_name,unit_id,metric_name,value,occurred_at\n" + "".join(lines))
    return ingest("outcomes", [path], warehouse=warehouse)


def taken_in(warehouse: Warehouse) -> TakenIn:
    (taken,) = LogService(warehouse=warehouse).take_in(["acme"])
    return taken


SEEN: list[Seen] = [
    *((f"u{i}", "control" if i % 2 else "bold", FIRST + i * HOUR) for i in range(40)),
    ("u0", "bold", FIRST + DAY),  # a later sighting in its arm
    ("u0", "bold", FIRST + DAY),  # and the same once more
    ("u1", "bold", FIRST + DAY),  # seen in two arms
    ("u2", "elsewhere", FIRST + DAY),  # in an arm of ours and in one that is not
    ("w", "elsewhere", FIRST),
]
GOT: list[Got] = [
    *((f"u{i}", "clicked", float(i % 4 == 0), FIRST + i * HOUR + HOUR) for i in range(40)),
    ("u3", "clicked", 0.0, FIRST + 4 * HOUR),  # the same as above once more
    ("u5", "clicked", 1.0, FIRST),  # before its exposure
    ("u6", "clicked", 1.0, FIRST + 9 * DAY),  # after its week
    ("u7", "opened", 1.0, FIRST + DAY),  # no metric of it
    ("u8", "clicked", 7.0, FIRST + DAY),  # no value of it
    ("nobody", "clicked", 1.0, FIRST + DAY),
    ("u9", "sold", 20.5, FIRST + DAY),
]
LEFT_OUT = {
    "unknown_arm": 2, "in_two_arms": 2, "unit_in_two_arms": 2, "before_exposure": 1, "outside_window": 1,
    "unknown_metric": 1, "no_such_value": 1, "not_exposed": 1,
}  # fmt: skip


def test_every_row_counts_by_rule_or_is_counted_as_left_out(
    service: ExperimentService, warehouse: Warehouse, tmp_path: Path
) -> None:
    experiment_id = started(service, conversion_window_days=7)
    seen, got = exposures(warehouse, tmp_path, SEEN), outcomes(warehouse, tmp_path, GOT)
    assert (seen.read, seen.written, seen.unchanged, seen.rejected) == (45, 43, 2, 0)
    assert (got.read, got.written, got.unchanged, got.rejected) == (47, 46, 1, 0)
    taken = taken_in(warehouse)
    assert (taken.assigned, taken.recorded) == (38, 39), "38 of one arm each; a click of each, and one sale"
    assert taken.left_out == LEFT_OUT
    found = service.analyze_experiment(experiment_id)
    assert {arm.variant_id: (arm.assigned, arm.n) for arm in found.variants} == {"control": (19, 19), "bold": (19, 19)}
    assert sum(arm.n * (arm.mean or 0) for arm in found.variants) == 10, "i = 0, 4, 8 … 36"
    assert "units seen in two arms, left out: 2" in found.left_out
    assert service.get_experiment(experiment_id).started_at == FIRST, "it began with its first exposure"


def test_the_order_of_files_changes_nothing_and_the_same_files_again_change_nothing(
    service: ExperimentService, warehouse: Warehouse, tmp_path: Path
) -> None:
    experiment_id = started(service, conversion_window_days=7)
    outcomes(warehouse, tmp_path, GOT)
    first = taken_in(warehouse)
    assert (first.assigned, first.recorded) == (0, 0), "none was exposed"
    for part in (SEEN[20:40], SEEN[:20], SEEN[40:], SEEN):
        exposures(warehouse, tmp_path, part)
        last = taken_in(warehouse)
    assert last.left_out == LEFT_OUT
    assert outcomes(warehouse, tmp_path, GOT).written == 0
    assert (taken_in(warehouse).assigned, taken_in(warehouse).recorded) == (0, 0)
    found = service.analyze_experiment(experiment_id)
    assert {arm.variant_id: (arm.assigned, arm.n) for arm in found.variants} == {"control": (19, 19), "bold": (19, 19)}
    assert sum(arm.n * (arm.mean or 0) for arm in found.variants) == 10


def test_a_corrected_value_replaces_the_one_under_its_key(
    service: ExperimentService, warehouse: Warehouse, tmp_path: Path
) -> None:
    experiment_id = started(service)
    exposures(warehouse, tmp_path, [("u1", "control", FIRST), ("u2", "bold", FIRST)])
    outcomes(warehouse, tmp_path, [("u1", "sold", 5.0, FIRST + HOUR), ("u2", "sold", 7.0, FIRST + HOUR)])
    assert taken_in(warehouse).recorded == 2
    outcomes(warehouse, tmp_path, [("u1", "sold", 6.0, FIRST + HOUR), ("u1", "sold", 1.0, FIRST + 2 * HOUR)])
    assert taken_in(warehouse).recorded == 2, "one replaced, one new"
    sums = service.store.outcomes.statistics(experiment_id)
    assert sum(row["y"] + row["n"] * row["origin"] for row in sums) == pytest.approx(6 + 1 + 7)


def test_rows_wait_for_an_experiment_that_is_created_and_started_later(
    service: ExperimentService, warehouse: Warehouse, tmp_path: Path
) -> None:
    exposures(warehouse, tmp_path, [("u1", "control", FIRST)])
    assert "no experiment has this name yet" in str(taken_in(warehouse).problem)
    started(service)
    assert taken_in(warehouse).assigned == 1


def test_units_assigned_elsewhere_are_not_assigned_here(service: ExperimentService) -> None:
    with pytest.raises(WrongStateError, match="raptorflow ingest exposures FILE"):
        service.assign_variant(started(service), "u1")
    with pytest.raises(InvalidDesignError, match="assigned elsewhere have no layer"):
        service.create_experiment(
            "other", "acme", [{"name": "a"}, {"name": "b"}], "clicked", assigned_elsewhere=True, layer="l"
        )


def test_outcomes_of_a_file_count_in_an_experiment_that_assigns_its_own_units(
    service: ExperimentService, warehouse: Warehouse, tmp_path: Path
) -> None:
    made = service.create_experiment("checkout", "acme", [{"name": "control"}, {"name": "bold"}], "clicked")
    service.start_experiment(made.experiment_id)
    service.assign_variants(made.experiment_id, ["u1", "u2"])
    now = datetime.now(UTC)
    exposures(warehouse, tmp_path, [("u1", "control", FIRST)])
    outcomes(warehouse, tmp_path, [("u1", "clicked", 1.0, now), ("u3", "clicked", 1.0, now)])
    taken = taken_in(warehouse)
    assert (taken.assigned, taken.recorded, taken.left_out) == (0, 1, {"not_ours": 1, "not_exposed": 1})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("unit,variant\nu1,a\n", "exposures need the column"),
        ("\x00\x01\x02", ""),
        ("", "empty"),
        ("unit,variant,time\n" + "u1,a,never\n" * 5, "rejected"),
        ("unit,variant,time,unit_id\nu1,a,2026-01-05T00:00:00Z,u2\n", "unit"),
    ],
)
def test_hostile_files_are_refused_in_one_line_and_nothing_is_written(
    text: str, says: str, service: ExperimentService, warehouse: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        ingest("exposures", [path], workspace="acme", experiment="checkout", warehouse=warehouse)
    assert len(str(refused.value).splitlines()) == 1
    assert says in str(refused.value)
    assert service.store.logs.experiments("acme") == []


def test_another_workspaces_rows_are_refused(service: ExperimentService, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "foreign.csv"
    path.write_text("workspace_id,experiment_name,unit_id,variant_name,exposed_at\nother,x,u,a,2026-01-05T00:00:00Z\n")
    with pytest.raises(InputError):
        ingest("exposures", [path], workspace="acme", warehouse=warehouse)
