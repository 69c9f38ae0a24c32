"""Brings a database to the schema this code expects, and says when it is not there yet."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tasks.errors import SchemaOutdatedError
from tasks.warehouse.database import Warehouse
from tasks.warehouse.locks import schema_transaction

SCRIPTS = Path(__file__).with_name("migrations")


def upgrade(warehouse: Warehouse) -> str:
    """Create or upgrade the schema; returns the revision reached. Doing it twice, or at once, changes nothing."""
    config = _config()
    with schema_transaction(warehouse) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return expected_revision()


def require_current(warehouse: Warehouse) -> Warehouse:
    """Return the warehouse, ready to use.

    An empty embedded database is created on the spot; anything older or newer is a person's decision.

    Raises:
        SchemaOutdatedError: if the schema is not at this code's revision.
    """
    revision, expected = current_revision(warehouse), expected_revision()
    if revision is None and warehouse.is_sqlite:
        upgrade(warehouse)
    elif revision != expected:
        raise SchemaOutdatedError(revision, expected)
    return warehouse


def current_revision(warehouse: Warehouse) -> str | None:
    """The revision the database is at; None when it holds no schema."""
    with warehouse.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def expected_revision() -> str:
    """The newest revision among the scripts; read once, because a process's code does not change."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "the migrations folder holds no revision"
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))  # which starts an interpolation
    return config
