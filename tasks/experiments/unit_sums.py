"""Sums over units that serve a metric of any kind, and what they say for the kind that it turns out to have.

A unit counts once, whatever the number of its outcomes: a binary metric asks whether any is positive, a rate takes
their mean, a ratio divides totals, every other kind takes the total. All are summed from the first outcome on, so that
the kind is decided when one looks: what is seen later widens it and refuses nothing. Sums that have lost their digits,
to an origin far off or to a value that was amended since, tell so and are made anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta, tzinfo
from math import ceil, fsum
from typing import Any

from tasks.experiments.outcomes import SUMS, Key, State
from tasks.experiments.records import MetricKind

WHOLE = ("n", "with_covariate", "negative", "not_binary", "not_rate", "not_count")
PEAKS = ("largest", "largest_d")
NARROWER = {MetricKind.BINARY: "not_binary", MetricKind.RATE: "not_rate", MetricKind.COUNT: "not_count"}
POWERS = {"y": 1, "yy": 2, "y3": 3, "y4": 4}
DAY_SUMS = ("n", "y", "yy", "d", "dd", "yd")
LARGEST_SHIFT = 1e6  # of a squared mean over the variance, from where on squares lose half of their digits
FOURTH_TOLERANCE = 0.01  # of fourth powers, which only say how heavy the tails are
ROUNDING = 2.0**-46  # of the largest square that was ever added: what it may have left behind
Row = Mapping[str, Any]
Cell = tuple[str, int, str]  # variant, epoch, segment
Day = tuple[str, str, int]  # variant, calendar date, days since exposure


def sums_by_cell(
    units: Mapping[str, Sequence[tuple[float, float]]],
    assignments: Mapping[str, Row],
    origin: float,
    covariate_origin: float = 0.0,
) -> dict[Cell, dict[str, float]]:
    """Sums over units by arm, epoch and segment.

    Args:
        units: values and denominators of each unit's outcomes.
        assignments: each unit's variant, epoch, segment and covariate.
        origin: taken off every unit's total; `covariate_origin` off its covariate.
    """
    cells: dict[Cell, list[tuple[float, ...]]] = defaultdict(list)
    for unit_id, outcomes in units.items():
        if outcomes:
            row = assignments[unit_id]
            x = None if row["covariate"] is None else row["covariate"] - covariate_origin
            cells[row["variant_id"], row["epoch"], row["segment"]].append(_contribution(outcomes, x, origin))
    return {cell: _summed(parts) for cell, parts in sorted(cells.items())}


def _summed(parts: Sequence[tuple[float, ...]]) -> dict[str, float]:
    columns = list(zip(*parts, strict=True))
    sums = dict(zip(SUMS, map(fsum, columns), strict=True))
    return sums | {"largest": max(columns[2]), "largest_d": max(columns[4])}


def _contribution(outcomes: Sequence[tuple[float, float]], x: float | None, origin: float) -> tuple[float, ...]:
    """One unit's part in each of `SUMS`."""
    values = [value for value, _ in outcomes]
    total, d = fsum(values), fsum(parts for _, parts in outcomes)
    y, m, b = total - origin, total / len(values), float(any(value > 0 for value in values))
    has, x = (0.0, 0.0) if x is None else (1.0, x)
    return (
        *(1, y, y * y, d, d * d, y * d, has, x, x * x, x * y),
        *(m, m * m, b, x * m, x * b, has * y, has * m, has * b, has * d, x * d),
        *(y**3, y**4, m**3, m**4, y**3 * d, y * y * d * d, y * d**3, d**4),
        sum(value < 0 for value in values),
        sum(value not in (0, 1) for value in values),
        sum(not 0 <= value <= 1 for value in values),
        sum(value < 0 or not value.is_integer() for value in values),
    )


def difference(after: Mapping[Cell, Row], before: Mapping[Cell, Row]) -> dict[Cell, dict[str, float]]:
    """What has to be added to the stored sums, and the largest squares that came or went."""
    nothing = dict.fromkeys((*SUMS, *PEAKS), 0.0)
    made = {}
    for cell in sorted({*after, *before}):
        new, old = after.get(cell, nothing), before.get(cell, nothing)
        made[cell] = {name: new[name] - old[name] for name in SUMS} | {
            name: max(new[name], old[name]) for name in PEAKS
        }
    return made


