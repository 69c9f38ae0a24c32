"""Every code block of docs/from-your-application.md runs, as a reader would copy it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from flows.platform.service_server import behind_front_door
from tests.service.conftest import Served, listening
from tests.service.test_findings_over_http import learned
from tests.service.test_openfeature import JAVASCRIPT

DOCS = Path(__file__).resolve().parents[2] / "docs" / "from-your-application.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def surroundings(served: Served, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a reader has set: the service's address and a key."""
    learned(served.warehouse)
    key = served.key("write")["authorization"].removeprefix("Bearer ")
    with listening(behind_front_door(served.app)) as address:
        yield os.environ | {"ADDRESS": address, "KEY": key}


def ran(command: list[str], surroundings: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        command, env=surroundings, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def printed_by(block: str) -> str:
    """What a block of Python prints, in this process: another would import for seconds."""
    with redirect_stdout(StringIO()) as printed:
        exec(compile(block, DOCS.name, "exec"), {"__name__": "__main__"})  # our own page
    return printed.getvalue()


@pytest.mark.usefixtures("scored_here")
def test_what_the_page_shows_runs(
    surroundings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    (shell,), (flag, writing, agent), (javascript,) = (blocks(name) for name in ("bash", "python", "javascript"))
    printed = ran(["bash", "-euc", shell], surroundings, tmp_path)
    assert '"recorded":1' in printed
    assert '"status":"insufficient_data"' in printed
    arm = re.findall(r'"variant":"(\w+)"', printed)[0]
    for name in ("ADDRESS", "KEY"):
        monkeypatch.setenv(name, surroundings[name])
    assert printed_by(flag).strip() == arm
    assert "prefer" in printed_by(writing).lower()
    listed, advised = printed_by(agent).splitlines()
    assert "list_recommendations" in listed
    assert "prefer" in advised.lower()
    node = shutil.which("node")
    if node is not None and (JAVASCRIPT / "node_modules").is_dir():
        assert ran([node, "--input-type=module", "-e", javascript], surroundings, JAVASCRIPT).strip() == arm
