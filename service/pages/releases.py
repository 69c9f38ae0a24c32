"""Private releases of this installation: what each cost, and how noisy it is; who is in it is nobody's to know."""

from __future__ import annotations

from typing import Any

from tasks.transfer.store import all_releases
from tasks.warehouse import Warehouse


def releases_context(warehouse: Warehouse) -> dict[str, Any]:
    """Every release, the newest first."""
    return {"releases": all_releases(warehouse)}
