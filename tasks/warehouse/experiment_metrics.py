"""What a mapping says of experiments whose files are not arms row by row: one row a unit, or several metrics a row.

```yaml
kind: experiments
grain: unit                      # one row a user or visitor; left out: one row an arm
columns:
  experiment_name: {constant: checkout}  # or --experiment NAME
  unit_id: user_id
  variant_name: variation
  started_at: first_exposure     # the earliest stands for the experiment
metrics:                         # name: kind, or more
  converted: binary              # 0 or 1, yes or no
  revenue: {kind: continuous, missing: zero}   # empty cells: zero (they did nothing) or exclude (not measured)
  unsubscribed: {column: unsub, kind: binary, direction: decrease}
control: original                # the arm others are compared with, or --control NAME; else the one named control
shares: {original: 0.9, new: 0.1}  # of the units, as intended; left out: equal
```

With one row an arm a metric names its columns: `opens: {kind: binary, sum: Unique Opens}`, where further ones stand
`n:` and `sum_of_squares:`. `metrics: rest` takes every other column of numbers; 0 and 1 alone are binary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

MetricKind = Literal["binary", "continuous", "count"]
UNIT = "unit_id"
METRIC = "metric: "  # before the names of columns that metrics are made of
PARTS = ("sum", "n", "sum_of_squares")


class MetricColumns(BaseModel):
    """One metric of an experiment.

    Attributes:
        kind: None is settled by the values: 0 and 1 alone are binary, everything else continuous.
        column: where each unit's value stands, if not in the column of the metric's name.
        sum: of an arm's values, with one row an arm; for binary the units that did.
        n: units of the arm, if not the column of the canonical `n`.
        sum_of_squares: of an arm's values.
        direction: whether more is better.
        missing: what an empty cell of a unit means.
    """

    model_config = ConfigDict(extra="forbid")

    kind: MetricKind | None = None
    column: str | None = None
    sum: str | None = None
    n: str | None = None
    sum_of_squares: str | None = None
    direction: Literal["increase", "decrease"] = "increase"
    missing: Literal["zero", "exclude"] | None = None


Metrics = dict[str, MetricColumns] | Literal["rest"]


def as_metrics(given: Any) -> Any:
    """What a mapping file says of metrics, written out: a word is the kind.

    Raises:
        ValueError: if one of them is no metric; the message names it.
    """
    if not isinstance(given, dict):
        return given
    metrics = {}
    for name, one in given.items():
        try:
            metrics[str(name)] = MetricColumns.model_validate({"kind": one} if isinstance(one, str) else one or {})
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, (name, *first['loc'])))}: {first['msg']}") from error
    return metrics


def what_is_wrong(metrics: Mapping[str, MetricColumns] | Literal["rest"], *, is_per_unit: bool) -> str | None:
    """Why these metrics cannot be read from such a file."""
    if metrics == "rest":
        return None if is_per_unit else "`metrics: rest` is for `grain: unit`"
    for name, metric in metrics.items():
        if is_per_unit and (metric.sum or metric.n or metric.sum_of_squares):
            return f"metrics.{name}: with `grain: unit` sums are made here; name the `column` of each unit's value"
        if not is_per_unit and metric.sum is None:
            return f"metrics.{name}: name its `sum:` column, or say `grain: unit` where a row is one unit"
        if not is_per_unit and metric.kind is None:
            return f"metrics.{name}: say its kind: binary, continuous or count"
        if not is_per_unit and metric.kind != "binary" and metric.sum_of_squares is None:
            return (
                f"metrics.{name}: {metric.kind} needs `sum_of_squares:` for the variance (each unit's value times "
                "itself, added up), or one row a unit"
            )
    return None
