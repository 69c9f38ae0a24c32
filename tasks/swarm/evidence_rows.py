"""Rows of other capabilities' result tables as findings, one function a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tasks.swarm.records import EvidenceRef

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
Mapper = Callable[[Row, datetime], EvidenceRef | None]

Z_90 = 1.6449
LEAST_SE = 1e-4


def findings_from(rows: Rows, now: datetime) -> list[EvidenceRef]:
    """All findings among the rows, by table name; a row that states no effect with its error is left out."""
    found = [MAPPERS[table](row, now) for table, these in rows.items() if table in MAPPERS for row in these]
    return [item for item in found if item is not None]


def age_days(observed_at: datetime | None, now: datetime) -> float:
    """Days since it was observed; 0 where nobody knows."""
    return max(0.0, round((now - observed_at).total_seconds() / 86400.0, 1)) if observed_at else 0.0


def log_ratio(lift: float, low: float, high: float) -> tuple[float, float] | None:
    """Log ratio and its standard error from a relative lift and its 90 % interval, all as shares above -1."""
    if not -1.0 < low <= lift <= high or not math.isfinite(high) or high <= low:
        return None
    return math.log1p(lift), max(LEAST_SE, (math.log1p(high) - math.log1p(low)) / (2.0 * Z_90))


MAPPERS: dict[str, Mapper] = {}
