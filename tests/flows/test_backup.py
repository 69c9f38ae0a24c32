"""A backup is put back elsewhere and works there; what is no backup is refused in one line, and writes nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows import backup as backups
from tasks.errors import InputError, SchemaNewerError
from tasks.models.records import ModelKey, ModelType
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.service import ModelService
from tasks.models.store.artifact_addresses import moved_addresses, relocate
from tasks.models.store.state import model_state
from tasks.settings import get_settings
from tasks.transfer.privacy import period_of
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.extraction import freeze
from tasks.warehouse.migration import current_revision
from tasks.warehouse.schema import Content, TransferCharge
from tests.chain_homes import at_home
from tests.factories import content_row, store, store_content

# Signs that addresses write in their own way: of files for MLflow, of databases for SQLite and ADBC.
ODD = "hö me %41 @x&y=1"
TYPE = ModelType.ENGAGEMENT_PREDICTOR
CHARGED = "2026-01-05"  # a period of long ago
Members = dict[str, tuple[tarfile.TarInfo, bytes]]


def posts(n: int) -> list[dict[str, Any]]:
    """Posts of acme, every second of which asks a question and does three times as well."""
    return [
        content_row(7 * i, content_id=f"c{i}", engagements=20 + 60 * (i % 2), question_count=i % 2) for i in range(n)
    ]


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A backup of a home with a model and a charge of privacy, whose home is gone, and what the model predicted."""
    folder = tmp_path_factory.mktemp("backup")
    with at_home(folder / "first" / ODD):
        warehouse = open_warehouse()
        rows = posts(160)
        store_content(warehouse, rows)
        charge = {"unit_id": "acme", "period": CHARGED, "rho": 0.5, "charged_at": rows[0]["published_at"]}
        store(warehouse, TransferCharge, [charge | {"run_id": "r"}])
        ModelService().check_and_update_models("acme", [TYPE])
        predicted = ModelService().predict("acme", TYPE, ["c0", "c1"])
        backups.back_up(folder / "night.tar")
        warehouse.engine.dispose()
    shutil.rmtree(folder / "first")
    return folder / "night.tar", [row["output"] for row in predicted]


@contextmanager
def restored(archive: Path, home: Path) -> Iterator[None]:
    with at_home(home):
        backups.restore(archive)
        yield


def test_what_was_restored_elsewhere_predicts_the_same(backed_up: tuple[Path, list[Any]], tmp_path: Path) -> None:
    archive, predicted = backed_up
    home = tmp_path / "second" / f"another {ODD}"
    with restored(archive, home):
        assert model_state(Warehouse(), ["acme"])["acme"] is not None, "its model is where MLflow says, and stands"
        everything = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
        assert freeze(Warehouse(), ["acme"], everything, home / "snapshots").content.rows == 160
        assert [row["output"] for row in ModelService().predict("acme", TYPE, ["c0", "c1"])] == predicted
        charged = {row["period"]: row["rho"] for row in Warehouse().rows(TransferCharge.__table__.select())}
        assert charged.pop(CHARGED) == 0.5
        assert list(charged) == [period_of(datetime.now(UTC))], "what the lost warehouse may have drawn counts as drawn"
        assert moved_addresses(get_settings().mlflow_tracking_uri, home / "mlflow-artifacts") == 0
        before = set(home.rglob("model.skops"))
        store_content(Warehouse(), posts(220))
        ModelService().check_and_update_models("acme", [TYPE], force_retrain=True)
        assert set(home.rglob("model.skops")) > before, "a new model is written here"
    assert not (archive.parent / "first").exists(), "and nothing where the old home was"


