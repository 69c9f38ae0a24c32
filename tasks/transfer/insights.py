"""Predictions in the guide's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, floor, log10
from typing import Any

import numpy as np

from tasks.transfer.benefit import Benefit
from tasks.transfer.catalogue import PATTERNS, WEEKDAYS, InsightType
from tasks.transfer.pools import Z95
from tasks.transfer.records import Floats, Insight, Mask, Pool, Prediction

MIN_LOG_LIFT = 0.07  # less is not worth a person's attention, and mostly noise
MAX_HOURS, MAX_DAYS = 4, 3
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
class Evidence:
    """Everything an insight is made from: one pool, the prediction from it, and which patterns may be spoken of.

    `benefit` is what following the pool should add to the target's own posts; None where it has too few.
    """

    pool: Pool
    prediction: Prediction
    usable: Mask
    timezone: str
    benefit: Benefit | None = None

    def strength(self) -> Floats:
        """Confidence (K,); 0 for patterns that must not be repeated: too weak, or not what both sides say."""
        told = self.prediction
        speaks = self.usable & ~told.contradicted & (np.abs(told.mean) >= MIN_LOG_LIFT)
        speaks &= told.mean * told.expected > 0
        return np.where(speaks, told.confidence(), 0.0)


def coverage_of(sources: float, mode: str) -> str:
    """`high`, `medium`, `low` or `insufficient`, by how many workspaces speak."""
    return next((label for least, label in COVERAGE[mode] if sources >= least), "insufficient")


def shown_count(sources: float, mode: str) -> int:
    """Exact within an organisation; two significant digits of a noisy count, because the rest is noise."""
    if mode == "same_organisation" or sources < 1:
        return round(sources)
    return int(round(sources, 1 - floor(log10(sources))))


def describe(evidence: Evidence, insight_types: Sequence[str], min_confidence: float) -> list[Insight]:
    """All insights of these types that are at least this certain, strongest first."""
    strength = evidence.strength()
    sure = np.flatnonzero(strength >= max(min_confidence, 1e-9))
    chosen = [int(i) for i in sure if PATTERNS[i].insight_type in insight_types]
    hours = _best(evidence, [i for i in chosen if PATTERNS[i].key.startswith("timing:hour:")], MAX_HOURS)
    days = _best(evidence, [i for i in chosen if PATTERNS[i].key.startswith("timing:weekday:")], MAX_DAYS)
    slots = ("timing:hour:", "timing:weekday:")
    found = [_single(evidence, i, strength) for i in chosen if not PATTERNS[i].key.startswith(slots)]
    found += [_hours(evidence, hours, strength)] if hours else []
    found += [_days(evidence, days, strength)] if days else []
    return _distinct(sorted(found, key=by_strength))


def _distinct(insights: list[Insight]) -> list[Insight]:
    """One of each: where e-mail is the only newsletter, 'publish email' and 'use the newsletter' are the same posts."""
    first: dict[tuple[float, float, int], Insight] = {}
    for insight in insights:
        first.setdefault((insight["effect_size"], insight["confidence"], insight["source_workspaces"]), insight)
    return list(first.values())


def by_strength(insight: Insight) -> tuple[float, str]:
    """Sorts the strongest first: by effect times confidence, ties by name."""
    return -abs(insight["effect_size"]) * insight["confidence"], insight["insight_id"]


def _best(evidence: Evidence, among: list[int], most: int) -> list[int]:
    """The slots with the largest positive effects, in the catalogue's order."""
    better = sorted((i for i in among if evidence.prediction.mean[i] > 0), key=lambda i: -evidence.prediction.mean[i])
    return sorted(better[:most])


def _single(evidence: Evidence, i: int, strength: Floats) -> Insight:
    pattern, lift = PATTERNS[i], exp(float(evidence.prediction.mean[i]))
    advice = pattern.phrase if lift > 1 else f"do not {pattern.phrase}"
    text = f"{advice[0].upper()}{advice[1:]}"
    text += f" for {lift:.1f}x better engagement" if lift > 1 else f": engagement is {lift:.1f}x with it,"
    metadata = {"pattern": pattern.key, "direction": "do" if lift > 1 else "avoid"}
    identity = pattern.key.replace(":", "_")
    return _insight(evidence, [i], identity, f"{text} {_basis(evidence, [i])}", strength, metadata)


def _hours(evidence: Evidence, chosen: list[int], strength: Floats) -> Insight:
    hours = [int(PATTERNS[i].key.rpartition(":")[2]) for i in chosen]
    lift = exp(float(np.mean(evidence.prediction.mean[chosen])))
    when = f"{', '.join(map(str, hours))} hours" if len(hours) > 1 else f"hour {hours[0]}"
    text = f"Post during {when} for {lift:.1f}x better engagement"
    metadata = {"optimal_hours": hours, "timezone": evidence.timezone}
    return _insight(evidence, chosen, "timing_optimal_hours", f"{text} {_basis(evidence, chosen)}", strength, metadata)


def _days(evidence: Evidence, chosen: list[int], strength: Floats) -> Insight:
    days = [WEEKDAYS[int(PATTERNS[i].key.rpartition(":")[2])] for i in chosen]
    lift = exp(float(np.mean(evidence.prediction.mean[chosen])))
    text = f"Post on {', '.join(days)} for {lift:.1f}x better engagement"
    metadata = {"optimal_days": days, "timezone": evidence.timezone}
    return _insight(evidence, chosen, "timing_optimal_days", f"{text} {_basis(evidence, chosen)}", strength, metadata)


def _basis(evidence: Evidence, chosen: list[int]) -> str:
    """Who says so: the guide's words, unless it is mostly the target itself."""
    own = float(evidence.prediction.own_weight[chosen].mean())
    return (
        "based on similar workspaces" if own <= 0.5 else "based on your own posts and in line with similar workspaces"
    )


def _insight(
    evidence: Evidence, chosen: list[int], identity: str, description: str, strength: Floats, metadata: dict[str, Any]
) -> Insight:
    pool, prediction = evidence.pool, evidence.prediction
    kind = PATTERNS[chosen[0]].insight_type
    mean, deviation = prediction.mean[chosen].mean(), prediction.standard_deviation[chosen].mean()
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
            "interval_95": _lifts(np.array([mean - Z95 * deviation, mean + Z95 * deviation])),
            "pooled_interval_95": _lifts(pool.interval[chosen].mean(axis=0)),
            "own_weight": round(float(prediction.own_weight[chosen].mean()), 3),
            "worthwhile": evidence.benefit.worthwhile if evidence.benefit else None,
        },
    )


def _lifts(log_lifts: Floats) -> list[float]:
    """Relative changes, as `effect_size` is."""
    return [round(float(lift), 3) for lift in np.expm1(log_lifts)]
