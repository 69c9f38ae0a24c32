"""What `create_experiment` is told, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from tasks.errors import InputError, UnknownNameError
from tasks.experiments.design import Design, Metric
from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.metric_kinds import MetricKind

OPEN = (None, None)
BOUNDS: dict[MetricKind, tuple[float | None, float | None]] = {
    MetricKind.BINARY: (0.0, 1.0),
    MetricKind.RATE: (0.0, 1.0),
    MetricKind.COUNT: (0.0, None),
}


def make_metric(name: str, kind: str | None, direction: Any, bounds: tuple[float, float] | None) -> Metric:
    """The primary metric; a declared kind brings its natural bounds."""
    known = parse_enum(MetricKind, "metric_kind", kind) if kind is not None else None
    natural: tuple[float | None, float | None] = BOUNDS.get(known, OPEN) if known else OPEN
    low, high = bounds or natural
    return Metric(name, "primary", known, direction, low, high)


def make_design(extra: Mapping[str, Any], **given: Any) -> Design:
    """The design from the engine's arguments and further fields by name."""
    known = {field.name for field in fields(Design)} - (set(given) if extra else set())
    for name in extra or given:
        if name not in known:
            raise UnknownNameError("argument", name, known)
    return Design(**given, **extra)


def make_guardrails(given: Sequence[str | Mapping[str, Any]]) -> list[Metric]:
    """Guardrail metrics from names, or dictionaries with `name` and, if wanted, `direction`, `kind`, `margin`."""
    made = []
    for one in given:
        told: dict[str, Any] = {"name": one} if isinstance(one, str) else dict(one)
        unknown = set(told) - {"name", "direction", "kind", "margin"}
        if unknown or "name" not in told:
            raise InvalidDesignError(f"a guardrail has name, direction, kind and margin, not {sorted(told)}")
        kind = parse_enum(MetricKind, "guardrail kind", told["kind"]) if told.get("kind") else None
        made.append(
            Metric(told["name"], "guardrail", kind, told.get("direction", "increase"), margin=told.get("margin", 0.0))
        )
    return made


def parse_enum(kind: Any, what: str, value: object) -> Any:
    """A member of an enumeration, from the member or its value in any case."""
    try:
        return kind(str(value).lower())
    except ValueError:
        raise InvalidDesignError(f"{what} is one of {', '.join(kind)}, not {value!r}") from None


def make_baseline(given: float | tuple[float, float] | None, kind: MetricKind | None) -> tuple[float, float] | None:
    """Mean and variance, from a proportion or from mean and standard deviation."""
    if given is None:
        return None
    if isinstance(given, tuple | list) and len(given) == 2:
        return float(given[0]), float(given[1]) ** 2
    if isinstance(given, int | float) and kind == MetricKind.BINARY and 0 < given < 1:
        return float(given), given * (1 - given)
    raise InputError(f"baseline is (mean, standard deviation), or the proportion of a binary metric, not {given!r}")
