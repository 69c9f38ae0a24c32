"""What the loop reads of patterns, posts, debates and experiments of one workspace, and the defaults it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update

from tasks.conditions import Condition, Rule
from tasks.effects.arms import declared_changes
from tasks.effects.loop.defaults import INVALID, WITHDRAWN, DecidedExperiment, Default
from tasks.warehouse import Warehouse
from tasks.warehouse.calendar_range import readable
from tasks.warehouse.schema import (
    Content,
    Debate,
    Experiment,
    ExperimentArm,
    ExperimentDecision,
    ExperimentProposal,
    ExperimentVariant,
    PatternAnalysis,
    PatternFinding,
    WorkspaceDefault,
)

Row = dict[str, Any]
POSTS_WITH_ATTRIBUTES = 500  # that are asked for their attributes' names
WEEKS_OF_TRAFFIC = 8  # before the newest post
APPROVED, DECLINED, LEFT = "approved", "declined", "left"
UNSETTLED = ("decided", "leaning", "undecided", "concluded")


def newest_analyses(warehouse: Warehouse, workspace_id: str) -> list[Row]:
    """The newest analysis of each content type; of two at one instant, the one that looked further back."""
    table = PatternAnalysis
    statement = (
        select(table.analysis_id, table.content_type, table.status, table.statistics)
        .where(table.workspace_id == workspace_id)
        .order_by(table.content_type, table.as_of.desc(), table.lookback_days.desc(), table.analysis_id)
    )
    newest: dict[str, Row] = {}
    for row in warehouse.rows(statement):
        newest.setdefault(row["content_type"], row)
    return list(newest.values())


def patterns_in(warehouse: Warehouse, workspace_id: str, analysis_ids: Sequence[str]) -> list[Row]:
    """`content_type`, `pattern_key` and `details` of the patterns of analyses that are not gone."""
    table = PatternFinding
    statement = select(table.content_type, table.pattern_key, table.details)
    statement = statement.where(table.workspace_id == workspace_id, table.analysis_id.in_(analysis_ids))
    return warehouse.rows(statement.where(table.trend != "gone").order_by(table.content_type, table.pattern_key))


def newest_patterns(warehouse: Warehouse, workspace_id: str) -> list[Row]:
    """The same of the newest analysis of each content type."""
    names = [one["analysis_id"] for one in newest_analyses(warehouse, workspace_id)]
    return patterns_in(warehouse, workspace_id, names)


def recent_posts(warehouse: Warehouse, workspace_id: str, now: datetime) -> list[Row]:
    """`content_type`, `impressions` and `engagements` of the posts of the last weeks in which there were any."""
    table = Content
    mine = (table.workspace_id == workspace_id, readable(table.published_at), table.published_at <= now)
    newest = warehouse.rows(select(func.max(table.published_at).label("at")).where(*mine))[0]["at"]
    if newest is None:
        return []
    recent = select(table.content_type, table.impressions, table.engagements).where(*mine)
    return warehouse.rows(recent.where(table.published_at > newest - timedelta(weeks=WEEKS_OF_TRAFFIC)))


def unsettled_debates(warehouse: Warehouse, workspace_id: str) -> list[Row]:
    """`debate_id` and `decision` of the workspace's debates that ended and whose outcome is not known, oldest first."""
    table = Debate
    statement = select(table.debate_id, table.decision).where(table.workspace_id == workspace_id)
    statement = statement.where(table.status.in_(UNSETTLED), table.outcome_option.is_(None))
    return [row for row in warehouse.rows(statement.order_by(table.created_at, table.debate_id)) if row["decision"]]


def declared_arms(warehouse: Warehouse, workspace_id: str) -> list[Row]:
    """`experiment`, `variant` and `changes` of all arms, drafts included, but of experiments that were invalid or
    withdrawn."""
    e, v, arm = Experiment, ExperimentVariant, ExperimentArm
    own = select(e.name.label("experiment"), e.experiment_id, v.variant_id.label("variant"), v.changes)
    own = own.join(v, v.experiment_id == e.experiment_id).where(e.workspace_id == workspace_id)
    own = own.where(e.conclusion.is_(None) | e.conclusion.not_in((*INVALID, WITHDRAWN)))
    elsewhere = select(arm.experiment_name.label("experiment"), arm.variant_name.label("variant"), arm.changes)
    elsewhere = elsewhere.where(arm.workspace_id == workspace_id).distinct()
    rows = [*warehouse.rows(own.order_by(e.experiment_id, v.position)), *warehouse.rows(elsewhere)]
    return [row | {"changes": declared_changes(row["changes"])} for row in rows]


