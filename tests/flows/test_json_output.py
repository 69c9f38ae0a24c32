"""What `--json` prints is JSON all the way down, for every command that has it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
import typer.main

from flows import runtime
from flows.cli import app, main
from flows.platform.changes import DeploymentChange
from tasks.json_output import json_text, plain
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.outcomes import Outcome
from tests.chain_homes import posts
from tests.factories import store_content, store_touches, touch_row

REPR = re.compile(r"^\w+\(.*[=)]|<[\w.]+ (object )?at 0x|datetime\.|np\.\w+\(|^<\w+\.\w+: ", re.DOTALL)
NUMBER = re.compile(r"^[+\-−]?[\d.,]+( ?%)?$")


class Color(Enum):
    RED = "red"


@dataclass
class Record:
    name: str
    parts: list[Any]


def test_records_arrays_and_instants_become_what_json_knows() -> None:
    value = {
        Color.RED: Record("a", [Outcome("acme", "done", None, {"share": np.float64(0.5)})]),
        "array": np.array([[1.0, np.nan], [np.inf, 2.0]]),
        "frame": pl.DataFrame({"at": [datetime(2026, 1, 2, tzinfo=UTC)], "n": [3]}),
        "odd": (Decimal("2.50"), Decimal(3), date(2026, 1, 2), timedelta(seconds=90), Path("a/b"), {1}, Color.RED),
        "flag": np.bool_(True),
    }
    assert json.loads(json_text(value)) == {
        "red": {
            "name": "a",
            "parts": [
                {
                    "workspace_id": "acme",
                    "status": "done",
                    "reason": None,
                    "result": {"share": 0.5},
                    "unchanged_since": None,
                }
            ],
        },
        "array": [[1.0, None], [None, 2.0]],
        "frame": [{"at": "2026-01-02T00:00:00+00:00", "n": 3}],
        "odd": [2.5, 3, "2026-01-02", 90.0, "a/b", [1], "red"],
        "flag": True,
    }


@pytest.mark.parametrize(
    "value", [object(), {"a": [object()]}, {(1, 2): 3}, Record], ids=["one", "in a list", "key", "class"]
)
def test_what_has_no_form_in_json_is_an_error_and_no_repr(value: object) -> None:
    with pytest.raises(TypeError, match="has no form in JSON"):
        plain(value)


def commands_with_json() -> list[str]:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return sorted(
        name for name, command in commands.items() if any("--json" in parameter.opts for parameter in command.params)
    )


@pytest.fixture(scope="module")
def full_home(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which each command has something to print."""
    home = tmp_path_factory.mktemp("json")
    (home / "posts.csv").write_text(
        "workspace_id,content_id,content_type,channel,published_at,spend\nw000,x,ad,x,2026-03-01T12:00:00Z,1.5\n"
    )
    arm = {"workspace_id": "w000", "experiment_name": "e", "metric_name": "m", "metric_kind": "binary", "n": 900}
    arms = [arm | {"variant_name": name, "sum": 300 + 90 * i, "is_control": i == 0} for i, name in enumerate("ab")]
    pl.DataFrame(arms).write_csv(home / "arms.csv")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("RAPTORFLOW_HOME", str(home))
        settings.setenv("PREFECT_API_URL", prefect_api)
        get_settings.cache_clear()
        warehouse = Warehouse()
        upgrade(warehouse)
        store_content(warehouse, posts(1, 200))
        store_touches(warehouse, [touch_row(i, workspace_id="w000") for i in range(40)])
        yield home
    get_settings.cache_clear()


def printed(home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command prints for machines, read strictly."""
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("RAPTORFLOW_HOME", str(home))
        get_settings.cache_clear()
        settings.setattr(sys, "argv", ["raptorflow", *arguments, "--json"])
        with patch.dict("os.environ"), pytest.raises(SystemExit) as ended:
            main()
    get_settings.cache_clear()
    out, complaint = capsys.readouterr()
    assert ended.value.code == 0, complaint
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{arguments} prints {name}"))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


def require_plain(value: Any, command: str) -> None:
    for path, leaf in leaves(value):
        if isinstance(leaf, str):
            assert not REPR.search(leaf), f"{command} prints a Python repr at {path}: {leaf}"
            is_name = path.endswith(("_id", "name", "version", "made_by", "period", "channel", "value"))
            assert is_name or not NUMBER.fullmatch(leaf), f"{command} prints a number as text at {path}: {leaf}"


FLOWS = ["pattern-learning", "model-refresh", "transfer-learning", "meta-learning", "debate-synthesis"]
FLOWS += ["experiment-analysis", "programme-report", "content-ingestion", "housekeeping", "release-exchange"]
NOT_BY_THEMSELVES = {
    "experiment-management",
    "model-promotion",
    "model-rollback",
    "experiment-orchestration",
}
FILLED = {"patterns", "models", "experiment", "debate", "insights"}


def test_every_flow_prints_json(full_home: Path, at_prefect_api: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(full_home, ["run", "list"], capsys) == list(runtime.ENTRYPOINTS)
    assert set(runtime.ENTRYPOINTS) - NOT_BY_THEMSELVES == set(FLOWS)
    require_plain(printed(full_home, ["ingest", "experiments", str(full_home / "arms.csv")], capsys), "ingest")
    for flow in FLOWS:
        problem = ["--param", 'problem="Which posts?"'] if flow == "debate-synthesis" else []
        files = ["--param", f"files={full_home / 'posts.csv'}"] if flow == "content-ingestion" else []
        require_plain(printed(full_home, ["run", flow, *problem, *files], capsys), flow)


@pytest.mark.parametrize("command", commands_with_json())
def test_every_command_prints_json(
    full_home: Path, at_prefect_api: None, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Runs after the flows of the test above, so that there is something to list."""
    arguments = {
        "ingest": ["content", str(full_home / "posts.csv")],
        "inspect": [str(full_home / "posts.csv")],
        "run": ["pattern-learning", "--dry-run"],
        "backup": [str(full_home / "night.tar")],
        "recall": ["posts with pictures"],
    }
    if command in ("run", "restore"):
        pytest.skip("each flow has its turn above" if command == "run" else "what it prints, backup has printed")
    with patch("flows.platform.deploying.deploy", return_value=[DeploymentChange("pool", "a", "created", ["x"])]):
        value = printed(full_home, [command, *arguments.get(command, [])], capsys)
    require_plain(value, command)
    assert value or command not in FILLED, f"{command} had nothing to print"
