"""Pictures of an experiment: its plan's power by size, and its effects with their intervals, look by look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tasks.experiments.power_curve import PowerCurve
from tasks.plain_text import picture_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LOOKS = 200


def effects_over_time(looks: Sequence[Mapping[str, Any]], title: str, metric_name: str) -> bytes | None:
    """PNG of every arm's effect against the control over units; None while nothing could be compared.

    Args:
        looks: rows of `experiment_look`, in order.
    """
    shown = [look for look in looks if look["result"]["effects"]][-MOST_LOOKS:]
    if not shown:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for name in [effect["variant_id"] for effect in shown[-1]["result"]["effects"]]:
        points = [
            (look["n"], effect["effect"], *effect["interval"])
            for look in shown
            for effect in look["result"]["effects"]
            if effect["variant_id"] == name
        ]
        n, effect, low, high = zip(*points, strict=True)
        (line,) = axes.plot(n, effect, marker=".", label=picture_label(name))
        axes.fill_between(n, low, high, alpha=0.1, color=line.get_color())
        if len(n) == 1:  # a band of one look has no width
            axes.vlines(n, low, high, color=line.get_color(), linewidth=1.5)
        for edge in (low, high):  # bands of several arms cover each other; their edges do not
            axes.plot(n, edge, color=line.get_color(), linewidth=0.8, alpha=0.6)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(title=f"{picture_label(title)}: arms against the control", xlabel="units with an outcome")
    axes.set_ylabel(f"effect on {picture_label(metric_name)}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if axes.get_legend_handles_labels()[1]:  # a name of which nothing can be shown has no line in it
        axes.legend(loc="best", frameon=False)
    return _png(figure)


def power_by_size(curve: PowerCurve) -> bytes:
    """PNG of a plan: power by the smallest arm's units, and at the planned size by the true effect."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_size, by_effect = figure.subplots(1, 2, sharey=True)
    n = [row["units_per_arm"] for row in curve.sizes]
    by_size.plot(n, [row["power"] for row in curve.sizes], marker="o")
    by_size.axvline(curve.plan.units_per_arm, color="black", linewidth=0.8)
    by_size.set(title=f"if the effect is {100 * curve.min_effect_size:.3g} %", xlabel="units in the smallest arm")
    by_size.set_ylabel("power: the right winner is named")
    by_size.xaxis.set_major_formatter("{x:,.0f}")
    by_effect.plot([100 * row["effect"] for row in curve.effects], [row["power"] for row in curve.effects], marker="o")
    by_effect.axvline(100 * curve.min_effect_size, color="black", linewidth=0.8)
    by_effect.set_title(f"with {curve.plan.units_per_arm:,} units in the smallest arm")
    by_effect.set_xlabel("true effect, % of the control's mean")
    for axes in (by_size, by_effect):
        axes.axhline(curve.wanted_power, color="gray", linewidth=0.8, linestyle="--")
        axes.set_ylim(0, 1.02)
        axes.set_xlim(left=0)
        axes.yaxis.set_major_formatter("{x:.0%}")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
