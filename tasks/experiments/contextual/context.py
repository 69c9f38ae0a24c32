"""What is known of a unit when it asks for an arm, and the numbers a policy makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UnknownNameError
from tasks.experiments.design import LARGEST, as_number, require_storable
from tasks.experiments.errors import InvalidDesignError

Array = NDArray[np.float64]
Value = str | float | bool | None
Context = dict[str, Value]

MOST_LEVELS = 10  # of one column; rarer ones are together
MOST_FEATURES = 40  # of all columns: a policy's covariances grow with their square
LEAST_OF_LEVEL = 10  # units that a level needs to have a number of its own
LONGEST_LABEL = 128
REACH = 3.0  # standard deviations from the mean, beyond which a number counts as that far


def require_context(given: object, columns: Sequence[str]) -> Context:
    """A unit's context by declared column; what is not given is unknown.

    Raises:
        UnknownNameError: for a column that was not declared.
        InvalidDesignError: for what is no mapping, or a value that is no text, number or truth value.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidDesignError(f"a context is a mapping of {', '.join(columns)} to values, not {given!r}")
    for name in given:
        if name not in columns:
            raise UnknownNameError("column of the context", str(name), columns)
    return {name: _require_value(name, given[name]) for name in columns if given.get(name) is not None}


def _require_value(name: str, value: object) -> Value:
    if isinstance(value, str):
        return require_storable(f"context {name}", value.strip()[:LONGEST_LABEL])
    if isinstance(value, bool | np.bool_):
        return bool(value)
    number = as_number(value)
    if number is None or abs(number) > LARGEST:
        raise InvalidDesignError(
            f"context {name} is a text, a finite number or true/false, not {value!r}; leave out what is not known"
        )
    return number


@dataclass(frozen=True, slots=True)
class EncodedColumn:
    """How one column becomes numbers.

    Attributes:
        levels: that have an indicator each, the most frequent first; None for a number.
        mean: of a number that is known; likewise `deviation`.
        has_gaps: whether it is unknown for some units, which then has an indicator too.
    """

    name: str
    levels: list[str] | None
    mean: float = 0.0
    deviation: float = 1.0
    has_gaps: bool = False

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return (1 if self.levels is None else len(self.levels)) + self.has_gaps

    def encode(self, values: Sequence[Value]) -> Array:
        """Indicators or one standardized number a unit, (n, width)."""
        gaps = np.array([value is None for value in values], dtype=np.float64)
        if self.levels is None:
            numbers = np.array([_number_or_mean(value, self.mean) for value in values])
            parts = [np.clip((numbers - self.mean) / self.deviation, -REACH, REACH)]
        else:
            texts = [_as_level(value) for value in values]
            parts = [np.array([text == level for text in texts], dtype=np.float64) for level in self.levels]
        return np.column_stack([*parts, gaps] if self.has_gaps else parts)


@dataclass(frozen=True, slots=True)
class Encoder:
    """How contexts become rows of numbers; learned from units before, so that a policy can be stored and used again."""

    columns: list[EncodedColumn]

    @classmethod
    def fit(cls, names: Sequence[str], contexts: Sequence[Context]) -> Encoder:
        """A column whose known values are all numbers is a number, any other has levels; constant ones are left out."""
        columns: list[EncodedColumn] = []
        width = 1
        for name in names:
            column = _column(name, [context.get(name) for context in contexts], MOST_FEATURES - width)
            if column is not None and column.width:
                columns.append(column)
                width += column.width
        return cls(columns)

    @property
    def width(self) -> int:
        """How many numbers a row has, its constant 1 included."""
        return 1 + sum(column.width for column in self.columns)

    def encode(self, contexts: Sequence[Context]) -> Array:
        """Rows (n, width); the first number is 1."""
        parts = [column.encode([context.get(column.name) for context in contexts]) for column in self.columns]
        return np.column_stack([np.ones(len(contexts)), *parts])

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Encoder:
        """From the warehouse."""
        return cls([EncodedColumn(**column) for column in stored["columns"]])


def _column(name: str, values: Sequence[Value], room: int) -> EncodedColumn | None:
    known = [value for value in values if value is not None]
    has_gaps = len(values) - len(known) >= LEAST_OF_LEVEL and len(known) >= LEAST_OF_LEVEL
    room -= has_gaps
    if room < 1 or not known:
        return None
    if all(not isinstance(value, str | bool) for value in known):
        numbers = np.array(known, dtype=np.float64)
        deviation = float(numbers.std())
        return EncodedColumn(name, None, float(numbers.mean()), deviation, has_gaps) if deviation > 0 else None
    counts = Counter(_as_level(value) for value in known)
    ranked = sorted(counts, key=lambda level: (-counts[level], level))
    frequent = [level for level in ranked if counts[level] >= LEAST_OF_LEVEL][: min(MOST_LEVELS, room)]
    if len(frequent) == len(counts) and not has_gaps:
        frequent = frequent[1:]  # the most frequent is what the others are compared with
    return EncodedColumn(name, frequent, has_gaps=has_gaps)


def _as_level(value: Value) -> str:
    if value is None:
        return ""
    return str(value) if not isinstance(value, float) else f"{value:g}"


def _number_or_mean(value: Value, mean: float) -> float:
    return mean if value is None or isinstance(value, str | bool) else float(value)
