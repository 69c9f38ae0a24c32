"""Rows of all capabilities' tables that hold findings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, select

from tasks.effects.store import arm_of, ingested_arms, own_arms
from tasks.swarm.store.debates import graded_debates
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Experiment,
    ExperimentArm,
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
