"""How good predictions are, in the field's own figures, each with its interval. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
RESAMPLES, LEVEL = 200, 0.9
MOST_ROWS = 2_000  # resampled; more rows narrow an interval that is narrow already
BINS = 10
MAIN = ("mae_log", "auc", "macro_f1", "r2")  # a model's own figure is the first that it has


def metrics(
    predicted: Floats,
    target: pl.Series,
    classes: tuple[str, ...] | None,
    chosen: Places,
    half_width: float | None = None,
) -> dict[str, float]:
    """Mean absolute error and R² for regression; log loss, accuracy, macro F1 and binary figures for classes.

    Args:
        predicted: (n,) expected values, or (n, classes) probabilities.
        target: (n,) numbers or labels.
        classes: labels of the columns; None for regression.
        chosen: (n,) position of the label that is said; not asked for in regression.
        half_width: of the 90 % interval, whose coverage is then among the figures.

    Returns:
        By name; what is not defined, such as the AUC of one class, is left out.
    """
    if classes is None:
        return _of_numbers(predicted, np.asarray(target.to_numpy(), dtype=np.float64), half_width)
    return _of_classes(predicted, _places(target, classes), chosen, len(classes))


def intervals_of(
    predicted: Floats,
    target: pl.Series,
    classes: tuple[str, ...] | None,
    chosen: Places,
    half_width: float | None,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """90 % percentile intervals (Efron 1979) of `metrics`, by name; of those defined in every second draw or more."""
    n = len(target)
    if not n:
        return {}
    random, drawn = np.random.default_rng(seed), dict[str, list[float]]()
    truth = np.asarray(target.to_numpy(), dtype=np.float64) if classes is None else _places(target, classes)
    size = min(n, MOST_ROWS)
    for _ in range(RESAMPLES):
        rows = random.integers(0, n, size)
        if classes is None:
            figures = _of_numbers(predicted[rows], truth[rows].astype(np.float64), half_width)
        else:
            figures = _of_classes(predicted[rows], truth[rows].astype(np.int64), chosen[rows], len(classes))
        for name, value in figures.items():
            drawn.setdefault(name, []).append(value)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    ends = {name: np.quantile(values, tails) for name, values in drawn.items() if len(values) >= RESAMPLES / 2}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def main_figure(figures: Mapping[str, float]) -> tuple[str, float, float | None] | None:
    """Name and value of the figure a model goes by, and its baseline's, which earlier releases did not keep."""
    name = next((name for name in MAIN if name in figures), None)
    return None if name is None else (name, figures[name], figures.get(f"baseline_{name}"))


def _places(target: pl.Series, classes: tuple[str, ...]) -> Places:
    """(n,) position of each label; one past the last for a label that the model never saw."""
    position = {name: i for i, name in enumerate(classes)}
    return np.array([position.get(str(label), len(classes)) for label in target.to_list()], dtype=np.int64)


def _of_numbers(predicted: Floats, truth: Floats, half_width: float | None) -> dict[str, float]:
    errors = np.abs(predicted - truth)
    figures = {"mae_log": float(errors.mean())}
    if half_width is not None:
        figures["coverage_90"] = float((errors <= half_width).mean())
    total = float(truth.var()) * len(truth)
    return figures | ({"r2": 1.0 - float((errors**2).sum()) / total} if total > 0 else {})


def _of_classes(predicted: Floats, truth: Places, chosen: Places, n_classes: int) -> dict[str, float]:
    seen = truth < n_classes
    p = np.where(seen, predicted[np.arange(len(truth)), np.minimum(truth, n_classes - 1)], 0.0)
    figures = {"log_loss": float(-np.log(np.clip(p, 1e-4, 1.0)).mean()), "accuracy": float((chosen == truth).mean())}
    figures["macro_f1"] = _macro_f1(truth, chosen, n_classes)
    return figures | (_of_two(predicted[:, 1], truth == 1) if n_classes == 2 else {})


def _macro_f1(truth: Places, chosen: Places, n_classes: int) -> float:
    """Mean F1 of the labels that are true or said of any row."""
    table = np.bincount(truth * (n_classes + 1) + chosen, minlength=(n_classes + 1) ** 2)
    table = table.reshape(n_classes + 1, n_classes + 1)
    both = table.sum(axis=0) + table.sum(axis=1)
    return float((2 * np.diag(table)[both > 0] / both[both > 0]).mean())


def _of_two(probability: Floats, happened: NDArray[np.bool_]) -> dict[str, float]:
    figures = {
        "brier": float(((probability - happened) ** 2).mean()),
        "calibration_error": calibration(probability, happened),
    }
    positive = int(happened.sum())
    negative = len(happened) - positive
    if not positive or not negative:
        return figures
    ranks = rankdata(probability)[happened].sum()
    return figures | {"auc": float((ranks - positive * (positive + 1) / 2) / (positive * negative))}


def calibration(probability: Floats, happened: NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error: mean |predicted − observed| over `bins` groups of equal size."""
    groups = np.array_split(np.argsort(probability, kind="stable"), min(bins, max(len(probability), 1)))
    gaps = [len(rows) * abs(float(probability[rows].mean() - happened[rows].mean())) for rows in groups if len(rows)]
    return sum(gaps) / max(len(probability), 1)


def loses_to_naive(evaluation: Mapping[str, Any]) -> bool:
    """Whether the naive forecast's loss on held-out rows is below the model's; not where either is unknown."""
    loss, naive = evaluation.get("loss"), evaluation.get("baseline_loss")
    return loss is not None and naive is not None and bool(loss > naive)
