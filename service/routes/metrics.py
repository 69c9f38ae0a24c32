"""`/metrics`: what Prometheus scrapes of the service. It stands behind the platform's login, as the pages do."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request, Response

from service.first_imports import ONE_AT_A_TIME
from service.request_figures import BOUNDS

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from tasks.warehouse import Warehouse

SECONDS_KEPT = 60.0  # of what drifts: a scrape every second asks the warehouse once a minute
logger = logging.getLogger("raptorflow.service")
router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Everything in Prometheus' text."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

    registry = CollectorRegistry()
    registry.register(request.app.state.metrics)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class ServiceMetrics:
    """What one application can say of itself."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._drift, self._until = Counter[tuple[str, str]](), 0.0
        self._one_at_a_time = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """All families; where the warehouse cannot be asked, what drifts is missing and `raptorflow_service_up` 0."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        state = self._app.state
        answers = CounterMetricFamily("raptorflow_http_answers", "Answers", labels=["route", "status"])
        for (route, status), n in list(state.figures.answers.items()):
            answers.add_metric([route, str(status)], n)
        yield answers
        seconds = HistogramMetricFamily("raptorflow_http_seconds", "Seconds until an answer begins", labels=["route"])
        for route, (counts, total) in list(state.figures.seconds.items()):
            edges = [*map(str, BOUNDS), "+Inf"]
            seconds.add_metric([route], list(zip(edges, itertools.accumulate(counts), strict=True)), total[0])
        yield seconds
        waiting = GaugeMetricFamily("raptorflow_waiting", "Units or outcomes that wait to be stored", labels=["queue"])
        stored = CounterMetricFamily("raptorflow_stored", "What was stored and acknowledged", labels=["queue"])
        for name, one in (("assignments", state.assignments), ("outcomes", state.outcomes)):
            waiting.add_metric([name], one.waiting)
            stored.add_metric([name], one.stored)
        yield waiting
        yield stored
        yield GaugeMetricFamily("raptorflow_viewers", "Browsers that watch a strip of drift", value=state.watch.viewers)
        yield from self._of_warehouse()

    def _of_warehouse(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        with ONE_AT_A_TIME:
            from tasks.models.records import ModelType

        up = GaugeMetricFamily("raptorflow_service_up", "Whether the service could ask the warehouse")
        try:
            counts = self._drifting()
        except Exception as error:  # noqa: BLE001 - a scrape says what it can, whatever else is broken
            logger.warning("metrics of the warehouse: %s", type(error).__name__)
            up.add_metric([], 0.0)
            yield up
            return
        up.add_metric([], 1.0)
        yield up
        family = GaugeMetricFamily(
            "raptorflow_drift_now",
            "Models in use by what their days say now",
            labels=["type", "level"],
        )
        for model_type, level in itertools.product(ModelType, ("no_drift", "warning", "critical", "insufficient_data")):
            family.add_metric([model_type.value, level], counts[model_type.value, level])
        yield family

    def _drifting(self) -> Counter[tuple[str, str]]:
        with self._one_at_a_time:
            if time.monotonic() > self._until:
                self._drift = _drift_by_type(self._app.state.warehouse.open())
                self._until = time.monotonic() + SECONDS_KEPT
            return self._drift


def _drift_by_type(warehouse: Warehouse) -> Counter[tuple[str, str]]:
    """How many of the models that were used lately are at each level, of the versions that serve."""
    with ONE_AT_A_TIME:
        from tasks.models.drift_alarm import MOST_MODELS, USED_WITHIN
        from tasks.models.service import ModelService
        from tasks.models.store import used_since

    models, counts = ModelService(warehouse), Counter[tuple[str, str]]()
    with warehouse.read_once():
        for key in used_since(warehouse, datetime.now(UTC) - USED_WITHIN, MOST_MODELS):
            _, stream = models.drift_stream(key)
            if stream is not None:
                counts[key.model_type.value, stream.status] += 1
    return counts
