"""What stands beside the verdict: arrivals and reports, guardrails, contrasts of factors, segments, days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from tasks.experiments.analysis import AnalysisInput, InterimResult, adjusted_where_possible, compare_all, sign_of
from tasks.experiments.inference import factorial, sample_ratio
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import compare, difference_of
from tasks.experiments.records import ExperimentType, MetricKind, SampleRatio
from tasks.experiments.unit_sums import DAY_SUMS
from tasks.statistics.multiplicity import holm

Array = NDArray[np.float64]
LEAST_UNITS = 30  # of every arm in a segment
MOST_REPORTING = 0.9  # of the units: where fewer report and all of them converted, only conversions are sent
UNEVEN_LEVEL = 0.001
LEAST_DATES = 4
MOST_FALL, LEAST_LATER, LEAST_NOW = 1.64, 0.5, 2.0  # standard errors


def sample_ratio_of(known: AnalysisInput) -> SampleRatio | None:
    """Arrivals against promised shares, safe at every look; None before anyone arrived."""
    weights, counts = known.weights(), _by_epoch(known, known.arrivals)
    if counts.sum() < 1:
        return None
    is_fixed = len(weights) == 1
    p = (
        sample_ratio.sequential_p_value(counts[0], weights[0])
        if is_fixed
        else sample_ratio.adaptive_p_value(counts, weights)
    )
    return _ratio(known, p, counts.sum(axis=0), counts.sum(axis=1) @ weights)


def reporting_of(known: AnalysisInput) -> SampleRatio | None:
    """Units with an outcome of the primary metric against the assigned ones, safe at every look; None before any.

    Where those without one count as zeros, who reports is part of the effect, and nothing to be alarmed by.
    """
    assigned = _by_epoch(known, known.arrivals)
    reported = np.minimum(_by_epoch(known, known.reported[known.metrics[0]["metric_name"]]), assigned)
    if reported.sum() < 1:
        return None
    p = sample_ratio.reporting_p_value(reported, assigned, known.looks)
    rates = reported.sum(axis=1) / np.maximum(assigned.sum(axis=1), 1)
    ratio = _ratio(known, p, reported.sum(axis=0), rates @ assigned)
    return replace(ratio, is_alarm=ratio.is_alarm and known.design.missing_outcomes == "exclude")


def _by_epoch(known: AnalysisInput, rows: Sequence[Mapping[str, Any]]) -> Array:
    """Units per epoch and arm (B, K)."""
    place, counts = {name: k for k, name in enumerate(known.names)}, np.zeros_like(known.weights())
    for row in rows:
        counts[row["epoch"], place[row["variant_id"]]] += row["n"]
    return counts


def _ratio(known: AnalysisInput, p: float, counts: Array, expected: Array) -> SampleRatio:
    whole = {name: int(value) for name, value in zip(known.names, counts, strict=True)}
    promised = {name: float(value) for name, value in zip(known.names, expected, strict=True)}
    return SampleRatio(p, p < sample_ratio.ALARM_LEVEL, whole, promised)


def has_conversions_only(known: AnalysisInput, reporting: SampleRatio | None) -> bool:
    """Whether every unit that reported converted and many did not report: those are all that did not convert."""
    primary = known.metrics[0]
    if reporting is None or known.design.missing_outcomes == "zero" or primary["kind"] != MetricKind.BINARY:
        return False
    sums, assigned = known.sums(primary), sum(row["n"] for row in known.arrivals)
    n, positive = float(sums.n.sum()), float(sums.total("y").sum())
    return n >= LEAST_UNITS and positive == n and n < MOST_REPORTING * assigned


def effects_by_day(known: AnalysisInput) -> list[dict[str, Any]]:
    """Effect of each arm by whole days since a unit's exposure, of outcomes that say when they occurred.

    Intervals are right for one day at one look. A novelty shows as an effect that falls from the first day on.
    """
    rows = [row for row in known.days if row["metric_name"] == known.metrics[0]["metric_name"]]
    made = []
    for day in sorted({row["day"] for row in rows}):
        arms = _moments_of_day(known, [row for row in rows if row["day"] == day])
        for k, name in enumerate(known.names):
            if k == known.control or min(arms.n[k], arms.n[known.control]) < LEAST_UNITS:
                continue
            compared = compare(arms.at(known.control), arms.at(k), alpha=known.design.alpha, n_star=1.0)
            effect, reach = float(compared.estimate), float(compared.fixed_half_width(known.design.alpha))
            made.append(
                {"day": day, "variant_id": name, "n": int(arms.n[k] + arms.n[known.control]), "effect": effect}
                | {"interval": (effect - reach, effect + reach), "standard_error": float(compared.standard_error)}
            )
    return _better_is_positive(known, made)


def _moments_of_day(known: AnalysisInput, rows: Sequence[Mapping[str, Any]]) -> Moments:
    place, sums = {name: k for k, name in enumerate(known.names)}, np.zeros((len(DAY_SUMS), len(known.names)))
    for row in rows:
        sums[:, place[row["variant_id"]]] += [row[name] for name in DAY_SUMS]
    n, y, yy, d, dd, yd = sums
    if known.metrics[0]["kind"] == MetricKind.RATIO:
        return Moments.from_ratio(n, y, d, np.stack([yy, yd, dd]))
    return Moments.from_sums(n, y, yy)


def does_fade(known: AnalysisInput, seen: InterimResult, leader: int, rival: int) -> bool:
    """Whether a leader's effect is not to be seen on its later days, or no longer: a novelty, whose mean says little.

    An effect that is the same every day passes at little cost (.805 of the winners at the planned size become .803), of
    +30 % that halves every 1.4 days above −3 % a third to a half are declared that would be otherwise (simulated).
    """
    rows = [row for row in known.days if row["metric_name"] == known.metrics[0]["metric_name"]]
    dates = sorted({row["date"] for row in rows})
    if len(dates) < LEAST_DATES:
        return False
    middle = dates[len(dates) // 2]
    early = _moments_of_day(known, [row for row in rows if row["date"] < middle])
    late = _moments_of_day(known, [row for row in rows if row["date"] >= middle])
    (before, spread), (after, later_spread) = (_lead(known, part, leader, rival) for part in (early, late))
    if not spread > 0 or not later_spread > 0:
        return False
    falls = (before - after) / np.hypot(spread, later_spread)
    is_seen_now = seen.comparison.normal_z[leader, rival] >= LEAST_NOW
    return bool(falls > MOST_FALL or after / later_spread < LEAST_LATER or not is_seen_now)


def _lead(known: AnalysisInput, arms: Moments, leader: int, rival: int) -> tuple[float, float]:
    difference = difference_of(arms.at(rival), arms.at(leader))
    return sign_of(known.metrics[0]) * float(difference.estimate), float(difference.standard_error)


def is_uneven_by_day(known: AnalysisInput, days: Sequence[Mapping[str, Any]]) -> list[str]:
    """Arms whose effect is not the same on all days since exposure, beyond what chance does to all looks together."""
    uneven = _heterogeneity([dict(row) for row in days])
    level = UNEVEN_LEVEL / max(len(known.names) - 1, 1) * 6 / (np.pi * known.looks) ** 2
    return sorted(name for name, p in uneven.items() if p is not None and p <= level)


def guardrail_effects(known: AnalysisInput, seen: InterimResult) -> list[dict[str, Any]]:
    """Whether each arm makes a guardrail metric worse than the control by more than its margin, at any look."""
    rows = []
    rule = SpendingRule(known.design.alpha, len(known.names), is_weighted=seen.is_weighted)
    for metric in known.metrics[1:]:
        sums = known.sums(metric)
        moments = sums.moments()
        _, comparison = compare_all(moments, sums, known, rule, seen.n_star, is_weighted=seen.is_weighted)
        sign = sign_of(metric)
        allowed = metric["margin"] * abs(float(moments.mean[known.control]))
        for k, name in enumerate(known.names):
            if k == known.control:
                continue
            at = (k, known.control)
            effect, reach = sign * float(comparison.estimate[at]), float(comparison.half_width[at])
            smallest = min(moments.n[k], moments.n[known.control])
            is_known = bool(smallest >= known.design.min_sample_size and comparison.standard_error[at] > 0)
            rows.append(
                {"metric_name": metric["metric_name"], "direction": metric["direction"], "variant_id": name}
                | {"n": int(moments.n.sum())}
                | {"effect": effect if is_known else None, "is_harmed": is_known and effect + reach < -allowed}
                | {"interval": (effect - reach, effect + reach) if is_known else None}
            )
    return rows


def factor_contrasts(known: AnalysisInput, seen: InterimResult) -> list[dict[str, Any]]:
    """Main effects and interactions of a multivariate experiment; none for another, or without factors."""
    if known.design.experiment_type != ExperimentType.MULTIVARIATE or seen.moments.n.min() < 2:
        return []
    wanted = factorial.contrasts([row["levels"] or {} for row in known.variants])
    _, moments, _ = adjusted_where_possible(seen.sums.in_epochs(known.common_epochs))
    rows = factorial.judge(moments, wanted, alpha=known.design.alpha, n_star=seen.n_star)
    return _better_is_positive(known, rows)


def segment_effects(known: AnalysisInput, seen: InterimResult) -> list[dict[str, Any]]:
    """Effects by segment; none under adaptive allocation, where a segment's plain means are biased."""
    names = sorted({row["segment"] for row in known.statistics if row["segment"]})
    if not names or seen.is_weighted:
        return []
    sums = {name: known.sums(known.metrics[0], name).in_epochs(known.common_epochs) for name in names}
    moments = {name: part.moments() for name, part in sums.items()}
    rows = by_segment(moments, known.control, known.names, alpha=known.design.alpha, n_star=seen.n_star)
    return _better_is_positive(known, rows)


