"""Two processes share an embedded warehouse: whoever closes the file locks it for a moment, and the other waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tasks.warehouse import Warehouse, upgrade

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 60
WRITES_AND_READS = f"""
from sqlalchemy import select
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
warehouse = Warehouse()
for i in range({ROUNDS}):
    store(warehouse, Workspace, [workspace_row(name=str(i))])
    assert warehouse.read(select(Workspace.__table__)).height == 1
"""


def test_reads_wait_for_another_process_instead_of_failing(home: Path) -> None:
    upgrade(Warehouse())
    command = [sys.executable, "-c", WRITES_AND_READS]
    both = [subprocess.Popen(command, cwd=ROOT, env=os.environ, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
