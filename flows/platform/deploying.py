"""Makes a Prefect server hold what deployments/ says, and tells what that changed; twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.platform.automations import apply_automations
from flows.platform.catalogue import FOLDER, WantedDeployment, read_yaml, wanted_deployments
from flows.platform.changes import DeploymentChange, different

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

TAG = "raptorflow"


def deploy(folder: Path = FOLDER, wanted: list[WantedDeployment] | None = None) -> list[DeploymentChange]:
    """Apply work pools, deployments and automations to the server PREFECT_API_URL names.

    Args:
        folder: where prefect.yaml, work-pools.yaml and automations.yaml are.
        wanted: the deployments, if they are read already.

    Returns:
        one `DeploymentChange` for each thing that was created, changed or could not be applied yet; empty when all was
        as wanted.
    """
    from prefect.client.orchestration import get_client

    wanted = wanted_deployments(folder) if wanted is None else wanted
    with get_client(sync_client=True) as client:
        changes = list(_work_pools(client, read_yaml("work-pools.yaml", folder)["work_pools"]))
        changes += _deployments(client, wanted)
        changes += apply_automations(client, read_yaml("automations.yaml", folder)["automations"])
    return changes


def _work_pools(client: SyncPrefectClient, pools: list[dict[str, Any]]) -> Iterator[DeploymentChange]:
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate

    there = {pool.name: pool for pool in client.read_work_pools()}
    for wanted in pools:
        name = wanted["name"]
        if name not in there:
            client.create_work_pool(WorkPoolCreate(**wanted))
            yield DeploymentChange("work pool", name, "created")
            continue
        actual = {field: getattr(there[name], field) for field in wanted}
        if fields := different(wanted, actual):
            client.update_work_pool(name, WorkPoolUpdate(**{f: wanted[f] for f in fields if f not in ("name", "type")}))
            yield DeploymentChange("work pool", name, "changed", fields)


def _deployments(client: SyncPrefectClient, wanted: list[WantedDeployment]) -> Iterator[DeploymentChange]:
    there = {(deployment.flow_id, deployment.name): deployment for deployment in client.read_deployments(limit=200)}
    for one in wanted:
        flow_id = client.create_flow_from_name(one.flow.name)
        change = _deployment(client, one, flow_id, there.pop((flow_id, one.name), None))
        if change is not None:
            yield change
    for (_, name), left in sorted(there.items(), key=lambda item: item[0][1]):
        if TAG in left.tags:
            gone = "is not in prefect.yaml any more; delete it in the UI"
            yield DeploymentChange("deployment", name, gone, waits=True)


def _deployment(
    client: SyncPrefectClient, wanted: WantedDeployment, flow_id: UUID, there: DeploymentResponse | None
) -> DeploymentChange | None:
    fields = different(wanted.fields | _schedules(wanted), _actual(there, wanted)) if there else []
    if there and not fields:
        return None
    paused = {schedule.slug: schedule.active for schedule in there.schedules} if there else {}
    schedules = [_schedule(slug, schedule, paused.get(slug, True)) for slug, schedule in wanted.schedules.items()]
    schedules += _others(there, wanted) if there else []
    client.create_deployment(flow_id=flow_id, name=wanted.name, schedules=schedules, **wanted.fields)
    return DeploymentChange("deployment", wanted.name, "changed" if there else "created", fields)


@dataclass(frozen=True, slots=True)
class _Comparable:
    """A schedule as far as the file decides it: a person may pause one in the UI, and deploying leaves that alone."""

    when: str
    parameters: dict[str, Any]


def _schedule(slug: str, schedule: Mapping[str, Any], active: bool) -> Any:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import construct_schedule

    when = construct_schedule(
        cron=schedule.get("cron"), interval=schedule.get("interval"), timezone=schedule.get("timezone", "UTC")
    )
    return DeploymentScheduleCreate(
        schedule=when, slug=slug, active=active, parameters=dict(schedule.get("parameters", {}))
    )


def _others(there: DeploymentResponse, wanted: WantedDeployment) -> list[Any]:
    """Schedules that the file does not name: people made them in the UI, or `schedule_updates` did; they stay."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate

    return [
        DeploymentScheduleCreate(schedule=one.schedule, slug=one.slug, active=one.active, parameters=one.parameters)
        for one in there.schedules
        if one.slug not in wanted.schedules
    ]


def _when(schedule: Any) -> str:
    """What two equal schedules share: the anchor of an interval is the moment it was written."""
    return f"{getattr(schedule, 'cron', '')} {getattr(schedule, 'interval', '')} {schedule.timezone}"


def _schedules(wanted: WantedDeployment) -> dict[str, Any]:
    made = {slug: _schedule(slug, schedule, True) for slug, schedule in wanted.schedules.items()}
    return {"schedules": {slug: _Comparable(_when(one.schedule), one.parameters) for slug, one in made.items()}}


def _actual(there: DeploymentResponse, wanted: WantedDeployment) -> dict[str, Any]:
    """What the server holds, in the words of `WantedDeployment.fields`."""
    limit, options = there.global_concurrency_limit, there.concurrency_options
    actual = {name: getattr(there, name) for name in ("entrypoint", "description", "tags", "parameters", "pull_steps")}
    actual |= {name: getattr(there, name) for name in ("work_pool_name", "work_queue_name", "job_variables")}
    actual |= {name: getattr(there, name) for name in ("parameter_openapi_schema", "enforce_parameter_schema")}
    actual["concurrency_limit"] = limit.limit if limit else None
    actual["concurrency_options"] = {"collision_strategy": options.collision_strategy.value} if options else None
    ours = [schedule for schedule in there.schedules if schedule.slug in wanted.schedules]
    actual["schedules"] = {s.slug: _Comparable(_when(s.schedule), s.parameters) for s in ours}
    return actual
