"""`raptorflow deploy` makes the server hold the files' words, tells what changed, leaves people's switches alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect.settings import temporary_settings

from flows.platform.catalogue import FOLDER
from flows.platform.deploying import deploy
from tests.running_platform import RunningPlatform


@pytest.fixture(autouse=True)
def at(platform: RunningPlatform) -> Iterator[None]:
    with temporary_settings(platform.prefect_settings):
        yield


@pytest.fixture
def folder(platform: RunningPlatform, tmp_path: Path) -> Iterator[Path]:
    """A copy of what is deployed, to be changed; what was deployed is put back."""
    yield Path(shutil.copytree(platform.folder, tmp_path / "changed"))
    deploy(platform.folder)


def rewrite(file: Path, deployment: str, **changes: object) -> None:
    read = yaml.safe_load(file.read_text())
    for entry in read["deployments"]:
        if entry["name"] == deployment:
            entry.update(changes)
    file.write_text(yaml.safe_dump(read))


def test_a_second_deploy_changes_nothing(platform: RunningPlatform) -> None:
    ran = platform.cli("deploy", "--folder", str(platform.folder), "--json")
    assert ran.returncode == 0, ran.stderr
    assert [change for change in json.loads(ran.stdout) if not change["waits"]] == []


def test_a_changed_entry_is_applied_and_named(folder: Path) -> None:
    rewrite(folder / "prefect.yaml", "lasts", tags=["raptorflow", "new"], concurrency_limit={"limit": 3})
    changes = [str(change) for change in deploy(folder) if not change.waits]
    assert changes == ["deployment lasts: changed (tags, concurrency_limit, concurrency_options)"]
    assert [change for change in deploy(folder) if not change.waits] == []


def test_a_schedule_paused_by_a_person_stays_paused(platform: RunningPlatform, folder: Path) -> None:
    with platform.client() as client:
        there = client.read_deployment_by_name("transfer-learning/transfer-learning")
        client.update_deployment_schedule(there.id, there.schedules[0].id, active=False)
        rewrite(folder / "prefect.yaml", "transfer-learning", tags=["raptorflow", "changed"])
        assert [change.fields for change in deploy(folder) if not change.waits] == [["tags"]]
        assert [schedule.active for schedule in client.read_deployment(there.id).schedules] == [False]


def test_what_left_the_file_is_named_and_not_deleted(platform: RunningPlatform, folder: Path) -> None:
    read = yaml.safe_load((folder / "prefect.yaml").read_text())
    read["deployments"] = [entry for entry in read["deployments"] if entry["name"] != "lasts"]
    (folder / "prefect.yaml").write_text(yaml.safe_dump(read))
    assert "deployment lasts: is not in prefect.yaml any more; delete it in the UI" in map(str, deploy(folder))
    with platform.client() as client:
        assert client.read_deployment_by_name("lasts/lasts")


def test_a_server_takes_the_kubernetes_pools_and_finds_them_unchanged(platform: RunningPlatform, folder: Path) -> None:
    read = yaml.safe_load((FOLDER / "kubernetes" / "work-pools.yaml").read_text())
    for pool in read["work_pools"]:
        pool["name"] += "-kubernetes"
    (folder / "work-pools.yaml").write_text(yaml.safe_dump(read))
    names = [pool["name"] for pool in read["work_pools"]]
    try:
        applied = [str(change) for change in deploy(folder) if not change.waits]
        assert applied == [f"work pool {name}: created" for name in names]
        assert [change for change in deploy(folder) if not change.waits] == []
    finally:
        with platform.client() as client:
            for name in names:
                client.delete_work_pool(name)
