"""Private releases, of this installation and others: what each cost, and how noisy it is or what it brought here.

Who is in one is nobody's to know.
"""

from __future__ import annotations

from typing import Any

from tasks.transfer.exchange.service import ExchangeService
from tasks.transfer.store import all_releases
from tasks.warehouse import Warehouse


def releases_context(warehouse: Warehouse) -> dict[str, Any]:
    """Every release, the newest first; then what other installations handed over."""
    return {"releases": all_releases(warehouse), "taken_in": ExchangeService(warehouse).taken_in()}
