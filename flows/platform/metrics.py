"""`/metrics`: what Prometheus scrapes of the platform, behind the front door; its login is the platform's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from flows.platform.front_door import App
from flows.platform.sign_in import Receive, Scope, Send
from tasks.errors import RaptorflowError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

PATH = "/metrics"
CHAIN = "meta-learning"
SECONDS_KEPT = 10.0  # two scrapers at once, or one in a hurry, are one question to the warehouse
QUEUED = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED")
logger = logging.getLogger("raptorflow")


class MetricsPage:
    """ASGI middleware that answers `/metrics` and hands on all else.

    Args:
        app: the server.
        api_url: of the same server, as this process reaches it.
        laid_aside: the folder where Prefect lays events aside that it could not handle.
    """

    def __init__(self, app: App, api_url: str, auth: str, laid_aside: Path) -> None:
        self._app, self._api_url, self._auth, self._laid_aside = app, api_url, auth, laid_aside
        self._text, self._until = b"", 0.0
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        async with self._one_at_a_time:
            if time.monotonic() > self._until:
                self._text = await asyncio.to_thread(self._collected)
                self._until = time.monotonic() + SECONDS_KEPT
        headers = [(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._text})

    def _collected(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """All metrics; a part that cannot be asked is missing, and `raptorflow_up` of it is 0."""
        up = GaugeMetricFamily("raptorflow_up", "Whether a part of the platform could be asked", labels=["part"])
        for part, ask in (("prefect", self._of_prefect), ("warehouse", self._of_warehouse)):
            try:
                metrics = list(ask())
            except Exception as error:  # noqa: BLE001 - a scrape says what it can, whatever else is broken
                reason = str(error) if isinstance(error, RaptorflowError) else type(error).__name__
                logger.warning("metrics of %s: %s", part, reason)
                metrics = []
            up.add_metric([part], float(bool(metrics)))
            yield from metrics
        yield up
        lost = CounterMetricFamily("raptorflow_events_lost", "Events that Prefect could not handle and laid aside")
        lost.add_metric([], sum(1 for _ in self._laid_aside.glob("*")))
        yield lost

    def _of_warehouse(self) -> Iterator[Metric]:
        from tasks.reporting.metrics import warehouse_metrics

        return warehouse_metrics()

    def _of_prefect(self) -> Iterator[Metric]:
        from prefect.client.orchestration import SyncPrefectClient

        with SyncPrefectClient(self._api_url, auth_string=self._auth) as client:
            yield from _chain(client)
            queue = GaugeMetricFamily("raptorflow_runs", "Flow runs that wait, run or pause", labels=["state"])
            for state in QUEUED:
                queue.add_metric([state.lower()], _count(client, {"type": {"any_": [state]}}))
            queue.add_metric(["late"], _count(client, {"name": {"any_": ["Late"]}}))
            yield queue


def _chain(client: SyncPrefectClient) -> Iterator[Metric]:
    """Age and duration of the last chain that was completed; absent before the first."""
    wanted = {"flows": {"name": {"any_": [CHAIN]}}, "sort": "END_TIME_DESC", "limit": 1}
    wanted["flow_runs"] = {"state": {"type": {"any_": ["COMPLETED"]}}}
    runs: list[dict[str, Any]] = client.request("POST", "/flow_runs/filter", json=wanted).json()
    age = GaugeMetricFamily("raptorflow_chain_age_seconds", "Seconds since the last completed chain ended")
    duration = GaugeMetricFamily("raptorflow_chain_duration_seconds", "How long the last completed chain took")
    for run in runs:
        ended = datetime.fromisoformat(run["end_time"])
        age.add_metric([], (datetime.now(UTC) - ended).total_seconds())
        duration.add_metric([], run["total_run_time"])
    yield age
    yield duration


def _count(client: SyncPrefectClient, state: dict[str, Any]) -> int:
    now = datetime.now(UTC).isoformat()
    due = {"state": state, "expected_start_time": {"before_": now}}
    return int(client.request("POST", "/flow_runs/count", json={"flow_runs": due}).json())
