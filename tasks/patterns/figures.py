"""A picture of patterns as PNG bytes: all lifts with their intervals, and how each went over time."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
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
THIRDS = 3
TICKS = (-95, -90, -75, -50, -30, 0, 50, 100, 200, 400, 900, 4_900)  # where an axis of lifts has its marks
FULL_COLOR = math.log(2)  # a lift of twice or half


def forest(patterns: Sequence[Pattern]) -> bytes:
    """Lift and 90 % interval of up to twelve patterns, in the given order, and beside each its lift over time.

    The hollow mark is the raw lift; the cells are thirds of the time, the oldest on the left.
    """
    from matplotlib.figure import Figure

    shown = list(patterns)[:MAX_PATTERNS][::-1]
    figure = Figure(figsize=(9, 1.4 + 0.46 * max(len(shown), 1)), layout="constrained")
    axes, strips = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1.1])
    for y, pattern in enumerate(shown):
        _bar(axes, y, pattern.lift_interval_pct, pattern.lift_pct)
        axes.plot(_place(pattern.raw_lift_pct), y, "o", markerfacecolor="none", color=QUIET, markersize=7)
        _strip(strips, y, pattern)
    axes.set_yticks(range(len(shown)), [_label(pattern) for pattern in shown], fontsize=8)
    _finish(axes, "against comparable posts, adjusted (filled) and raw (hollow), 90 % interval")
    strips.set_xticks(range(THIRDS), ["first", "second", "last"], fontsize=8)
    strips.set_xlim(-0.5, THIRDS - 0.5)
    strips.set_xlabel("lift in thirds of the time, %", fontsize=8)
    strips.tick_params(length=0)
    strips.spines[["top", "right", "left", "bottom"]].set_visible(False)
    return _png(figure)


def _strip(axes: Any, y: int, pattern: Pattern) -> None:
    """A cell for each third of the time: its lift, and the more color the larger it is."""
    for x, part in enumerate(pattern.over_time):
        strength = min(abs(_place(part.lift_pct)) / FULL_COLOR, 1.0)
        color = WINNING if part.lift_pct >= 0 else LOSING
        axes.bar(x, 0.7, width=0.94, bottom=y - 0.35, color=color, alpha=0.12 + 0.6 * strength)
        axes.text(x, y, f"{part.lift_pct:+.0f}", ha="center", va="center", fontsize=8)


def _bar(axes: Any, y: int, interval: tuple[float, float], middle: float) -> None:
    color = WINNING if middle >= 0 else LOSING
    axes.plot([_place(end) for end in interval], [y, y], color=color, linewidth=2, solid_capstyle="butt")
    axes.plot(_place(middle), y, "o", color=color, markersize=6)


def _place(lift_pct: float) -> float:
    """Where a lift stands: half as much is as far from the middle as twice as much."""
    return math.log1p(lift_pct / 100)


def _ticks(axes: Any) -> None:
    """Lifts in per cent at even steps of what they multiply by."""
    low, high = axes.get_xlim()
    shown = [lift for lift in TICKS if low <= _place(lift) <= high]
    axes.set_xticks([_place(lift) for lift in shown], [f"{lift:+,}" if lift else "0" for lift in shown])


def _finish(axes: Any, caption: str) -> None:
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(fill(f"lift in %: {caption}; association, not cause", TITLE_WIDTH), fontsize=8)
    _ticks(axes)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(y=0.15)


def _label(pattern: Pattern) -> str:
    return ",\n".join(fill(picture_label(condition.words), LABEL_WIDTH) for condition in pattern.rule)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
