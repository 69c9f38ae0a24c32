"""The swarm's SQL: experts, their scores, and debates turn by turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, literal, select, update

from tasks.errors import UnknownNameError
from tasks.swarm.profiles import AgentSkill, ExpertAgentProfile
from tasks.swarm.records import Brief, Turn
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    AgentScore,
    Debate,
    DebateExchange,
    DebateTurn,
    Experiment,
    ExperimentArm,
    ExperimentMetric,
    ExperimentStatistic,
    ExperimentVariant,
    ExpertAgent,
    PatternAnalysis,
    PatternFinding,
    TransferRelease,
    TransferSum,
)

Exchange = tuple[str, int, dict[str, Any]]  # turn key, number within the turn, request and reply
RUNNING = "running"


def seed_experts(warehouse: Warehouse, profiles: Iterable[ExpertAgentProfile]) -> None:
    """Write experts that are not there yet; those that are stay as they are."""
    _write_experts(warehouse, profiles, keep_existing=True)


def save_expert(warehouse: Warehouse, profile: ExpertAgentProfile) -> None:
    """Write one expert, in place of an earlier one of the same id."""
    _write_experts(warehouse, [profile], keep_existing=False)


def experts(warehouse: Warehouse) -> list[ExpertAgentProfile]:
    """All experts, the oldest first."""
    table = ExpertAgent.__table__
    rows = warehouse.rows(select(table).order_by(ExpertAgent.registered_at, ExpertAgent.agent_id))
    return [_profile(row) for row in rows]


def save_scores(warehouse: Warehouse, rows: Sequence[dict[str, Any]]) -> None:
    """Write graded pieces of work (`agent_id`, `task_type`, `about`, `score`); the same `about` counts once."""
    now = datetime.now(UTC)
    with warehouse.begin() as connection:
        warehouse.upsert(connection, AgentScore, [row | {"recorded_at": now} for row in rows])


def scores_by_agent(warehouse: Warehouse) -> dict[str, dict[str, list[float]]]:
    """Scores by agent and task type."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    table = AgentScore.__table__
    for row in warehouse.rows(select(table).order_by(AgentScore.agent_id, AgentScore.task_type, AgentScore.about)):
        found[row["agent_id"]][row["task_type"]].append(row["score"])
    return {agent: dict(kinds) for agent, kinds in found.items()}


def begin_debate(warehouse: Warehouse, brief: Brief, run_id: str | None) -> None:
    """Write what a debate begins with, before its first turn."""
    row: dict[str, Any] = {
        "debate_id": brief.debate_id,
        "workspace_id": brief.workspace_id,
        "fingerprint": brief.fingerprint,
    }
    row |= {"engine": brief.engine, "status": RUNNING, "option": None, "confidence": None, "agreement": None}
    row |= {"brief": brief.model_dump(mode="json"), "decision": None, "outcome_option": None, "outcome_source": None}
    row |= {"created_at": datetime.now(UTC), "concluded_at": None, "graded_at": None, "run_id": run_id}
    with warehouse.begin() as connection:
        warehouse.upsert(connection, Debate, [row], keep_existing=True)


def find_debate(warehouse: Warehouse, debate_id: str) -> dict[str, Any] | None:
    """The debate's row; None when there is none."""
    found = warehouse.rows(select(Debate.__table__).where(Debate.debate_id == debate_id))
    return found[0] if found else None


def debate_of_run(warehouse: Warehouse, run_id: str, fingerprint: str) -> str | None:
    """The debate on this question that a run has begun already."""
    mine = (Debate.run_id == run_id) & (Debate.fingerprint == fingerprint)
    found = warehouse.rows(select(Debate.debate_id).where(mine).order_by(Debate.created_at).limit(1))
    return found[0]["debate_id"] if found else None


