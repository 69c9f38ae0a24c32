"""What hands connections on after each transaction (pgbouncer) may stand before PostgreSQL; so may four `init`."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.locks import ingestion_lock, lock_until_commit
from tasks.warehouse.migration import current_revision, expected_revision
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.postgres_databases import postgres_database, postgres_url
from tests.subprocess_helper import ended, in_subprocess
from tests.tasks.warehouse.test_ingestion_at_once import posts, stored, take_in

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")


def create_schema(url: str) -> None:
    upgrade(Warehouse(url))


def run_four(url: str) -> None:
    four = [in_subprocess(create_schema, url) for _ in range(4)]
    assert [ended(process) for process in four] == [0, 0, 0, 0]
    assert current_revision(Warehouse(url)) == expected_revision()


def test_four_that_create_the_schema_at_once_all_succeed_in_a_file(tmp_path: Path) -> None:
    run_four(f"sqlite:///{tmp_path / 'new.db'}")


@pytest.mark.usefixtures("postgres_template")
def test_four_that_create_the_schema_at_once_all_succeed_on_postgresql() -> None:
    with postgres_database() as name:
        run_four(postgres_url(name))


LOCKS = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database()"
ADVISORY = f"{LOCKS} AND l.locktype = 'advisory' AND l.granted"
TEMPORARY = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"
IDLE = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"


def session_state(warehouse: Warehouse) -> list[int]:
    """Locks and temporary tables, which connections that are handed on would keep from who had them before."""
    with warehouse.connect() as connection:
        return [int(connection.scalar(text(asked)) or 0) for asked in (ADVISORY, TEMPORARY)]


def test_an_ingestion_leaves_nothing_in_its_session(postgres_warehouse: Warehouse, tmp_path: Path) -> None:
    store(postgres_warehouse, Workspace, [workspace_row()])
    take_in(postgres_warehouse.url, posts(tmp_path / "one.csv", 0, 500, 1))
    assert session_state(postgres_warehouse) == [0, 0]
    assert stored(postgres_warehouse).height == 500


def test_the_lock_of_an_ingestion_is_one_of_a_transaction(postgres_warehouse: Warehouse) -> None:
    with ingestion_lock(postgres_warehouse), postgres_warehouse.connect() as connection:
        assert [connection.scalar(text(asked)) for asked in (ADVISORY, IDLE)] == [1, 1]
    with postgres_warehouse.begin() as connection:
        lock_until_commit(postgres_warehouse, connection, "ingestion")


@contextmanager
def pooled(url: str, folder: Path) -> Iterator[str]:
    """The same database behind pgbouncer in transaction mode; it refuses to run as root."""
    address = make_url(url)
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    folder.chmod(0o777)
    server = f"host={address.host} port={address.port or 5432} user={address.username}"
    settings = "unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 4\n"
    settings += f"listen_addr = 127.0.0.1\nlisten_port = {port}\n"
    (folder / "pgbouncer.ini").write_text(f"[databases]\n* = {server}\n[pgbouncer]\n{settings}")
    command = [str(PGBOUNCER), "-u", "nobody", "pgbouncer.ini"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield str(address.set(host="127.0.0.1", port=port).render_as_string(hide_password=False))
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")
def test_two_ingestions_at_once_behind_pgbouncer(postgres_warehouse: Warehouse, tmp_path: Path) -> None:
    store(postgres_warehouse, Workspace, [workspace_row()])
    folder = tmp_path / "pooler"
    folder.mkdir()
    with pooled(postgres_warehouse.url, folder) as url:
        files = [posts(tmp_path / "one.csv", 0, 2000, 1), posts(tmp_path / "two.csv", 1000, 3000, 2)]
        both = [in_subprocess(take_in, url, file) for file in files]
        assert [ended(process, 120) for process in both] == [0, 0]
        for number in range(12):  # a statement that comes often would be prepared
            store(Warehouse(url), Workspace, [workspace_row(name=str(number))])
        Warehouse(url).engine.dispose()
    assert stored(postgres_warehouse).height == 3000
    assert session_state(postgres_warehouse) == [0, 0]
