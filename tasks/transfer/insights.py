"""Predictions in the guide's words, and one answer from what an organization and a release know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, floor, log10
from typing import Any

import numpy as np

from tasks.conditions import WEEKDAYS
from tasks.transfer.catalogue import ENTRIES, InsightType
from tasks.transfer.pools import workspaces_needed
from tasks.transfer.prediction import Benefit
from tasks.transfer.privacy import PrivacyBudget
from tasks.transfer.records import Floats, Insight, LiftPrediction, Mask, Pool, TransferInsights
from tasks.transfer.release import SCALE, SENSITIVITY

MIN_LOG_LIFT = 0.07  # less is not worth a person's attention, and mostly noise
MAX_HOURS, MAX_DAYS = 4, 3
FIRST_NOISE = PrivacyBudget().noise_scale(SENSITIVITY) / SCALE  # of a first release, in workspaces
SCENARIOS: dict[InsightType, list[str]] = {
    "timing": ["content_scheduling", "campaign_planning"],
    "channel": ["channel_selection", "campaign_planning"],
    "content": ["content_creation", "content_review"],
    "strategy": ["strategy_planning", "content_planning"],
}
COVERAGE = {
    "private_release": ((500, "high"), (100, "medium"), (50, "low")),
    "same_organisation": ((10, "high"), (5, "medium"), (3, "low")),
}


@dataclass(frozen=True, slots=True)
class InsightEvidence:
    """Everything an insight is made from: one pool, the prediction from it, and which patterns may be repeated.

    `benefit` is what following the pool should add to the target's own posts; None where it has too few.
    """

    pool: Pool
    prediction: LiftPrediction
    usable: Mask
    timezone: str
    benefit: Benefit | None = None

    def strength(self) -> Floats:
        """Confidence (K,); 0 for patterns that must not be repeated: too weak, or not what both sides say."""
        prediction = self.prediction
        repeated = self.usable & ~prediction.contradicted & (np.abs(prediction.mean) >= MIN_LOG_LIFT)
        repeated &= prediction.mean * prediction.expected > 0
        return np.where(repeated, prediction.confidence(), 0.0)


def coverage_of(sources: float, mode: str) -> str:
    """`high`, `medium`, `low` or `insufficient`, by how many workspaces it rests on."""
    return next((label for least, label in COVERAGE[mode] if sources >= least), "insufficient")


def shown_count(sources: float, mode: str) -> int:
    """Exact within an organization; two significant digits of a noisy count, because the rest is noise."""
    if mode == "same_organisation" or sources < 1:
        return round(sources)
    return int(round(sources, 1 - floor(log10(sources))))


def describe(evidence: InsightEvidence, insight_types: Sequence[str], min_confidence: float) -> list[Insight]:
    """All insights of these types that are at least this certain, strongest first."""
    strength = evidence.strength()
    certain = np.flatnonzero(strength >= max(min_confidence, 1e-9))
    chosen = [int(i) for i in certain if ENTRIES[i].insight_type in insight_types]
    hours = _best(evidence, [i for i in chosen if ENTRIES[i].group == "hour"], MAX_HOURS)
    days = _best(evidence, [i for i in chosen if ENTRIES[i].group == "weekday"], MAX_DAYS)
    insights = [_single(evidence, i, strength) for i in chosen if ENTRIES[i].group not in ("hour", "weekday")]
    insights += [_hours(evidence, hours, strength)] if hours else []
    insights += [_days(evidence, days, strength)] if days else []
    return _distinct(sorted(insights, key=by_strength))


def _distinct(insights: list[Insight]) -> list[Insight]:
    """One of each: where e-mail is the only newsletter, 'publish email' and 'use the newsletter' are the same posts."""
    first: dict[tuple[float, float, int], Insight] = {}
    for insight in insights:
        first.setdefault((insight["effect_size"], insight["confidence"], insight["source_workspaces"]), insight)
    return list(first.values())


def by_strength(insight: Insight) -> tuple[float, str]:
    """Sorts the strongest first: by effect times confidence, ties by name."""
    return -abs(insight["effect_size"]) * insight["confidence"], insight["insight_id"]


def _best(evidence: InsightEvidence, among: list[int], most: int) -> list[int]:
    """The slots with the largest positive effects, in the catalogue's order."""
    better = sorted((i for i in among if evidence.prediction.mean[i] > 0), key=lambda i: -evidence.prediction.mean[i])
    return sorted(better[:most])


def _single(evidence: InsightEvidence, i: int, strength: Floats) -> Insight:
    entry, lift = ENTRIES[i], exp(float(evidence.prediction.mean[i]))
    advice = entry.phrase if lift > 1 else f"do not {entry.phrase}"
    text = f"{advice[0].upper()}{advice[1:]}"
    text += f" for {lift:.1f}x better engagement" if lift > 1 else f": engagement is {lift:.1f}x with it,"
    metadata = {"pattern": entry.key, "direction": "do" if lift > 1 else "avoid"}
    identity = entry.key.replace(":", "_")
    return _insight(evidence, [i], identity, f"{text} {_basis(evidence, [i])}", strength, metadata)


def _hours(evidence: InsightEvidence, chosen: list[int], strength: Floats) -> Insight:
    hours = [int(ENTRIES[i].name) for i in chosen]
    lift = exp(float(np.mean(evidence.prediction.mean[chosen])))
    when = f"{', '.join(map(str, hours))} hours" if len(hours) > 1 else f"hour {hours[0]}"
    text = f"Post during {when} for {lift:.1f}x better engagement"
    metadata = {"optimal_hours": hours, "timezone": evidence.timezone}
    return _insight(evidence, chosen, "timing_optimal_hours", f"{text} {_basis(evidence, chosen)}", strength, metadata)


