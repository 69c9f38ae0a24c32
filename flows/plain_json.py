"""What results hold, as JSON: never Python's own words for it, which another program cannot read."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID


def plain(value: Any) -> Any:
    """The value in dictionaries, lists, texts, numbers, booleans and nulls.

    Numbers that JSON has not (NaN, infinity) are null, pictures are base64, spans are seconds.

    Raises:
        TypeError: for a type that has no such form yet; give it an `as_dict()`.
    """
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return _by_kind(value)


def _by_kind(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(plain(name)): plain(item) for name, item in value.items()}
        case Enum():
            return plain(value.value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case PurePath() | UUID():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
    return _of_libraries(value)


def _of_libraries(value: Any) -> Any:
    """Records with a method for it, numbers of numpy, and whatever can be walked through."""
    for name in ("as_dict", "to_dict", "model_dump", "tolist"):
        if callable(method := getattr(value, name, None)):
            return plain(method())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")
