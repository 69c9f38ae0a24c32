"""What operators rely on: schedules fire, events start flows, what dies is noticed and what is cut off is not lost."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.meta_learning import meta_learning
from flows.parameters import MetaLearning
from flows.platform.catalogue import read_yaml
from flows.platform.deploying import deploy
from tasks.reporting import emit
from tests.chain_homes import at_home, posts, require_same, store_posts, tables
from tests.running_platform import RunningPlatform, eventually


@pytest.fixture(autouse=True)
def at(platform: RunningPlatform) -> Iterator[None]:
    with temporary_settings(platform.prefect_settings):
        yield


def runs_of(platform: RunningPlatform, flow: str) -> list[Any]:
    with platform.client() as client:
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC", "limit": 50}
        body |= {"flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}}
        found: list[Any] = client.request("POST", "/flow_runs/filter", json=body).json()
    return found


def log_of(platform: RunningPlatform, run_id: str) -> list[str]:
    """What an operator reads on a run's page."""
    with platform.client() as client:
        body = {"logs": {"flow_run_id": {"any_": [run_id]}}}
        return [line["message"] for line in client.request("POST", "/logs/filter", json=body).json()]


def test_a_schedule_fires_by_itself_and_its_run_has_a_log(platform: RunningPlatform) -> None:
    platform.fires("no-op/no-op", True)
    fired = eventually(
        lambda: [
            run for run in runs_of(platform, "no-op") if run["auto_scheduled"] and run["state_name"] == "Completed"
        ],
    )
    platform.fires("no-op/no-op", False)
    assert fired[0]["created_by"]["type"] == "SCHEDULE"
    # A run hands in what it logged a moment after it has ended.
    eventually(lambda: log_of(platform, fired[0]["id"]), lambda lines: "nothing was done" in lines, 60)


def test_a_run_by_hand_goes_to_the_platform_of_its_home_and_has_a_log(platform: RunningPlatform) -> None:
    done = platform.cli("run", "housekeeping")
    assert (done.returncode, done.stdout) == (0, "housekeeping: done\n"), done
    run = eventually(lambda: [run for run in runs_of(platform, "housekeeping") if run["tags"] == ["by-hand"]])[0]
    eventually(lambda: log_of(platform, run["id"]), lambda lines: any("would go" in line for line in lines), 60)


def report_drift(workspace_id: str, status: str, **more: str) -> None:
    """What a monitor sends; the words of `tasks.reporting.emit`."""
    emit(
        "raptorflow.drift.detected",
        f"model.{workspace_id}",
        {"workspace_id": workspace_id, "drift_status": status} | more,
    )


def test_critical_drift_starts_model_refresh_for_that_workspace_alone(platform: RunningPlatform) -> None:
    report_drift("mild", "warning", asks_for="model-refresh")
    report_drift("acted-on", "critical")
    report_drift("under-drift", "critical", asks_for="model-refresh")
    with platform.client() as client:
        deployment = str(client.read_deployment_by_name("model-refresh/model-refresh").id)
        body = {
            "deployments": {"id": {"any_": [deployment]}},
            "flow_runs": {"expected_start_time": {"before_": "2100-01-01"}},
        }
        started = eventually(
            lambda: [
                run
                for run in client.request("POST", "/flow_runs/filter", json=body).json()
                if not run["auto_scheduled"]
            ]
        )
    assert [run["parameters"]["options"]["workspace_ids"] for run in started] == [["under-drift"]]
    assert started[0]["created_by"]["type"] == "AUTOMATION"


def test_a_run_outlives_its_worker_and_its_server(platform: RunningPlatform) -> None:
    run_id = platform.start("lasts/lasts", {"seconds": 12})
    platform.wait(run_id, "Running")
    written_to = {str(Path(f"/proc/{pid}/fd/1").readlink()) for pid in platform.processes(str(run_id))}
    assert written_to == {os.devnull}, "a pipe to the worker breaks with it, and that may end the run"
    for words in ("worker start --pool light", "flows.platform.prefect_server"):
        os.kill(platform.processes(words)[0], signal.SIGKILL)
    platform.says("worker light ended; starting it again")
    platform.says("Prefect ended; starting it again")

    def healthy() -> bool:
        try:
            platform.state(run_id)
        except Exception:  # noqa: BLE001 - whatever a server says while it starts
            return False
        return True

    eventually(healthy)
    platform.wait(run_id, "Completed")


@pytest.mark.slow
def test_a_chain_that_died_with_its_worker_is_marked_and_run_again_ends_in_the_same_tables(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    rows, mine = posts(workspaces=2, days=120, prefix="cut-off-"), "cut-off-%"
    chain = {"workspace_ids": ["cut-off-000", "cut-off-001"], "model_types": ["ENGAGEMENT_PREDICTOR"]}
    undisturbed = tmp_path / "undisturbed"
    for home in (platform.home, undisturbed):
        store_posts(home, rows)
    run_id = platform.start("meta-learning/meta-learning", {"options": chain})
    eventually(lambda: tables(platform.home, mine)["pattern_analysis"])
    for words in ("worker start --pool heavy", str(run_id)):
        for pid in platform.processes(words):
            os.kill(pid, signal.SIGKILL)
    with at_home(undisturbed), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        meta_learning(MetaLearning.model_validate(chain))
    expected = tables(undisturbed, mine)
    assert tables(platform.home, mine) != expected, "it was cut off in the middle"
    platform.wait(run_id, "Crashed")
    again = platform.start("meta-learning/meta-learning", {"options": chain})
    platform.wait(again, "Completed")
    require_same(tables(platform.home, mine), expected)


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Somebody's web hook: its address, and what it was told."""
    told: list[dict[str, Any]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", told
    finally:
        server.shutdown()


def forget_operators(platform: RunningPlatform) -> None:
    """As it was before anybody was to be told."""
    with platform.client() as client:
        for automation in client.read_automations():
            if "tell operators" in automation.name:
                client.delete_automation(automation.id)
        block = client.read_block_document_by_name("operators", "custom-webhook")
        client.delete_block_document(block.id)


def test_a_killed_run_is_marked_and_operators_are_told(platform: RunningPlatform) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    with listening() as (address, told):
        message = {"subject": "{{subject}}", "body": "{{body}}"}
        CustomWebhookNotificationBlock(name="operators", url=address, json_data=message).save("operators")
        applied = [str(change) for change in deploy(platform.folder) if not change.waits]
        telling = [entry["name"] for entry in read_yaml("automations.yaml")["automations"] if "tell" in entry["name"]]
        assert applied == [f"automation {name}: created" for name in telling]
        run_id = platform.start("lasts/lasts", {"seconds": 60})
        platform.wait(run_id, "Running")
        for pid in platform.processes(str(run_id)):
            os.kill(pid, signal.SIGKILL)
        platform.wait(run_id, "Crashed")
        eventually(lambda: "lasts" in json.dumps(told))
        forget_operators(platform)  # or another test's failed run would be told to an address that is gone
    assert "Crashed" in json.dumps(told)
