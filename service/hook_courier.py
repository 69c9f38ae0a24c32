"""Delivers webhooks while the service runs, in a thread of its own."""

from __future__ import annotations

import logging
import threading

from service.first_imports import ONE_AT_A_TIME
from service.warehouse_access import WarehouseAccess
from tasks.errors import RaptorflowError

SECONDS_BETWEEN_ROUNDS = 5.0


class HookCourier:
    """Args: access: the service's way to the warehouse, which is away at times."""

    def __init__(self, access: WarehouseAccess) -> None:
        self._access, self._is_over = access, threading.Event()

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
        with ONE_AT_A_TIME:
            from tasks.hooks import HookService

        try:
            HookService(self._access.open()).deliver()
        except RaptorflowError as problem:
            logging.getLogger(__name__).warning("webhooks wait: %s", problem)
        except Exception:  # a thread that dies would tell nobody anything, until the service is started again
            logging.getLogger(__name__).exception("webhooks wait")
