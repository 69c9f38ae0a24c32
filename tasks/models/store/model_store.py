"""Versions, deployments, rollouts, predictions and drift checks of one model at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import Connection, Select, Update, delete, select, update

from tasks.models.records import (
    CRITICAL,
    DELETED,
    PROMOTION,
    REGISTERED,
    ROLLBACK,
    WARNING,
    Deployment,
    DriftReport,
    ModelKey,
    ModelType,
    PredictionBatch,
    RegisteredVersion,
    RolloutStep,
    Version,
)
from tasks.models.store import drift_sketches
from tasks.warehouse import Warehouse
from tasks.warehouse.locks import lock_until_commit
from tasks.warehouse.outbox import HookEvent, tell_hooks
from tasks.warehouse.schema import (
    DriftCheck,
    ModelDeployment,
    ModelPrediction,
    ModelRollout,
    ModelSchedule,
    ModelServing,
    ModelVersion,
)

OPENED, CLOSED = "opened", "closed"
ROWS_PER_QUERY = 5_000
PENDING, DONE, ABANDONED = "pending", "done", "abandoned"
TOLD = {PROMOTION: HookEvent.MODEL_PROMOTED, ROLLBACK: HookEvent.MODEL_ROLLED_BACK}


OfModel = DriftCheck | ModelVersion | ModelDeployment | ModelPrediction | ModelRollout | ModelServing


class ModelStore:
    """What the warehouse holds of models; which version is champion is decided here, MLflow's aliases follow."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def versions(self, key: ModelKey) -> list[Version]:
        """Everything that was ever trained for this workspace and type, oldest first: registered, rejected, deleted."""
        return [_version(row) for row in self.warehouse.rows(_versions(key))]

    def version(self, key: ModelKey, version_name: str) -> Version | None:
        """A registered version of this workspace and type by its name."""
        named = _versions(key).where(ModelVersion.version_name == version_name, ModelVersion.status == REGISTERED)
        return next((_version(row) for row in self.warehouse.rows(named)), None)

    def add_version(
        self, key: ModelKey, version: Version, more: Mapping[str, Any], replaces: str | None = None
    ) -> Version:
        """Add a version; returns what stands in the end.

        One of the same data and specification that is there already stays as it is: another run has trained it at the
        same time, and the caller's is not known. `replaces` names one of the same data that can no longer be read, and
        goes. A name that another version took meanwhile is counted on. MLflow gives a number again only where the
        registered model was deleted there, or its database put back to an earlier day: who had it then is gone, and
        what is done by number must not meet the new one.
        """
        of_data = (ModelVersion.data_sha256 == version.data_sha256, ModelVersion.spec_sha256 == version.spec_sha256)
        with self.warehouse.begin() as connection:
            lock_until_commit(self.warehouse, connection, f"model_version {key.registered_name}")
            there = self.warehouse.rows(_versions(key).where(*of_data), connection)
            if there and there[0]["version_name"] != replaces:
                return _version(there[0])
            if there:
                self._delete(connection, key, there[0]["version_name"])
            if version.registry_version is not None:
                namesakes = _numbered(key, version.registry_version)
                connection.execute(namesakes.values(status=DELETED))
            taken = {row["version_name"] for row in self.warehouse.rows(_versions(key), connection)}
            added = replace(version, version_name=free_name(version.version_name, taken))
            row = {name: getattr(added, name) for name in Version.__slots__}
            row |= {"workspace_id": key.workspace_id, "model_type": key.model_type.value, "pinned": False}
            row |= {"trained_at": datetime.now(UTC), **more}
            self.warehouse.upsert(connection, ModelVersion, [row], keep_existing=True)
        return added

    def _delete(self, connection: Connection, key: ModelKey, version_name: str) -> None:
        named = (ModelVersion.workspace_id == key.workspace_id, ModelVersion.version_name == version_name)
        connection.execute(delete(ModelVersion).where(*named, ModelVersion.model_type == key.model_type.value))

    def registered(self, key: ModelKey) -> list[RegisteredVersion]:
        """Registered versions of a model, for retention."""
        rows = self.warehouse.rows(_versions(key).where(ModelVersion.status == REGISTERED))
        return [RegisteredVersion(**{name: row[name] for name in RegisteredVersion.__slots__}) for row in rows]

    def mark_deleted(self, key: ModelKey, version_name: str) -> None:
        """Note that a version is gone from the registry; its row stays for the history."""
        self._change(key, version_name, {"status": DELETED})

    def set_pinned(self, key: ModelKey, version_name: str, *, pinned: bool) -> None:
        """Exempt a version from retention, or no longer."""
        self._change(key, version_name, {"pinned": pinned})

    def set_evaluation(self, key: ModelKey, version: Version, evaluation: Mapping[str, Any]) -> None:
        """Store what is known of a version's evaluation by now."""
        self._change(key, version.version_name, {"evaluation": dict(evaluation)})

    def _change(self, key: ModelKey, version_name: str, values: Mapping[str, Any]) -> None:
        statement = update(ModelVersion).where(
            ModelVersion.workspace_id == key.workspace_id,
            ModelVersion.model_type == key.model_type.value,
            ModelVersion.version_name == version_name,
        )
        with self.warehouse.begin() as connection:
            connection.execute(statement.values(**values))

    def set_gate(self, key: ModelKey, version: Version, gate: Mapping[str, Any]) -> None:
        """Store the newest comparison of a challenger with its champion."""
        self._change(key, version.version_name, {"gate": dict(gate)})

    def deployments(self, key: ModelKey) -> list[Deployment]:
        """Every change of champion, oldest first, with how it ended."""
        table = ModelDeployment.__table__
        statement = _of(key, select(table), ModelDeployment).order_by(ModelDeployment.generation)
        latest: dict[int, dict[str, Any]] = {}
        for row in self.warehouse.rows(statement):
            if row["phase"] == CLOSED or row["generation"] not in latest:
                latest[row["generation"]] = row
        return [Deployment(**{name: row[name] for name in Deployment.__slots__}) for row in latest.values()]

    def open_deployment(self, key: ModelKey, deployment: Deployment, run_id: str) -> bool:
        """Append the first half of a change; False when somebody else opened this generation before.

        Nothing is opened for a version that is not stored as registered: nobody could ever finish that.
        """
        return self.version(key, deployment.version_name) is not None and self._append(key, deployment, OPENED, run_id)

    def close_deployment(self, key: ModelKey, deployment: Deployment, outcome: str, run_id: str) -> bool:
        """Append the second half; the first to close a generation decides how it ended."""
        parts = {name: getattr(deployment, name) for name in Deployment.__slots__}
        closed = Deployment(**parts | {"outcome": outcome, "recorded_at": datetime.now(UTC)})
        return self._append(key, closed, CLOSED, run_id)

    def _append(self, key: ModelKey, deployment: Deployment, phase: str, run_id: str) -> bool:
        row = {name: getattr(deployment, name) for name in Deployment.__slots__}
        row |= {"workspace_id": key.workspace_id, "model_type": key.model_type.value, "phase": phase, "run_id": run_id}
        with self.warehouse.begin() as connection:
            is_first = self.warehouse.upsert(connection, ModelDeployment, [row], keep_existing=True) == 1
            event = TOLD.get(deployment.kind)
            if is_first and event is not None and row["outcome"] == DONE:
                names = ("generation", "version_name", "from_version", "reason", "actor")
                about, data = (key.model_type.value, str(row["generation"])), {name: row[name] for name in names}
                tell_hooks(self.warehouse, connection, event, key.workspace_id, about, data)
            return is_first

    def add_predictions(self, key: ModelKey, version_name: str, rows: Sequence[Mapping[str, Any]], run_id: str) -> None:
        """Log predictions; the same version on the same inputs is the same row."""
        drift_sketches.add_predictions(self.warehouse, key, version_name, rows, run_id)

    def outputs(self, key: ModelKey, version_name: str, row_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What a version last predicted for each of these rows, where it served them."""
        table, outputs = ModelPrediction, dict[str, dict[str, Any]]()
        for start in range(0, len(row_ids), ROWS_PER_QUERY):
            chunk = list(row_ids[start : start + ROWS_PER_QUERY])
            query = _of(key, select(table.row_id, table.output), table).where(
                table.version_name == version_name, table.row_id.in_(chunk)
            )
            outputs |= {row["row_id"]: row["output"] for row in self.warehouse.rows(query.order_by(table.predicted_at))}
        return outputs

    def add_batch(self, key: ModelKey, batch: PredictionBatch, run_id: str) -> None:
        """Log a batch: which version was asked, how long it took, and what went wrong."""
        row = {name: getattr(batch, name) for name in PredictionBatch.__slots__} | {
            "batch_id": uuid4().hex,
            "run_id": run_id,
        }
        row |= {"workspace_id": key.workspace_id, "model_type": key.model_type.value}
        with self.warehouse.begin() as connection:
            self.warehouse.upsert(connection, ModelServing, [row])

    def batches(
        self, key: ModelKey, version_name: str, limit: int, since: datetime | None = None
    ) -> list[PredictionBatch]:
        """The latest batches a version was asked for, newest first."""
        table = ModelServing
        query = _of(key, select(table.__table__), table).where(table.version_name == version_name)
        query = query if since is None else query.where(table.served_at >= since)
        rows = self.warehouse.rows(query.order_by(table.served_at.desc()).limit(limit))
        return [PredictionBatch(**{name: row[name] for name in PredictionBatch.__slots__}) for row in rows]

    def rollout(self, key: ModelKey) -> list[RolloutStep]:
        """Every step of every challenger, oldest first."""
        query = _of(key, select(ModelRollout.__table__), ModelRollout)
        rows = self.warehouse.rows(query.order_by(ModelRollout.recorded_at, ModelRollout.step))
        return [RolloutStep(**{name: row[name] for name in RolloutStep.__slots__}) for row in rows]

    def add_rollout_step(self, key: ModelKey, step: RolloutStep, run_id: str) -> bool:
        """Append a step; False when another process appended this one before."""
        row = {name: getattr(step, name) for name in RolloutStep.__slots__} | {"run_id": run_id}
        row |= {"workspace_id": key.workspace_id, "model_type": key.model_type.value, "recorded_at": datetime.now(UTC)}
        with self.warehouse.begin() as connection:
            return self.warehouse.upsert(connection, ModelRollout, [row], keep_existing=True) == 1

    def set_schedule(self, schedule: Mapping[str, Any]) -> None:
        """Store how often a model type is refreshed; one schedule a type."""
        with self.warehouse.begin() as connection:
            row = dict(schedule) | {"recorded_at": datetime.now(UTC)}
            self.warehouse.upsert(connection, ModelSchedule, [row])

    def drift_check(self, key: ModelKey, version_name: str, data_sha256: str) -> DriftReport | None:
        """The report of a check that was made of this version on this data."""
        statement = _of(key, select(DriftCheck.__table__), DriftCheck).where(
            DriftCheck.version_name == version_name, DriftCheck.data_sha256 == data_sha256
        )
        for row in self.warehouse.rows(statement):
            report = {name: value for name, value in row.items() if name in DriftReport.__annotations__}
            return cast("DriftReport", report | {"model_version": version_name, "samples_needed": 0})
        return None

    def tell_of_stream(self, key: ModelKey, version_name: str, status: str, reasons: Sequence[str]) -> None:
        """Tell hooks that drift is seen as it happens: once of a version and status, however often it is seen."""
        data = {"drift_status": status, "reasons": list(reasons), "version_name": version_name}
        with self.warehouse.begin() as connection:
            about = (key.model_type.value, version_name, "as it happens", status)
            tell_hooks(self.warehouse, connection, HookEvent.DRIFT_DETECTED, key.workspace_id, about, data)

    def add_drift_check(self, key: ModelKey, report: DriftReport, data_sha256: str, run_id: str) -> None:
        """Store one drift check; the same version on the same data again is the same row."""
        row = {name: value for name, value in report.items() if name in DriftCheck.__table__.columns}
        row |= {"version_name": report["model_version"], "data_sha256": data_sha256}
        row |= {"workspace_id": key.workspace_id, "model_type": key.model_type.value}
        row |= {"checked_at": datetime.now(UTC), "run_id": run_id}
        with self.warehouse.begin() as connection:
            self.warehouse.upsert(connection, DriftCheck, [row])
            if row["drift_status"] in (WARNING, CRITICAL):
                names = ("drift_status", "drift_score", "p_value", "recommendation", "reasons", "version_name")
                about, data = (
                    (key.model_type.value, str(row["version_name"]), data_sha256),
                    {one: row[one] for one in names},
                )
                tell_hooks(self.warehouse, connection, HookEvent.DRIFT_DETECTED, key.workspace_id, about, data)


def _numbered(key: ModelKey, registry_version: int) -> Update:
    """Whatever version of a model was registered under this number before."""
    return update(ModelVersion).where(
        ModelVersion.workspace_id == key.workspace_id,
        ModelVersion.model_type == key.model_type.value,
        ModelVersion.registry_version == registry_version,
        ModelVersion.status == REGISTERED,
    )


def all_keys(warehouse: Warehouse) -> list[ModelKey]:
    """Every model that was ever registered."""
    statement = select(ModelVersion.workspace_id, ModelVersion.model_type).distinct()
    rows = warehouse.rows(statement.where(ModelVersion.status == REGISTERED).order_by(*statement.selected_columns))
    return [ModelKey(row["workspace_id"], ModelType(row["model_type"])) for row in rows]


def free_name(wanted: str, taken: Collection[str]) -> str:
    """The name, or the first of `name_2`, `name_3`, … that nobody has."""
    name, tries = wanted, 1
    while name in taken:
        tries += 1
        name = f"{wanted}_{tries}"
    return name


def _version(row: Mapping[str, Any]) -> Version:
    return Version(**{name: row[name] for name in Version.__slots__})


def _versions(key: ModelKey) -> Select[Any]:
    return _of(key, select(ModelVersion.__table__), ModelVersion).order_by(
        ModelVersion.trained_at, ModelVersion.version_name
    )


def _of(key: ModelKey, statement: Select[Any], table: type[OfModel]) -> Select[Any]:
    return statement.where(table.workspace_id == key.workspace_id, table.model_type == key.model_type.value)