def by_segment(
    segments: Mapping[str, Moments], control: int, names: list[str], *, alpha: float, n_star: float
) -> list[dict[str, Any]]:
    """Each segment's effect of each arm, always valid, Holm-adjusted over segments and arms.

    Args:
        segments: moments of the arms (K,) in each segment; those with an arm below 30 units are left out.
    """
    treatments = [k for k in range(len(names)) if k != control]
    kept = {name: arms for name, arms in segments.items() if arms.n.min() >= LEAST_UNITS}
    rows: list[dict[str, Any]] = []
    p_values: list[float] = []
    for name, arms in kept.items():
        level = alpha / (len(kept) * len(treatments))
        for k in treatments:
            compared = compare(arms.at(control), arms.at(k), alpha=level, n_star=n_star)
            low, high = float(compared.estimate - compared.half_width), float(compared.estimate + compared.half_width)
            rows.append(
                {"segment": name, "variant_id": names[k], "n": int(arms.n.sum()), "effect": float(compared.estimate)}
                | {"interval": (low, high), "standard_error": float(compared.standard_error)}
            )
            p_values.append(float(compared.always_valid_p_value))
    adjusted = holm(p_values) if p_values else np.array([])
    uneven = _heterogeneity(rows)
    return [
        row
        | {"p_value": float(p), "is_significant": bool(p <= alpha), "heterogeneity_p_value": uneven[row["variant_id"]]}
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _heterogeneity(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Cochran's Q for each arm: whether its effects differ more than chance allows; right at one look."""
    p_values: dict[str, float | None] = {}
    for variant in {row["variant_id"] for row in rows}:
        effects = np.array([row["effect"] for row in rows if row["variant_id"] == variant])
        errors = np.array([row["standard_error"] for row in rows if row["variant_id"] == variant])
        if len(effects) < 2 or not errors.all():
            p_values[variant] = None
            continue
        weights = 1 / np.square(errors)
        q = weights @ np.square(effects - weights @ effects / weights.sum())
        p_values[variant] = float(chdtrc(len(effects) - 1, q))
    return p_values


def _better_is_positive(known: AnalysisInput, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sign = sign_of(known.metrics[0])
    return [
        row | {"effect": sign * row["effect"], "interval": tuple(sorted(sign * end for end in row["interval"]))}
        for row in rows
    ]
