"""The migrated database is the schema that the code declares, on both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Base


def test_migrations_lead_to_the_declared_schema(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
