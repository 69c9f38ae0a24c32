"""Analyses and their patterns in the warehouse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import aliased

from tasks.content.topics import Topic
from tasks.patterns.history import NEW
from tasks.patterns.records import ContentAnalysis, Pattern, PatternQuery
from tasks.warehouse import Warehouse
from tasks.warehouse.calendar_range import readable
from tasks.warehouse.outbox import HookEvent, tell_hooks
from tasks.warehouse.schema import Content, PatternAnalysis, PatternFinding
from tasks.warehouse.standing import stored_state

TOO_FEW = ("insufficient_data", "early_signal")  # statuses of analyses that had too few posts for patterns
MOST_TOLD = 20  # of an analysis; the API has them all


def save(warehouse: Warehouse, analysis: ContentAnalysis, run_id: str) -> None:
    """Write an analysis and its patterns, in place of what the same query wrote before."""
    query = analysis.query
    head = {
        "analysis_id": query.analysis_id,
        "series": query.series,
        "workspace_id": query.workspace_id,
        "content_type": query.content_type,
        "as_of": query.as_of,
        "lookback_days": query.lookback_days,
        "status": analysis.status,
        "reason": analysis.reason,
        "statistics": analysis.statistics,
        "insights": analysis.insights,
        "run_id": run_id,
    }
    rows = [_finding(query, pattern, run_id) for pattern in (*analysis.patterns, *analysis.gone)]
    with warehouse.begin() as connection:
        connection.execute(delete(PatternFinding).where(PatternFinding.analysis_id == query.analysis_id))
        warehouse.upsert(connection, PatternAnalysis, [head])
        warehouse.upsert(connection, PatternFinding, rows)
        if news := [row for row in rows if row["trend"] == NEW]:
            names = ("pattern_key", "description", "lift_pct", "lift_low_pct", "lift_high_pct", "sample_size")
            shown = [{name: row[name] for name in names} for row in news[:MOST_TOLD]]
            data = {"content_type": query.content_type, "new": len(news), "patterns": shown, "claim": "association"}
            about = (query.content_type, query.analysis_id)
            tell_hooks(warehouse, connection, HookEvent.PATTERNS_FOUND, query.workspace_id, about, data)


def previous_patterns(warehouse: Warehouse, query: PatternQuery) -> list[Pattern]:
    """Patterns of the latest earlier analysis of the same series that had data enough; none if there is none."""
    earlier = _previous(warehouse, query)
    return patterns_of(warehouse, earlier["analysis_id"]) if earlier else []


def previous_topics(warehouse: Warehouse, query: PatternQuery) -> list[Topic]:
    """Topics of the same analysis; none where there were none, or an older version made none."""
    earlier = _previous(warehouse, query)
    return [Topic.from_dict(topic) for topic in earlier["statistics"].get("topics", ())] if earlier else []


def _previous(warehouse: Warehouse, query: PatternQuery) -> dict[str, Any] | None:
    earlier = (
        select(PatternAnalysis.analysis_id, PatternAnalysis.statistics)
        .where(PatternAnalysis.series == query.series, PatternAnalysis.as_of < query.as_of)
        .where(PatternAnalysis.status.not_in(TOO_FEW))
        .order_by(PatternAnalysis.as_of.desc())
        .limit(1)
    )
    rows = warehouse.rows(earlier)
    return rows[0] if rows else None


def latest_analyses(warehouse: Warehouse, workspace_id: str) -> list[dict[str, Any]]:
    """The newest analysis of each content type; of two at the same instant, the one that looked further back."""
    table = PatternAnalysis
    statement = (
        select(table.analysis_id, table.content_type, table.status, table.reason, table.as_of, table.lookback_days)
        .where(table.workspace_id == workspace_id)
        .order_by(table.content_type, table.as_of.desc(), table.lookback_days.desc(), table.analysis_id)
    )
    newest: dict[str, dict[str, Any]] = {}
    for row in warehouse.rows(statement):
        newest.setdefault(row["content_type"], row)
    return list(newest.values())


def asked_others(warehouse: Warehouse, workspace_ids: Sequence[str], fewest_posts: int) -> list[str]:
    """Workspaces with so many posts in a newest analysis that had too few of them for patterns."""
    analysis = PatternAnalysis
    wanted = (analysis.workspace_id.in_(workspace_ids), analysis.status.in_(TOO_FEW), _is_newest())
    enough = analysis.statistics["sample_count"].as_integer() >= fewest_posts  # statistics hold far more than that
    rows = warehouse.rows(select(analysis.workspace_id).where(*wanted, enough).distinct())
    return sorted(row["workspace_id"] for row in rows)


def patterns_of(warehouse: Warehouse, analysis_id: str) -> list[Pattern]:
    """Patterns of an analysis, strongest first, those gone last."""
    rows = warehouse.rows(select(PatternFinding.details).where(PatternFinding.analysis_id == analysis_id))
    patterns = [Pattern.from_dict(row["details"]) for row in rows]
    return sorted(patterns, key=lambda p: (p.trend == "gone", -abs(p.effect_size) * p.confidence, p.pattern_key))


def early_signals_of(warehouse: Warehouse, analysis_id: str) -> list[dict[str, Any]]:
    """What an analysis of too few posts for patterns says is worth a try, the strongest first."""
    rows = warehouse.rows(select(PatternAnalysis.statistics).where(PatternAnalysis.analysis_id == analysis_id))
    return [signal for row in rows for signal in row["statistics"].get("early_signals", ())]


def pattern_counts(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many patterns the newest analyses of these workspaces found, by trend, by workspace."""
    analysis, finding = PatternAnalysis, PatternFinding
    latest = select(analysis.analysis_id).where(analysis.workspace_id.in_(workspace_ids), _is_newest())
    counted = select(finding.workspace_id, finding.trend, func.count(finding.pattern_key.distinct()).label("n"))
    counted = counted.where(finding.analysis_id.in_(latest)).group_by(finding.workspace_id, finding.trend)
    counts: dict[str, dict[str, int]] = {}
    for row in warehouse.rows(counted):
        counts.setdefault(row["workspace_id"], {})[row["trend"]] = row["n"]
    return counts


