"""The data: schema, migrations, ingestion, extraction to snapshots."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.warehouse.database import Warehouse
    from tasks.warehouse.migration import require_current, upgrade

__all__ = ["Warehouse", "open_warehouse", "require_current", "upgrade"]

# Looking at a file needs no database: SQLAlchemy and Alembic, half a second of imports, come when they are asked for.
_HOMES = {"Warehouse": "database", "require_current": "migration", "upgrade": "migration"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def open_warehouse(warehouse: Warehouse | None = None) -> Warehouse:
    """The warehouse given, or the settings' one, checked to be at this code's schema."""
    from tasks.warehouse.database import Warehouse
    from tasks.warehouse.migration import require_current

    return require_current(warehouse or Warehouse())
