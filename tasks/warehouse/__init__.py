"""The data: schema, migrations, ingestion, extraction to snapshots."""

from tasks.warehouse.database import Warehouse
from tasks.warehouse.migration import require_current, upgrade

__all__ = ["Warehouse", "open_warehouse", "require_current", "upgrade"]


def open_warehouse(warehouse: Warehouse | None = None) -> Warehouse:
    """The warehouse given, or the settings' one, checked to be at this code's schema."""
    return require_current(warehouse or Warehouse())
