"""Metrics that a workspace defines once: checked, versioned, and what an experiment that names one takes from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from tasks.experiments.design import Direction, Metric, require_positive, require_text
from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.records import MetricKind

Row = Mapping[str, Any]
MOST_SECONDARY = 10
Role = Literal["primary", "secondary", "guardrail"]
# What an experiment may say of a secondary metric or a guardrail beside its name.
SAYABLE = ("name", "direction", "kind", "margin", "quantile", "window_days", "winsorise_at")


@dataclass(frozen=True, slots=True)
class WorkspaceMetric:
    """A metric as a workspace defined it, checked.

    Attributes:
        kind: binary, rate, continuous, count or ratio; None: the outcomes tell.
        quantile: p50, p90 or p99 of the units' values, where arms are compared by it and not by their means.
        window_days: how long after its exposure a unit's outcomes count.
        winsorise_at: quantile of all arms together at which values are capped.
        min_effect_size: smallest relative effect worth finding.
        owner: who answers for it.
    """

    name: str
    kind: MetricKind | None = None
    direction: Direction = "increase"
    quantile: str | None = None
    window_days: float | None = None
    winsorise_at: float | None = None
    min_effect_size: float | None = None
    owner: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        Metric(
            self.name, "primary", self.kind, self.direction, quantile=self.quantile, window_days=self.window_days,
            winsorise_at=self.winsorise_at,
        )  # fmt: skip
        if self.min_effect_size is not None:
            require_positive("min_effect_size", self.min_effect_size)
        for what, text, longest in (("owner", self.owner, 128), ("description", self.description, 1000)):
            if text is not None:
                require_text(what, text, longest)

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        return asdict(self)


def newest(rows: Sequence[Row]) -> dict[str, Row]:
    """The newest version of each metric by name, from rows of one workspace."""
    return {row["name"]: row for row in sorted(rows, key=_version)}


def _version(row: Row) -> int:
    return int(row["version"])


def as_defined(metric: Metric, defined: Mapping[str, Row], said: Mapping[str, Any]) -> Metric:
    """The metric with what its workspace defined, unless the experiment says otherwise."""
    row = defined.get(metric.name)
    if row is None:
        return metric
    kind = None if row["kind"] is None else MetricKind(row["kind"])
    known = {"kind": kind, "direction": row["direction"]}
    known |= {name: row[name] for name in ("quantile", "window_days", "winsorise_at")}
    taken = {name: value for name, value in known.items() if said.get(name) is None}
    return replace(metric, version=row["version"], **taken)


def make_others(given: Sequence[str | Mapping[str, Any]], role: Role, defined: Mapping[str, Row]) -> list[Metric]:
    """Secondary metrics or guardrails from names, or dictionaries with `name` and, if wanted, what is `SAYABLE`.

    Raises:
        InvalidDesignError: for what is no metric, or more than ten secondary ones.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InvalidDesignError(f"{role} metrics are a list of names or dictionaries, not {given!r}")
    if role == "secondary" and len(given) > MOST_SECONDARY:
        raise InvalidDesignError(f"an experiment has at most {MOST_SECONDARY} secondary metrics, not {len(given)}")
    metrics = []
    for one in given:
        described: dict[str, Any] = dict(one) if isinstance(one, Mapping) else {"name": one}
        if set(described) - set(SAYABLE) or not isinstance(described.get("name"), str):
            raise InvalidDesignError(f"a {role} metric has {', '.join(SAYABLE)}, not {sorted(map(str, described))}")
        described = {name: value for name, value in described.items() if value is not None}
        if "kind" in described:
            described["kind"] = _kind(role, described["kind"])
        metrics.append(as_defined(Metric(role=role, **described), defined, described))
    return metrics


def _kind(role: str, value: object) -> MetricKind:
    try:
        return MetricKind(str(value).lower())
    except ValueError:
        raise InvalidDesignError(f"{role} kind is one of {', '.join(MetricKind)}, not {value!r}") from None


def require_comparable(metrics: Sequence[Metric], *, is_adaptive: bool) -> None:
    """Raise where a quantile would have to decide, or to be compared under weights that change.

    Raises:
        InvalidDesignError: for a primary metric with a quantile, or any under adaptive weights.
    """
    for metric in metrics:
        if metric.quantile is not None and (metric.role == "primary" or is_adaptive):
            name, by = metric.name, metric.quantile
            if metric.role == "primary":
                raise InvalidDesignError(
                    f"metric '{name}' is compared by its {by}, which cannot decide: looks at any time are judged by "
                    "means; let the share of units within a limit decide (binary), and name this as a guardrail"
                )
            raise InvalidDesignError(
                f"metric '{name}' is compared by its {by}, which needs weights that stay; use equal allocation"
            )


def require_different(metrics: Sequence[Metric]) -> None:
    """Raise where one metric has two roles, since its outcomes would be counted twice."""
    names = [metric.name for metric in metrics]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidDesignError(f"metric '{twice[0]}' is named twice; a metric has one role in an experiment")