def load_debate(warehouse: Warehouse, debate_id: str) -> dict[str, Any]:
    """The debate's row.

    Raises:
        UnknownNameError: if there is no such debate.
    """
    found = find_debate(warehouse, debate_id)
    if found is None:
        raise UnknownNameError("debate", debate_id, fix="list them with `raptorflow debate`")
    return found


def list_debates(warehouse: Warehouse, workspace_id: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest debates, of one workspace or of all."""
    statement: Select[Any] = select(Debate.__table__).order_by(Debate.created_at.desc(), Debate.debate_id).limit(limit)
    return warehouse.rows(statement if workspace_id is None else statement.where(Debate.workspace_id == workspace_id))


def graded_debates(warehouse: Warehouse, workspace_id: str | None) -> list[dict[str, Any]]:
    """Debates whose outcome is known, the oldest first."""
    statement: Select[Any] = select(Debate.__table__).where(Debate.outcome_option.is_not(None))
    statement = statement.order_by(Debate.created_at, Debate.debate_id)
    return warehouse.rows(statement if workspace_id is None else statement.where(Debate.workspace_id == workspace_id))


def ungraded_debates(
    warehouse: Warehouse, workspace_id: str | None
) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Debates with a decision and no known outcome, each with its workspace's experiments that were won since."""
    waiting: Select[Any] = select(Debate.__table__).where(Debate.outcome_option.is_(None), Debate.option.is_not(None))
    waiting = waiting.where(Debate.workspace_id.is_not(None)).order_by(Debate.created_at, Debate.debate_id)
    debates = warehouse.rows(_of(workspace_id, Debate, waiting))
    won: Select[Any] = select(Experiment.__table__).where(Experiment.winner.is_not(None))
    won = won.where(Experiment.completed_at.is_not(None)).order_by(Experiment.completed_at, Experiment.experiment_id)
    experiments = warehouse.rows(_of(workspace_id, Experiment, won)) if debates else []
    for one in experiments:
        arms = select(ExperimentVariant.variant_id, ExperimentVariant.description)
        rows = warehouse.rows(arms.where(ExperimentVariant.experiment_id == one["experiment_id"]))
        one["arms"] = {row["variant_id"]: row["description"] for row in rows}
    return [(row, [one for one in experiments if _answers(one, row)]) for row in debates]


def _answers(experiment: dict[str, Any], debate: dict[str, Any]) -> bool:
    is_its_own = experiment["workspace_id"] == debate["workspace_id"]
    return is_its_own and bool(experiment["completed_at"] > debate["created_at"])


def save_turns(warehouse: Warehouse, debate_id: str, turns: Iterable[Turn]) -> None:
    """Write turns that cost nothing, a stage at a time."""
    rows = [_turn_row(debate_id, turn) for turn in turns]
    if rows:
        with warehouse.begin() as connection:
            warehouse.upsert(connection, DebateTurn, rows, keep_existing=True)


def keep(warehouse: Warehouse, debate_id: str, exchanges: Iterable[Exchange], turns: Iterable[Turn]) -> None:
    """Write requests with their responses, and turns that are complete, in one transaction.

    Plain inserts, whose compiled SQL is cached: an upsert is compiled anew each time, which costs a debate 50 ms.
    """
    now = datetime.now(UTC)
    exchange_rows = [
        {"debate_id": debate_id, "turn_key": key, "attempt": attempt, "exchange": content, "recorded_at": now}
        for key, attempt, content in exchanges
    ]
    turn_rows = [_turn_row(debate_id, turn) for turn in turns]
    with warehouse.begin() as connection:
        if exchange_rows:
            connection.execute(insert(DebateExchange), exchange_rows)
        if turn_rows:
            connection.execute(insert(DebateTurn), turn_rows)


def forget_failed_turns(warehouse: Warehouse, debate_id: str) -> None:
    """Drop turns that got no answer, so that they are asked again; what was exchanged is kept."""
    with warehouse.begin() as connection:
        connection.execute(
            delete(DebateTurn).where(DebateTurn.debate_id == debate_id).where(DebateTurn.status == "failed")
        )


def turns_of(warehouse: Warehouse, debate_id: str) -> dict[str, Turn]:
    """The debate's turns by key."""
    rows = warehouse.rows(select(DebateTurn.__table__).where(DebateTurn.debate_id == debate_id))
    turns = [Turn.model_validate(row["turn"]) for row in rows]
    return {turn.key: turn for turn in turns}


def exchanges_of(warehouse: Warehouse, debate_id: str) -> dict[str, list[dict[str, Any]]]:
    """Requests and responses by turn, in order."""
    statement = select(DebateExchange.__table__).where(DebateExchange.debate_id == debate_id)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in warehouse.rows(statement.order_by(DebateExchange.turn_key, DebateExchange.attempt)):
        found[row["turn_key"]].append(row["exchange"])
    return dict(found)


def conclude_debate(warehouse: Warehouse, debate_id: str, decision: dict[str, Any]) -> None:
    """Write how the debate ended."""
    values = {name: decision[name] for name in ("status", "option", "confidence", "agreement")}
    with warehouse.begin() as connection:
        connection.execute(
            update(Debate)
            .where(Debate.debate_id == debate_id)
            .values(**values, decision=decision, concluded_at=datetime.now(UTC))
        )


def grade_debate(warehouse: Warehouse, debate_id: str, option: str, source: str) -> None:
    """Write which option turned out to be right, and who says so."""
    with warehouse.begin() as connection:
        connection.execute(
            update(Debate)
            .where(Debate.debate_id == debate_id)
            .values(outcome_option=option, outcome_source=source, graded_at=datetime.now(UTC))
        )


def result_rows(warehouse: Warehouse, workspace_id: str | None) -> dict[str, list[dict[str, Any]]]:
    """Rows that hold findings, by table: of one workspace, or of all; private releases belong to nobody and to all."""
    return {
        "pattern_finding": warehouse.rows(_of(workspace_id, PatternFinding, _newest_patterns())),
        "transfer_sum": warehouse.rows(_newest_release()),
        "experiment_arm": [_arm(row) for row in warehouse.rows(_of(workspace_id, ExperimentArm, _ingested_arms()))],
        "experiment_statistic": [_arm(row) for row in warehouse.rows(_of(workspace_id, Experiment, _own_arms()))],
        "debate": graded_debates(warehouse, workspace_id),
    }


def _of(workspace_id: str | None, table: Any, statement: Select[Any]) -> Select[Any]:
    return statement if workspace_id is None else statement.where(table.workspace_id == workspace_id)


def _newest_patterns() -> Select[Any]:
    """Findings of the newest analysis of each workspace and content type."""
    of_one = (PatternAnalysis.workspace_id, PatternAnalysis.content_type)
    newest = func.row_number().over(
        partition_by=of_one, order_by=(PatternAnalysis.as_of.desc(), PatternAnalysis.analysis_id)
    )
    ranked = select(PatternAnalysis.analysis_id, newest.label("place")).subquery()
    found = select(PatternFinding.__table__).join(ranked, ranked.c.analysis_id == PatternFinding.analysis_id)
    return found.where(ranked.c.place == 1).order_by(PatternFinding.analysis_id, PatternFinding.pattern_key)


def _newest_release() -> Select[Any]:
    published = select(func.max(TransferRelease.period)).where(TransferRelease.status == "published")
    found = select(TransferSum.__table__, TransferRelease.noise_scale, TransferRelease.as_of)
    found = found.join(TransferRelease, TransferRelease.period == TransferSum.period)
    return found.where(TransferSum.period == published.scalar_subquery()).where(TransferSum.segment == "everyone")


def _ingested_arms() -> Select[Any]:
    arm = ExperimentArm
    columns: list[Any] = [arm.workspace_id, arm.experiment_name.label("experiment"), arm.variant_name.label("variant")]
    columns += [literal(None).label("description"), arm.metric_name.label("metric"), arm.metric_kind.label("kind")]
    columns += [arm.n, arm.sum.label("y"), arm.sum_of_squares.label("yy"), arm.n.label("d"), arm.is_control]
    columns += [
        arm.started_at.label("observed_at"),
        literal(0.0).label("origin"),
        literal("increase").label("direction"),
    ]
    return select(*columns).order_by(arm.workspace_id, arm.experiment_name, arm.metric_name, arm.variant_name)


def _own_arms() -> Select[Any]:
    """Sums of each arm over epochs and segments, of the experiment's own metric."""
    e, m, v, s = Experiment, ExperimentMetric, ExperimentVariant, ExperimentStatistic
    columns: list[Any] = [e.workspace_id, e.name.label("experiment"), v.variant_id.label("variant"), v.description]
    columns += [m.metric_name.label("metric"), m.kind, v.is_control, m.origin, m.direction]
    columns += [func.coalesce(e.completed_at, e.started_at, e.created_at).label("observed_at")]
    sums = [func.sum(getattr(s, name)).label(name) for name in ("n", "y", "yy", "d")]
    found = select(*columns, *sums).join(m, (m.experiment_id == e.experiment_id) & (m.metric_name == e.metric_name))
    found = found.join(v, v.experiment_id == e.experiment_id)
    same = (s.experiment_id == e.experiment_id) & (s.metric_name == m.metric_name) & (s.variant_id == v.variant_id)
    order = (e.workspace_id, e.name, m.metric_name, v.variant_id)
    return found.join(s, same).where(e.conclusion.is_distinct_from("invalid")).group_by(*columns).order_by(*order)


def _arm(row: dict[str, Any]) -> dict[str, Any]:
    """Mean and variance of a unit's value from sums; a ratio's mean is over its denominators."""
    n, origin = max(int(row["n"]), 1), row["origin"] or 0.0
    y = float(row["y"]) + n * origin
    yy = y if row["yy"] is None else float(row["yy"]) + 2 * origin * float(row["y"]) + n * origin**2
    per_unit = y / n
    variance = max(0.0, (yy - n * per_unit**2) / max(n - 1, 1))
    found = {key: row[key] for key in ("workspace_id", "experiment", "variant", "description", "metric", "is_control")}
    found |= {"n": n, "mean": per_unit, "variance": variance, "observed_at": row["observed_at"]}
    return found | {"sign": -1.0 if row["direction"] == "decrease" else 1.0}


def _write_experts(warehouse: Warehouse, profiles: Iterable[ExpertAgentProfile], *, keep_existing: bool) -> None:
    now = datetime.now(UTC)
    rows = [
        {"agent_id": one.agent_id, "role": one.role.value, "name": one.name, "description": one.description}
        | {"skills": [[skill.skill.value, skill.level.value, skill.confidence] for skill in one.skills]}
        | {"system_prompt": one.system_prompt, "temperature": one.temperature, "model": one.model}
        | {"is_default": one.is_default, "registered_at": now}
        for one in profiles
    ]
    with warehouse.begin() as connection:
        warehouse.upsert(connection, ExpertAgent, rows, keep_existing=keep_existing)


def _turn_row(debate_id: str, turn: Turn) -> dict[str, Any]:
    row = {"debate_id": debate_id, "turn_key": turn.key, "status": turn.status, "recorded_at": datetime.now(UTC)}
    return row | {"turn": turn.model_dump(mode="json")}


def _profile(row: dict[str, Any]) -> ExpertAgentProfile:
    skills = [AgentSkill(SkillTag(tag), ExpertiseLevel(level), sure) for tag, level, sure in row.pop("skills")]
    row.pop("registered_at")
    return ExpertAgentProfile(**row | {"skills": skills, "role": AgentRole(row["role"])})