def as_columns(cell: Cell, sums: Row) -> dict[str, Any]:
    """One cell's sums as a row of `experiment_statistic`, its experiment and metric aside."""
    place = {"variant_id": cell[0], "epoch": cell[1], "segment": cell[2]}
    return place | dict(sums) | {name: int(sums[name]) for name in WHOLE}


def sums_by_day(
    touched: Mapping[Key, tuple[State | None, State]], assignments: Mapping[str, Row], zone: tzinfo, origin: float
) -> dict[Day, dict[str, float]]:
    """What has to be added to the sums by day, of outcomes that say when they occurred: before and after."""
    days: dict[Day, list[tuple[float, ...]]] = defaultdict(list)
    for (unit_id, _), (before, after) in touched.items():
        row = assignments[unit_id]
        for sign, state in ((-1, before), (1, after)):
            if state is not None and state.occurred_at is not None:
                days[_day_of(state, row, zone)].append(_day_part(state, sign, origin))
    return {day: dict(zip(DAY_SUMS, map(fsum, zip(*parts, strict=True)), strict=True)) for day, parts in days.items()}


def day_rows(days: Mapping[Day, Row]) -> list[dict[str, Any]]:
    """Sums by day as rows of `experiment_day`, their experiment and metric aside."""
    return [
        {"variant_id": variant, "date": date, "day": day} | dict(sums) | {"n": int(sums["n"])}
        for (variant, date, day), sums in sorted(days.items())
    ]


def added(known: Row, part: Row) -> dict[str, float]:
    """Sums of both; of peaks the larger one."""
    return {name: max(known[name], value) if name in PEAKS else known[name] + value for name, value in part.items()}


