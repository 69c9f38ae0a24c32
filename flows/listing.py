"""What `raptorflow patterns`, `insights`, `drift` and `models` print: a few columns of what the warehouse holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rich.markup import escape

from tasks.conditions import rule_in_words
from tasks.experiments.service import ExperimentService
from tasks.models import list_drift_checks, list_models
from tasks.models.drift.wording import drift_in_words
from tasks.models.store.attention import serving_versions
from tasks.models.store.state import champion_faults
from tasks.models.training.metrics import loses_to_naive
from tasks.patterns.records import Pattern
from tasks.patterns.service import PatternService
from tasks.patterns.store import latest_analyses
from tasks.patterns.wording import format_effect, format_lift, format_probability
from tasks.swarm.debate_service import DebateService
from tasks.swarm.registry_service import RegistryService
from tasks.transfer.service import TransferService
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import find_workspace, workspace_frame

Rows = list[dict[str, Any]]
MOST_REASONS = 12
# Whether following others should tell a workspace's good posts better than its own do; None: it has too few to say.
ADDS = {True: "to your own posts", False: "little to your own posts", None: None}


def patterns(workspace_id: str | None, for_machines: bool = False) -> Rows:
    """Patterns, strongest first within each workspace; for machines all that is known of them."""
    warehouse = open_warehouse()
    return [
        {"workspace": name, "type": content_type} | (pattern.as_dict() if for_machines else _pattern(pattern))
        for name in _workspaces(warehouse, workspace_id)
        for content_type, pattern in PatternService(warehouse=warehouse).stored_patterns(name)
    ]


def why_no_patterns(workspace_id: str | None) -> list[str]:
    """What the newest analyses say about why there are none, as one text; nothing where nobody has looked yet."""
    warehouse = open_warehouse()
    reasons = [
        f"{name} · {analysis['content_type']}: {analysis['reason']}"
        for name in _workspaces(warehouse, workspace_id)
        for analysis in latest_analyses(warehouse, name)
    ]
    more = [f"… and {len(reasons) - MOST_REASONS} more"] if len(reasons) > MOST_REASONS else []
    return ["\n  ".join(["looked, and found none:", *map(escape, reasons[:MOST_REASONS]), *more])] if reasons else []


def insights(workspace_id: str | None, for_machines: bool = False) -> Rows:
    """What similar workspaces know, for one workspace or for each; where nothing may be said, why."""
    warehouse = open_warehouse()
    service = TransferService(warehouse=warehouse)
    return [
        {"workspace": name} | row
        for name in _workspaces(warehouse, workspace_id)
        for row in _insights(service.get_transfer_insights(name), for_machines)
    ]


def drift(workspace_id: str | None, for_machines: bool = False) -> Rows:
    """The newest drift check of every model, and why it says so; for people to the minute and in words."""
    names = ("workspace_id", "model_type", "drift_status", "drift_score", "p_value", "recommendation", "checked_at")
    warehouse = _known(workspace_id)
    checks = list_drift_checks(warehouse, workspace_id)
    serving = serving_versions(warehouse, sorted({row["workspace_id"] for row in checks}))
    champions = {(row["workspace_id"], row["model_type"], row["version_name"]) for row in serving}
    if for_machines:
        return [{name: row[name] for name in names} | {"why": _why(row, champions)} for row in checks]
    return [
        {"workspace_id": row["workspace_id"], "model_type": row["model_type"]}
        | {"drift": drift_in_words(row), "p_value": row["p_value"]}
        | {"recommendation": row["recommendation"].replace("_", " ")}
        | {"checked_at": f"{row['checked_at']:%Y-%m-%d %H:%M}", "why": _why(row, champions)}
        for row in checks
    ]


def _why(check: Mapping[str, Any], champions: Collection[tuple[str, str, str]]) -> str | None:
    """The reasons of a drift check; first that it is of a version that something else has replaced since."""
    version = check["version_name"]
    serves = (check["workspace_id"], check["model_type"], version) in champions
    return "; ".join([*([] if serves else [f"of {version}, which serves no longer"]), *check["reasons"]]) or None


def models(workspace_id: str | None, for_machines: bool = False) -> Rows:
    """Registered models and rejected attempts, newest first: what part each has, how good, how old, and its drift."""
    warehouse = _known(workspace_id)
    rows = list_models(warehouse, workspace_id)
    faults = champion_faults(warehouse, sorted({row["workspace_id"] for row in rows}), reads_files=True) or {}
    for row in rows:
        fault = faults.get((row["workspace_id"], row["model_type"], row["version_name"]))
        row["fault"] = None if fault is None else fault.what
    if for_machines:
        names = ("workspace_id", "model_type", "version_name", "status", "serves", "n_rows", "loss", "baseline_loss")
        more = (
            "share_percent",
            "role",
            "metric",
            "value",
            "baseline",
            "age_days",
            "drift_status",
            "drift_score",
            "fault",
        )
        return [{name: row[name] for name in (*names, *more)} for row in rows]
    return models_shown(rows)


def models_shown(rows: Rows) -> Rows:
    """Rows of `list_models` as people read them."""
    return [
        {name: row[name] for name in ("workspace_id", "model_type", "version_name")}
        | {"status": _part(row), "serves": f"{row['share_percent']} %" if row["serves"] else None}
        | {
            "held out": _own_figure(row),
            "rows": row["n_rows"],
            "age": f"{row['age_days']:.0f} d",
            "drift": row["drift"],
        }
        for row in rows
    ]


def _part(row: Mapping[str, Any]) -> str:
    """What a version is; of one that serves, also what is wrong with it in MLflow, where that was looked at."""
    part, fault = str(row["role"] or row["status"]), row.get("fault")
    return part if fault is None else f"{part}, but {fault}"


def _own_figure(row: Mapping[str, Any]) -> str | None:
    """Such as: mae_log 0.327, naive 0.477; and where the naive forecast loses less, that it does."""
    if row["metric"] is None:
        return None
    naive = "" if row["baseline"] is None else f", naive {row['baseline']:.3g}"
    return f"{row['metric']} {row['value']:.3g}{naive}" + (", worse than naive" if loses_to_naive(row) else "")


def debates(workspace_id: str | None) -> Rows:
    """The newest debates."""
    names = ("debate_id", "problem", "status", "decision", "confidence", "engine")
    debates = DebateService(RegistryService(_known(workspace_id))).recent(workspace_id)
    return [{name: (row | {"decision": row["label"]})[name] for name in names} for row in debates]


def lift(pattern: Pattern) -> str:
    """A lift with as many digits as it bears."""
    return f"{format_lift(pattern.lift_pct, pattern.lift_interval_pct, '+')} %"


def interval(pattern: Pattern) -> str:
    """A lift's 90 % interval, as people read it."""
    low, high = (format_lift(end, pattern.lift_interval_pct, "+") for end in pattern.lift_interval_pct)
    return f"{low} … {high} %"


