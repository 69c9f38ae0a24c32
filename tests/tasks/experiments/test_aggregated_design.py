"""Which way is better, and which shares were intended, decide what aggregated arms say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import select

from tasks.errors import InputError
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


EVENTS = {"control": 500, "new": 580}
UDACITY = (145_274, 17_489, 145_310, 17_264)


@pytest.mark.parametrize(
    ("test", "p"), [("welch", 0.190), ("pooled-z", 0.190), ("pearson-yates", 0.192), ("g", 0.190), ("fisher", 0.191)]
)
async def test_a_finished_experiment_has_its_fixed_test_and_an_answer(
    warehouse: Warehouse, test: str, p: float
) -> None:
    """Udacity's public A/B test, as its analysts read it; nobody knows how often the others were looked at."""
    n, s, m, t = UDACITY
    open_ended = await analyzed(warehouse, [arm("control", n, s), arm("new", m, t)])
    assert (open_ended.status, open_ended.effects[0]["p_value"]) == ("running", 1.0)
    engine = ExperimentEngine(warehouse=warehouse)
    finished = (await engine.analyze_aggregated("acme", finished=["e"], test=test))[0]
    assert (finished.status, finished.winner) == ("inconclusive", None)
    assert finished.effects[0]["p_value"] == pytest.approx(p, abs=0.001)
    assert 1 - finished.confidence == pytest.approx(p, abs=0.001)
    low, high = finished.effects[0]["interval"]
    assert (low, high) == pytest.approx((-0.00394, 0.00078), abs=0.00002)
    assert finished.effects[0]["relative_effect"] == pytest.approx(-0.01310, abs=0.0001)
    assert finished.effects[0]["relative_interval"] == pytest.approx((-0.0325, 0.0063), abs=0.0003)


async def test_a_finished_experiment_names_a_winner_and_several_arms_are_corrected(warehouse: Warehouse) -> None:
    arms = [arm("control", 10_000, 1000), arm("b", 10_000, 1100), arm("c", 10_000, 1160)]
    await analyzed(warehouse, arms)
    engine = ExperimentEngine(warehouse=warehouse)
    by_name = {
        name: (await engine.analyze_aggregated("acme", finished=["e"], test="pooled-z", correction=name))[0]
        for name in ("holm", "hochberg-sidak", "benjamini-hochberg", "benjamini-yekutieli")
    }
    p = {name: [effect["p_value"] for effect in found.effects] for name, found in by_name.items()}
    single = stats.norm.sf(0.01 / np.sqrt(0.105 * 0.895 * 2 / 10_000)) * 2
    assert p["holm"][0] == p["benjamini-hochberg"][0] == pytest.approx(single, rel=1e-6)
    assert p["benjamini-yekutieli"][0] == pytest.approx(1.5 * single, rel=1e-6)
    assert by_name["holm"].status == "inconclusive", "the best arm beats the control, but not yet the other arm"
    await analyzed(warehouse, [arm("control", 10_000, 1000), arm("b", 10_000, 1100), arm("c", 10_000, 1300)])
    found = (await engine.analyze_aggregated("acme", finished=["e"]))[0]
    assert (found.status, found.winner) == ("winner", "c")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"finished": ["nobody"]}, "nobody"),
        ({"finished": ["e"], "test": "wilcoxon"}, "wilcoxon"),
        ({"finished": ["e"], "correction": "none"}, "none"),
        ({"finished": ["e"], "test": "poisson-score"}, "for count metrics, and 'm' of 'e' is binary"),
    ],
)
async def test_a_wrong_name_is_one_line_that_lists_the_right_ones(
    warehouse: Warehouse, wanted: dict[str, Any], message: str
) -> None:
    await analyzed(warehouse, [arm("control", 1000, 100), arm("new", 1000, 120)])
    with pytest.raises(InputError, match=message) as caught:
        await ExperimentEngine(warehouse=warehouse).analyze_aggregated("acme", **wanted)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("test", ["poisson-wald", "poisson-score", "poisson-sqrt", "student", "welch"])
async def test_counts_of_events_have_tests_of_their_own(warehouse: Warehouse, test: str) -> None:
    rows = [
        arm(name, 5000, events, metric_kind="count", sum_of_squares=events * 1.1) for name, events in EVENTS.items()
    ]
    await analyzed(warehouse, rows)
    found = (await ExperimentEngine(warehouse=warehouse).analyze_aggregated("acme", finished=["e"], test=test))[0]
    assert 0.001 < found.effects[0]["p_value"] < 0.05
    assert found.winner == "new"