def _day_of(state: State, assignment: Row, zone: tzinfo) -> Day:
    assert state.occurred_at is not None
    since = max((state.occurred_at - assignment["assigned_at"]) // timedelta(days=1), 0)
    return assignment["variant_id"], state.occurred_at.astimezone(zone).date().isoformat(), since


def _day_part(state: State, sign: int, origin: float) -> tuple[float, ...]:
    y, d = state.value - origin, state.denominator
    return sign, sign * y, sign * y * y, sign * d, sign * d * d, sign * y * d


def middle_of(units: Iterable[Sequence[tuple[float, float]]]) -> float:
    """An origin among units' totals: the middle one, which a single wild value cannot be unless it comes alone."""
    totals = sorted(fsum(value for value, _ in outcomes) for outcomes in units if outcomes)
    return totals[len(totals) // 2] if totals else 0.0


def kind_of_values(values: Iterable[float]) -> MetricKind:
    """The narrowest kind that holds all values."""
    parts = [_contribution([(value, 1.0)], None, 0.0) for value in values]
    kind = narrowest_kind([dict(zip(SUMS, part, strict=True)) for part in parts])
    assert kind is not None, "there is a value"
    return kind


def narrowest_kind(rows: Sequence[Row]) -> MetricKind | None:
    """The narrowest kind that holds all outcomes of one metric; None before the first."""
    if not sum(row["n"] for row in rows):
        return None
    for kind, name in (
        (MetricKind.BINARY, "not_binary"),
        (MetricKind.RATE, "not_rate"),
        (MetricKind.COUNT, "not_count"),
    ):
        if not sum(row[name] for row in rows):
            return kind
    return MetricKind.CONTINUOUS


def kind_of(metric: Row, rows: Sequence[Row], *, is_missing_zero: bool = False) -> MetricKind | None:
    """A metric's kind: as declared, else by all its outcomes.

    Where units without an outcome count as zero, totals are compared, so that a rate is a continuous total.
    """
    if metric["is_kind_fixed"]:
        return MetricKind(metric["kind"])
    kind = narrowest_kind(rows) or (MetricKind(metric["kind"]) if metric["kind"] else None)
    return MetricKind.CONTINUOUS if is_missing_zero and kind == MetricKind.RATE else kind


def projected(row: Row, kind: MetricKind | None) -> dict[str, Any]:
    """A row of sums with y as a metric of this kind counts it: what an analysis reads."""
    if kind == MetricKind.BINARY:
        powers = dict.fromkeys(("y", "yy", "y3", "y4", "yd"), row["b"])
        return {**row, **powers, "xy": row["xb"], "hy": row["hb"]}
    if kind == MetricKind.RATE:
        powers = {"y": row["m"], "yy": row["mm"], "y3": row["m3"], "y4": row["m4"]}
        return {**row, **powers, "xy": row["xm"], "hy": row["hm"]}
    return dict(row)


def origin_of(metric: Row, kind: MetricKind | None) -> float:
    """What was taken off the sums of a kind."""
    return 0.0 if kind in (MetricKind.BINARY, MetricKind.RATE) else float(metric["origin"] or 0.0)


def have_lost_digits(rows: Sequence[Row]) -> bool:
    """Whether the sums of one metric no longer tell its variance, and the outcomes have to be summed anew."""
    n, y, yy, dd = (fsum(row[name] for row in rows) for name in ("n", "y", "yy", "dd"))
    if n < 2:
        return False
    shift = y * y / n
    spread = yy - shift
    largest, largest_d = (max(row[name] for row in rows) for name in PEAKS)
    is_far = shift > LARGEST_SHIFT * max(spread, 0.0) and shift > 0
    return is_far or ROUNDING * largest > spread / LARGEST_SHIFT or ROUNDING * largest_d > dd / LARGEST_SHIFT


def units_above(units: int, quantile: float) -> int:
    """How many units may lie above a quantile of all of them, of which it is a value."""
    return units - 1 - ceil(quantile * (units - 1)) if units else 0


def with_cap(
    rows: Sequence[Row], above: Sequence[Row], cap: float, origins: tuple[float, float]
) -> list[dict[str, Any]] | None:
    """Projected rows as they are when no unit counts for more than a cap.

    Args:
        rows: of one metric, projected; `origins` of its values and of covariates.
        above: the units above the cap, with value, denominator and assignment.

    Returns:
        None where what is taken off leaves too few digits, so that all units have to be summed.
    """
    changed = {(row["variant_id"], row["epoch"], row["segment"]): dict(row) for row in rows}
    for unit in above:
        _cut(changed[unit["variant_id"], unit["epoch"], unit["segment"]], unit, cap, origins)
    made = list(changed.values())
    n, y, yy = (fsum(row[name] for row in made) for name in ("n", "y", "yy"))
    spread, fourth = yy - y * y / max(n, 1), fsum(row["y4"] for row in made)
    largest = max((row["largest"] for row in rows), default=0.0)
    is_lost = ROUNDING * largest > spread / LARGEST_SHIFT or ROUNDING * largest**2 > FOURTH_TOLERANCE * fourth
    return None if above and is_lost else made


def cap_of(top: Sequence[Row], missing: int, rank: int) -> float:
    """The value of this rank, from 0, among the largest ones and as many zeros as there are units without one."""
    values = [row["value"] for row in top]
    positive = sum(value > 0 for value in values)
    if rank < positive or not missing:
        return float(values[min(rank, len(values) - 1)]) if values else 0.0
    return 0.0 if rank < positive + missing else float(values[rank - missing])


def _cut(row: dict[str, Any], unit: Row, cap: float, origins: tuple[float, float]) -> None:
    origin, covariate_origin = origins
    before, after, d = unit["value"] - origin, cap - origin, unit["denominator"]
    change = after - before
    row["y"] += change
    row["yy"] += change * (after + before)
    row["y3"] += after**3 - before**3
    row["y4"] += after**4 - before**4
    row["yd"] += change * d
    row["y3d"] += (after**3 - before**3) * d
    row["y2d2"] += change * (after + before) * d * d
    row["yd3"] += change * d**3
    if unit["covariate"] is not None:
        row["xy"] += change * (unit["covariate"] - covariate_origin)
        row["hy"] += change


def with_zeros(rows: Sequence[Row], arrivals: Sequence[Row], origin: float, metric_name: str) -> list[dict[str, Any]]:
    """Projected rows in which every unit that was assigned counts, without an outcome as zero."""
    reported = {(row["variant_id"], row["epoch"], row["segment"]): row for row in rows}
    nothing = dict.fromkeys(SUMS, 0) | dict.fromkeys(PEAKS, 0.0)
    filled = []
    for arrived in arrivals:
        cell = (arrived["variant_id"], arrived["epoch"], arrived["segment"])
        about = dict(zip(("variant_id", "epoch", "segment"), cell, strict=True)) | {"metric_name": metric_name}
        row = dict(reported.get(cell, nothing | about))
        lost, lost_x = arrived["n"] - row["n"], arrived["x"] - row["x"]
        row["hy"] -= origin * (arrived["with_covariate"] - row["with_covariate"])
        row |= {name: row[name] + lost * (-origin) ** power for name, power in POWERS.items()}
        row["xy"] -= origin * lost_x
        filled.append(row | {name: arrived[name] for name in ("n", "with_covariate", "x", "xx")})
    return filled