def test_only_the_owner_reads_a_backup_and_a_restored_home(backed_up: tuple[Path, list[Any]], tmp_path: Path) -> None:
    archive, _ = backed_up
    os.umask(0o077)  # as every command does; the fixture `home` puts it back
    with restored(archive, tmp_path / "home2"):
        private = [archive, *(tmp_path / "home2").rglob("*")]
    assert [path for path in private if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_nothing_is_written_over(backed_up: tuple[Path, list[Any]], tmp_path: Path) -> None:
    archive, _ = backed_up
    with restored(archive, tmp_path / "home2"):
        with pytest.raises(InputError, match="wants an empty place"):
            backups.restore(archive)
        with pytest.raises(InputError, match="is there already"):
            backups.back_up(archive)


def members(archive: Path) -> Members:
    with tarfile.open(archive) as opened:
        return {
            member.name: (member, opened.extractfile(member).read())  # type: ignore[union-attr]
            for member in opened.getmembers()
        }


def written(path: Path, content: Members) -> Path:
    with tarfile.open(path, "w") as archive:
        for member, data in content.values():
            archive.addfile(member, io.BytesIO(data))
    return path


def with_manifest(content: Members, change: Callable[[dict[str, Any]], Any]) -> Members:
    about = json.loads(content["manifest.json"][1])
    data = json.dumps(change(about) or about).encode()
    member = tarfile.TarInfo("manifest.json")
    member.size = len(data)
    return {"manifest.json": (member, data)} | {name: one for name, one in content.items() if name != "manifest.json"}


def with_member(content: Members, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Members:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
    return content | {f"extra {name}": (member, b"evil" if kind == tarfile.REGTYPE else b"")}


def declaring(name: str) -> Callable[[dict[str, Any]], None]:
    def change(about: dict[str, Any]) -> None:
        about["files"][name] = [4, "0" * 64]

    return change


def swelling(about: dict[str, Any]) -> None:
    about["files"]["snapshots/big.parquet"] = [10**15, "0" * 64]


HOSTILE: dict[str, tuple[Callable[[Members], Members], str]] = {
    "a way out": (lambda m: with_member(m, "../../evil"), "is not what its manifest.json says"),
    "a way out, declared": (
        lambda m: with_manifest(m, declaring("snapshots/../../evil")),
        "does not say what a backup",
    ),
    "absolute": (lambda m: with_manifest(m, declaring("/etc/evil")), "does not say what a backup"),
    "another folder": (lambda m: with_manifest(m, declaring("prefect/evil")), "does not say what a backup"),
    "a link": (lambda m: with_member(m, "snapshots/link", tarfile.SYMTYPE, "/etc/shadow"), "is not what its manifest"),
    "a hard link": (
        lambda m: with_member(m, "snapshots/l", tarfile.LNKTYPE, "warehouse.db"),
        "is not what its manifest",
    ),
    "a device": (lambda m: with_member(m, "snapshots/dev", tarfile.CHRTYPE), "is not what its manifest"),
    "twice": (lambda m: m | {"again": m["warehouse.db"]}, "is not what its manifest"),
    "a bomb": (lambda m: with_manifest(m, swelling), "has room for"),
    "cut off": (lambda m: {name: m[name] for name in list(m)[:-1]}, "is missing"),
    "newer schema": (lambda m: with_manifest(m, lambda a: a | {"revision": "9999_later"}), "made by a newer version"),
    "newer format": (lambda m: with_manifest(m, lambda a: a | {"format": 99}), "made by a newer version"),
    "no files": (lambda m: with_manifest(m, lambda a: a | {"files": {}}), "holds no warehouse"),
    "a list": (lambda m: with_manifest(m, lambda a: [a]), "does not say what a backup"),  # type: ignore[arg-type, return-value]
    "no manifest": (lambda m: {"warehouse.db": m["warehouse.db"]}, "does not begin with manifest.json"),
    "changed": (
        lambda m: m | {"warehouse.db": (m["warehouse.db"][0], m["warehouse.db"][1][:-9] + b"x" * 9)},
        "is damaged",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_writes_nothing(
    name: str, backed_up: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    spoil, reason = HOSTILE[name]
    bad = written(tmp_path / "bad.tar", spoil(members(backed_up[0])))
    with at_home(tmp_path / "home2"), pytest.raises(InputError, match=reason) as refused:
        backups.restore(bad)
    assert len(str(refused.value).splitlines()) == 1
    assert list((tmp_path / "home2").rglob("*")) == []
    assert {path.name for path in tmp_path.iterdir()} <= {"bad.tar", "home2"}


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b\x08" + b"\0" * 600, b"\0" * 10240])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(content)
    with at_home(tmp_path / "home2"), pytest.raises(InputError, match="is no backup of raptorflow"):
        backups.restore(tmp_path / "b.tar")


def test_a_postgresql_warehouse_goes_into_another_database(
    postgres_warehouse: Warehouse, tmp_path: Path, backed_up: tuple[Path, list[Any]]
) -> None:
    store_content(postgres_warehouse, [content_row(i, body="it's €5 'quoted'") for i in range(40)])
    url = postgres_warehouse.engine.url.render_as_string(hide_password=False)
    with at_home(tmp_path / "home2", RAPTORFLOW_DATABASE_URL=url):
        backups.back_up(tmp_path / "night.tar")
        with pytest.raises(InputError, match="wants an empty place, and the warehouse's database"):
            backups.restore(tmp_path / "night.tar")
        with pytest.raises(InputError, match="warehouse is SQLite and RAPTORFLOW_DATABASE_URL names PostgreSQL"):
            backups.restore(backed_up[0])
        with postgres_warehouse.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        backups.restore(tmp_path / "night.tar")
        rows = Warehouse().rows(Content.__table__.select())
    assert (len(rows), {row["body"] for row in rows}) == (40, {"it's €5 'quoted'"})


def test_a_newer_warehouse_is_refused_by_every_command(warehouse: Warehouse) -> None:
    from tasks.warehouse import upgrade

    with warehouse.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_later'")
    for work in (upgrade, open_warehouse):
        with pytest.raises(SchemaNewerError, match="upgraded by a newer version"):
            work(warehouse)
    assert current_revision(warehouse) == "9999_later"


@pytest.mark.parametrize("address", ["sqlite:////x/mlflow.db", "postgresql+psycopg://u@h/mlflow"])
def test_models_of_a_database_go_to_the_homes_folder(address: str, home: Path) -> None:
    made: list[str | None] = []
    client = SimpleNamespace(
        get_experiment_by_name=lambda _name: None,
        create_experiment=lambda _name, artifact_location: made.append(artifact_location) or "1",
    )
    registry = Registry(address)
    registry.__dict__["_client"] = client
    registry._experiment(ModelKey("acme", TYPE))
    assert made == [(home.resolve() / "mlflow-artifacts").as_uri()]


def test_addresses_outside_any_folder_of_artifacts_stay(backed_up: tuple[Path, list[Any]], tmp_path: Path) -> None:
    with restored(backed_up[0], tmp_path / "home2"):
        url = get_settings().mlflow_tracking_uri
        moved = relocate(url, tmp_path / "third" / "mlflow-artifacts")
        assert moved == moved_addresses(url, tmp_path / "home2" / "mlflow-artifacts") > 0
