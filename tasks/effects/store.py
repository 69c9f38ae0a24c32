"""Arms of experiments, and pairs of associations and effects, in the warehouse."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, case, delete, exists, func, literal, or_, select

from tasks.effects.program_summary import NotCounted, StoredExperiment
from tasks.effects.records import Association, CalibratingPair
from tasks.warehouse import Warehouse
from tasks.warehouse.calendar_range import readable_or_null
from tasks.warehouse.schema import (
    EffectPair,
    Experiment,
    ExperimentArm,
    ExperimentMetric,
    ExperimentStatistic,
    ExperimentVariant,
    Workspace,
)
from tasks.warehouse.standing import stored_state

Row = dict[str, Any]


def ingested_arms() -> Select[Any]:
    """Arms that were aggregated elsewhere, of all workspaces, with their sums."""
    arm = ExperimentArm
    columns: list[Any] = [arm.workspace_id, arm.experiment_name.label("experiment"), arm.variant_name.label("variant")]
    columns += [literal(None).label("description"), arm.metric_name.label("metric"), arm.metric_kind.label("kind")]
    columns += [arm.n, arm.sum.label("y"), arm.sum_of_squares.label("yy"), arm.n.label("d"), arm.is_control]
    columns += [readable_or_null(arm.started_at).label("observed_at"), literal(0.0).label("origin"), arm.direction]
    columns += [arm.title, arm.body, arm.changes, (arm.title.is_not(None) | arm.body.is_not(None)).label("is_text")]
    return select(*columns).order_by(arm.workspace_id, arm.experiment_name, arm.metric_name, arm.variant_name)


def own_arms() -> Select[Any]:
    """Sums of each arm over epochs and segments, of the experiment's own metric, in all workspaces."""
    e, m, v, s = Experiment, ExperimentMetric, ExperimentVariant, ExperimentStatistic
    columns: list[Any] = [e.workspace_id, e.name.label("experiment"), v.variant_id.label("variant"), v.description]
    columns += [m.metric_name.label("metric"), m.kind, v.is_control, m.direction]
    columns += [(v.title.is_not(None) | v.body.is_not(None)).label("is_text")]
    is_plain = m.has_all_sums & m.kind.in_(("binary", "rate"))
    columns += [case((is_plain, 0.0), else_=m.origin).label("origin")]
    columns += _times()
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


def arm_of(row: Mapping[str, Any]) -> Row:
    """Mean and variance of a unit's value from sums; a ratio's mean is over its denominators."""
    n, origin = max(int(row["n"]), 1), row["origin"] or 0.0
    y = float(row["y"]) + n * origin
    yy = y if row["yy"] is None else float(row["yy"]) + 2 * origin * float(row["y"]) + n * origin**2
    per_unit = y / n
    variance = max(0.0, (yy - n * per_unit**2) / max(n - 1, 1))
    names = ("workspace_id", "experiment", "variant", "description", "metric", "kind", "is_control", "is_text")
    arm = {key: row[key] for key in names}
    arm |= {"n": n, "mean": per_unit, "variance": variance, "observed_at": row["observed_at"]}
    return arm | {"sign": -1.0 if row["direction"] == "decrease" else 1.0}


def shown_arms(warehouse: Warehouse, workspace_id: str) -> list[Row]:
    """Arms of a workspace's randomized experiments that say what they show: `title`, `body` or `changes`.

    Experiments whose weights followed outcomes are left out: their plain means are not what they would be at random.
    """
    arm, e, v = ExperimentArm, Experiment, ExperimentVariant
    ingested = ingested_arms().where(arm.workspace_id == workspace_id)
    ingested = ingested.where(or_(arm.title.is_not(None), arm.body.is_not(None), arm.changes.is_not(None)))
    own = own_arms().where(e.workspace_id == workspace_id, e.allocation_strategy == "equal")
    variants = select(v.experiment_id, v.variant_id, v.title, v.body, v.changes, e.name)
    variants = variants.join(e, e.experiment_id == v.experiment_id).where(e.workspace_id == workspace_id)
    shows = {
        (row["name"], row["variant_id"]): {name: row[name] for name in ("title", "body", "changes")}
        for row in warehouse.rows(variants)
        if any(row[name] is not None for name in ("title", "body", "changes"))
    }
    rows = [
        arm_of(row) | {name: row[name] for name in ("title", "body", "changes")} for row in warehouse.rows(ingested)
    ]
    nothing = {"title": None, "body": None, "changes": None}
    of_shown = {name for name, _ in shows}
    for row in warehouse.rows(own) if shows else ():
        if row["experiment"] in of_shown:
            rows.append(arm_of(row) | shows.get((row["experiment"], row["variant"]), nothing))
    return rows


