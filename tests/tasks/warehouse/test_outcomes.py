"""One workspace that fails never stops the rest, and its reason is kept."""

from __future__ import annotations

from tasks.errors import OutOfRangeError
from tasks.warehouse import Warehouse
from tasks.warehouse.outcomes import DONE, FAILED, Outcome, each_workspace, outcomes_of


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
