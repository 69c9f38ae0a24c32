"""The arms of an experiment, from what people write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose, isfinite
from typing import Any

from tasks.experiments.checks import require_text
from tasks.experiments.errors import InvalidDesignError

WEIGHT_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm."""

    variant_id: str
    description: str | None
    weight: float
    is_control: bool
    levels: dict[str, str] = field(default_factory=dict)


def make_variants(given: Sequence[Mapping[str, Any]]) -> list[Variant]:
    """Arms from dictionaries with `name` and, if wanted, `description`, `weight`, `is_control`, `levels`.

    Raises:
        InvalidDesignError: for fewer than two, blank or repeated names, several controls, or weights off 1.
    """
    names = [str(one.get("name", "")).strip() if isinstance(one, Mapping) else "" for one in given]
    if len(names) < 2:
        raise InvalidDesignError(f"an experiment compares at least two variants, not {len(names)}")
    for name in names:
        require_text("variant name", name, 128)
    if len(set(names)) < len(names):
        raise InvalidDesignError(f"variant names must differ: {', '.join(sorted(names))}")
    controls = [name for name, one in zip(names, given, strict=True) if one.get("is_control")]
    if len(controls) > 1:
        raise InvalidDesignError(f"one variant is the control, not {len(controls)}: {', '.join(controls)}")
    control = controls[0] if controls else ("control" if "control" in names else names[0])
    weights = require_weights([one.get("weight") for one in given])
    return [
        Variant(name, one.get("description"), weight, name == control, dict(one.get("levels") or {}))
        for name, one, weight in zip(names, given, weights, strict=True)
    ]


def require_weights(weights: Sequence[Any]) -> list[float]:
    """The weights of all arms, equal ones where none is given; they must be positive and sum to 1."""
    if all(weight is None for weight in weights):
        return [1 / len(weights)] * len(weights)
    numbers = [w for w in weights if isinstance(w, int | float) and not isinstance(w, bool) and isfinite(w) and w > 0]
    if len(numbers) < len(weights) or not isclose(sum(numbers), 1.0, abs_tol=WEIGHT_TOLERANCE):
        raise InvalidDesignError(f"weights must be positive and sum to 1 over all variants, not {weights}")
    return [float(weight) for weight in numbers]
