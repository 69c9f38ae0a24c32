"""`raptorflow up` says what is the matter, and is one platform however often it is started."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from flows.platform.addresses import free_port
from tests.running_platform import PATIENCE, ROOT, RunningPlatform, eventually


def up(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", "up", *arguments]
    variables = os.environ | {"RAPTORFLOW_HOME": str(home)} | environment
    return subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60 * PATIENCE
    )


def test_a_port_in_use_says_which_and_how_to_choose_another(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = up(
            tmp_path, "--prefect-port", str(port), "--mlflow-port", str(free_port()), "--service-port", str(free_port())
        )
    assert ran.returncode == 2
    assert f"port {port}" in ran.stderr
    assert "--prefect-port" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_other_machines_are_let_in_only_with_a_password(tmp_path: Path) -> None:
    names = ("--prefect-port", "--mlflow-port", "--service-port")  # others use the usual ones, too
    ports = [part for name in names for part in (name, str(free_port()))]
    for auth in ({}, {"RAPTORFLOW_AUTH": "admin:short"}):
        ran = up(tmp_path, "--host", "0.0.0.0", *ports, **auth)
        assert ran.returncode == 2
        assert "RAPTORFLOW_AUTH=user:password" in ran.stderr


def test_mlflow_can_ask_for_a_password() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import mlflow.server.auth"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_started_twice_it_says_that_it_runs(platform: RunningPlatform) -> None:
    ran = platform.cli("up")
    assert ran.returncode == 0, ran.stderr
    assert f"already runs (process {platform.process.pid})" in ran.stdout
    assert platform.prefect in ran.stdout


def test_status_shows_health_and_what_runs_next(platform: RunningPlatform) -> None:
    ran = platform.cli("status", "--json")
    assert ran.returncode == 0, ran.stderr
    shown = json.loads(ran.stdout)
    assert {row["what"]: row["state"] for row in shown["health"]} == {
        "Prefect server": "healthy",
        "MLflow server": "healthy",
        "service": "healthy",
        "work pool heavy": "ready",
        "work pool light": "ready",
    }
    eventually(lambda: coming_deployments(platform), lambda names: "meta-learning" in names)


def coming_deployments(platform: RunningPlatform) -> set[str]:
    """What runs next; the server schedules it some seconds after the start."""
    shown = json.loads(platform.cli("status", "--json").stdout)
    return {row["deployment"] for row in shown["next_runs"]}


def test_status_without_a_platform_says_how_to_start_one(tmp_path: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-m", "flows.cli", "status"]
    ran = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "raptorflow up" in ran.stderr
