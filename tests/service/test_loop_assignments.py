"""Arms that the event loop stores in PostgreSQL itself: the engine's, counted once, whoever writes or cuts the line."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ExperimentArrival, ExperimentAssignment
from tests.service.conftest import Served, serve_customers
from tests.tasks.warehouse.test_pooled_connections import PGBOUNCER, pooled

pytestmark = pytest.mark.postgres
PATIENCE_SECONDS = 2.0
OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}"


@pytest.fixture
def served_on_loop(postgres_warehouse: Warehouse) -> Iterator[Served]:
    warehouse = Warehouse(postgres_warehouse.url, patience=PATIENCE_SECONDS)
    yield from serve_customers(warehouse)
    warehouse.engine.dispose()


def counted(warehouse: Warehouse) -> dict[str, int]:
    """Units by arm, as they were counted; they are what is stored."""
    arrivals = warehouse.rows(select(ExperimentArrival.variant_id, ExperimentArrival.segment, ExperimentArrival.n))
    rows = warehouse.rows(select(ExperimentAssignment.variant_id, ExperimentAssignment.segment))
    assert {(row["variant_id"], row["segment"]): row["n"] for row in arrivals} == Counter(
        (row["variant_id"], row["segment"]) for row in rows
    )
    return Counter(row["variant_id"] for row in rows)


def test_arms_are_the_engines_and_counted_once_though_two_services_are_asked(served_on_loop: Served) -> None:
    key, client = served_on_loop.key("admin"), served_on_loop.client
    identifier = served_on_loop.experiment(key, salt="fixed")
    one, plan = f"/v1/experiments/{identifier}/assignments", ExperimentService(warehouse=served_on_loop.warehouse)
    chosen = plan.read_plan(identifier)
    arms = dict[str, str]()
    for turn in range(2):
        units = [f"unit {k}, \\ {{é}} 'null'" for k in range(40 + 20 * turn)]
        bodies = [{"unit_id": unit, "segment": f"s{k % 2}"} for k, unit in enumerate(units)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda body: client.post(one, headers=key, json=body).json(), bodies * 2))
        assert {answer["propensity"] for answer in answers} == set(chosen.weights)
        arms = {answer["unit_id"]: answer["variant"] for answer in answers}
        served_on_loop.app.state.assignments._known.clear()  # as another process, which has seen nobody
    assert served_on_loop.app.state.assignments._on_loop is not None
    assert arms == {unit: chosen.variants[chosen.choose(unit) or 0] for unit in units}
    assert counted(served_on_loop.warehouse) == Counter(arms.values())
    until, logged = time.monotonic() + 20, 0
    while logged < 60 and time.monotonic() < until:
        time.sleep(0.05)
        entries = client.get("/v1/audit", headers=key, params={"limit": 200}).json()["items"]
        logged = sum(entry["count"] for entry in entries if entry["action"].endswith("/assignments"))
    assert logged >= 60


def test_who_waits_for_a_foreign_lock_is_answered_once_stored_or_told_to_come_again(served_on_loop: Served) -> None:
    key, client, warehouse = served_on_loop.key("admin"), served_on_loop.client, served_on_loop.warehouse
    one = f"/v1/experiments/{served_on_loop.experiment(key)}/assignments"
    for unit in ("first", "second"):  # the second by the loop
        assert client.post(one, headers=key, json={"unit_id": unit}).status_code == 200
    with ThreadPoolExecutor(8) as pool:
        for is_patient in (True, False):
            with warehouse.begin() as connection:
                connection.execute(text("LOCK TABLE experiment_arrival IN EXCLUSIVE MODE"))
                units = [f"{is_patient} {k}" for k in range(4)]
                asked = [pool.submit(client.post, one, headers=key, json={"unit_id": unit}) for unit in units]
                assert client.get("/health").status_code == 200
                done, _ = wait(asked, 0.1 if is_patient else 60)
                assert not done or not is_patient, "answered before its exposure was stored"
            assert {answer.result().status_code for answer in asked} == {200 if is_patient else 503}
            assert client.post(one, headers=key, json={"unit_id": f"after {is_patient}"}).status_code == 200
    assert sum(counted(warehouse).values()) == 2 + 4 + 2


def test_a_line_that_is_cut_loses_no_unit_and_counts_none_twice(served_on_loop: Served) -> None:
    key, client, warehouse = served_on_loop.key("admin"), served_on_loop.client, served_on_loop.warehouse
    one = f"/v1/experiments/{served_on_loop.experiment(key)}/assignments"
    arms: dict[str, str] = {}

    def ask(unit: str) -> None:
        answer = client.post(one, headers=key, json={"unit_id": unit})
        if answer.status_code == 200:
            arms[unit] = answer.json()["variant"]
        else:
            assert answer.status_code == 503, answer.text

    for cut in range(5):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, [f"{cut} {k}" for k in range(12)]))
        with warehouse.begin() as connection:
            connection.execute(text(CUT))
    assert len(arms) > 40
    stored = warehouse.rows(select(ExperimentAssignment.unit_id, ExperimentAssignment.variant_id))
    assert {row["unit_id"]: row["variant_id"] for row in stored}.items() >= arms.items()
    counted(warehouse)


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")
def test_behind_pgbouncer_arms_are_stored_by_the_loop_too(postgres_warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "pooler"
    folder.mkdir()
    with pooled(postgres_warehouse.url, folder) as url:
        warehouse = Warehouse(url)
        for served in serve_customers(warehouse):
            key = served.key("admin")
            one = f"/v1/experiments/{served.experiment(key)}/assignments"
            with ThreadPoolExecutor(8) as pool:
                bodies = [{"unit_id": f"unit {k % 100}"} for k in range(150)]
                sent = [pool.submit(served.client.post, one, headers=key, json=body) for body in bodies]
            answers = [answer.result() for answer in sent]
            assert {answer.status_code for answer in answers} == {200}
            assert served.app.state.assignments._on_loop is not None
            arms = {answer.json()["unit_id"]: answer.json()["variant"] for answer in answers}
            assert counted(postgres_warehouse) == Counter(arms.values())
        warehouse.engine.dispose()
    assert len(arms) == 100
