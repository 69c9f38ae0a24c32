"""One workspace that fails never stops the rest, and its reason is kept."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from tasks.errors import OutOfRangeError
from tasks.warehouse import Warehouse
from tasks.warehouse.outcomes import DONE, FAILED, Outcome, each_workspace, outcomes_of
from tasks.warehouse.schema import Workspace


def work(workspace_id: str) -> Outcome:
    if workspace_id == "b":
        raise OutOfRangeError("alpha", 2, "between 0 and 1")
    if workspace_id == "c":
        raise KeyError("column")
    return Outcome(workspace_id, DONE)


def test_failures_are_recorded_and_the_rest_goes_on(warehouse: Warehouse) -> None:
    for _ in range(2):  # a second attempt overwrites the first
        ended = each_workspace(warehouse, "run", "patterns", ["a", "b", "c", "d"], work)
    assert [outcome.status for outcome in ended] == [DONE, FAILED, FAILED, DONE]
    stored = outcomes_of(warehouse, "run")
    assert [(row["workspace_id"], row["reason"]) for row in stored] == [
        ("a", None),
        ("b", "alpha must be between 0 and 1, not 2"),
        ("c", "KeyError: 'column'"),
        ("d", None),
    ]


@pytest.mark.postgres
def test_a_connection_that_is_cut_between_two_questions_fails_no_workspace(postgres_warehouse: Warehouse) -> None:
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    cutting = create_engine(postgres_warehouse.url, poolclass=NullPool)  # another program's

    def work(name: str) -> Outcome:
        question = select(Workspace.workspace_id)
        postgres_warehouse.rows(question)
        with cutting.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        return Outcome(name, DONE, result={"rows": len(postgres_warehouse.rows(question))})

    ended = each_workspace(postgres_warehouse, "run", "models", ["a", "b"], work)
    assert [one.status for one in ended] == [DONE, DONE]
