"""How a request reaches the warehouse: opened once, asked again only after it could not be."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Annotated

from fastapi import Depends, Request

from tasks.warehouse import Warehouse, open_warehouse

PATIENCE_SECONDS = 5.0  # nobody waits a minute for a page; who is told 503 comes again


class WarehouseAccess:
    """The service's way to one warehouse; a database that is away now may answer the next request.

    Args:
        warehouse: the warehouse; None takes the settings' one.
    """

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        self._warehouse, self._is_current = warehouse or Warehouse(patience=PATIENCE_SECONDS), False
        self._opening, self._kept = threading.Lock(), ExitStack()

    @property
    def url(self) -> str:
        """The warehouse's address."""
        return self._warehouse.url

    def open(self) -> Warehouse:
        """The warehouse, seen to be at this code's schema.

        Raises:
            WarehouseError: if it cannot be reached, or has another schema.
        """
        if not self._is_current:
            with self._opening:
                self._open()
        return self._warehouse

    def close(self) -> None:
        """Let go of what is kept open."""
        self._kept.close()

    def _open(self) -> None:
        if self._is_current:
            return
        open_warehouse(self._warehouse)
        self._kept.enter_context(self._warehouse.kept_open())  # many small transactions are to come
        self._is_current = True


def opened_warehouse(request: Request) -> Warehouse:
    """The warehouse of the application that answers; for `Depends`."""
    access: WarehouseAccess = request.app.state.warehouse
    return access.open()


OpenWarehouse = Annotated[Warehouse, Depends(opened_warehouse)]