def _is_newest() -> ColumnElement[bool]:
    """Whether an analysis is as new as any of its workspace and content type."""
    analysis, newer = PatternAnalysis, aliased(PatternAnalysis)
    same = and_(newer.workspace_id == analysis.workspace_id, newer.content_type == analysis.content_type)
    return analysis.as_of == select(func.max(newer.as_of)).where(same).scalar_subquery()


def kept_analyses(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str]:
    """A hash a workspace of which analyses are kept, by which run, and how many patterns they hold."""
    analysis, finding = PatternAnalysis, PatternFinding
    count = select(finding.workspace_id, func.count().label("patterns")).group_by(finding.workspace_id)
    return stored_state(
        warehouse, workspace_ids, select(analysis.workspace_id, analysis.analysis_id, analysis.run_id), count
    )


def content_types(warehouse: Warehouse, workspace_id: str) -> dict[str, datetime]:
    """Content types of a workspace and when each was last published."""
    statement = (
        select(Content.content_type, func.max(Content.published_at).label("newest"))
        .where(Content.workspace_id == workspace_id, readable(Content.published_at))
        .group_by(Content.content_type)
    )
    return {row["content_type"]: row["newest"] for row in warehouse.rows(statement)}


def _finding(query: PatternQuery, pattern: Pattern, run_id: str) -> dict[str, Any]:
    plain = pattern.as_dict()
    row = {name: plain[name] for name in COLUMNS}
    low, high = pattern.lift_interval_pct
    return row | {
        "analysis_id": query.analysis_id,
        "workspace_id": query.workspace_id,
        "content_type": query.content_type,
        "lift_low_pct": low,
        "lift_high_pct": high,
        "details": json.loads(json.dumps(plain, default=datetime.isoformat)),
        "run_id": run_id,
    }


COLUMNS = (
    *("pattern_key", "pattern_id", "pattern_type", "description", "confidence", "effect_size", "lift_pct", "q_value"),
    *("sample_size", "trend", "first_seen", "last_seen"),
)
