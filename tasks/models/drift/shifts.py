"""Did a model's inputs or outputs move? No labels needed. Pure.

Outputs are the first place to look (Rabanser et al. 2019): an input that moves without moving them does no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from tasks.models.training.dataset import RECENT_ROWS, TEXT
from tasks.models.training.estimators import PROBABILITY_FLOOR, Floats
from tasks.statistics.two_sample import TwoSample, chi_square, kolmogorov_smirnov
from tasks.statistics.welch import MeanChange, mean_change

QUANTILES, MAXIMUM_POINTS = 200, 20_000
OUTPUT = "prediction"


@dataclass(frozen=True, slots=True)
class ColumnShift:
    """One column compared between reference and current rows.

    Attributes:
        kind: `number`, `label`, `missing` (the share of missing values) or `output`.
        shift: distance in standard deviations of an equal normal shift, see `TwoSample.shift`.
        p_value: unadjusted.
    """

    name: str
    kind: str
    shift: float
    p_value: float


def column_shifts(
    reference: pl.DataFrame, current: pl.DataFrame, not_watched: Collection[str] = ()
) -> list[ColumnShift]:
    """Compare every number and label column of two frames of features; text is no column of its own."""
    shifts: list[ColumnShift] = []
    for name, kind in reference.schema.items():
        if name in (TEXT, *not_watched) or name not in current.columns:
            continue
        if kind.is_numeric():
            shifts += _number(name, reference[name], current[name])
        else:
            shifts.append(_shift(name, "label", _labels(reference[name], current[name])))
    return shifts


def _number(name: str, reference: pl.Series, current: pl.Series) -> list[ColumnShift]:
    known = [part.drop_nulls().drop_nans() for part in (reference, current)]
    shifts = [_shift(name, "number", kolmogorov_smirnov(known[0].to_numpy(), known[1].to_numpy()))]
    missing = [len(part) - len(kept) for part, kept in zip((reference, current), known, strict=True)]
    if any(missing):
        counts = [[len(kept), n_missing] for kept, n_missing in zip(known, missing, strict=True)]
        shifts.append(_shift(name, "missing", chi_square(*counts)))
    return shifts


def _labels(reference: pl.Series, current: pl.Series) -> TwoSample:
    before, now = Counter(reference.to_list()), Counter(current.to_list())
    names = sorted(before.keys() | now.keys(), key=str)
    return chi_square([before[name] for name in names], [now[name] for name in names])


def _shift(name: str, kind: str, test: TwoSample) -> ColumnShift:
    return ColumnShift(name, kind, test.shift, test.p_value)


@dataclass(frozen=True, slots=True)
class OutputSummary:
    """Held-out outputs of a model, small enough to be stored with it.

    Attributes:
        quantiles: of the expected value, of the second class's probability, or of the largest one; of rows that say as
            much as n independent ones.
        expected_loss: mean loss expected from the probabilities themselves, with its variance; 0 for regression.
    """

    quantiles: list[float]
    n: int
    expected_loss: float
    expected_loss_variance: float


def summarize_outputs(predicted: Floats) -> OutputSummary:
    """Summarize predictions as `FittedModel.predict` gives them."""
    losses = expected_losses(predicted)
    points = np.quantile(scores(predicted), (np.arange(QUANTILES) + 0.5) / QUANTILES)
    n = independent_rows(predicted)
    return OutputSummary(points.tolist(), n, float(losses.mean()), float(losses.var()))


def scores(predicted: Floats) -> Floats:
    """(n,) one number a row: the expected value, the second of two classes' probability, or the largest of several."""
    if predicted.ndim == 1:
        return predicted
    chosen: Floats = predicted[:, 1] if predicted.shape[1] == 2 else predicted.max(axis=1)
    return chosen


def expected_losses(predicted: Floats) -> Floats:
    """(n,) entropies: the log loss each row will have on average if its probabilities are right; 0 for regression."""
    if predicted.ndim == 1:
        return np.zeros(len(predicted))
    entropies: Floats = -(predicted * np.log(np.clip(predicted, PROBABILITY_FLOOR, 1.0))).sum(axis=1)
    return entropies


def independent_rows(predicted: Floats) -> int:
    """How many independent rows say as much of the mean as these outputs (n,), in time order.

    Numbers are predicted from a moving average of the latest rows too, so that neighbors are alike where nothing
    changes (Bartlett's weights, as far as that average reaches). Classes are predicted from their own row alone.
    """
    n, reach = len(predicted), min(RECENT_ROWS, len(predicted) // 3)
    if predicted.ndim > 1 or not n or np.ptp(predicted) == 0.0:  # a constant less its mean is not 0 to the last digit
        return n
    centered = predicted - predicted.mean()
    whole = float((centered**2).sum())
    alike = [float(centered[lag:] @ centered[:-lag]) / whole for lag in range(1, reach + 1)]
    weights = 1.0 - np.arange(1, reach + 1) / (reach + 1)
    return max(round(n / max(1.0 + 2.0 * float(weights @ alike), 1.0)), 1)


def output_shift(then: OutputSummary, predicted: Floats) -> ColumnShift:
    """Compare outputs now with the summary of the held-out ones at registration: as many points as say as much."""
    n, now = min(then.n, MAXIMUM_POINTS), scores(predicted)
    points = np.quantile(then.quantiles, (np.arange(n) + 0.5) / n)
    m = independent_rows(predicted)
    if m < len(now):
        now = np.quantile(now, (np.arange(m) + 0.5) / m)
    test = kolmogorov_smirnov(points, now)
    return ColumnShift(OUTPUT, "output", test.shift, test.p_value)


def expected_loss_change(then: OutputSummary, predicted: Floats) -> MeanChange | None:
    """Rise of the loss expected from the model's own probabilities; None for regression, which has none."""
    if predicted.ndim == 1:
        return None
    return mean_change(expected_losses(predicted), then.expected_loss, then.expected_loss_variance, then.n)


def expected_performance(probability: ArrayLike, positive: ArrayLike) -> dict[str, float]:
    """What calibrated probabilities (n,) of the positive class promise for decisions (n,) of 0 and 1, without labels.

    Confidence-based performance estimation (Białek et al. 2024): every row counts as positive with its probability,
    so the confusion matrix is an expectation. Undefined figures are left out.
    """
    p, decided = np.asarray(probability, dtype=np.float64), np.asarray(positive, dtype=bool)
    true_positive, false_positive = p[decided].sum(), (1 - p[decided]).sum()
    false_negative, true_negative = p[~decided].sum(), (1 - p[~decided]).sum()
    ratios = {
        "accuracy": (true_positive + true_negative, len(p)),
        "precision": (true_positive, true_positive + false_positive),
        "recall": (true_positive, true_positive + false_negative),
        "f1": (2 * true_positive, 2 * true_positive + false_positive + false_negative),
        "roc_auc": _expected_auc(p),
    }
    return {name: float(part / whole) for name, (part, whole) in ratios.items() if whole > 0}


def _expected_auc(p: Floats) -> tuple[float, float]:
    """Area under the expected ROC curve of scores p, as a numerator and a denominator; tied scores count half."""
    values, inverse = np.unique(p, return_inverse=True)
    positives = np.bincount(inverse, weights=p, minlength=len(values))
    negatives = np.bincount(inverse, weights=1 - p, minlength=len(values))
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum()), float(positives.sum() * negatives.sum())
