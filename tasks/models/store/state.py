"""What a refresh reads of models besides rows, as one hash a workspace; none where the clock alone may change it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tasks.models.records import DUE, FIGURES, REGISTERED, ROLLOUT_SHARES, ModelKey, ModelType
from tasks.models.store.attention import serving_versions
from tasks.models.store.model_store import CLOSED, OPENED
from tasks.models.store.presence import MISSING, Present, present_models
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Content,
    ModelDeployment,
    ModelRollout,
    ModelServing,
    ModelVersion,
    Touch,
    Workspace,
)
from tasks.warehouse.standing import stored_state

TRAFFIC_DAYS = 30  # a model that was asked within them has traffic
# What follows is what `Refresh.update` does with it: `Action.ROLL_BACK`, `WITHDRAW_CHAMPION` and `settle_aliases`.
WITHOUT_FILE = "predictions may be refused until the next refresh lets the version before it serve, or trains another"
WITHOUT_ALIAS = "predictions go on by this version; the next refresh points the alias back"


@dataclass(frozen=True, slots=True)
class ServingFault:
    """What is wrong in MLflow with a version that serves.

    Attributes:
        what: such as: its file is missing.
        then: what that means for predictions, and what the next refresh does.
    """

    what: str
    then: str


def model_state(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str | None]:
    """Versions, changes of champion, rollouts, traffic and pool of each workspace, its models and aliases in MLflow.

    None where a challenger is rolled out (its stages go by age), where a change of champion was begun and not ended,
    where figures were not drawn yet, where the file of a model that serves is missing, and for all where MLflow does
    not answer: the refresh says so itself. That another version is missing is part of the state: nothing puts it back.
    """
    version, change, step, batch = ModelVersion, ModelDeployment, ModelRollout, ModelServing
    since = datetime.now(UTC) - timedelta(days=TRAFFIC_DAYS)
    traffic = select(batch.workspace_id, batch.model_type, batch.version_name, func.count().label("batches"))
    state = stored_state(
        warehouse,
        workspace_ids,
        select(version.workspace_id, version.model_type, version.version_name, version.status, version.gate),
        select(change.workspace_id, change.model_type, change.generation, change.phase, change.outcome),
        select(step.workspace_id, step.model_type, step.version_name, step.step, step.share_percent),
        traffic.where(batch.served_at >= since).group_by(batch.workspace_id, batch.model_type, batch.version_name),
    )
    files = _files(warehouse, workspace_ids)
    if files is None:
        return dict.fromkeys(workspace_ids)
    moving = _unfinished(warehouse, workspace_ids) | {
        row["workspace_id"]
        for row in serving_versions(warehouse, workspace_ids)
        if files[row["workspace_id"]].get(_numbered(row)) == MISSING
    }
    settled = [name for name in workspace_ids if name not in moving]
    pools = pool_bases(warehouse, settled)
    known: dict[str, str | None] = {
        name: f"{state[name]} {sorted(files[name].items())} {pools[name]}" for name in settled
    }
    return dict.fromkeys(workspace_ids) | known


def pool_bases(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str]:
    """What the pool of each workspace's organization is made of; empty where it has none to learn from."""
    space = Workspace
    statement = select(space.workspace_id, space.organisation_id).where(
        space.organisation_id.is_not(None), space.shares_insights
    )
    members: dict[str, list[str]] = defaultdict(list)
    for row in warehouse.rows(statement.order_by(space.workspace_id)):
        members[row["organisation_id"]].append(row["workspace_id"])
    bases = dict.fromkeys(workspace_ids, "")
    for known in members.values():
        members_named = set(known) & set(workspace_ids) if len(known) > 1 else set[str]()
        if members_named:
            bases |= dict.fromkeys(members_named, pool_basis(known, pool_counts(warehouse, known)))
    return bases


def pool_counts(warehouse: Warehouse, members: Sequence[str]) -> tuple[int, ...]:
    """How many posts and touches the workspaces have."""
    owners = (Content.workspace_id, Touch.workspace_id)
    counted = [select(func.count().label("n")).where(owner.in_(members)) for owner in owners]
    return tuple(int(warehouse.rows(statement)[0]["n"]) for statement in counted)


def pool_basis(members: Sequence[str], counts: Sequence[int]) -> str:
    """The members and their counts to the next power of two: a pool that grows by a few rows a night is the same."""
    return f"{list(members)} {[count.bit_length() for count in counts]}"


