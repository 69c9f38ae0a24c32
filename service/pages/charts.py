"""Where things lie in a picture: numbers to places in an SVG, which the templates draw. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MARK_WIDTH, MARK_EDGE = 200.0, 6.0
WIDTH, HEIGHT = 640.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 28.0, 12.0, 34.0
WANTED_TICKS = 5
NARROWEST, SMALLEST = 1e-12, 1e-290  # an axis, as a share of its values and as such: its steps must not come to nothing
MOST_DRAWN = 6  # arms: a seventh line is no longer told from the others


@dataclass(frozen=True, slots=True)
class IntervalMark:
    """Places of an estimate, its interval's ends and zero on a line of `MARK_WIDTH`."""

    low: float
    middle: float
    high: float
    zero: float


def interval_mark(low: float, middle: float, high: float, domain: tuple[float, float]) -> IntervalMark:
    """Where an estimate and its interval lie among all that are shown beside it."""
    return IntervalMark(*(_on_line(value, domain) for value in (low, middle, high, 0.0)))


def common_domain(intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Ends of a line on which all intervals and zero fit."""
    ends = [end for interval in intervals for end in interval if math.isfinite(end)]
    return min([0.0, *ends]), max([0.0, *ends])


def _on_line(value: float, domain: tuple[float, float]) -> float:
    low, high = domain
    if high <= low:
        return MARK_WIDTH / 2
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return round(MARK_EDGE + share * (MARK_WIDTH - 2 * MARK_EDGE), 1)


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, points (x, y) with x rising, and for each the ends of its interval, where it has any."""

    name: str
    points: Sequence[tuple[float, float]]
    interval: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class DrawnSeries:
    """A series in places: `line` and `band` as SVG writes points; the band is empty where there is none.

    A band of one point has no width: its interval is a whisker instead.
    """

    name: str
    line: str
    band: str
    dots: tuple[tuple[float, float], ...]
    whiskers: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its place and its words."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """A picture of lines over a common axis.

    Attributes:
        level: place of the horizontal line that the picture compares with; None where it has none.
        upright: place of a vertical one.
    """

    series: tuple[DrawnSeries, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    level: float | None
    upright: float | None
    x_title: str
    y_title: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def line_chart(
    series: Sequence[Series],
    titles: tuple[str, str],
    *,
    level: float | None = None,
    upright: float | None = None,
    percent: bool = False,
    bounds: tuple[float, float] | None = None,
) -> LineChart | None:
    """A picture of the first lines; None where no point is a number.

    Args:
        series: in the order in which they are drawn.
        titles: of the axes, x first.
        level: what to compare with, on the y axis.
        upright: what to compare with, on the x axis.
        percent: whether y is a share of one.
        bounds: ends of the y axis; None takes the values'.
    """
    finite = [_finite(one) for one in series[:MOST_DRAWN]]
    finite = [one for one in finite if one.points]
    if not finite:
        return None
    xs = [x for one in finite for x, _ in one.points] + ([] if upright is None else [upright])
    ys = [y for one in finite for _, y in one.points] + ([] if level is None else [level])
    ys += [end for one in finite for ends in one.interval for end in ends]
    x_axis, y_axis = _Axis.over(xs, LEFT, WIDTH - RIGHT), _Axis.over(bounds or ys, HEIGHT - BOTTOM, TOP)
    return LineChart(
        tuple(_drawn(one, x_axis, y_axis) for one in finite),
        tuple(Tick(x_axis.place(value), _number(value)) for value in x_axis.ticks()),
        tuple(Tick(y_axis.place(value), _share(value) if percent else _number(value)) for value in y_axis.ticks()),
        None if level is None else y_axis.place(level),
        None if upright is None else x_axis.place(upright),
        *titles,
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        low, high = min(values), max(values)
        size = max(abs(low), abs(high))
        if high - low <= max(NARROWEST * size, SMALLEST):
            reach = size / 2 if size > SMALLEST else 0.5
            low, high = low - reach, high + reach
        return cls(low, high, start, end)

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round numbers within the axis."""
        rough = (self.high - self.low) / WANTED_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first, first + 2 * WANTED_TICKS + 2) if k * step <= self.high + 1e-9 * step]


def _finite(series: Series) -> Series:
    kept = [k for k, point in enumerate(series.points) if all(map(math.isfinite, point))]
    interval = [series.interval[k] for k in kept] if series.interval else []
    if not all(math.isfinite(end) for ends in interval for end in ends):
        interval = []
    return Series(series.name, [series.points[k] for k in kept], interval)


def _drawn(series: Series, x_axis: _Axis, y_axis: _Axis) -> DrawnSeries:
    dots = tuple((x_axis.place(x), y_axis.place(y)) for x, y in series.points)
    ends = [
        (x, y_axis.place(low), y_axis.place(high)) for (x, _), (low, high) in zip(dots, series.interval, strict=False)
    ]
    band = [(x, high) for x, _, high in ends] + [(x, low) for x, low, _ in reversed(ends)]
    return DrawnSeries(series.name, _written(dots), _written(band), dots, tuple(ends) if len(dots) == 1 else ())


def _written(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"
