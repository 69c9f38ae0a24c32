"""The doctor finds each fault and names its fix; `--fix` does what loses nothing, and a sound home has none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import doctor
from flows.doctor import GOOD, PROBLEM, WARNING, Diagnosis, as_rows, examine, repair
from tasks.models.store.state import ServingFault
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.database_copies import sqlite_file
from tasks.warehouse.migration import expected_revision
from tasks.warehouse.schema import Content, ModelDeployment, ModelVersion
from tests.factories import START, content_row, store, store_content

BEFORE_THE_NEWEST = "0028_drift_as_it_happens"


@pytest.fixture
def sound(home: Path) -> Path:
    """A home with a warehouse and some posts."""
    home.mkdir(mode=0o700)
    store_content(open_warehouse(), [content_row(i) for i in range(3)])
    (home / "warehouse.db").chmod(0o600)
    return home


def outdated(_home: Path) -> None:
    with Warehouse().begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{BEFORE_THE_NEWEST}'")
        connection.exec_driver_sql("ALTER TABLE learning DROP COLUMN told_at")


def newer(_home: Path) -> None:
    with Warehouse().begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_later'")


def readable(home: Path) -> None:
    home.chmod(0o755)


def left_behind(home: Path) -> None:
    (home / ".restore-x").mkdir()
    os.utime(home / ".restore-x", (time.time() - 2 * 86_400,) * 2)


def missing_model(home: Path) -> None:
    row = {"workspace_id": "acme", "model_type": "TONE_CLASSIFIER", "version_name": "v_1", "status": "registered"}
    row |= {"spec_sha256": "s", "data_sha256": "d", "decision": "hold", "registry_version": 1, "artifact_sha256": "a"}
    row |= {"golden": {}, "evaluation": {}, "gate": None, "n_rows": 1, "train_from": START, "train_to": START}
    row |= {"snapshot_sha256": None, "git_commit": None, "pinned": False, "trained_at": START, "run_id": "r"}
    store(Warehouse(), ModelVersion, [row])
    change = {"workspace_id": "acme", "model_type": "TONE_CLASSIFIER", "generation": 1, "kind": "promotion"}
    change |= {"outcome": "done", "version_name": "v_1", "from_version": None, "reason": "r", "actor": "a"}
    both = [change | {"phase": phase, "recorded_at": START, "run_id": "r"} for phase in ("opened", "closed")]
    store(Warehouse(), ModelDeployment, both)
    make_store(home, "mlflow-artifacts")


def make_store(home: Path, folder: str) -> None:
    """MLflow's tables, as far as addresses of files stand in them."""
    import sqlite3

    with sqlite3.connect(home / "mlflow.db") as connection:
        connection.execute("CREATE TABLE experiments (artifact_location)")
        connection.execute("CREATE TABLE runs (artifact_uri)")
        connection.execute("CREATE TABLE logged_models (artifact_location)")
        connection.execute("CREATE TABLE model_versions (name, version, source, storage_location, current_stage)")
        connection.execute("CREATE TABLE registered_model_aliases (name, alias, version)")
        connection.execute("INSERT INTO experiments VALUES (?)", [f"file://{home / folder}"])
    connection.close()


def moved(home: Path) -> None:
    make_store(home, "elsewhere/mlflow-artifacts")


def from_the_future(_home: Path) -> None:
    store_content(Warehouse(), [content_row(9, published_at=START.replace(year=2190))])
    assert Warehouse().rows(Content.__table__.select())


def empty_database(home: Path) -> None:
    sqlite_file(get_settings().database_url).write_bytes(b"")


FAULTS: dict[str, tuple[Callable[[Path], None], str, str, str, bool]] = {
    "outdated": (outdated, "schema", PROBLEM, "raptorflow init", True),
    "empty": (empty_database, "schema", PROBLEM, "raptorflow init", False),
    "newer": (newer, "schema", PROBLEM, "run that version", False),
    "readable": (readable, "permissions", PROBLEM, "doctor --fix", True),
    "left behind": (left_behind, "permissions", WARNING, "doctor --fix", True),
    "missing model": (missing_model, "models", WARNING, "model-refresh", False),
    "moved": (moved, "models", PROBLEM, "doctor --fix", True),
    "future": (from_the_future, "clock", WARNING, "clock", False),
}


def faults() -> list[Diagnosis]:
    get_settings.cache_clear()
    return [finding for finding in examine() if finding.status != GOOD and finding.about != "versions"]


def test_a_sound_home_has_no_finding(sound: Path) -> None:
    assert sound.is_dir()
    assert faults() == []
    assert {finding.about for finding in examine()} >= {"schema", "models", "disk", "clock", "permissions", "servers"}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_with_its_fix(name: str, sound: Path) -> None:
    break_it, about, status, fix, is_safe = FAULTS[name]
    break_it(sound)
    (finding,) = faults()
    assert (finding.about, finding.status, finding.is_safe) == (about, status, is_safe)
    assert fix in finding.fix
    done = repair()
    assert bool(done) == is_safe
    assert bool(faults()) != is_safe
    assert repair() == [], "twice changes nothing"


def test_every_model_with_a_fault_is_named_in_a_line_for_each_kind_of_fault(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing_model(sound)
    lost, moved_alias = ServingFault("its file is missing", ""), ServingFault("alias champion is missing", "")
    types = ("ENGAGEMENT_PREDICTOR", "TONE_CLASSIFIER")
    broken = {(f"w{i}", name, "v_1"): lost for i in range(20) for name in types}
    broken |= {("acme", "TOPIC_CLASSIFIER", "v_2"): moved_alias}
    monkeypatch.setattr(doctor, "champion_faults", lambda *_, **__: broken)
    lines = [finding.what for finding in faults()]
    assert len(lines) == 2
    assert all(f"{space}.{name} {version}" in "\n".join(lines) for space, name, version in broken)
    assert lines[0] == (
        "1 model that serves is not as registered, alias champion is missing: acme.TOPIC_CLASSIFIER v_2"
    )
    assert lines[1].startswith("40 models that serve are not as registered, its file is missing: w0.")


def test_an_upgrade_by_the_doctor_is_the_upgrade(sound: Path) -> None:
    outdated(sound)
    assert repair() == [f"upgraded the warehouse from {BEFORE_THE_NEWEST} to {expected_revision()}"]


def test_a_person_reads_what_is_done_for_them_only_where_there_is_something_to_do(sound: Path) -> None:
    sound.chmod(0o755)
    rows = {row["about"]: row for row in as_rows(examine(), for_machines=False)}
    assert (rows["permissions"]["fix"], rows["permissions"]["done by --fix"]) == ("raptorflow doctor --fix", "yes")
    assert (rows["disk"]["fix"], rows["disk"]["done by --fix"]) == (None, None)
    assert as_rows(examine(), for_machines=True)[0].keys() == {"about", "status", "what", "fix", "is_safe"}