def _days(evidence: InsightEvidence, chosen: list[int], strength: Floats) -> Insight:
    days = [WEEKDAYS[int(ENTRIES[i].name)] for i in chosen]
    lift = exp(float(np.mean(evidence.prediction.mean[chosen])))
    text = f"Post on {', '.join(days)} for {lift:.1f}x better engagement"
    metadata = {"optimal_days": days, "timezone": evidence.timezone}
    return _insight(evidence, chosen, "timing_optimal_days", f"{text} {_basis(evidence, chosen)}", strength, metadata)


def _basis(evidence: InsightEvidence, chosen: list[int]) -> str:
    """What it is based on: the guide's words, unless it is mostly the target itself."""
    own = float(evidence.prediction.own_weight[chosen].mean())
    return (
        "based on similar workspaces" if own <= 0.5 else "based on your own posts and in line with similar workspaces"
    )


def _insight(
    evidence: InsightEvidence,
    chosen: list[int],
    identity: str,
    description: str,
    strength: Floats,
    metadata: dict[str, Any],
) -> Insight:
    pool, prediction = evidence.pool, evidence.prediction
    kind = ENTRIES[chosen[0]].insight_type
    mean, reach = prediction.mean[chosen].mean(), prediction.reach()[chosen].mean()
    return Insight(
        insight_id=identity,
        insight_type=kind,
        description=description,
        source_workspaces=shown_count(float(pool.sources[chosen].min()), pool.mode),
        confidence=round(float(strength[chosen].min()), 3),
        effect_size=round(float(np.expm1(mean)), 3),
        applicable_scenarios=list(SCENARIOS[kind]),
        metadata=metadata
        | {
            "mode": pool.mode,
            "evidence": "association",
            "interval_95": _lifts(np.array([mean - reach, mean + reach])),
            "pooled_interval_95": _lifts(pool.interval[chosen].mean(axis=0)),
            "own_weight": round(float(prediction.own_weight[chosen].mean()), 3),
            "worthwhile": evidence.benefit.worthwhile if evidence.benefit else None,
        },
    )


def _lifts(log_lifts: Floats) -> list[float]:
    """Relative changes, as `effect_size` is."""
    return [round(float(lift), 3) for lift in np.expm1(log_lifts)]


@dataclass(frozen=True, slots=True)
class KnowledgeSource:
    """One pool, how many workspaces stand behind it, when it was gathered, and how many it takes to say something."""

    evidence: InsightEvidence
    workspaces: float
    as_of: datetime
    stale: bool
    needed: int

    @property
    def mode(self) -> str:
        """Where the knowledge comes from."""
        return self.evidence.pool.mode

    @property
    def usable(self) -> bool:
        """Whether any of it may be repeated."""
        return bool(self.evidence.usable.any())

    @property
    def contradicted(self) -> int:
        """Patterns of which the target's own data shows the opposite."""
        return int((self.evidence.prediction.contradicted & self.evidence.usable).sum())


def merged(by_source: Sequence[Sequence[Insight]]) -> list[Insight]:
    """Insights of several sources, strongest first; of the same insight from two sources the first is kept."""
    kept: dict[str, Insight] = {}
    for insights in by_source:
        kept |= {insight["insight_id"]: insight for insight in insights if insight["insight_id"] not in kept}
    return sorted(kept.values(), key=by_strength)


def answer(
    target: Mapping[str, Any], sources: Sequence[KnowledgeSource], insights: list[Insight], top_k: int, min_sources: int
) -> TransferInsights:
    """What `get_transfer_insights` returns; without insights, why, and what would be enough."""
    best = next((source for source in sources if source.usable), sources[-1] if sources else None)
    covered = best is not None and best.usable
    released = [source for source in sources if source.mode == "private_release"]
    return TransferInsights(
        insights=insights[:top_k],
        similar_workspaces=shown_count(best.workspaces, best.mode) if best else 0,
        coverage=coverage_of(best.workspaces, best.mode) if best and covered else "insufficient",
        metadata={
            "target_industry": target["industry"],
            "target_size": target["size"],
            "total_insights_found": len(insights),
            "contradicted_by_own_data": sum(source.contradicted for source in sources),
            "mode": best.mode if best and covered else None,
            "benefit": _benefit(best) if best and covered else None,
            "needed_workspaces": {
                "same_organisation": min_sources,
                "private_release": released[0].needed if released else workspaces_needed(FIRST_NOISE, min_sources),
            },
        },
        status=_status(target, insights, covered),
        as_of=best.as_of.isoformat() if best else None,
        stale=best.stale if best else False,
    )


def _benefit(source: KnowledgeSource) -> dict[str, Any] | None:
    """What following the insights should add to ranking posts by own data alone; see `tasks.transfer.prediction`."""
    benefit = source.evidence.benefit
    if benefit is None:
        return None
    expected, deviation = round(benefit.expected, 4), round(benefit.deviation, 4)
    follow = {"follow": round(benefit.follow, 2), "worthwhile": benefit.worthwhile}
    return {"expected_auc_gain": expected, "standard_deviation": deviation} | follow


def _status(target: Mapping[str, Any], insights: Sequence[Insight], covered: bool) -> str:
    if not target["shares_insights"]:
        return "not_sharing"
    if insights:
        return "ok"
    return "insufficient_confidence" if covered else "insufficient_coverage"