def decided_experiments(warehouse: Warehouse, workspace_id: str) -> list[DecidedExperiment]:
    """The workspace's experiments that ended, with the evidence that was sealed when they did.

    Experiments that ran elsewhere prove no default: nobody knows how often they were looked at.
    """
    e, v, log = Experiment, ExperimentVariant, ExperimentDecision
    ended = select(e.__table__, log.evidence, log.sequence).join(log, log.experiment_id == e.experiment_id)
    ended = ended.where(e.workspace_id == workspace_id, e.status == "completed", log.action == "completed")
    rows = {row["experiment_id"]: row for row in warehouse.rows(ended.order_by(e.experiment_id, log.sequence))}
    arms = select(v.experiment_id, v.variant_id, v.is_control, v.changes).join(e, e.experiment_id == v.experiment_id)
    arms = arms.where(e.workspace_id == workspace_id).order_by(v.experiment_id, v.position)
    of_each: dict[str, list[Row]] = {}
    for row in warehouse.rows(arms):
        of_each.setdefault(row["experiment_id"], []).append(row)
    patterns = _rules_of_patterns(warehouse, workspace_id) if rows else {}
    return [
        _decided(row, of_each[name], patterns) for name, row in rows.items() if row["completed_at"] and name in of_each
    ]


def _rules_of_patterns(warehouse: Warehouse, workspace_id: str) -> dict[str, Rule]:
    """The conditions of each pattern ever found, as it was last found."""
    table = PatternFinding
    statement = select(table.pattern_key, table.details).where(table.workspace_id == workspace_id)
    rows = warehouse.rows(statement.order_by(table.last_seen, table.analysis_id))
    return {row["pattern_key"]: rule_of(row["details"]) for row in rows}


def rule_of(details: Mapping[str, Any]) -> Rule:
    """The rule of a stored pattern."""
    return tuple(Condition.from_dict(one) for one in details["rule"])


def _decided(row: Row, arms: Sequence[Row], patterns: Mapping[str, Rule]) -> DecidedExperiment:
    evidence, winner = row["evidence"], row["winner"]
    control = next((arm["variant_id"] for arm in arms if arm["is_control"]), arms[0]["variant_id"])
    p_value = evidence.get("p_value")
    return DecidedExperiment(
        experiment_id=row["experiment_id"],
        name=row["name"],
        metric_name=row["metric_name"],
        completed_at=row["completed_at"],
        conclusion=row["conclusion"] or "inconclusive",
        winner=winner,
        p_value=1.0 if p_value is None else float(p_value),
        control=control,
        arms={arm["variant_id"]: declared_changes(arm["changes"]) for arm in arms},
        patterns=patterns,
        effect=next((_relative(one) for one in evidence.get("effects", ()) if one["variant_id"] == winner), None),
    )


def _relative(effect: Row) -> tuple[float, float, float] | None:
    """The lift and its interval, on the scale of the lift; None where the control's mean is too near zero."""
    lift = effect.get("relative_lift")
    if not lift or not effect["effect"]:
        return None
    low, high = (lift / effect["effect"] * end for end in effect["interval"])
    return float(lift), float(low), float(high)


def save_defaults(warehouse: Warehouse, workspace_id: str, defaults: Sequence[Default]) -> None:
    """Keep all defaults, retired ones included; the same again changes nothing."""
    rows = rows_of(workspace_id, defaults)
    with warehouse.begin() as connection:
        warehouse.upsert(connection, WorkspaceDefault, rows)


def stored_defaults(warehouse: Warehouse, workspace_id: str) -> list[Row]:
    """All defaults, those that stand first, the newest first."""
    table = WorkspaceDefault
    statement = select(table.__table__).where(table.workspace_id == workspace_id)
    return warehouse.rows(statement.order_by(table.retired_at.is_not(None), table.since.desc(), table.experiment_id))


def rows_of(workspace_id: str, defaults: Sequence[Default]) -> list[Row]:
    """Defaults as they are kept, in the order of `stored_defaults`."""
    newest_first = sorted(defaults, key=_newest_last, reverse=True)
    return [_row(workspace_id, one) for one in sorted(newest_first, key=_is_retired)]


def _newest_last(one: Default) -> datetime:
    return one.experiment.completed_at


