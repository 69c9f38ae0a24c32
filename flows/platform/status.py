"""`raptorflow status`: is it healthy, what runs next, how did the last runs end."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flows.platform.addresses import answers, running
from flows.platform.errors import PlatformNotRunningError
from flows.platform.login import new_link
from tasks.settings import without_password

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

HOW_MANY = 10
WELL = ("healthy", "ready")


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """What an operator wants to see first.

    Attributes:
        health: each server and work pool with its address or state.
        next_runs: the next scheduled run of each deployment, soonest first.
        last_runs: the newest ended or running runs, newest first.
        reports: lines of the report of all reports: what needs a person, what changed, the best.
        open: a link that signs the browser in that opens it first; only of a platform of this home.
    """

    health: list[dict[str, Any]]
    next_runs: list[dict[str, Any]]
    last_runs: list[dict[str, Any]]
    reports: list[str] = field(default_factory=list)
    open: str | None = None

    def as_lines(self) -> list[str]:
        """Ten lines at most: health, what the reports say, the last run, the next, and where to read on."""
        ill = [f"{row['what']} {row['state']}" for row in self.health if row["state"] not in WELL]
        lines = [f"health: {'; '.join(ill) or f'all {len(self.health)} parts are well'}", *self.reports]
        lines += [f"last run: {_in_words(row)}" for row in self.last_runs[:1]]
        lines += [f"next run: {row['deployment']}, {row['starts']}" for row in self.next_runs[:1]]
        return lines + ([f"open {self.open} (signs your browser in, once)"] if self.open else [])


def connect() -> str:
    """The server of the platform that runs from this home, or the one PREFECT_API_URL names.

    Raises:
        PlatformNotRunningError: if none answers.
    """
    address = os.environ.get("PREFECT_API_URL")
    if not address or not answers(f"{address}/health", seconds=5):
        raise PlatformNotRunningError(address)
    return address


def status() -> PlatformStatus:
    """Ask the servers.

    Raises:
        PlatformNotRunningError: if no Prefect server answers.
    """
    address = connect()
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        names = {deployment.id: deployment.name for deployment in client.read_deployments(limit=200)}
        health, next_runs, last_runs = (_health(client, address), _next_runs(client, names), _last_runs(client, names))
    from tasks.reporting import overview

    here, reports = running(), list(overview().as_lines())
    return PlatformStatus(health, next_runs, last_runs, reports, open=new_link(here.prefect) if here else None)


def _health(client: SyncPrefectClient, address: str) -> list[dict[str, Any]]:
    mlflow = os.environ.get("MLFLOW_TRACKING_URI", "")
    rows = [{"what": "Prefect server", "state": "healthy", "where": address.removesuffix("/api")}]
    if mlflow.startswith("http"):
        state = "healthy" if answers(f"{mlflow}/health") else "does not answer"
        rows.append({"what": "MLflow server", "state": state, "where": without_password(mlflow)})
    if (here := running()) is not None:
        state = "healthy" if answers(f"{here.service}/health") else "does not answer"
        rows.append({"what": "service", "state": state, "where": here.service})
    for pool in client.read_work_pools():
        state = str(pool.status.value if pool.status else "–").lower().replace("_", " ")
        rows.append({"what": f"work pool {pool.name}", "state": state, "where": f"{pool.type} worker"})
    return rows


def _next_runs(client: SyncPrefectClient, names: dict[Any, str]) -> list[dict[str, Any]]:
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    wanted = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"after_": datetime.now(UTC)}}
    )
    rows: dict[str, dict[str, Any]] = {}
    for run in client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=200):
        name = names.get(run.deployment_id, "–")
        rows.setdefault(name, {"deployment": name, "starts": _when(run.expected_start_time)})
    return list(rows.values())[:HOW_MANY]


def _last_runs(client: SyncPrefectClient, names: dict[Any, str]) -> list[dict[str, Any]]:
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    begun = FlowRunFilter.model_validate(
        {"state": {"type": {"not_any_": ["SCHEDULED"]}}, "parent_task_run_id": {"is_null_": True}}
    )
    runs = client.read_flow_runs(flow_run_filter=begun, sort=FlowRunSort.START_TIME_DESC, limit=HOW_MANY)
    return [
        {
            "deployment": names.get(run.deployment_id, "by hand"),
            "run": run.name,
            "state": run.state_name or "–",
            "started": _when(run.start_time),
            "seconds": round(run.total_run_time.total_seconds(), 1),
        }
        for run in runs
    ]


def _in_words(row: dict[str, Any]) -> str:
    return f"{row['deployment']} {row['state']}, began {row['started']}, took {row['seconds']:.0f} s"


def _when(instant: datetime | None) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if instant else "–"
