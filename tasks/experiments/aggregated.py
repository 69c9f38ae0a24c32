"""Experiments that ran elsewhere: thousands at once, from their arms' sums.

How often their owners looked is unknown, so that everything is always valid, which costs much; those that are said to
have been looked at once, at the size they were planned for, get one fixed test, and an answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.errors import InputError, UnknownNameError
from tasks.experiments.inference import sample_ratio
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import compare, compare_relative
from tasks.experiments.inference.posteriors import posterior_of
from tasks.experiments.records import ExperimentStatus, MappingRecord, MetricKind
from tasks.statistics.fixed_tests import (
    COUNT_TESTS,
    MEAN_TESTS,
    PROPORTION_TESTS,
    p_value_of_counts,
    p_value_of_means,
)
from tasks.statistics.multiplicity import CORRECTIONS

Array = NDArray[np.float64]
MINIMUM_UNITS = 100
ARM = ["variant_name", "n", "sum", "sum_of_squares", "is_control", "share"]


@dataclass(frozen=True, slots=True)
class FinishedPlan:
    """Experiments that ended at their planned size, and how they were to be tested.

    Attributes:
        names: of the experiments.
        test: of two arms, by the name of `tasks.statistics.fixed_tests`.
        correction: of the effects' p-values for their number, by the name of `tasks.statistics.multiplicity`.
    """

    names: frozenset[str] = frozenset()
    test: str = "welch"
    correction: str = "holm"

    @classmethod
    def checked(cls, names: Collection[str], known: Collection[str], test: str, correction: str) -> FinishedPlan:
        """Raise unless all of it is known."""
        for what, value, values in (
            ("test", test, TESTS),
            ("correction", correction, CORRECTIONS),
            *(("finished experiment", name, known) for name in names),
        ):
            if value not in values:
                raise UnknownNameError(what, value, sorted(values))
        return cls(frozenset(names), test, correction)

    def p_values(self, row: dict[str, Any], arms: Moments) -> Array:
        """Two-sided p-value (K, K) of each pair of arms (K,), by the test that was asked for.

        Raises:
            InputError: for a test of counts where the metric has none.
        """
        is_binary, p = row["metric_kind"] == MetricKind.BINARY, np.ones((len(arms.n), len(arms.n)))
        if (self.test in PROPORTION_TESTS and not is_binary) or (
            self.test not in MEAN_TESTS | PROPORTION_TESTS and row["metric_kind"] != MetricKind.COUNT
        ):
            wanted = "binary" if self.test in PROPORTION_TESTS else "count"
            raise InputError(
                f"test '{self.test}' is for {wanted} metrics, and '{row['metric_name']}' of '{row['experiment_name']}' "
                f"is {row['metric_kind']}; use one of {', '.join(sorted(MEAN_TESTS))}"
            )
        for i, j in combinations(range(len(arms.n)), 2):
            if self.test in MEAN_TESTS:
                one, other = ((float(arms.n[k]), float(arms.mean[k]), float(arms.variance[k])) for k in (j, i))
                p[i, j] = p[j, i] = p_value_of_means(self.test, one, other)
            else:
                counts = ((float(row["sum"][k]), float(row["n"][k])) for k in (j, i))
                p[i, j] = p[j, i] = p_value_of_counts(self.test, *counts)
        return p


TESTS = MEAN_TESTS | frozenset(COUNT_TESTS)


@dataclass(frozen=True)
class AggregatedAnalysis(MappingRecord):
    """One look at one experiment and metric, always valid; of a finished one, its fixed test.

    Attributes:
        variants: name, units, mean, probability of being best, expected loss.
        effects: every arm against the control, with its interval and p-value, all arms together, and in units of the
            control's mean, by the delta method.
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


def analyze_arms(arms: pl.DataFrame, alpha: float, finished: FinishedPlan | None = None) -> list[AggregatedAnalysis]:
    """Analyze all experiments in a frame of `experiment_arm`, those with equally many arms together."""
    keys = ["experiment_name", "metric_name"]
    grouped = arms.sort(*keys, "is_control", "variant_name", descending=[False, False, True, False]).group_by(
        *keys, "metric_kind", "direction", maintain_order=True
    )
    wide = grouped.agg(*ARM).with_columns(arms=pl.col("n").list.len(), is_binary=pl.col("metric_kind") == "binary")
    comparable = wide.filter(pl.col("arms") >= 2)
    plan = finished or FinishedPlan()
    parts = comparable.partition_by("arms", "is_binary")
    analyses = [one for part in parts for one in _analyze_alike(part, alpha, plan)]
    return sorted(analyses, key=lambda one: (one.experiment_name, one.metric_name))