def _is_retired(one: Default) -> bool:
    return one.retired_at is not None


def _row(workspace_id: str, one: Default) -> Row:
    effect, low, high = one.experiment.effect or (None, None, None)
    return {
        "workspace_id": workspace_id,
        "experiment_id": one.experiment.experiment_id,
        "experiment_name": one.experiment.name,
        "metric_name": one.experiment.metric_name,
        "statement": one.statement,
        "does": dict(one.does),
        "instead_of": dict(one.instead_of),
        "since": one.experiment.completed_at,
        "effect": effect,
        "effect_low": low,
        "effect_high": high,
        "p_value": one.experiment.p_value,
        "level": one.level,
        "retired_at": one.retired_at,
        "retired_by": one.retired_by,
        "retired_reason": one.reason,
    }


def declarable_keys(warehouse: Warehouse, workspace_id: str) -> set[str]:
    """Keys that an arm may declare to do: of patterns ever found, early signals as last told, and debates."""
    pattern, debate = PatternFinding, Debate
    of_patterns = select(pattern.pattern_key.label("key")).where(pattern.workspace_id == workspace_id).distinct()
    of_debates = select(debate.debate_id.label("key")).where(debate.workspace_id == workspace_id)
    keys = {row["key"] for row in (*warehouse.rows(of_patterns), *warehouse.rows(of_debates))}
    signals = (one["statistics"].get("early_signals", ()) for one in newest_analyses(warehouse, workspace_id))
    return keys | {signal["signal_id"] for some in signals for signal in some if "signal_id" in signal}


def attribute_labels(warehouse: Warehouse, workspace_id: str) -> dict[str, set[str]]:
    """Names of what the newest posts carry beside their columns, each with its values that are texts."""
    table = Content
    mine = select(table.attributes).where(table.workspace_id == workspace_id, table.attributes.is_not(None))
    newest = warehouse.rows(mine.order_by(table.published_at.desc()).limit(POSTS_WITH_ATTRIBUTES))
    labels: dict[str, set[str]] = {}
    for name, value in (pair for row in newest for pair in (row["attributes"] or {}).items()):
        labels.setdefault(name, set()).update([value] if isinstance(value, str) else ())
    return labels


def labels_of_posts(warehouse: Warehouse, workspace_id: str, name: str) -> set[str]:
    """All labels of the workspace's posts in one column."""
    column = getattr(Content, name)
    mine = select(column.label("label")).where(Content.workspace_id == workspace_id, column.is_not(None)).distinct()
    return {row["label"] for row in warehouse.rows(mine)}


def save_answers(warehouse: Warehouse, rows: Sequence[Row]) -> int:
    """Keep what was answered; what was approved once stays as it was approved. Returns how many were new."""
    table, kept = ExperimentProposal, 0
    with warehouse.begin() as connection:
        for row in rows:
            mine = (table.workspace_id == row["workspace_id"], table.proposal_key == row["proposal_key"])
            before = connection.execute(select(table.answer).where(*mine)).scalar()
            if before != APPROVED:
                kept += warehouse.upsert(connection, table, [row])
    return kept


def answers(warehouse: Warehouse, workspace_id: str) -> list[Row]:
    """All answers of a workspace, in the order in which they were given."""
    table = ExperimentProposal
    statement = select(table.__table__).where(table.workspace_id == workspace_id)
    return warehouse.rows(statement.order_by(table.answered_at, table.proposal_key))


def withdrawn_names(warehouse: Warehouse, workspace_id: str) -> set[str]:
    """Names of drafts that were withdrawn."""
    e = Experiment
    mine = select(e.name).where(e.workspace_id == workspace_id, e.conclusion == WITHDRAWN)
    return {row["name"] for row in warehouse.rows(mine)}


def note_end(warehouse: Warehouse, workspace_id: str, key: str, seen: Row | None = None, **became: Any) -> bool:
    """Keep which experiment an approved proposal became, or why it became none; the same again changes nothing.

    False where it is approved no more, or is not as it was seen.
    """
    table = ExperimentProposal
    mine = (table.workspace_id == workspace_id, table.proposal_key == key, table.answer == APPROVED)
    as_seen = [getattr(table, name).is_not_distinct_from(value) for name, value in (seen or {}).items()]
    with warehouse.begin() as connection:
        return connection.execute(update(table).where(*mine, *as_seen).values(**became)).rowcount > 0
