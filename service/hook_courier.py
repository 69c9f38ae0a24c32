"""Rings webhooks where drift is seen as it happens, and delivers all, in a thread of its own while the service runs."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from service.first_imports import ONE_AT_A_TIME
from service.warehouse_access import WarehouseAccess
from tasks.errors import RaptorflowError
from tasks.warehouse.outbox import HookEvent, workspaces_told

if TYPE_CHECKING:
    from tasks.models.drift_alarm import DriftAlarm
    from tasks.warehouse import Warehouse

SECONDS_BETWEEN_ROUNDS = 5.0


class HookCourier:
    """Args: access: the service's way to the warehouse, which is away at times."""

    def __init__(self, access: WarehouseAccess) -> None:
        self._access, self._is_over = access, threading.Event()
        self._alarm: DriftAlarm | None = None

    def start(self) -> None:
        """Begin; the first round comes after the first pause, so that requests are answered first."""
        self._is_over = threading.Event()  # of this start alone: an application may be started again
        threading.Thread(target=self._rounds, args=[self._is_over], name="hooks", daemon=True).start()

    def stop(self) -> None:
        """End after what is being sent."""
        self._is_over.set()

    def _rounds(self, is_over: threading.Event) -> None:
        while not is_over.wait(SECONDS_BETWEEN_ROUNDS):
            self._round()

    def _round(self) -> None:
        for work in (self._ring, self._deliver):  # what keeps one from its work is no reason for the other
            try:
                work(self._access.open())
            except RaptorflowError as problem:
                logging.getLogger(__name__).warning("webhooks wait: %s", problem)
            except Exception:  # a thread that dies would tell nobody anything, until the service is started again
                logging.getLogger(__name__).exception("webhooks wait")

    def _ring(self, warehouse: Warehouse) -> None:
        if self._alarm is None and workspaces_told(warehouse, HookEvent.DRIFT_DETECTED):
            with ONE_AT_A_TIME:  # a second of imports, for those who want to be told
                from tasks.models.drift_alarm import DriftAlarm

            self._alarm = DriftAlarm(warehouse)
        if self._alarm is not None:
            self._alarm.ring()

    @staticmethod
    def _deliver(warehouse: Warehouse) -> None:
        with ONE_AT_A_TIME:
            from tasks.hooks import HookService

        HookService(warehouse).deliver()
