"""Which way is better, and which shares were intended, decide what aggregated arms say."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tasks.experiments import ExperimentEngine
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ExperimentArm, Workspace
from tests.factories import store, workspace_row


def arm(name: str, n: int, total: float, **changes: Any) -> dict[str, Any]:
    row = {"workspace_id": "acme", "experiment_name": "e", "variant_name": name, "metric_name": "m"}
    row |= {"metric_kind": "binary", "n": n, "sum": total, "sum_of_squares": None, "is_control": name == "control"}
    return row | {"started_at": None, "direction": "increase", "share": None, "run_id": "test"} | changes


async def analyzed(warehouse: Warehouse, arms: list[dict[str, Any]]) -> Any:
    store(warehouse, Workspace, [workspace_row()])
    store(warehouse, ExperimentArm, arms)
    return (await ExperimentEngine(warehouse=warehouse).analyze_aggregated("acme"))[0]


@pytest.mark.parametrize("kind", ["binary", "count"])
async def test_doubled_unsubscribes_do_not_win(warehouse: Warehouse, kind: str) -> None:
    squares = (lambda total: None) if kind == "binary" else (lambda total: total * 1.2)
    design: dict[str, Any] = {"metric_kind": kind, "direction": "decrease"}
    arms = [
        arm("control", 10_000, 300, sum_of_squares=squares(300), **design),
        arm("new", 10_000, 600, sum_of_squares=squares(600), **design),
    ]
    result = await analyzed(warehouse, arms)
    assert (result.status, result.winner) == ("winner", "control")
    shown = {variant["variant_id"]: variant for variant in result.variants}
    assert shown["new"]["mean"] == pytest.approx(0.06, rel=0.01)
    assert shown["control"]["probability_best"] > 0.99
    effect = result.effects[0]
    assert effect["effect"] == pytest.approx(0.03, rel=0.02)
    assert effect["interval"][0] < effect["effect"] < effect["interval"][1]


async def test_the_same_numbers_win_where_more_is_better(warehouse: Warehouse) -> None:
    result = await analyzed(warehouse, [arm("control", 10_000, 300), arm("new", 10_000, 600)])
    assert result.winner == "new"


@pytest.mark.parametrize(
    ("shares", "status"), [((0.9, 0.1), "winner"), ((None, None), "invalid"), ((0.5, 0.5), "invalid")]
)
async def test_ninety_to_ten_by_design_is_no_alarm(
    warehouse: Warehouse, shares: tuple[float | None, float | None], status: str
) -> None:
    arms = [arm("control", 9_000, 900, share=shares[0]), arm("new", 1_000, 200, share=shares[1])]
    result = await analyzed(warehouse, arms)
    assert result.status == status
    assert (result.sample_ratio_p_value < 0.001) == (status == "invalid")


async def test_an_alarm_against_intended_shares_stays(warehouse: Warehouse) -> None:
    result = await analyzed(warehouse, [arm("control", 9_000, 900, share=0.8), arm("new", 1_000, 200, share=0.2)])
    assert (result.status, result.winner) == ("invalid", None)


async def test_rows_that_know_no_design_are_read_as_before(warehouse: Warehouse) -> None:
    plain = [
        {name: value for name, value in row.items() if name not in ("direction", "share")}
        for row in (arm("control", 5_000, 300), arm("new", 5_000, 500))
    ]
    result = await analyzed(warehouse, plain)
    assert result.winner == "new"
    assert warehouse.read(select(ExperimentArm.__table__)).select("direction", "share").unique().rows() == [
        ("increase", None)
    ]
