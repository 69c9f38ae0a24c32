"""Faults at their worst instant, played for real: the platform is whole again by itself, and says what became."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import temporary_settings

from flows.platform.deploying import deploy
from tasks.reporting import emit
from tests.platform.ordinary_use import use
from tests.platform.test_operations import forget_operators, listening
from tests.running_platform import RunningPlatform, eventually, lives

pytestmark = pytest.mark.slow


def kill(platform: RunningPlatform, *words: str) -> None:
    for pid in [pid for word in words for pid in platform.processes(word)]:
        os.kill(pid, signal.SIGKILL)


def limit_of(platform: RunningPlatform) -> int:
    with platform.client() as client:
        limit = client.read_deployment_by_name("alone/alone").global_concurrency_limit
    assert limit is not None
    return limit.active_slots


def killed_before_it_began(platform: RunningPlatform) -> Any:
    """A run whose worker dies with it between Pending and Running."""
    run_id = platform.start("alone/alone", {"seconds": 5})
    eventually(lambda: platform.state(run_id), lambda state: state.type.value == "PENDING" or state.is_running())
    kill(platform, "worker start --pool light", str(run_id))
    assert not platform.state(run_id).is_final()
    return run_id


def test_a_worker_killed_between_pending_and_running_holds_no_slot(platform: RunningPlatform) -> None:
    run_id = killed_before_it_began(platform)
    assert limit_of(platform) == 1, "the fault: nobody is there, and the slot is taken"
    ended = platform.wait(run_id, "Crashed")
    assert "run it again" in ended.message.lower()
    assert limit_of(platform) == 0
    platform.says("Nothing was done: run it again.")
    platform.wait(platform.start("alone/alone", {"seconds": 1}), "Completed")


def test_the_slot_is_given_back_also_where_the_server_died_with_the_worker(platform: RunningPlatform) -> None:
    run_id = killed_before_it_began(platform)
    kill(platform, "flows.platform.prefect_server")
    platform.says("Prefect ended; starting it again")
    eventually(lambda: state_or_none(platform, run_id) == "Crashed")
    eventually(lambda: limit_of(platform) == 0, seconds=120)
    platform.wait(platform.start("alone/alone", {"seconds": 1}), "Completed")


def state_or_none(platform: RunningPlatform, run_id: Any) -> str | None:
    try:
        return str(platform.state(run_id).name)
    except Exception:  # noqa: BLE001 - whatever a server says while it starts
        return None


def test_cancel_is_obeyed_after_the_worker_was_replaced(platform: RunningPlatform) -> None:
    run_id = platform.start("alone/alone", {"seconds": 600})
    platform.wait(run_id, "Running")
    processes = platform.processes(str(run_id))
    kill(platform, "worker start --pool light")
    eventually(lambda: platform.processes("worker start --pool light"))
    with platform.client() as client:
        client.request("POST", f"/flow_runs/{run_id}/set_state", json={"state": {"type": "CANCELLING"}})
    ended = platform.wait(run_id, "Cancelled", 60)
    assert "platform did" in ended.message
    eventually(lambda: [pid for pid in processes if lives(pid)], lambda left: not left, 30)
    assert limit_of(platform) == 0


def impatient(folder: Path) -> Path:
    """The same automations, with seconds for hours."""
    read = yaml.safe_load((folder / "automations.yaml").read_text())
    for entry in read["automations"]:
        if entry["actions"][0]["type"] == "send-notification" and "within" in entry["trigger"]:
            entry["trigger"]["within"] = 20
    (folder / "automations.yaml").write_text(yaml.safe_dump(read))
    return folder


def test_operators_are_told_of_what_is_cancelled_and_of_what_does_not_end(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    with listening() as (address, told), temporary_settings(platform.prefect_settings):
        message = {"subject": "{{subject}}", "body": "{{body}}"}
        block = CustomWebhookNotificationBlock(name="operators", url=address, json_data=message)
        block.save("operators", overwrite=True)
        deploy(impatient(Path(shutil.copytree(platform.folder, tmp_path / "impatient"))))
        first = platform.start("alone/alone", {"seconds": 120})
        platform.wait(first, "Running")
        platform.wait(platform.start("alone/alone", {"seconds": 1}), "Cancelled")
        report = {"summary": "Input stopped arriving (1): acme: no posts since 2026-05-01", "n_stopped": 1}
        emit("raptorflow.input.stopped", "input", report)
        expected = ("was cancelled", "runs for six hours", "input stopped arriving")
        eventually(lambda: json.dumps(told), lambda text: all(words in text for words in expected), 120)
        print(json.dumps(told, indent=1))
        forget_operators(platform)
    assert "an earlier run of it is still under way" in json.dumps(told)
    assert "acme: no posts since 2026-05-01" in json.dumps(told)
    with platform.client() as client:
        client.request("POST", f"/flow_runs/{first}/set_state", json={"state": {"type": "CANCELLING"}})
    platform.wait(first, "Cancelled")


def test_nothing_is_lost_in_ordinary_use(platform: RunningPlatform) -> None:
    """Two chains without a pause and three people for 90 seconds: more than an agency asks in two hours."""
    login = (platform.login.user, platform.login.password)
    report = use(f"{platform.prefect}/api", login, platform.home, 90, people=3, programs=2, pause=0.5)
    print(report)
    assert report.chains > 0
    assert (report.kept, report.laid_aside, report.locked) == (report.sent, 0, 0)
    assert (report.silent, report.crashed, report.refused) == ([], [], [])
