"""Drift as it happens, told: what rings on a model's page rings its workspace's webhooks too."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.errors import WarehouseError
from tasks.models.records import CRITICAL, WARNING, ModelKey
from tasks.models.service import ModelService
from tasks.models.store import stream_mark, used_since
from tasks.warehouse import Warehouse
from tasks.warehouse.database import UNAVAILABLE
from tasks.warehouse.outbox import HookEvent, workspaces_told

USED_WITHIN = timedelta(days=2)
MOST_MODELS = 500
logger = logging.getLogger("raptorflow")


class DriftAlarm:
    """One a process that keeps asking; a model of which nothing new is known costs a round one small query."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._models = ModelService(warehouse)
        self._marks: dict[ModelKey, tuple[Any, ...]] = {}

    def ring(self) -> None:
        """Tell hooks of every model that drifts now, of those used lately whose workspace has a hook for it."""
        warehouse = self._models.store.warehouse
        listening = workspaces_told(warehouse, HookEvent.DRIFT_DETECTED)
        keys = used_since(warehouse, datetime.now(UTC) - USED_WITHIN, MOST_MODELS, listening) if listening else []
        self._marks = {key: mark for key, mark in self._marks.items() if key in keys}
        for key in keys:
            mark = stream_mark(warehouse, key)
            if mark != self._marks.get(key):
                try:
                    self._tell(key)
                except (*UNAVAILABLE, WarehouseError):  # so are the others, and all are looked at again
                    raise
                except Exception:  # what is wrong with one model is no reason to tell nobody of another
                    logger.exception("drift of %s cannot be told", key.registered_name)
                self._marks[key] = mark

    def _tell(self, key: ModelKey) -> None:
        version, stream = self._models.drift_stream(key)
        if version is not None and stream is not None and stream.status in (WARNING, CRITICAL):
            reasons = [finding.reason for finding in stream.findings]
            self._models.store.tell_of_stream(key, version.version_name, stream.status, reasons)
