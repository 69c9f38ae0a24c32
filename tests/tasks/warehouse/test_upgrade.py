"""A database of the first release is upgraded and works: rows are learned from, charges of privacy still count."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.errors import SchemaOutdatedError
from tasks.patterns.service import PatternService
from tasks.warehouse import Warehouse, open_warehouse, upgrade
from tasks.warehouse.frames import content_frame
from tasks.warehouse.migration import expected_revision
from tasks.warehouse.schema import ExperimentArm, TransferCharge
from tests.factories import content_row, store_content
from tests.postgres_databases import postgres_database, postgres_url

# Written by the first release's own migration, as text: `iterdump` of SQLite, `pg_dump --inserts` of PostgreSQL.
FIRST_RELEASE = Path(__file__).resolve().parents[2] / "cases" / "first_release"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def first_release(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse as the first release left it."""
    script = (FIRST_RELEASE / f"{request.param}.sql").read_text()
    if request.param == "sqlite":
        with closing(sqlite3.connect(tmp_path / "first.db")) as connection:
            connection.executescript(script)
        yield Warehouse(f"sqlite:///{tmp_path / 'first.db'}")
        return
    with postgres_database() as name:
        warehouse = Warehouse(postgres_url(name))
        with warehouse.begin() as connection:
            connection.exec_driver_sql(script.replace("%", "%%"))
        yield warehouse
        warehouse.engine.dispose()


def test_a_database_of_the_first_release_is_upgraded_and_works(first_release: Warehouse) -> None:
    with pytest.raises(SchemaOutdatedError, match=r"schema revision 0001, .* run `raptorflow init`"):
        open_warehouse(first_release)
    assert upgrade(first_release) == expected_revision()
    rows = content_frame(open_warehouse(first_release), "acme")
    assert (rows.height, rows["body"][1]) == (40, "Post 1: what's new?")
    assert [row["rho"] for row in first_release.rows(select(TransferCharge.__table__))] == [0.25]
    arms = first_release.rows(select(ExperimentArm.__table__))
    assert [(arm["n"], arm["direction"], arm["share"]) for arm in arms] == [(1000, "increase", None)] * 2
    store_content(first_release, [content_row(31 * i, conversions=0.5) for i in range(41)])
    assert PatternService(warehouse=first_release).analyze_patterns("acme", "social")["status"] == "insufficient_data"
