"""Two processes share an embedded warehouse: whoever closes the file locks it for a moment, and the other waits."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.subprocess_helper import ended, in_subprocess

ROUNDS = 60


def write_and_read(url: str) -> None:
    warehouse = Warehouse(url)
    for i in range(ROUNDS):
        store(warehouse, Workspace, [workspace_row(name=str(i))])
        assert warehouse.read(select(Workspace.__table__)).height == 1


def test_reads_wait_for_another_process_instead_of_failing(home: Path) -> None:
    warehouse = Warehouse()
    upgrade(warehouse)
    both = [in_subprocess(write_and_read, warehouse.url) for _ in range(2)]
    assert [ended(process) for process in both] == [0, 0]
