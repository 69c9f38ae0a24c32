"""What stands beside the verdict: arrivals and reports, guardrails, other metrics, contrasts, segments, days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from tasks.experiments.analysis import AnalysisInput, InterimResult, compare_all, moments_of, sign_of
from tasks.experiments.inference import factorial, novelty, sample_ratio
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import Comparison, compare, from_estimates
from tasks.experiments.records import ExperimentType, MetricKind, SampleRatio
from tasks.experiments.segments import by_dimension, dimension_of
from tasks.experiments.unit_sums import DAY_SUMS
from tasks.statistics.multiplicity import benjamini_hochberg, holm

Array = NDArray[np.float64]
LEAST_UNITS = 30  # of every arm in a segment
MOST_REPORTING = 0.9  # of the units: where fewer report and all of them converted, only conversions are sent
UNEVEN_LEVEL = 0.001
LEAST_LASTING, LEAST_NOW = 0.25, 2.0  # standard errors


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

    Intervals are right for one day at one look. A novelty shows as an effect that falls from the first day on. None
    where weights follow the outcomes: units of one age had other shares of the arms on other days.
    """
    if known.design.reweights_itself:
        return []
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
    """Whether little of a leader's effect is left in the long run, or of today's: a novelty, whose mean says little.

    Of looks every day for 14 days at +30 %·e^(−d/2) above −3 %, planned for 5 % or 10 %, 1.7 and 6.7 % have a false
    winner (9.7 and 9.9 % where halves of the days are compared, 82 and 18 % without a gate), over 28 days 3.4 and
    2.8 %. An effect that is the same every day is declared in .781 instead of .788 within its planned 14 days, in .782
    of 28 (simulated, ± .004).
    """
    rows = [row for row in known.days if row["metric_name"] == known.metrics[0]["metric_name"]]
    level = _long_run_z(known, rows, (leader, rival))
    if level is None:
        return False
    return bool(level < LEAST_LASTING or seen.comparison.normal_z[leader, rival] < LEAST_NOW)


def _long_run_z(known: AnalysisInput, rows: Sequence[Mapping[str, Any]], pair: tuple[int, int]) -> float | None:
    """What is left of a pair's effect in the long run, in standard errors; None where too few days tell.

    An arm's variance is that of all days together: a day's own is zero where nobody converted.
    """
    dates = sorted({row["date"] for row in rows})
    if len(dates) < novelty.LEAST_DAYS:
        return None
    moments = [_moments_of_day(known, [row for row in rows if row["date"] == one]) for one in dates]
    n = np.array([[part.n[arm] for arm in pair] for part in moments])
    mean = np.array([[part.mean[arm] for arm in pair] for part in moments])
    variance = np.array([[part.variance[arm] for arm in pair] for part in moments])
    kept = (n >= 1).all(axis=1)
    freedom = np.maximum(n - 1, 0).sum(axis=0)
    pooled = (np.maximum(n - 1, 0) * variance).sum(axis=0) / np.maximum(freedom, 1)
    if not pooled.any():
        return None
    error = np.sqrt((pooled / np.maximum(n, 1)).sum(axis=1))
    day = np.array([float(date.fromisoformat(one).toordinal()) for one in dates])
    effect = sign_of(known.metrics[0]) * (mean[:, 0] - mean[:, 1])
    return novelty.long_run_z((day - day[0])[kept], effect[kept], error[kept])


def is_uneven_by_day(known: AnalysisInput, days: Sequence[Mapping[str, Any]]) -> list[str]:
    """Arms whose effect is not the same on all days since exposure, beyond what chance does to all looks together."""
    uneven = _heterogeneity([dict(row) for row in days])
    level = UNEVEN_LEVEL / max(len(known.names) - 1, 1) * 6 / (np.pi * known.looks) ** 2
    return sorted(name for name, p in uneven.items() if p is not None and p <= level)


def guardrail_effects(known: AnalysisInput, seen: InterimResult) -> list[dict[str, Any]]:
    """Whether each arm makes a guardrail metric worse than the control by more than its margin, at any look."""
    rows = []
    rule = SpendingRule(known.design.alpha, len(known.names), is_weighted=seen.is_weighted)
    for metric in _metrics(known, "guardrail"):
        for row in _against_control(known, seen, metric, rule):
            allowed = metric["margin"] * abs(row.pop("control_mean"))
            row.pop("p_value")
            rows.append(row | {"is_harmed": row["interval"] is not None and row["interval"][1] < -allowed})
    return rows


