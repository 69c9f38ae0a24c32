"""The one way from a result to JSON: records, instants and arrays become objects, text and lists all the way down."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID


def json_text(value: Any) -> str:
    """The JSON text of a result, indented; numbers JSON has no word for are null, pictures are base64."""
    return json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """A value made of what JSON knows.

    Raises:
        TypeError: if there is something in it that has no form in JSON; a Python repr is never printed for data.
    """
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return _scalar(value) if isinstance(value, SCALARS) else _structure(value)


SCALARS = (bytes, Enum, datetime, date, time, timedelta, Decimal, PurePath, UUID)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _structure(value: Any) -> Any:
    """Records, pydantic models, numpy's scalars and arrays, polars' frames; by what they can do, to import nothing."""
    for method in ("as_dict", "model_dump", "tolist", "to_dicts"):
        if callable(make := getattr(value, method, None)):
            return plain(make())
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        return str(key.value)
    if isinstance(key, str | int | float | date):
        return str(key)
    raise TypeError(f"a key of type {type(key).__name__} has no form in JSON")