def experiments_of(warehouse: Warehouse, workspace_id: str) -> list[StoredExperiment]:
    """All randomized experiments of a workspace that have outcomes, oldest first; of several metrics the commonest."""
    e, arm = Experiment, ExperimentArm
    known = select(e.name, e.status, e.conclusion, e.winner, e.design, *_times())
    about = {
        (row["name"], row["observed_at"]): row for row in warehouse.rows(known.where(e.workspace_id == workspace_id))
    }
    own = own_arms().where(e.workspace_id == workspace_id, e.allocation_strategy == "equal")
    rows = [arm_of(row) | {"changes": None, "own": True} for row in warehouse.rows(own)]
    ingested = warehouse.rows(ingested_arms().where(arm.workspace_id == workspace_id))
    rows += [arm_of(row) | {"changes": row["changes"], "own": False} for row in ingested]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        started = row["observed_at"] if row["own"] else None
        groups.setdefault((row["own"], row["experiment"], started, row["metric"]), []).append(row)
    common = Counter(metric for _, _, _, metric in groups)
    ranked = sorted(groups, key=lambda key: (-common[key[3]], key[3]))
    chosen: dict[tuple[Any, ...], list[Row]] = {}
    for key in ranked:
        chosen.setdefault(key[:3], groups[key])
    made = [_stored(key, arms, about.get((key[1], key[2]), {})) for key, arms in chosen.items()]
    return sorted(made, key=_by_end)


def left_out_of(warehouse: Warehouse, workspace_id: str) -> list[NotCounted]:
    """The workspace's experiments that ended and that `experiments_of` leaves out, with the reason, oldest first."""
    e, s = Experiment, ExperimentStatistic
    has_outcomes = exists().where(s.experiment_id == e.experiment_id, s.metric_name == e.metric_name)
    ended = select(e.name, e.conclusion, e.allocation_strategy, has_outcomes.label("has_outcomes"))
    ended = ended.where(e.workspace_id == workspace_id, e.status == "completed").order_by(e.created_at, e.name)
    reasons = ((row["name"], _why_left_out(row)) for row in warehouse.rows(ended))
    return [NotCounted(name, why) for name, why in reasons if why is not None]


def _why_left_out(row: Row) -> str | None:
    if row["conclusion"] == "invalid":
        return "it was found invalid: its units did not arrive or report in the promised shares"
    if row["allocation_strategy"] != "equal":
        return "its traffic followed outcomes, as that of a bandit does: plain means cannot be compared"
    return None if row["has_outcomes"] else "none of its arms has outcomes"


def organization_of(warehouse: Warehouse, workspace_id: str) -> list[str]:
    """The organization's other workspaces; none where a workspace belongs to none."""
    mine = select(Workspace.organisation_id).where(Workspace.workspace_id == workspace_id).scalar_subquery()
    names = select(Workspace.workspace_id).where(Workspace.organisation_id == mine)
    names = names.where(Workspace.workspace_id != workspace_id).order_by(Workspace.workspace_id)
    return [row["workspace_id"] for row in warehouse.rows(names)]


def _times() -> list[Any]:
    e = Experiment
    return [func.coalesce(e.completed_at, e.started_at, e.created_at).label("observed_at")]


def _stored(key: tuple[Any, ...], arms: list[Row], about: Mapping[str, Any]) -> StoredExperiment:
    instants = [arm["observed_at"] for arm in arms if arm["observed_at"] is not None]
    design = about.get("design")
    return StoredExperiment(
        name=key[1],
        status=about.get("status"),
        conclusion=about.get("conclusion"),
        winner=about.get("winner"),
        is_holdout=isinstance(design, Mapping) and bool(design.get("is_holdout", False)),
        ended_at=max(instants, default=None),
        arms=tuple(arms),
    )


def _by_end(one: StoredExperiment) -> tuple[bool, str, str]:
    """Those of which nothing is known in time come first."""
    return one.ended_at is not None, one.ended_at.isoformat() if one.ended_at else "", one.name


