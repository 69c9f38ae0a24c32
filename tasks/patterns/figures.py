"""Pictures of patterns as PNG bytes: all lifts with their intervals, and one lift over time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from textwrap import fill
from typing import TYPE_CHECKING, Any

from tasks.patterns.records import Pattern
from tasks.plain_text import picture_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINNING, LOSING, QUIET = "#1b7f5c", "#b3413a", "#6b7280"
DPI = 110
MAX_PATTERNS = 12
TITLE_WIDTH = 85  # characters that fit beside the names of rules
LABEL_WIDTH = 45


def forest(patterns: Sequence[Pattern]) -> bytes:
    """Lift and 90 % interval of up to twelve patterns, strongest on top; the hollow mark is the raw lift."""
    from matplotlib.figure import Figure

    shown = list(patterns)[:MAX_PATTERNS][::-1]
    figure = Figure(figsize=(8, 1.2 + 0.42 * max(len(shown), 1)), layout="constrained")
    axes = figure.subplots()
    for y, pattern in enumerate(shown):
        _bar(axes, y, pattern.lift_interval_pct, pattern.lift_pct)
        axes.plot(pattern.raw_lift_pct, y, "o", markerfacecolor="none", color=QUIET, markersize=7)
    axes.set_yticks(range(len(shown)), [_label(pattern) for pattern in shown], fontsize=8)
    _finish(axes, "against comparable posts, adjusted (filled) and raw (hollow), 90 % interval")
    return _png(figure)


def over_time(pattern: Pattern) -> bytes:
    """One pattern's lift in thirds of the weeks that confirmed it, and the whole as a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.axvline(pattern.lift_pct, color=QUIET, linestyle="--", linewidth=1)
    parts = pattern.over_time[::-1]
    for y, part in enumerate(parts):
        _bar(axes, y, part.lift_interval_pct, part.lift_pct)
    axes.set_yticks(range(len(parts)), [f"{_day(part.first)} to {_day(part.last)}" for part in parts], fontsize=8)
    axes.set_title(fill(picture_label(pattern.description), TITLE_WIDTH), fontsize=9, loc="left")
    _finish(axes, "in each part of the weeks that confirmed it, 90 % interval; dashed: the whole, shrunken")
    return _png(figure)


def _bar(axes: Any, y: int, interval: tuple[float, float], middle: float) -> None:
    color = WINNING if middle >= 0 else LOSING
    axes.plot(interval, [y, y], color=color, linewidth=2, solid_capstyle="butt")
    axes.plot(middle, y, "o", color=color, markersize=6)


def _finish(axes: Any, caption: str) -> None:
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(fill(f"lift in %: {caption}; association, not cause", TITLE_WIDTH), fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(y=0.15)


def _label(pattern: Pattern) -> str:
    return ",\n".join(fill(picture_label(condition.words), LABEL_WIDTH) for condition in pattern.rule)


def _day(instant: datetime) -> str:
    return instant.date().isoformat()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