def _files(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, dict[str, str]] | None:
    """What the registry holds of each workspace's registered models; None where it does not answer."""
    version = ModelVersion
    columns = (version.workspace_id, version.model_type, version.registry_version)
    known = (version.workspace_id.in_(workspace_ids), version.status == REGISTERED)
    rows = warehouse.rows(select(*columns).where(*known, version.registry_version.is_not(None)))
    named = [ModelKey(row["workspace_id"], ModelType(row["model_type"])).registered_name for row in rows]
    present = present_models(sorted(set(named)))
    if present is None:
        return None
    files: dict[str, dict[str, str]] = defaultdict(dict)
    for row, name in zip(rows, named, strict=True):
        number = row["registry_version"]
        files[row["workspace_id"]][_numbered(row)] = present.files.get((name, number), MISSING)
        files[row["workspace_id"]][f"{name} aliases"] = f"{present.aliases.get(name, [])}"
    return files


def _numbered(row: Mapping[str, Any]) -> str:
    return f"{_registered_name(row)} {row['registry_version']}"


def _registered_name(row: Mapping[str, Any]) -> str:
    return ModelKey(row["workspace_id"], ModelType(row["model_type"])).registered_name


def champion_faults(
    warehouse: Warehouse, workspace_ids: Sequence[str] | None = None, *, reads_files: bool = False
) -> dict[tuple[str, str, str], ServingFault] | None:
    """By workspace, type and version: what is wrong in MLflow with one that serves; None where MLflow does not answer.

    A file on this machine is only looked for, unless `reads_files`.
    """
    serving = serving_versions(warehouse, workspace_ids)
    present = present_models(sorted({_registered_name(row) for row in serving}))
    if present is None:
        return None
    faults = {}
    for row in serving:
        fault = _champion_fault(row, present, reads_files=reads_files)
        if fault is not None:
            faults[row["workspace_id"], row["model_type"], row["version_name"]] = fault
    return faults


def _champion_fault(row: Mapping[str, Any], present: Present, *, reads_files: bool) -> ServingFault | None:
    name, number = _registered_name(row), row["registry_version"]
    file, path = present.files.get((name, number), MISSING), present.paths.get((name, number))
    if file == MISSING:
        return ServingFault("its file is missing", WITHOUT_FILE)
    if reads_files and path is not None and _sha256(path, file) != row["artifact_sha256"]:
        return ServingFault("its file is not the one registered (sha256)", WITHOUT_FILE)
    pointed = [alias.removeprefix("champion ") for alias in present.aliases[name] if alias.startswith("champion ")]
    if pointed != [str(number)]:
        was = f"points to version {pointed[0]}" if pointed else "is missing"
        return ServingFault(f"alias champion {was}", WITHOUT_ALIAS)
    return None


@lru_cache(maxsize=10_000)
def _sha256(path: Path, _changed: str) -> str | None:
    """Hash of a file's bytes, read once for each size and time of change; None for what is none, or may not be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def half_moved(warehouse: Warehouse, workspace_ids: Sequence[str]) -> set[str]:
    """Workspaces with a change of champion that was opened and never closed: the next refresh ends it."""
    change = ModelDeployment
    phases: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    columns = (change.workspace_id, change.model_type, change.generation, change.phase)
    for row in warehouse.rows(select(*columns).where(change.workspace_id.in_(workspace_ids))):
        phases[row["workspace_id"], row["model_type"], row["generation"]].add(row["phase"])
    return {workspace for (workspace, *_), seen in phases.items() if OPENED in seen and CLOSED not in seen}


def _unfinished(warehouse: Warehouse, workspace_ids: Sequence[str]) -> set[str]:
    """Workspaces with a rollout under way, a change of champion that was opened and never closed, or figures due."""
    begun, step = half_moved(warehouse, workspace_ids), ModelRollout
    shares: dict[tuple[str, str, str], tuple[int, int]] = {}
    steps = (step.workspace_id, step.model_type, step.version_name, step.step, step.share_percent)
    for row in warehouse.rows(select(*steps).where(step.workspace_id.in_(workspace_ids))):
        key = (row["workspace_id"], row["model_type"], row["version_name"])
        shares[key] = max(shares.get(key, (-1, 0)), (row["step"], row["share_percent"]))
    version = ModelVersion
    undrawn = select(version.workspace_id).where(
        version.workspace_id.in_(workspace_ids),
        version.status == REGISTERED,
        version.evaluation[FIGURES].as_string() == DUE,
    )
    due = {row["workspace_id"] for row in warehouse.rows(undrawn)}
    return begun | due | {key[0] for key, (_, share) in shares.items() if share in ROLLOUT_SHARES}