def save_pairs(
    warehouse: Warehouse, workspace_id: str, content_type: str, pairs: Sequence[CalibratingPair], run_id: str
) -> None:
    """Keep the pairs of one content type of a workspace, in place of those kept before."""
    mine = and_(EffectPair.workspace_id == workspace_id, EffectPair.content_type == content_type)
    rows = [
        {
            "workspace_id": workspace_id,
            "content_type": content_type,
            "condition_key": pair.association.key,
            "outcome": pair.outcome,
            "family": pair.association.family,
            "log_lift": pair.association.log_lift,
            "standard_error": pair.association.standard_error,
            "effect": pair.effect,
            "effect_error": pair.effect_error,
            "experiments": pair.experiments,
            "of_experiments": pair.of_experiments,
            "run_id": run_id,
        }
        for pair in pairs
    ]
    with warehouse.begin() as connection:
        connection.execute(delete(EffectPair).where(mine))
        warehouse.upsert(connection, EffectPair, rows)


def pairs_of_workspace(warehouse: Warehouse, workspace_id: str, content_type: str) -> list[CalibratingPair]:
    """Pairs of one content type of a workspace, as they were last kept."""
    table = EffectPair
    mine = select(table.__table__).where(table.workspace_id == workspace_id, table.content_type == content_type)
    return [_pair(row) for row in warehouse.rows(mine.order_by(table.condition_key))]


def pairs_of_organization(warehouse: Warehouse, workspace_id: str, content_type: str) -> list[CalibratingPair]:
    """Pairs of the organization's other workspaces; none where a workspace belongs to none."""
    organization = select(Workspace.organisation_id).where(Workspace.workspace_id == workspace_id).scalar_subquery()
    table = EffectPair
    statement = (
        select(table.__table__)
        .join(Workspace, Workspace.workspace_id == table.workspace_id)
        .where(Workspace.organisation_id == organization, table.workspace_id != workspace_id)
        .where(table.content_type == content_type)
        .order_by(table.workspace_id, table.condition_key)
    )
    return [_pair(row) for row in warehouse.rows(statement)]


def pairs_of_sharing(warehouse: Warehouse) -> dict[str, list[CalibratingPair]]:
    """Pairs of all content types of the workspaces that share their insights, by workspace."""
    table = EffectPair
    sharing = select(table.__table__).join(Workspace, Workspace.workspace_id == table.workspace_id)
    sharing = sharing.where(Workspace.shares_insights)
    pairs: dict[str, list[CalibratingPair]] = defaultdict(list)
    for row in warehouse.rows(sharing.order_by(table.workspace_id, table.content_type, table.condition_key)):
        pairs[row["workspace_id"]].append(_pair(row))
    return dict(pairs)


def evidence_state(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str]:
    """A hash a workspace of what its effects rest on beside its posts: its arms, and its organization's pairs."""
    arm, e, s, other, mine = (
        ExperimentArm,
        Experiment,
        ExperimentStatistic,
        Workspace,
        Workspace.__table__.alias("mine"),
    )
    ingested = select(arm.workspace_id, func.count().label("arms"), func.sum(arm.n).label("n"), func.sum(arm.sum))
    own = select(e.workspace_id, func.sum(s.n).label("n"), func.sum(s.y).label("y"), func.max(e.conclusion))
    own = own.join(s, s.experiment_id == e.experiment_id).group_by(e.workspace_id)
    sisters = select(mine.c.workspace_id, EffectPair.condition_key, EffectPair.effect, EffectPair.log_lift)
    sisters = sisters.select_from(mine).join(other, other.organisation_id == mine.c.organisation_id)
    sisters = sisters.join(EffectPair, EffectPair.workspace_id == other.workspace_id)
    sisters = sisters.where(other.workspace_id != mine.c.workspace_id)
    return stored_state(warehouse, workspace_ids, ingested.group_by(arm.workspace_id), own, sisters)


def _pair(row: Mapping[str, Any]) -> CalibratingPair:
    about = Association(row["condition_key"], row["family"], row["log_lift"], row["standard_error"])
    numbers = {name: row[name] for name in ("effect", "effect_error", "experiments", "of_experiments")}
    return CalibratingPair(about, row["workspace_id"], row["outcome"], **numbers)
