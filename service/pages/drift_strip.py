"""What a model did day by day, with a band that holds at every look, and what would be decided by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from service.pages.charts import LineChart, Series, line_chart
from service.pages.wording import plural
from tasks.models.drift.monitor import DriftThresholds
from tasks.models.drift.stream import MARGIN, Stream
from tasks.models.records import CRITICAL, INSUFFICIENT_DATA, WARNING, ModelKey
from tasks.models.service import ModelService
from tasks.warehouse import Warehouse

MOST_POINTS, MOST_LISTED = 60, 10
SECONDS_A_DAY = 86_400
A_DAY = timedelta(days=1)
THRESHOLDS = DriftThresholds()


@dataclass(frozen=True, slots=True)
class StretchOfDays:
    """Some days of the strip: what was lost on them, and the mean of all so far with its band."""

    until: datetime
    n: int
    loss: float
    mean: float
    low: float
    high: float


def strip_context(warehouse: Warehouse, key: ModelKey, as_of: datetime | None = None) -> dict[str, Any]:
    """What the part of the page shows about the version that serves, or served at an instant."""
    moment = as_of or datetime.now(UTC)
    version, stream = ModelService(warehouse, thresholds=THRESHOLDS).drift_stream(key, as_of)
    if version is None or stream is None:
        return {"as_of": as_of, "moment": moment, "stream": None}
    stretches = stretches_of(stream, moment)
    return {
        "as_of": as_of,
        "decision": decision_in_words(stream),
        "moment": moment,
        "picture": picture(stream, stretches, float(version.evaluation["loss"]), moment),
        "stream": stream,
        "stretches": stretches[-MOST_LISTED:][::-1],
        "version_name": version.version_name,
    }


def decision_in_words(stream: Stream) -> str:
    """What would be decided now, and by what."""
    least, why = THRESHOLDS.min_samples, "; ".join(one.reason for one in stream.findings)
    if stream.status == INSUFFICIENT_DATA:
        return f"Nothing would be decided: {plural(stream.n_outcomes, 'outcome')} of the {least} that are needed."
    if stream.status == CRITICAL:
        return f"Drift would be called critical: {why}. The next refresh measures what retraining brings."
    if stream.status == WARNING:
        return f"A warning would be given: {why}. The next refresh measures what retraining brings."
    return "Nothing would be decided: it does what it did."


def stretches_of(stream: Stream, moment: datetime) -> list[StretchOfDays]:
    """The days on which outcomes came, joined where there are too many to draw."""
    places = np.flatnonzero(stream.outcomes.n > 0)
    means, widths = stream.running()
    return [
        _stretch(stream, part, float(means[part[-1]]), float(widths[part[-1]]), moment)
        for part in np.array_split(places, min(len(places), MOST_POINTS) or 1)
        if len(part)
    ]


def _stretch(stream: Stream, part: Any, mean: float, width: float, moment: datetime) -> StretchOfDays:
    n, until = stream.outcomes.n[part], min(stream.days[part[-1]] + A_DAY, moment)
    loss = float((n * stream.outcomes.mean[part]).sum() / n.sum())
    return StretchOfDays(until, int(n.sum()), loss, mean, mean - width, mean + width)


def picture(
    stream: Stream, stretches: Sequence[StretchOfDays], registered: float, moment: datetime
) -> LineChart | None:
    """Losses over time: of each stretch, and of all so far in its band; above the dashed line a rise counts."""
    shown = [one for one in stretches if np.isfinite(one.high)]
    running = [(_before(one.until, moment), one.mean) for one in shown]
    each = [(_before(one.until, moment), one.loss) for one in stretches]
    since = next((one.since for one in stream.findings if one.since is not None), None)
    return line_chart(
        [
            Series("all outcomes so far", running, [(max(one.low, 0.0), one.high) for one in shown]),
            Series("each stretch of days", each),
        ],
        ("days before then" if moment < datetime.now(UTC) - A_DAY else "days before now", "mean loss"),
        level=registered * (1.0 + MARGIN),
        upright=None if since is None else _before(since, moment),
    )


def _before(instant: datetime, moment: datetime) -> float:
    return (instant - moment).total_seconds() / SECONDS_A_DAY
