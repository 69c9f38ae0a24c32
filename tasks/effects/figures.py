"""A picture of a program as PNG bytes: what winners claimed, one upon the other, and what is expected to hold."""

from __future__ import annotations

import io
import math

import numpy as np

from tasks.effects.program import Floats, Z
from tasks.effects.program_summary import ProgramSummary

CLAIMED, EXPECTED = "#6b7280", "#1b7f5c"
DPI = 110


def cumulative(summary: ProgramSummary) -> bytes:
    """Gains of winners in the order in which they ended, in per cent, with the 90 % band of what is expected.

    Where they come to more than anybody can picture, as multiples on a log scale, or the last one hides all others.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    winners = [one for one in summary.experiments if one.ending == "winner"]
    claimed, expected, low = (
        np.array([0.0, *(math.log1p(value / 100.0) for value in values)])
        for values in (
            [one.claimed_pct for one in winners],
            [one.expected_pct for one in winners],
            [one.interval_pct[0] for one in winners],
        )
    )
    deviation = np.sqrt(np.cumsum(((expected - low) / Z) ** 2))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    steps, middle = np.arange(len(winners) + 1), np.cumsum(expected)
    shown = _per_cent if summary.is_read_together else np.exp
    axes.plot(steps, shown(np.cumsum(claimed)), "o--", color=CLAIMED, markersize=4, label="claimed")
    axes.plot(steps, shown(middle), "o-", color=EXPECTED, markersize=4, label="expected to hold, 90 %")
    lower, upper = (shown(middle + side * Z * deviation) for side in (-1.0, 1.0))
    axes.fill_between(steps, lower, upper, color=EXPECTED, alpha=0.18, linewidth=0)
    axes.axhline(float(shown(np.zeros(1))[0]), color="black", linewidth=0.8)
    axes.set_xlabel("experiments with a winner, in the order in which they ended")
    axes.set_ylabel("gain, %" if summary.is_read_together else "all gains multiplied, times (log scale)")
    if not summary.is_read_together:
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _per_cent(log_ratios: Floats) -> Floats:
    gains: Floats = 100.0 * np.expm1(log_ratios)
    return gains
