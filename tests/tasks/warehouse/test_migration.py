"""The migrated database is the schema that the code declares, on both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Base

INDEX_OF_WORDS = "learning_index"  # of each database's own kind, which no class describes


def is_declared(_thing: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
    return not (kind in ("table", "index") and str(name).startswith(INDEX_OF_WORDS))


COMPARED = {"compare_type": True, "compare_server_default": True, "include_object": is_declared}


def test_migrations_lead_to_the_declared_schema(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        context = MigrationContext.configure(connection, opts=COMPARED)
        assert compare_metadata(context, Base.metadata) == []
