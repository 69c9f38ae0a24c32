"""Rows of all capabilities' tables that hold findings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from tasks.effects.store import arm_of, ingested_arms, own_arms
from tasks.swarm.store.debates import graded_debates
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Experiment,
    ExperimentArm,
    ExperimentVariant,
    PatternAnalysis,
    PatternFinding,
    TransferRelease,
    TransferSum,
)
from tasks.warehouse.scope import EvidenceScope


def result_rows(warehouse: Warehouse, scope: EvidenceScope) -> dict[str, list[dict[str, Any]]]:
    """Rows that hold findings, by table: those of the scope's workspaces, and private releases, which are for all."""
    with warehouse.connect() as connection:
        patterns = _rows_within(warehouse, connection, scope, PatternFinding, _newest_patterns())
        ingested = _rows_within(warehouse, connection, scope, ExperimentArm, ingested_arms())
        own = _rows_within(warehouse, connection, scope, Experiment, own_arms())
        return {
            "pattern_finding": patterns,
            "transfer_sum": warehouse.rows(_newest_release(), connection),
            "experiment_arm": [arm_of(row) for row in ingested],
            "experiment_statistic": [arm_of(row) for row in own],
            "debate": graded_debates(warehouse, scope, connection),
        }


def decided_arms(warehouse: Warehouse, scope: EvidenceScope) -> list[dict[str, Any]]:
    """Arms of the scope's randomized experiments that are over and say what they show (`title`, `body`, `changes`)."""
    arm, e, v = ExperimentArm, Experiment, ExperimentVariant
    if not scope.workspace_ids:
        return []
    says = (arm.title.is_not(None), arm.body.is_not(None), arm.changes.is_not(None))
    elsewhere = ingested_arms().where(arm.workspace_id.in_(scope.workspace_ids), or_(*says))
    own = own_arms().add_columns(e.experiment_id).group_by(e.experiment_id)  # two experiments may share a name
    over = (e.workspace_id.in_(scope.workspace_ids), e.allocation_strategy == "equal", e.completed_at.is_not(None))
    texts = select(v.experiment_id, v.variant_id, v.title, v.body, v.changes)
    texts = texts.join(e, e.experiment_id == v.experiment_id).where(*over)
    with warehouse.connect() as connection:
        ingested = warehouse.rows(elsewhere, connection)
        shows = {(row["experiment_id"], row["variant_id"]): row for row in warehouse.rows(texts, connection)}
        sums = warehouse.rows(own.where(*over), connection) if shows else []
    known = [(row, row) for row in ingested]
    known += [(row, shows[row["experiment_id"], row["variant"]]) for row in sums]
    names = ("title", "body", "changes")
    return [
        arm_of(row) | {"experiment_id": row.get("experiment_id")} | {name: shown[name] for name in names}
        for row, shown in known
    ]


def _rows_within(
    warehouse: Warehouse, connection: Connection, scope: EvidenceScope, table: Any, statement: Select[Any]
) -> list[dict[str, Any]]:
    """Rows of a table that has workspaces, of the scope's alone."""
    if not scope.workspace_ids:
        return []
    return warehouse.rows(statement.where(table.workspace_id.in_(scope.workspace_ids)), connection)


def _newest_patterns() -> Select[Any]:
    """Findings of the newest analysis of each workspace and content type."""
    of_one = (PatternAnalysis.workspace_id, PatternAnalysis.content_type)
    newest = func.row_number().over(
        partition_by=of_one, order_by=(PatternAnalysis.as_of.desc(), PatternAnalysis.analysis_id)
    )
    ranked = select(PatternAnalysis.analysis_id, newest.label("place")).subquery()
    findings = select(PatternFinding.__table__).join(ranked, ranked.c.analysis_id == PatternFinding.analysis_id)
    return findings.where(ranked.c.place == 1).order_by(PatternFinding.analysis_id, PatternFinding.pattern_key)


def _newest_release() -> Select[Any]:
    published = select(func.max(TransferRelease.period)).where(TransferRelease.status == "published")
    sums = select(TransferSum.__table__, TransferRelease.noise_scale, TransferRelease.as_of)
    sums = sums.join(TransferRelease, TransferRelease.period == TransferSum.period)
    return sums.where(TransferSum.period == published.scalar_subquery()).where(TransferSum.segment == "everyone")
