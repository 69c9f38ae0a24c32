"""What stands beside the verdict: sample ratio, guardrails, contrasts of factors, segments."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.experiments import factorial, sample_ratio
from tasks.experiments.analysis import Look, Material, compare_all, sign_of
from tasks.experiments.findings import SampleRatio
from tasks.experiments.records import ExperimentType
from tasks.experiments.rule import Rule
from tasks.experiments.segments import by_segment


def judge_sample_ratio(material: Material) -> SampleRatio | None:
    """Arrivals against promised shares, safe at every look; None before anyone arrived."""
    weights, place = material.weights(), {name: k for k, name in enumerate(material.names)}
    counts = np.zeros_like(weights)
    for row in material.arrivals:
        counts[row["epoch"], place[row["variant_id"]]] += row["n"]
    if counts.sum() < 1:
        return None
    expected = counts.sum(axis=1) @ weights
    fixed = len(weights) == 1
    p = (
        sample_ratio.sequential_p_value(counts[0], weights[0])
        if fixed
        else sample_ratio.adaptive_p_value(counts, weights)
    )
    named = (dict(zip(material.names, values, strict=True)) for values in (counts.sum(axis=0), expected))
    arrived, promised = ({name: float(value) for name, value in values.items()} for values in named)
    whole = {name: int(value) for name, value in arrived.items()}
    return SampleRatio(p, p < sample_ratio.ALARM_LEVEL, whole, promised)


def judge_guardrails(material: Material, seen: Look) -> list[dict[str, Any]]:
    """Whether each arm makes a guardrail metric worse than the control by more than its margin, at any look."""
    rows = []
    rule = Rule(material.design.alpha, len(material.names), is_weighted=seen.is_weighted)
    for metric in material.metrics[1:]:
        sums = material.sums(metric)
        moments = sums.moments()
        _, found = compare_all(moments, sums, material, rule, seen.n_star, is_weighted=seen.is_weighted)
        sign = sign_of(metric)
        allowed = metric["margin"] * abs(float(moments.mean[material.control]))
        for k, name in enumerate(material.names):
            if k == material.control:
                continue
            at = (k, material.control)
            effect, reach = sign * float(found.estimate[at]), float(found.half_width[at])
            is_known = bool(moments.n.min() >= material.design.min_sample_size and found.standard_error[at] > 0)
            rows.append(
                {"metric_name": metric["metric_name"], "direction": metric["direction"], "variant_id": name}
                | {"n": int(moments.n.sum())}
                | {"effect": effect if is_known else None, "is_harmed": is_known and effect + reach < -allowed}
                | {"interval": (effect - reach, effect + reach) if is_known else None}
            )
    return rows


def judge_contrasts(material: Material, seen: Look) -> list[dict[str, Any]]:
    """Main effects and interactions of a multivariate experiment; none for another, or without factors."""
    if material.design.experiment_type != ExperimentType.MULTIVARIATE or seen.moments.n.min() < 2:
        return []
    wanted = factorial.contrasts([row["levels"] or {} for row in material.variants])
    found = factorial.judge(seen.moments, wanted, alpha=material.design.alpha, n_star=seen.n_star)
    return _better_is_positive(material, found)


def judge_segments(material: Material, seen: Look) -> list[dict[str, Any]]:
    """Effects by segment; none under adaptive allocation, where a segment's plain means are biased."""
    names = sorted({row["segment"] for row in material.statistics if row["segment"]})
    if not names or seen.is_weighted:
        return []
    moments = {name: material.sums(material.metrics[0], name).moments() for name in names}
    found = by_segment(moments, material.control, material.names, alpha=material.design.alpha, n_star=seen.n_star)
    return _better_is_positive(material, found)


def _better_is_positive(material: Material, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sign = sign_of(material.metrics[0])
    return [
        row | {"effect": sign * row["effect"], "interval": tuple(sorted(sign * end for end in row["interval"]))}
        for row in rows
    ]
