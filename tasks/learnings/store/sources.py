"""Rows of all capabilities' tables that something was learned from, of some workspaces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from tasks.warehouse import Warehouse
from tasks.warehouse.calendar_range import readable_or_null
from tasks.warehouse.schema import (
    Debate,
    Experiment,
    ExperimentArm,
    ExperimentLook,
    ExperimentVariant,
    IngestionRun,
    ModelDeployment,
    PatternAnalysis,
    PatternFinding,
)

ENDED = ("decided", "leaning", "undecided", "concluded", "degraded")
Row = dict[str, Any]


def source_rows(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Rows by table, the oldest first."""
    with warehouse.connect() as connection:
        return {
            "pattern_finding": _patterns(warehouse, connection, workspace_ids),
            "experiment": _experiments(warehouse, connection, workspace_ids),
            "experiment_arm": _ingested(warehouse, connection, workspace_ids),
            "debate": _debates(warehouse, connection, Debate.workspace_id.in_(workspace_ids)),
            "model_deployment": _model_changes(warehouse, connection, workspace_ids),
        }


def unowned_debates(warehouse: Warehouse) -> list[Row]:
    """Debates of no workspace whose findings were one organization's own."""
    with warehouse.connect() as connection:
        rows = _debates(warehouse, connection, Debate.workspace_id.is_(None))
    return [row for row in rows if row["brief"].get("scope") == "organisation"]


def _patterns(warehouse: Warehouse, connection: Connection, workspace_ids: Sequence[str]) -> list[Row]:
    finding, analysis = PatternFinding, PatternAnalysis
    joined = analysis.analysis_id == finding.analysis_id
    mine = (finding.workspace_id.in_(workspace_ids), finding.trend != "gone")
    rule = (finding.workspace_id, finding.content_type, finding.pattern_key)
    newest_first = (analysis.as_of.desc(), analysis.analysis_id)
    place = func.row_number().over(partition_by=rule, order_by=newest_first).label("place")
    placed = select(finding.analysis_id, finding.pattern_key, place).join(analysis, joined).where(*mine).subquery()
    rows = select(finding.__table__, analysis.as_of, analysis.series).join(analysis, joined)
    same = (placed.c.analysis_id == finding.analysis_id) & (placed.c.pattern_key == finding.pattern_key)
    rows = rows.join(placed, same).where(placed.c.place == 1).order_by(*rule)
    seen = select(*rule, analysis.as_of, analysis.lookback_days).join(analysis, joined).where(*mine)
    nights: dict[tuple[str, str, str], list[tuple[Any, int]]] = defaultdict(list)
    for row in connection.execute(seen.order_by(analysis.as_of)):
        nights[row[0], row[1], row[2]].append((row[3], row[4]))
    last = select(analysis.series, func.max(analysis.as_of)).where(analysis.workspace_id.in_(workspace_ids))
    last = last.where(analysis.status != "insufficient_data").group_by(analysis.series)
    newest = {row[0]: row[1] for row in connection.execute(last)}
    return [
        row
        | {"nights": nights[row["workspace_id"], row["content_type"], row["pattern_key"]]}
        | {"newest_as_of": newest.get(row["series"], row["as_of"])}
        for row in warehouse.rows(rows, connection)
    ]


def _experiments(warehouse: Warehouse, connection: Connection, workspace_ids: Sequence[str]) -> list[Row]:
    """Experiments that have ended, each with its arms and what its last look showed."""
    table, arm, look = Experiment, ExperimentVariant, ExperimentLook
    ended = (table.workspace_id.in_(workspace_ids), table.completed_at.is_not(None))
    rows = warehouse.rows(
        select(table.__table__).where(*ended).order_by(table.completed_at, table.experiment_id), connection
    )
    ids = select(table.experiment_id).where(*ended)
    arms: dict[str, list[Row]] = defaultdict(list)
    columns = (arm.experiment_id, arm.variant_id, arm.description, arm.is_control)
    for one in warehouse.rows(select(*columns).where(arm.experiment_id.in_(ids)).order_by(arm.position), connection):
        arms[one["experiment_id"]].append(one)
    newest = look.__table__.alias("newest")
    last = select(func.max(newest.c.look)).where(newest.c.experiment_id == look.experiment_id).scalar_subquery()
    looks: Select[Any] = select(look.experiment_id, look.result).where(look.experiment_id.in_(ids), look.look == last)
    results = {row[0]: row[1] for row in connection.execute(looks)}
    return [
        row | {"arms": arms[row["experiment_id"]], "result": results.get(row["experiment_id"]) or {}} for row in rows
    ]


def _ingested(warehouse: Warehouse, connection: Connection, workspace_ids: Sequence[str]) -> list[Row]:
    """Arms of experiments that ran elsewhere; one without a date is as old as the run that brought it."""
    arm, run = ExperimentArm, IngestionRun
    brought = select(func.min(run.started_at)).where(run.run_id == arm.run_id).scalar_subquery()
    observed = func.coalesce(readable_or_null(arm.started_at), brought).label("observed_at")
    rows = select(arm.__table__, observed).where(arm.workspace_id.in_(workspace_ids))
    order = (arm.workspace_id, arm.experiment_name, arm.metric_name, arm.variant_name)
    return [row for row in warehouse.rows(rows.order_by(*order), connection) if row["observed_at"] is not None]


def _debates(warehouse: Warehouse, connection: Connection, whose: Any) -> list[Row]:
    """Debates that came to an end; a part is told by its whole."""
    table = Debate
    columns = (table.debate_id, table.workspace_id, table.status, table.option, table.confidence, table.brief)
    columns += (table.decision, table.outcome_option, table.concluded_at, table.graded_at)  # type: ignore[assignment]
    ended = select(*columns).where(whose, table.status.in_(ENDED), table.concluded_at.is_not(None))
    rows = warehouse.rows(ended.order_by(table.concluded_at, table.debate_id), connection)
    return [row for row in rows if not row["brief"].get("part_of")]


def _model_changes(warehouse: Warehouse, connection: Connection, workspace_ids: Sequence[str]) -> list[Row]:
    table = ModelDeployment
    done = select(table.__table__).where(table.workspace_id.in_(workspace_ids), table.outcome == "done")
    order = (table.workspace_id, table.model_type, table.generation)
    return warehouse.rows(done.order_by(*order), connection)
