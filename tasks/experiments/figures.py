"""The picture of an experiment: effect with its interval, look by look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from tasks.plain_text import picture_label

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
        for edge in (low, high):  # bands of several arms cover each other; their edges do not
            axes.plot(n, edge, color=line.get_color(), linewidth=0.8, alpha=0.6)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(title=f"{picture_label(title)}: arms against the control", xlabel="units with an outcome")
    axes.set_ylabel(f"effect on {picture_label(metric_name)}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="best", frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
