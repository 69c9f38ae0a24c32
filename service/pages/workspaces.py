"""One workspace: what needs a person, what works, its experiments, models and debates, and how fresh its data are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.pages.attention import PressingNeed, needs_of
from service.pages.backlog import shown_defaults
from service.pages.charts import common_domain
from service.pages.names import known_workspace
from tasks.conditions import rule_in_words
from tasks.effects.wording import experiments_behind
from tasks.experiments.headline import advice_of, decision_of, most_urgent_first
from tasks.experiments.service import ExperimentService
from tasks.experiments.tables import share
from tasks.learnings import LearningService
from tasks.models.store import list_models
from tasks.models.store.attention import drifting_champions, waiting_versions
from tasks.models.store.state import champion_faults
from tasks.patterns.early_signals import EARLY_SIGNAL
from tasks.patterns.recommendations import worth
from tasks.patterns.records import CAVEAT, Pattern
from tasks.patterns.store import content_types, early_signals_of, latest_analyses, patterns_of
from tasks.patterns.wording import format_effect, format_lift, format_probability
from tasks.swarm.debate_service import DebateService
from tasks.swarm.registry_service import RegistryService
from tasks.transfer.service import TransferService
from tasks.warehouse import Warehouse
from tasks.warehouse.latest_outcomes import unfinished_outcomes

DEBATES_SHOWN, INSIGHTS_SHOWN, LEARNINGS_SHOWN, VERSIONS_SHOWN = 10, 5, 5, 3

# Why there is nothing, in sentences for those who write posts.
FEW_INSIGHTS = {
    "not_sharing": "This workspace shares nothing with others, and so receives nothing from them.",
    "insufficient_coverage": "Too few similar workspaces take part: what few know would show whose it is.",
    "insufficient_confidence": "Similar workspaces are known, and what they found agrees too little to be passed on.",
}
NO_PATTERNS = {
    "insufficient_data": "Too few posts to find out what works",
    "no_variance": "All posts did the same, so nothing can be told apart",
    "no_patterns": "No pattern is sure enough to be shown",
}


@dataclass(frozen=True, slots=True)
class ShownPattern:
    """A pattern as a page shows it.

    Attributes:
        doing: what doing it is expected to bring, with its interval; or that no experiment says so.
        doing_from: the experiments behind that; empty where there are none.
    """

    pattern: Pattern
    rule: str
    lift: str
    interval: str
    sure: str
    worth: float
    doing: str
    doing_from: str


def workspace_context(warehouse: Warehouse, workspace_id: str) -> dict[str, Any]:
    """What the page shows."""
    workspace = known_workspace(warehouse, workspace_id)
    experiments = ExperimentService(warehouse=warehouse)
    listed = most_urgent_first(experiments.list_experiments(workspace_id))
    debates = DebateService(RegistryService(warehouse)).recent(workspace_id, DEBATES_SHOWN)
    insights = TransferService(warehouse=warehouse).get_transfer_insights(workspace_id, INSIGHTS_SHOWN)
    return {
        "advice_of": advice_of,
        "aggregated": experiments.analyze_aggregated(workspace_id),
        "analyses": list(_analyses(warehouse, workspace_id)),
        "caveat": CAVEAT,
        "defaults": shown_defaults(warehouse, workspace_id),
        "debates": debates,
        "experiments": listed,
        "insights": insights,
        "learned": LearningService(warehouse).newest(workspace_id, LEARNINGS_SHOWN),
        "faults": champion_faults(warehouse, [workspace_id], reads_files=True) or {},
        "few_insights": FEW_INSIGHTS,
        "models": _serving_first(list_models(warehouse, workspace_id)),
        "needs": _needs(warehouse, workspace_id, listed, debates),
        "no_patterns": NO_PATTERNS,
        "newest": content_types(warehouse, workspace_id),
        "share": share,
        "workspace": workspace,
    }


def _needs(
    warehouse: Warehouse, workspace_id: str, experiments: Sequence[dict[str, Any]], debates: Sequence[dict[str, Any]]
) -> list[PressingNeed]:
    of_all = (unfinished_outcomes(warehouse), drifting_champions(warehouse), waiting_versions(warehouse))
    outcomes, drifting, waiting = ([row for row in rows if row["workspace_id"] == workspace_id] for rows in of_all)
    undecided = [row for row in experiments if decision_of(row) is not None]
    return needs_of(outcomes, undecided, drifting, waiting, debates)


def _analyses(warehouse: Warehouse, workspace_id: str) -> Iterator[dict[str, Any]]:
    """The newest analysis of each content type, its patterns by what they are worth, those that are gone last."""
    for analysis in latest_analyses(warehouse, workspace_id):
        patterns = patterns_of(warehouse, analysis["analysis_id"])
        is_early = analysis["status"] == EARLY_SIGNAL
        signals = early_signals_of(warehouse, analysis["analysis_id"]) if is_early else []
        there = sorted((one for one in patterns if one.trend != "gone"), key=_least_worth_last)
        yield analysis | {
            "domain": common_domain([pattern.lift_interval_pct for pattern in there]),
            "gone": [rule_in_words(pattern.rule) for pattern in patterns if pattern.trend == "gone"],
            "patterns": [shown_pattern(pattern) for pattern in there],
            "signals": signals,
        }


def shown_pattern(pattern: Pattern) -> ShownPattern:
    """A pattern in words, with as many digits as its interval bears."""
    interval = pattern.lift_interval_pct
    lift, low, high = (format_lift(value, interval, "+") for value in (pattern.lift_pct, *interval))
    sure = format_probability(pattern.confidence)
    behind = experiments_behind((pattern.effect or {}).get("based_on", {}))
    return ShownPattern(
        pattern,
        rule_in_words(pattern.rule),
        f"{lift} %",
        f"{low} … {high} %",
        sure,
        worth(pattern),
        format_effect(pattern.effect),
        behind,
    )


def _least_worth_last(pattern: Pattern) -> tuple[float, str]:
    return -worth(pattern), pattern.pattern_key


def _serving_first(models: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest versions of each type, those that serve first."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(models, key=_serves_not):
        own = shown.setdefault(row["model_type"], [])
        if len(own) < VERSIONS_SHOWN:
            own.append(row)
    return [row for _, rows in sorted(shown.items()) for row in rows]


def _serves_not(row: dict[str, Any]) -> bool:
    return not row["serves"]