def _pattern(pattern: Pattern) -> dict[str, Any]:
    return {
        "content that …": rule_in_words(pattern.rule),
        "lift": lift(pattern),
        "90 % interval": interval(pattern),
        "if you do it": format_effect(pattern.effect),
        "sure of sign": format_probability(pattern.confidence),
        "posts": pattern.total_size,
        "trend": pattern.trend,
    }


def _insights(answer: Mapping[str, Any], for_machines: bool) -> Rows:
    names = ("insight_type", "description", "confidence", "source_workspaces")
    if answer["insights"] and for_machines:
        return [
            {name: insight[name] for name in names} | {"adds": insight["metadata"]["worthwhile"]}
            for insight in answer["insights"]
        ]
    if answer["insights"]:
        return [
            {name: insight[name] for name in names}
            | {"confidence": format_probability(insight["confidence"]), "adds": ADDS[insight["metadata"]["worthwhile"]]}
            for insight in answer["insights"]
        ]
    needed = answer["metadata"]["needed_workspaces"]
    why = (
        "shares nothing, and so receives nothing; ingest it with shares_insights = true to take part"
        if answer["status"] == "not_sharing"
        else f"{answer['status'].replace('_', ' ')}: needs {needed['same_organisation']} other workspaces of the "
        f"organization, or {needed['private_release']} similar ones in a private release"
    )
    return [dict.fromkeys((*names, "adds")) | {"description": why}]


def experiments(workspace_id: str | None) -> Rows:
    """Experiments that run or ran here, newest first, then those that were ingested."""
    service = ExperimentService()
    rows = service.list_experiments(workspace_id)
    for name in _workspaces(open_warehouse(), workspace_id):
        rows += [
            {"workspace_id": name, "experiment_id": None, "name": one.experiment_name, "metric_name": one.metric_name}
            | {"status": "ingested", "found": one.status.value, "units": sum(arm["n"] for arm in one.variants)}
            | {"winner": one.winner, "p_value": 1 - one.confidence if one.confidence else None}
            for one in service.analyze_aggregated(name)
        ]
    return rows


def _known(workspace_id: str | None) -> Warehouse:
    warehouse = open_warehouse()
    if workspace_id is not None:
        find_workspace(warehouse, workspace_id)
    return warehouse


def _workspaces(warehouse: Warehouse, workspace_id: str | None) -> list[str]:
    if workspace_id is not None:
        return [find_workspace(warehouse, workspace_id)["workspace_id"]]
    return workspace_frame(warehouse)["workspace_id"].to_list()
