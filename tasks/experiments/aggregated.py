"""Experiments that ran elsewhere: thousands at once, from their arms' sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.experiments.inference import sample_ratio
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import compare
from tasks.experiments.inference.posteriors import posterior_of
from tasks.experiments.records import ExperimentStatus, MappingRecord, MetricKind

Array = NDArray[np.float64]
MINIMUM_UNITS = 100
ARM = ["variant_name", "n", "sum", "sum_of_squares", "is_control", "share"]


@dataclass(frozen=True)
class AggregatedAnalysis(MappingRecord):
    """One look at one experiment and metric: it is unknown how often its owners looked, so everything is always valid.

    Attributes:
        variants: name, units, mean, probability of being best, expected loss.
        effects: every arm against the control, with its interval and p-value, all arms together.
        sample_ratio_p_value: against the intended shares, equal ones where none were given, at this one look.
    """

    experiment_name: str
    metric_name: str
    metric_kind: str
    status: ExperimentStatus
    winner: str | None
    confidence: float
    sample_ratio_p_value: float
    variants: list[dict[str, Any]]
    effects: list[dict[str, Any]]


def analyze_arms(arms: pl.DataFrame, alpha: float) -> list[AggregatedAnalysis]:
    """Analyze all experiments in a frame of `experiment_arm`, those with equally many arms together."""
    keys = ["experiment_name", "metric_name"]
    grouped = arms.sort(*keys, "is_control", "variant_name", descending=[False, False, True, False]).group_by(
        *keys, "metric_kind", "direction", maintain_order=True
    )
    wide = grouped.agg(*ARM).with_columns(arms=pl.col("n").list.len(), is_binary=pl.col("metric_kind") == "binary")
    comparable = wide.filter(pl.col("arms") >= 2)
    analyses = [one for part in comparable.partition_by("arms", "is_binary") for one in _analyze_alike(part, alpha)]
    return sorted(analyses, key=lambda one: (one.experiment_name, one.metric_name))


def _analyze_alike(part: pl.DataFrame, alpha: float) -> Iterator[AggregatedAnalysis]:
    n, total, squares = (_matrix(part, name) for name in ("n", "sum", "sum_of_squares"))
    is_binary = bool(part["is_binary"][0])
    total = _more_is_better(part, n, total)
    moments = Moments.from_smoothed_counts(n, total) if is_binary else _moments_of_values(part, n, total, squares)
    usable = (n.min(axis=1) >= 2) & (moments.variance > 0).all(axis=1)
    ratio = sample_ratio.chi_squared_p_value(n, _shares(part, n))
    level = alpha / (n.shape[1] - 1)
    rows, columns = moments.at(slice(None), slice(None), None), moments.at(slice(None), None, slice(None))
    with np.errstate(divide="ignore", invalid="ignore"):
        compared = compare(columns, rows, alpha=level, n_star=2 * n.mean(axis=1)[:, None, None])
    best, loss = np.full(n.shape, np.nan), np.full(n.shape, np.nan)
    if usable.any():
        kind = MetricKind.BINARY if is_binary else MetricKind.CONTINUOUS
        posterior = posterior_of(kind, moments.at(usable), total[usable])
        best[usable], loss[usable] = posterior.best_and_loss()
    for i, row in enumerate(part.iter_rows(named=True)):
        p = np.minimum(compared.always_valid_p_value[i] * (n.shape[1] - 1), 1.0)
        better = np.where(compared.estimate[i] > 0, p, 1.0)
        np.fill_diagonal(better, 0.0)
        yield _record(
            row,
            moments.mean[i],
            best[i],
            loss[i],
            better,
            compared.estimate[i],
            compared.half_width[i],
            float(ratio[i]),
            alpha,
            is_usable=bool(usable[i]),
        )


def _record(
    row: dict[str, Any],
    mean: Array,
    best: Array,
    loss: Array,
    better: Array,
    estimate: Array,
    reach: Array,
    ratio: float,
    alpha: float,
    *,
    is_usable: bool,
) -> AggregatedAnalysis:
    proven = better.max(axis=1)
    leader = int(np.argmin(proven)) if proven.min() < 1 else int(np.argmax(mean))
    status = _status(min(row["n"]), is_usable, ratio, bool(proven[leader] <= alpha))
    mean, estimate = _as_measured(row, mean, estimate)
    names = row["variant_name"]
    effects = [
        {"variant_id": names[k], "effect": float(estimate[k, 0])}
        | {"interval": (float(estimate[k, 0] - reach[k, 0]), float(estimate[k, 0] + reach[k, 0]))}
        | {"p_value": float(min(better[k, 0], better[0, k]))}
        for k in range(1, len(names))
        if is_usable
    ]
    variants = [
        {"variant_id": name, "n": row["n"][k], "mean": float(mean[k])}
        | {"probability_best": float(best[k]) if is_usable else None}
        | {"expected_loss": float(loss[k]) if is_usable else None}
        for k, name in enumerate(names)
    ]
    is_open = status in (ExperimentStatus.WINNER, ExperimentStatus.RUNNING)
    return AggregatedAnalysis(
        experiment_name=row["experiment_name"],
        metric_name=row["metric_name"],
        metric_kind=MetricKind(row["metric_kind"]),
        status=status,
        winner=names[leader] if status == ExperimentStatus.WINNER else None,
        confidence=float(1 - proven[leader]) if is_open else 0.0,
        sample_ratio_p_value=ratio,
        variants=variants,
        effects=effects,
    )


def _status(smallest: int, is_usable: bool, ratio: float, is_proven: bool) -> ExperimentStatus:
    if ratio < sample_ratio.ALARM_LEVEL:
        return ExperimentStatus.INVALID
    if smallest < MINIMUM_UNITS or not is_usable:
        return ExperimentStatus.INSUFFICIENT_DATA
    return ExperimentStatus.WINNER if is_proven else ExperimentStatus.RUNNING


def _matrix(part: pl.DataFrame, name: str) -> Array:
    return np.array([[0.0 if value is None else value for value in row] for row in part[name].to_list()], dtype=float)


def _more_is_better(part: pl.DataFrame, n: Array, total: Array) -> Array:
    """The sums (m, K), of metrics that should decrease turned over: units that did not, or the negative."""
    decreases = (part["direction"] == "decrease").to_numpy()[:, None]
    turned = n - total if part["is_binary"][0] else -total
    return np.where(decreases, turned, total)


def _as_measured(row: dict[str, Any], mean: Array, estimate: Array) -> tuple[Array, Array]:
    """Means (K,) and effects (K, K) as the metric counts them, whichever way is better."""
    if row["direction"] != "decrease":
        return mean, estimate
    return (1 - mean if row["metric_kind"] == "binary" else -mean), -estimate


def _moments_of_values(part: pl.DataFrame, n: Array, total: Array, squares: Array) -> Moments:
    """Of metrics that are not binary; counts are never negative, of others nobody said so."""
    moments = Moments.from_sums(n, total, squares).never_negative()
    is_count = (part["metric_kind"] == MetricKind.COUNT).to_numpy()[:, None]
    return replace(moments, kurtosis=is_count * np.asarray(moments.kurtosis))


def _shares(part: pl.DataFrame, n: Array) -> Array:
    """Intended shares (m, K) of the units; equal where an arm's is unknown."""
    shares = np.array(part["share"].to_list(), dtype=np.float64)
    return np.where(np.isfinite(shares).all(axis=1, keepdims=True), shares, 1 / n.shape[1])
