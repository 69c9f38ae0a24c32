"""What requests import in use is imported by one thread at a time: two that crossed made a page an internal error."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN_PROCESS = {"service/scoring.py"}  # one thread works there
CROSSING = """
import importlib.util, sys, threading, time
from importlib import _bootstrap
from starlette.testclient import TestClient
from service import app as application
from tasks.warehouse import Warehouse, upgrade

# While the page's thread begins this package, the other begins a module of it.
PACKAGE, MODULE = "tasks.experiments", "tasks.experiments.service"
upgrade(Warehouse())
application.SECONDS_BEFORE_WARMING = 3600.0
assert PACKAGE not in sys.modules
spec = importlib.util.find_spec(PACKAGE)
begin = spec.loader.exec_module

def exec_module(module):
    threading.Thread(target=application._import_rooms).start()
    until = time.monotonic() + 2.0
    while MODULE not in _bootstrap._module_locks and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.2)
    begin(module)

class Finder:
    def find_spec(self, name, path, target=None):
        return spec if name == PACKAGE else None

spec.loader.exec_module = exec_module
sys.meta_path.insert(0, Finder())
with TestClient(application.create_app()) as client:
    print(client.get("/").status_code)
"""


def test_a_page_that_is_asked_for_while_the_service_warms_up_is_shown(tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RAPTORFLOW_", "PREFECT_"))}
    ran = subprocess.run(
        [sys.executable, "-c", CROSSING],
        cwd=ROOT,
        env=own | {"RAPTORFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "200\n", ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_is_imported_in_use_is_imported_under_the_lock() -> None:
    files = [path for path in (ROOT / "service").rglob("*.py") if str(path.relative_to(ROOT)) not in OWN_PROCESS]
    outside = [f"{path.relative_to(ROOT)}:{line}" for path in files for line in unguarded(ast.parse(path.read_text()))]
    assert outside == [], "imports of the house within functions stand under `with ONE_AT_A_TIME`"


def unguarded(tree: ast.AST, *, in_function: bool = False) -> Iterator[int]:
    """Lines that import modules of the house when a function is called, without the lock."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.With) and [ast.unparse(item.context_expr) for item in node.items] == ["ONE_AT_A_TIME"]:
            continue
        if in_function and isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            if any(name.partition(".")[0] in ("service", "tasks", "flows") for name in names):
                yield node.lineno
        yield from unguarded(node, in_function=in_function or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
