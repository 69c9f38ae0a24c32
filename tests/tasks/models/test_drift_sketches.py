"""Sums of days: added to row by row, exact in any order, once for each row, whole or not at all."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from tasks.models.drift.shifts import scores
from tasks.models.drift.sketch import Sketch, loss_of, score_of
from tasks.models.records import ModelKey, ModelType, OutcomeRows
from tasks.models.service import ModelService
from tasks.models.store import days_of, record_outcomes
from tasks.models.training.estimators import losses
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ModelOutcome
from tests.subprocess_helper import in_subprocess
from tests.tasks.models.served_versions import CONVERSION, let_serve, predict

Numbers = st.lists(st.floats(-90, 90), max_size=20)


def whole(warehouse: Warehouse, key: ModelKey = CONVERSION, name: str = "v_1") -> Sketch:
    return sum((sketch for _, sketch in days_of(warehouse, key, name)), Sketch())


@given(Numbers, Numbers, Numbers)
def test_parts_added_in_any_order_are_the_whole_to_the_digit(
    one: list[float], two: list[float], lost: list[float]
) -> None:
    positive = [abs(value) for value in lost]
    parts = [Sketch.of(one), Sketch.of(two), Sketch.of(losses=positive)]
    assert parts[0] + parts[1] + parts[2] == parts[2] + parts[1] + parts[0] == Sketch.of(two + one, positive[::-1])


def test_losses_and_scores_are_those_of_a_drift_check() -> None:
    classes, random = ("a", "b", "c"), np.random.default_rng(1)
    predicted = random.dirichlet(np.ones(3), 50)
    target = [*random.choice(classes, 48), "never seen", "a"]
    outputs = [{"label": "a", "probabilities": dict(zip(classes, row, strict=True))} for row in predicted.tolist()]
    assert [loss_of(*one) for one in zip(outputs, target, strict=True)] == pytest.approx(
        losses(predicted, pl.Series(target), classes)
    )
    assert [score_of(output) for output in outputs] == pytest.approx(scores(predicted))
    pairs = [{"label": "a", "probabilities": dict(zip("ab", row, strict=False))} for row in predicted[:, :2].tolist()]
    assert [score_of(output) for output in pairs] == pytest.approx(scores(predicted[:, :2]))
    levels = random.normal(size=9)
    numbers = [{"expected": value} for value in levels.tolist()]
    assert [loss_of(number, 0.5) for number in numbers] == pytest.approx((levels - 0.5) ** 2)


def test_each_prediction_and_each_outcome_counts_once(warehouse: Warehouse) -> None:
    let_serve(warehouse)
    service = ModelService(warehouse)
    for _ in range(2):
        predict(warehouse, {"t1": 0.25, "t2": 0.5, "t3": 0.75})
    predict(warehouse, {"t1": 0.25}, name="v_2")
    sent = {"t1": True, "t2": 0, "nobody's": "1"}
    assert service.record_outcomes("acme", "conversion_predictor", sent) == OutcomeRows(
        frozenset({"t1", "t2"}), frozenset(), frozenset({"nobody's"})
    )
    assert service.record_outcomes("acme", "conversion_predictor", {"t1": "0", "t3": 1}) == OutcomeRows(
        frozenset({"t3"}), frozenset({"t1"}), frozenset()
    )
    assert whole(warehouse) == Sketch.of([0.25, 0.5, 0.75], [-np.log(0.25), -np.log(0.5), -np.log(0.75)])
    assert whole(warehouse, name="v_2") == Sketch.of([0.25], [-np.log(0.25)]), "who predicted a row, loses by it"
    assert warehouse.rows(select(ModelOutcome.value).where(ModelOutcome.row_id == "t1")) == [{"value": "1"}] * 2


def test_what_is_no_outcome_is_refused_and_nothing_is_written(sqlite_warehouse: Warehouse) -> None:
    engagement = ModelKey("acme", ModelType.ENGAGEMENT_PREDICTOR)
    let_serve(sqlite_warehouse, engagement)
    for wrong in ("warm", True, 1e9, float("nan")):
        with pytest.raises(ValueError, match="log scale of `expected`"):
            ModelService(sqlite_warehouse).record_outcomes("acme", "engagement_predictor", {"c1": 1.0, "c2": wrong})
    assert sqlite_warehouse.rows(select(ModelOutcome.row_id)) == []


def test_a_moment_in_the_past_is_as_it_was_then(warehouse: Warehouse) -> None:
    let_serve(warehouse)
    predict(warehouse, {f"t{i}": 0.5 for i in range(9)})
    moments, expected = list[datetime](), list[Sketch]()
    for i in range(3):
        record_outcomes(warehouse, CONVERSION, {f"t{i}": "1"}, "test")
        moments.append(datetime.now(UTC))
        expected.append(whole(warehouse))
        time.sleep(0.002)
    assert [sum((s for _, s in days_of(warehouse, CONVERSION, "v_1", one)), Sketch()) for one in moments] == expected
    yesterday = days_of(warehouse, CONVERSION, "v_1", datetime.now(UTC) - timedelta(days=1))
    assert yesterday == []


def test_an_outcome_costs_the_same_however_much_is_known(sqlite_warehouse: Warehouse) -> None:
    let_serve(sqlite_warehouse)
    predict(sqlite_warehouse, {f"t{i}": 0.5 for i in range(3_000)})
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_more: object) -> None:
        asked.append((statement, parameters))

    event.listen(sqlite_warehouse.engine, "before_cursor_execute", note)
    counts = []
    for values in ({"t0": "1"}, {f"t{i}": "1" for i in range(1, 2_999)}, {"t2999": "1"}):
        asked.clear()
        record_outcomes(sqlite_warehouse, CONVERSION, values, "test")
        counts.append(len(asked))
    event.remove(sqlite_warehouse.engine, "before_cursor_execute", note)
    assert counts[0] == counts[2]
    with sqlite_warehouse.connect() as connection:
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
                assert all("SCAN" not in line[3] for line in plan), (statement, plan)


def test_two_processes_sketches_are_the_sketch_of_both(warehouse: Warehouse) -> None:
    let_serve(warehouse)
    chances = {f"t{i}": (i % 97 + 1) / 100 for i in range(120)}
    halves = [dict(list(chances.items())[:80]), dict(list(chances.items())[40:])]  # a third comes by both
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda half: predict(warehouse, half), halves * 2))
        sent = [{row: "1"} for half in halves for row in half]
        list(threads.map(lambda one: record_outcomes(warehouse, CONVERSION, one, "test"), sent))
    assert whole(warehouse) == Sketch.of(chances.values(), [-np.log(chance) for chance in chances.values()])


def record_one_by_one(url: str, first: int, n: int, acknowledged: str) -> None:
    warehouse = Warehouse(url)
    with open(acknowledged, "a") as told:  # noqa: PTH123 - appended line by line, as a client would remember
        for i in range(first, first + n):
            record_outcomes(warehouse, CONVERSION, {f"t{i}": str(i % 2)}, "test")
            print(f"t{i}", file=told, flush=True)


def test_killed_anywhere_nothing_acknowledged_is_lost_or_counted_twice(warehouse: Warehouse, home) -> None:  # type: ignore[no-untyped-def]
    let_serve(warehouse)
    n, told = 400, home.with_name("acknowledged")
    told.touch()
    predict(warehouse, {f"t{i}": 0.3 for i in range(n)})
    writers = [in_subprocess(record_one_by_one, warehouse.url, first, n // 2, str(told)) for first in (0, n // 4)]
    until = time.monotonic() + 60
    while len(told.read_text().splitlines()) < 40 and time.monotonic() < until:
        time.sleep(0.01)
    for writer in writers:
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
    stored = {row["row_id"] for row in warehouse.rows(select(ModelOutcome.row_id))}
    assert set(told.read_text().split()) <= stored
    assert 0 < whole(warehouse).n_outcomes == len(stored) < n
    record_outcomes(warehouse, CONVERSION, {f"t{i}": str(i % 2) for i in range(n)}, "test")
    expected = Sketch.of([0.3] * n, [-np.log(0.3 if i % 2 else 0.7) for i in range(n)])
    assert whole(warehouse) == expected, "what was sent again counts once, and what was lost counts now"
