"""What of exposure and outcome logs an experiment counts, by rule; everything left out is counted. Pure.

- A unit's arm is the one it was first seen in, from that instant on; later sightings change nothing.
- A unit seen in two arms counts in none, also where it was counted before the second was known.
- Exposures in arms that the experiment does not have, after its end, or in the future, are left out.
- Outcomes count from their unit's exposure on, within the conversion window and before the end and its late days; those
  of units without an exposure, of metrics the experiment does not have, and values that are none of the metric are left
  out. Of a value that comes again under its key the newest stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tasks.experiments.design import Design
from tasks.experiments.outcomes import CLOCKS_DIFFER, window_days_of
from tasks.experiments.records import MetricKind

Row = Mapping[str, Any]
MICROSECONDS_A_DAY = 86_400_000_000
# Why a row is left out, in the order in which it is judged; a row is counted under the first reason that holds.
EXPOSURE_REASONS = {
    "unknown_arm": "exposures in arms that the experiment does not have",
    "in_the_future": "exposures in the future",
    "after_the_end": "exposures after the end",
    "in_two_arms": "units seen in two arms",
}
OUTCOME_REASONS = {
    "unknown_metric": "outcomes of metrics that the experiment does not have",
    "unit_in_two_arms": "outcomes of units seen in two arms",
    "not_exposed": "outcomes of units without an exposure",
    "before_exposure": "outcomes before their unit's exposure",
    "outside_window": "outcomes later than the conversion window",
    "outcome_in_the_future": "outcomes in the future",
    "outcome_after_the_end": "outcomes after the end",
    "no_such_value": "outcomes that are no value of their metric",
}
NOT_OURS = {"not_ours": "exposures, of an experiment that assigns its units itself"}
REASONS = NOT_OURS | EXPOSURE_REASONS | OUTCOME_REASONS


def judged_exposures(
    exposures: pl.DataFrame, arms: Sequence[str], completed_at: datetime | None, now: datetime
) -> tuple[pl.DataFrame, set[str], dict[str, int]]:
    """Units with their arm and the instant they were first seen in it, units in two arms, and what was left out."""
    end = completed_at or now
    at = pl.col("exposed_at")
    reason = (
        pl.when(~pl.col("variant_name").is_in(list(arms)))
        .then(pl.lit("unknown_arm"))
        .when(at > now + CLOCKS_DIFFER)
        .then(pl.lit("in_the_future"))
        .when(at > end + CLOCKS_DIFFER)
        .then(pl.lit("after_the_end"))
    )
    judged = exposures.with_columns(reason.alias("reason"))
    counts = _counted(judged)
    # A unit in an arm of ours and in one that we do not have is in two arms, too.
    elsewhere = judged.filter(pl.col("reason").is_null() | (pl.col("reason") == "unknown_arm"))
    by_unit = elsewhere.group_by("unit_id").agg(pl.col("variant_name").n_unique().alias("arms"))
    twice = set(by_unit.filter(pl.col("arms") > 1)["unit_id"])
    kept = judged.filter(pl.col("reason").is_null() & ~pl.col("unit_id").is_in(twice)).drop("reason")
    return kept, twice, counts | ({"in_two_arms": len(twice)} if twice else {})


def judged_outcomes(
    outcomes: pl.DataFrame,
    assigned: pl.DataFrame,
    in_two_arms: set[str],
    metrics: Sequence[Row],
    design: Design,
    ends_at: datetime | None,
    now: datetime,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Outcomes that count, and how many do not, by reason.

    Args:
        assigned: `unit_id` and `assigned_at` of the experiment's units.
        metrics: the experiment's, with kind, bounds and window.
        design: the experiment's, with the conversion window of metrics that have none of their own.
        ends_at: after which none is taken.
    """
    by_name = {str(metric["metric_name"]): metric for metric in metrics}
    windows = {name: window_days_of(metric, design) for name, metric in by_name.items()}
    at, metric = pl.col("occurred_at"), pl.col("metric_name")
    rows = outcomes.join(assigned, on="unit_id", how="left").with_columns(
        (metric.replace_strict(windows, default=None, return_dtype=pl.Float64) * MICROSECONDS_A_DAY)
        .cast(pl.Int64)
        .alias("window")
    )
    exposed = pl.col("assigned_at")
    reason = (
        pl.when(~metric.is_in(list(by_name)))
        .then(pl.lit("unknown_metric"))
        .when(pl.col("unit_id").is_in(in_two_arms))
        .then(pl.lit("unit_in_two_arms"))
        .when(exposed.is_null())
        .then(pl.lit("not_exposed"))
        .when(at < exposed - CLOCKS_DIFFER)
        .then(pl.lit("before_exposure"))
        .when(at > exposed + pl.duration(microseconds=pl.col("window")))
        .then(pl.lit("outside_window"))
        .when(at > now + CLOCKS_DIFFER)
        .then(pl.lit("outcome_in_the_future"))
        .when(pl.lit(ends_at is not None) & (at > (ends_at or now)))
        .then(pl.lit("outcome_after_the_end"))
        .when(~_fits(list(by_name.values())))
        .then(pl.lit("no_such_value"))
    )
    judged = rows.with_columns(reason.alias("reason"))
    kept = judged.filter(pl.col("reason").is_null())
    return kept.drop("reason", "window", "assigned_at"), _counted(judged)


def _counted(judged: pl.DataFrame) -> dict[str, int]:
    left_out = judged.filter(pl.col("reason").is_not_null())
    return {str(name): int(n) for name, n in left_out.group_by("reason").len().sort("reason").iter_rows()}


def _fits(metrics: Sequence[Row]) -> pl.Expr:
    """Whether a row's value is one of its metric's, and it has a denominator exactly where a ratio asks for one."""
    fits = pl.lit(True)
    value, has_denominator = pl.col("value"), pl.col("denominator").is_not_null()
    for metric in metrics:
        kind = metric["kind"] if metric["is_kind_fixed"] else None
        inside = pl.lit(True)
        if metric["lower"] is not None:
            inside &= value >= metric["lower"]
        if metric["upper"] is not None:
            inside &= value <= metric["upper"]
        if kind == MetricKind.BINARY:
            inside &= value.is_in([0.0, 1.0])
        elif kind == MetricKind.COUNT:
            inside &= (value >= 0) & (value == value.floor())
        inside &= has_denominator if kind == MetricKind.RATIO else ~has_denominator
        fits = pl.when(pl.col("metric_name") == metric["metric_name"]).then(inside).otherwise(fits)
    return fits


def in_words(counts: Mapping[str, int]) -> list[str]:
    """What was left out, a line each."""
    return [f"{REASONS[name]}, left out: {counts[name]:,}" for name in REASONS if counts.get(name)]