def secondary_effects(known: AnalysisInput, seen: InterimResult) -> list[dict[str, Any]]:
    """Each arm's effect on each secondary metric, at any look; of those called discoveries at most α are false.

    Benjamini & Hochberg (1995) over metrics and arms. Intervals have the false coverage rate α of Benjamini &
    Yekutieli (2005, *False discovery rate-adjusted multiple confidence intervals for selected parameters*).
    """
    alpha, arms, metrics = known.design.alpha, len(known.names), _metrics(known, "secondary")
    if not metrics:
        return []
    whole = SpendingRule(alpha, arms, is_weighted=seen.is_weighted)
    rows = [row for metric in metrics for row in _against_control(known, seen, metric, whole)]
    tested = [row["p_value"] for row in rows if row["p_value"] is not None]
    q_values = iter(benjamini_hochberg(tested) if tested else ())
    rows = [row | {"q_value": None if row["p_value"] is None else float(next(q_values))} for row in rows]
    selected = max(sum(row["q_value"] is not None and row["q_value"] <= alpha for row in rows), 1)
    level = alpha * selected / max(len(tested), 1) * (arms - 1)  # a rule divides it by its comparisons
    adjusted = SpendingRule(level, arms, is_weighted=seen.is_weighted)
    again = [row for metric in metrics for row in _against_control(known, seen, metric, adjusted)]
    return [
        row | {"interval": other["interval"], "is_significant": row["q_value"] is not None and row["q_value"] <= alpha}
        for row, other in zip(rows, again, strict=True)
    ]


def _metrics(known: AnalysisInput, role: str) -> list[Mapping[str, Any]]:
    return [metric for metric in known.metrics if metric["role"] == role]


def _against_control(
    known: AnalysisInput, seen: InterimResult, metric: Mapping[str, Any], rule: SpendingRule
) -> list[dict[str, Any]]:
    """Each arm against the control on one metric; None for what too few units do not tell."""
    moments, comparison = _compared(known, seen, metric, rule)
    sign, rows = sign_of(metric), []
    for k, name in enumerate(known.names):
        at = (k, known.control)
        if k == known.control:
            continue
        effect, reach = sign * float(comparison.estimate[at]), float(comparison.half_width[at])
        smallest = min(moments.n[k], moments.n[known.control])
        is_known = bool(smallest >= known.design.min_sample_size and comparison.standard_error[at] > 0)
        rows.append(
            {"metric_name": metric["metric_name"], "direction": metric["direction"], "variant_id": name}
            | {"quantile": metric["quantile"]}
            | {"n": int(moments.n.sum()), "control_mean": float(moments.mean[known.control])}
            | {
                "effect": effect if is_known else None,
                "interval": (effect - reach, effect + reach) if is_known else None,
            }
            | {"p_value": float(comparison.always_valid_p_value[at]) if is_known else None}
        )
    return rows


def _compared(
    known: AnalysisInput, seen: InterimResult, metric: Mapping[str, Any], rule: SpendingRule
) -> tuple[Moments, Comparison]:
    """Arms compared by their means, or by the quantile that the metric asks for."""
    quantile = known.quantiles.get(metric["metric_name"])
    if quantile is None:
        sums = known.sums(metric)
        moments = sums.moments()
        _, comparison = compare_all(moments, sums, known, rule, seen.n_star, is_weighted=seen.is_weighted)
        return moments, comparison
    estimate, error = quantile.differences()
    units = np.maximum(quantile.n[:, None] + quantile.n, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        compared = from_estimates(estimate, error, units, alpha=rule.running_alpha, n_star=seen.n_star)
    return Moments(quantile.n, quantile.value, quantile.n * np.square(quantile.standard_error)), compared


def factor_contrasts(known: AnalysisInput, seen: InterimResult) -> list[dict[str, Any]]:
    """Main effects and interactions of a multivariate experiment; none for another, or without factors."""
    if known.design.experiment_type != ExperimentType.MULTIVARIATE or seen.moments.n.min() < 2:
        return []
    wanted = factorial.contrasts([row["levels"] or {} for row in known.variants])
    moments, _ = moments_of(seen.sums.in_epochs(known.common_epochs))
    rows = factorial.judge(moments, wanted, alpha=known.design.alpha, n_star=seen.n_star)
    return _better_is_positive(known, rows)


def segment_effects(known: AnalysisInput, seen: InterimResult) -> list[dict[str, Any]]:
    """Effects by segment; none under adaptive allocation, where a segment's plain means are biased.

    Whether an effect differs is asked of each dimension by itself (countries, devices); p-values are adjusted over all.
    """
    dimensions = by_dimension(row["segment"] for row in known.statistics)
    if not dimensions or seen.is_weighted:
        return []
    names = [name for labels in dimensions.values() for name in labels]
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
    uneven = {name: _heterogeneity(own) for name, own in _of_dimensions(rows).items()}
    return [
        row
        | {"p_value": float(p), "is_significant": bool(p <= alpha)}
        | {"heterogeneity_p_value": uneven[dimension_of(row["segment"])][row["variant_id"]]}
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _of_dimensions(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    names = sorted({dimension_of(row["segment"]) for row in rows})
    return {name: [row for row in rows if dimension_of(row["segment"]) == name] for name in names}


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