def _analyze_alike(part: pl.DataFrame, alpha: float, finished: FinishedPlan) -> Iterator[AggregatedAnalysis]:
    n, total, squares = (_matrix(part, name) for name in ("n", "sum", "sum_of_squares"))
    is_binary = bool(part["is_binary"][0])
    total = _more_is_better(part, n, total)
    moments = Moments.from_smoothed_counts(n, total) if is_binary else _moments_of_values(part, n, total, squares)
    usable = (n.min(axis=1) >= 2) & (moments.variance > 0).all(axis=1)
    ratio = sample_ratio.chi_squared_p_value(n, _shares(part, n))
    level = alpha / (n.shape[1] - 1)
    rows, columns = moments.at(slice(None), slice(None), None), moments.at(slice(None), None, slice(None))
    with np.errstate(divide="ignore", invalid="ignore"):
        n_star = 2 * n.mean(axis=1)[:, None, None]
        compared = compare(columns, rows, alpha=level, n_star=n_star)
        relative = compare_relative(columns, rows, alpha=level, n_star=n_star)
    best, loss = np.full(n.shape, np.nan), np.full(n.shape, np.nan)
    if usable.any():
        kind = MetricKind.BINARY if is_binary else MetricKind.CONTINUOUS
        posterior = posterior_of(kind, moments.at(usable), total[usable])
        best[usable], loss[usable] = posterior.best_and_loss()
    for i, row in enumerate(part.iter_rows(named=True)):
        is_finished = row["experiment_name"] in finished.names and bool(usable[i])
        if is_finished:
            p = finished.p_values(row, moments.at(i))
            reach, relative_reach = (one.fixed_half_width(level)[i] for one in (compared, relative))
        else:
            p = np.minimum(compared.always_valid_p_value[i] * (n.shape[1] - 1), 1.0)
            reach, relative_reach = compared.half_width[i], relative.half_width[i]
        better = np.where(compared.estimate[i] > 0, p, 1.0)
        np.fill_diagonal(better, 0.0)
        yield _record(
            row,
            moments.mean[i],
            best[i],
            loss[i],
            better,
            np.stack([compared.estimate[i], reach]),
            np.stack([relative.estimate[i], relative_reach]),
            float(ratio[i]),
            alpha,
            correction=finished.correction if is_finished else None,
            is_usable=bool(usable[i]),
        )


def _record(
    row: dict[str, Any],
    mean: Array,
    best: Array,
    loss: Array,
    better: Array,
    absolute: Array,
    relative: Array,
    ratio: float,
    alpha: float,
    *,
    correction: str | None,
    is_usable: bool,
) -> AggregatedAnalysis:
    """From matrices (K, K): p-values that the row's arm is better, and estimates with their reach, stacked."""
    proven = better.max(axis=1)
    leader = int(np.argmin(proven)) if proven.min() < 1 else int(np.argmax(mean))
    status = _status(min(row["n"]), is_usable, ratio, bool(proven[leader] <= alpha))
    if correction is not None and status == ExperimentStatus.RUNNING:
        status = ExperimentStatus.INCONCLUSIVE
    mean, sign = _as_measured(row, mean)
    names, p = row["variant_name"], np.minimum(better[1:, 0], better[0, 1:])
    if correction is not None:
        p = CORRECTIONS[correction](p)
    effects = [
        {
            "variant_id": names[k],
            **_effect("", sign, absolute[:, k, 0]),
            **_effect("relative_", sign, relative[:, k, 0]),
        }
        | {"p_value": float(p[k - 1])}
        for k in range(1, len(names))
        if is_usable
    ]
    variants = [
        {"variant_id": name, "n": row["n"][k], "mean": float(mean[k])}
        | {"probability_best": float(best[k]) if is_usable else None}
        | {"expected_loss": float(loss[k]) if is_usable else None}
        for k, name in enumerate(names)
    ]
    is_open = status in (ExperimentStatus.WINNER, ExperimentStatus.RUNNING, ExperimentStatus.INCONCLUSIVE)
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


def _as_measured(row: dict[str, Any], mean: Array) -> tuple[Array, float]:
    """Means (K,) as the metric counts them, whichever way is better, and the sign of effects."""
    if row["direction"] != "decrease":
        return mean, 1.0
    return (1 - mean if row["metric_kind"] == "binary" else -mean), -1.0


def _effect(prefix: str, sign: float, found: Array) -> dict[str, Any]:
    """An estimate and its interval, as the metric counts them."""
    estimate, reach = sign * float(found[0]), float(found[1])
    return {f"{prefix}effect": estimate, f"{prefix}interval": (estimate - reach, estimate + reach)}


def _moments_of_values(part: pl.DataFrame, n: Array, total: Array, squares: Array) -> Moments:
    """Of metrics that are not binary; counts are never negative, of others nobody said so."""
    moments = Moments.from_sums(n, total, squares).never_negative()
    is_count = (part["metric_kind"] == MetricKind.COUNT).to_numpy()[:, None]
    return replace(moments, kurtosis=is_count * np.asarray(moments.kurtosis))


def _shares(part: pl.DataFrame, n: Array) -> Array:
    """Intended shares (m, K) of the units; equal where an arm's is unknown."""
    shares = np.array(part["share"].to_list(), dtype=np.float64)
    return np.where(np.isfinite(shares).all(axis=1, keepdims=True), shares, 1 / n.shape[1])
