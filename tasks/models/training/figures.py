"""Figures of a model on its latest held-out rows, as PNG bytes by their path among a run's artifacts. Pure.

Drawn without pyplot, whose state threads would share, and without automatic layout, which costs more than the drawing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.drift.shifts import scores
from tasks.models.training.estimators import Floats
from tasks.models.training.evaluation import HeldOut
from tasks.models.training.importance import Importance
from tasks.plain_text import picture_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAIN, QUIET = "#1b7f5c", "#6b7280"
DPI, SMALL = 100, 8
GROUPS, MIN_GROUP = 10, 5
MAX_POINTS, MAX_CLASSES, MAX_BARS, MAX_TICKS, LONGEST_NAME = 1_500, 10, 12, 5, 30
YES_OR_NO = {"0": "no", "1": "yes"}  # how a conversion is labeled
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Pictured:
    """What figures are drawn of: the latest held-out rows, and the most important inputs where they are known."""

    held_out: HeldOut
    inputs: Importance | None


def figures_of(target: str, pictured: Pictured) -> dict[str, bytes]:
    """Calibration of every model; residuals for regression, confusion for classification; importance where known."""
    held_out, importance = pictured.held_out, pictured.inputs
    figures = {"calibration": calibration(target, held_out)}
    if held_out.classes is None:
        figures["residuals"] = residuals(held_out)
    else:
        figures["confusion"] = confusion(held_out)
    if importance is not None:
        figures["importance"] = bars(importance)
    return {f"figures/{name}.png": png for name, png in figures.items()}


def calibration(target: str, held_out: HeldOut) -> bytes:
    """Predicted against observed, in ten groups of equal size, with 95 % intervals; dashed: perfect calibration."""
    predicted, observed = scores(held_out.predicted), _outcomes(held_out)
    size = max(MIN_GROUP, len(predicted) // GROUPS)
    groups = np.array_split(np.argsort(predicted, kind="stable"), max(len(predicted) // size, 1))
    middle = np.array([[predicted[rows].mean(), observed[rows].mean()] for rows in groups])
    reach = np.array([NORMAL_95 * observed[rows].std() / np.sqrt(len(rows)) for rows in groups])
    axes = _axes(f"Calibration on {len(predicted)} held-out rows: {_of_what(target, held_out)}", bottom=0.13)
    ends = [min(middle.min(), (middle[:, 1] - reach).min()), max(middle.max(), (middle[:, 1] + reach).max())]
    axes.plot(ends, ends, "--", color=QUIET, linewidth=1)
    if held_out.classes is not None:
        axes.set_ylim(-0.02, 1.02)
    axes.errorbar(middle[:, 0], middle[:, 1], reach, fmt="o", color=MAIN, markersize=5, linewidth=1.5)
    axes.set_xlabel("predicted, mean of each group", fontsize=SMALL)
    axes.set_ylabel("observed, mean and 95 % interval", fontsize=SMALL)
    return _png(axes)


def residuals(held_out: HeldOut) -> bytes:
    """Observed − predicted over the prediction; above the line the model predicted too little."""
    truth = held_out.rows.target.to_numpy()
    every = slice(None, None, max(len(truth) // MAX_POINTS, 1))
    error, predicted = (truth - held_out.predicted)[every], held_out.predicted[every]
    half = float(np.median(np.abs(truth - held_out.predicted)))
    axes = _axes(f"Residuals on {len(truth)} held-out rows; half lie within ±{half:.2g}", bottom=0.13)
    axes.axhspan(-half, half, color=MAIN, alpha=0.12, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.plot(predicted, error, "o", color=MAIN, markersize=3, alpha=0.5, markeredgewidth=0)
    axes.set_xlabel("predicted (log)", fontsize=SMALL)
    axes.set_ylabel("observed − predicted (log)", fontsize=SMALL)
    return _png(axes)


def confusion(held_out: HeldOut) -> bytes:
    """True label by predicted label, in rows and as a share of the true label; the rarest labels are pooled."""
    truth, chosen = _labels(held_out)
    labels, counts = np.unique(truth, return_counts=True)
    names = sorted(labels[np.argsort(-counts, kind="stable")][:MAX_CLASSES].tolist())
    names += ["(others)"] if set(truth) | set(chosen) > set(names) else []
    place = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    last = len(names) - 1
    np.add.at(table, ([place.get(name, last) for name in truth], [place.get(name, last) for name in chosen]), 1)
    accuracy = float((truth == chosen).mean())
    axes = _axes(f"Confusion matrix on {len(truth)} held-out rows; accuracy {accuracy:.0%}", left=0.25, bottom=0.25)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Greens", vmin=0, vmax=1, aspect="auto")
    for (i, j), n in np.ndenumerate(table):
        if n:
            axes.text(j, i, f"{n}", ha="center", va="center", fontsize=SMALL, color="w" if share[i, j] > 0.6 else "k")
    shown = [_short(name) for name in names]
    axes.set_xticks(range(len(names)), shown, rotation=40, ha="right", fontsize=SMALL)
    axes.set_yticks(range(len(names)), shown, fontsize=SMALL)
    axes.set_xlabel("predicted", fontsize=SMALL)
    axes.set_ylabel("true (color: share of the row)", fontsize=SMALL)
    return _png(axes)


def bars(importance: Importance) -> bytes:
    """The most important inputs, strongest on top."""
    names, values = importance.names[:MAX_BARS][::-1], importance.values[:MAX_BARS][::-1]
    axes = _axes("Most important inputs (what the model uses, not what causes the outcome)", left=0.36, bottom=0.13)
    error = importance.errors[:MAX_BARS][::-1]
    axes.barh(range(len(names)), values, xerr=error if error.any() else None, color=MAIN, ecolor=QUIET, height=0.65)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), [_short(name) for name in names], fontsize=SMALL)
    axes.set_xlabel(importance.unit, fontsize=SMALL)
    return _png(axes)


def _outcomes(held_out: HeldOut) -> Floats:
    """(n,) what `scores` predict: the target, whether the second of two labels occurred, or the label was right."""
    if held_out.classes is None:
        return np.asarray(held_out.rows.target.to_numpy(), dtype=np.float64)
    truth, chosen = _labels(held_out)
    occurred = truth == held_out.classes[1] if len(held_out.classes) == 2 else truth == chosen
    return np.asarray(occurred, dtype=np.float64)


def _of_what(target: str, held_out: HeldOut) -> str:
    if held_out.classes is None:
        return f"{target} (log)"
    if len(held_out.classes) == 2:
        return f"chance of {target} = {_short(held_out.classes[1])}"
    return f"chance that the {target} is right"


def _labels(held_out: HeldOut) -> tuple[NDArray[Any], NDArray[Any]]:
    """(n,) true and chosen labels."""
    return held_out.rows.target.to_numpy().astype(str), np.array(held_out.classes)[held_out.chosen]


def _short(name: str) -> str:
    word = YES_OR_NO.get(name, name)
    return picture_label(word if len(word) <= LONGEST_NAME else f"{word[: LONGEST_NAME - 1]}…")


def _axes(title: str, *, left: float = 0.12, bottom: float = 0.12) -> Axes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), dpi=DPI)
    axes = figure.add_axes((left, bottom, 0.96 - left, 0.9 - bottom))
    figure.text(0.02, 0.95, picture_label(title), fontsize=9.5)
    axes.tick_params(labelsize=SMALL)
    axes.locator_params(nbins=MAX_TICKS)  # each tick costs a millisecond
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _png(axes: Axes) -> bytes:
    figure, buffer = axes.get_figure(root=True), io.BytesIO()
    assert figure is not None, "axes lie in a figure"
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})  # a third larger, and a third sooner
    return buffer.getvalue()
