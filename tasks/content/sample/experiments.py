"""Simulated experiments, already aggregated: two with a real difference, two with none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import polars as pl
from numpy.random import Generator


@dataclass(frozen=True, slots=True)
class SimulatedExperiment:
    """One experiment: the true mean of its metric in each arm, the first arm being the control."""

    workspace_id: str
    name: str
    metric: str
    kind: Literal["binary", "continuous", "count"]
    n: int
    means: dict[str, float]

    @property
    def null(self) -> bool:
        """Whether all arms are truly alike."""
        return len(set(self.means.values())) == 1


EXPERIMENTS = (
    SimulatedExperiment(
        *("simulated-bakery", "simulated-subject-line", "open_rate", "binary", 5000),
        means={"control": 0.22, "curiosity_gap": 0.26, "emotional": 0.23},
    ),
    SimulatedExperiment(
        *("simulated-gym", "simulated-trial-button", "signup_rate", "binary", 4000),
        means={"control": 0.05, "green_button": 0.05},
    ),
    SimulatedExperiment(
        *("simulated-outdoor-shop", "simulated-basket-hint", "order_value", "continuous", 1500),
        means={"control": 62.0, "hint": 66.5},
    ),
    SimulatedExperiment(
        *("simulated-newspaper", "simulated-teaser-length", "articles_read", "count", 3000),
        means={"control": 2.4, "short": 2.4, "long": 2.4},
    ),
)


def experiments(started_at: datetime, random: Generator) -> pl.DataFrame:
    """One row an arm, as in experiments.csv."""
    rows = [row for experiment in EXPERIMENTS for row in _arms(experiment, started_at, random)]
    return pl.DataFrame(rows, schema_overrides={"sum": pl.Float64, "sum_of_squares": pl.Float64})


def _arms(experiment: SimulatedExperiment, started_at: datetime, random: Generator) -> Iterator[dict[str, Any]]:
    for arm, mean in experiment.means.items():
        total, squares = _sums(experiment, mean, random)
        yield {
            **{"workspace_id": experiment.workspace_id, "experiment_name": experiment.name, "variant_name": arm},
            **{"metric_name": experiment.metric, "metric_kind": experiment.kind, "n": experiment.n, "sum": total},
            "sum_of_squares": squares,
            **{"is_control": arm == "control", "started_at": started_at},
        }


def _sums(experiment: SimulatedExperiment, mean: float, random: Generator) -> tuple[float, float | None]:
    """Sum and sum of squares of an arm's values; of a binary arm the sum says it all."""
    if experiment.kind == "binary":
        return float(random.binomial(experiment.n, mean)), None
    shape, is_count = 2.0, experiment.kind == "count"
    values = random.poisson(mean, experiment.n) if is_count else random.gamma(shape, mean / shape, experiment.n)
    return round(float(values.sum()), 2), round(float((values**2.0).sum()), 2)
