"""The list of what production is made of says what the lock says, and a check without a network only says so."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAKE_UV = """#!/usr/bin/env python3
import json, sys
from pathlib import Path
if "cyclonedx-py" in sys.argv:
    Path(sys.argv[sys.argv.index("-o") + 1]).write_text('{"components": [{"purl": "pkg:pypi/a@1"}]}')
else:
    print(json.dumps({"dependencies": %s}))
    sys.exit(1)
"""
FAULT = {"id": "X-1", "fix_versions": ["1.1"]}


def checked(root: Path, *arguments: str, uv: str) -> subprocess.CompletedProcess[str]:
    """The script in a checkout of its own, with a `uv` that answers as told."""
    (root / ".ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".ci" / "supply-chain", root / ".ci")
    (root / "requirements-production.lock").write_text("a==1\n")
    tools = root / ".venv" / "bin"
    tools.mkdir(parents=True, exist_ok=True)
    if not (tools / "python").exists():
        (tools / "python").symlink_to(shutil.which("python3") or "")
    (tools / "uv").write_text(uv)
    (tools / "uv").chmod(0o755)
    command = [str(root / ".ci" / "supply-chain"), *arguments]
    return subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [[], ["--strict"]])
def test_without_a_network_each_step_is_one_line_and_only_the_strict_check_fails(
    tmp_path: Path, arguments: list[str]
) -> None:
    ran = checked(tmp_path, *arguments, uv="#!/bin/sh\necho 'no route to host' >&2\nexit 2\n")
    assert ran.returncode == len(arguments)
    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == ["SBOM", "audit"], ran.stderr
    assert "no route to host" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("packages", "says", "status"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], "1 of 1 packages looked up, 0 known faults", 0),
        ([{"name": "a", "version": "1", "vulns": [FAULT]}], "a 1: X-1, mended in 1.1", 1),
        ([{"name": "a", "skip_reason": "not found"}], "no database of known faults answered", 1),
    ],
)
def test_known_faults_are_named_and_packages_that_nobody_knows_are_no_clean_bill(
    tmp_path: Path, packages: list[dict[str, object]], says: str, status: int
) -> None:
    ran = checked(tmp_path, "--strict", uv=FAKE_UV % json.dumps(packages))
    assert says in ran.stdout + ran.stderr
    assert ran.returncode == status
    assert checked(tmp_path, uv=FAKE_UV % json.dumps(packages)).returncode == 0, "`make check` goes on"


def test_every_pin_of_the_production_lock_is_exact_so_that_the_list_is() -> None:
    lines = (ROOT / "requirements-production.lock").read_text().splitlines()
    pins = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert [pin for pin in pins if not re.match(r"^[\w.-]+(\[[\w,-]+\])?==[\w.+!-]+( ;.*)?$", pin)] == []
