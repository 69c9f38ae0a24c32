"""Rows of all capabilities' tables that hold findings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, case, func, literal, select

from tasks.swarm.store.debates import graded_debates
from tasks.warehouse import Warehouse
from tasks.warehouse.calendar_range import readable_or_null
from tasks.warehouse.schema import (
    Experiment,
    ExperimentArm,
    ExperimentMetric,
    ExperimentStatistic,
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
        ingested = _rows_within(warehouse, connection, scope, ExperimentArm, _ingested_arms())
        own = _rows_within(warehouse, connection, scope, Experiment, _own_arms())
        return {
            "pattern_finding": patterns,
            "transfer_sum": warehouse.rows(_newest_release(), connection),
            "experiment_arm": [_arm(row) for row in ingested],
            "experiment_statistic": [_arm(row) for row in own],
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


def _ingested_arms() -> Select[Any]:
    arm = ExperimentArm
    columns: list[Any] = [arm.workspace_id, arm.experiment_name.label("experiment"), arm.variant_name.label("variant")]
    columns += [literal(None).label("description"), arm.metric_name.label("metric"), arm.metric_kind.label("kind")]
    columns += [arm.n, arm.sum.label("y"), arm.sum_of_squares.label("yy"), arm.n.label("d"), arm.is_control]
    columns += [
        readable_or_null(arm.started_at).label("observed_at"),
        literal(0.0).label("origin"),
        arm.direction,
    ]
    return select(*columns).order_by(arm.workspace_id, arm.experiment_name, arm.metric_name, arm.variant_name)


def _own_arms() -> Select[Any]:
    """Sums of each arm over epochs and segments, of the experiment's own metric."""
    e, m, v, s = Experiment, ExperimentMetric, ExperimentVariant, ExperimentStatistic
    columns: list[Any] = [e.workspace_id, e.name.label("experiment"), v.variant_id.label("variant"), v.description]
    columns += [m.metric_name.label("metric"), m.kind, v.is_control, m.direction]
    is_plain = m.has_all_sums & m.kind.in_(("binary", "rate"))
    columns += [case((is_plain, 0.0), else_=m.origin).label("origin")]
    columns += [func.coalesce(e.completed_at, e.started_at, e.created_at).label("observed_at")]
    is_binary, is_rate = m.has_all_sums & (m.kind == "binary"), m.has_all_sums & (m.kind == "rate")
    values = {
        "y": case((is_binary, s.b), (is_rate, s.m), else_=s.y),
        "yy": case((is_binary, s.b), (is_rate, s.mm), else_=s.yy),
    }
    sums = [func.sum(values.get(name, getattr(s, name))).label(name) for name in ("n", "y", "yy", "d")]
    arms = select(*columns, *sums).join(m, (m.experiment_id == e.experiment_id) & (m.metric_name == e.metric_name))
    arms = arms.join(v, v.experiment_id == e.experiment_id)
    same = (s.experiment_id == e.experiment_id) & (s.metric_name == m.metric_name) & (s.variant_id == v.variant_id)
    order = (e.workspace_id, e.name, m.metric_name, v.variant_id)
    return arms.join(s, same).where(e.conclusion.is_distinct_from("invalid")).group_by(*columns).order_by(*order)


def _arm(row: dict[str, Any]) -> dict[str, Any]:
    """Mean and variance of a unit's value from sums; a ratio's mean is over its denominators."""
    n, origin = max(int(row["n"]), 1), row["origin"] or 0.0
    y = float(row["y"]) + n * origin
    yy = y if row["yy"] is None else float(row["yy"]) + 2 * origin * float(row["y"]) + n * origin**2
    per_unit = y / n
    variance = max(0.0, (yy - n * per_unit**2) / max(n - 1, 1))
    arm = {key: row[key] for key in ("workspace_id", "experiment", "variant", "description", "metric", "is_control")}
    arm |= {"n": n, "mean": per_unit, "variance": variance, "observed_at": row["observed_at"]}
    return arm | {"sign": -1.0 if row["direction"] == "decrease" else 1.0}
