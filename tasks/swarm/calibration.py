"""Calibrated confidence: the share of graded debates of a stated confidence that turned out right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

ENOUGH_TO_CALIBRATE = 50

Curve = tuple[tuple[float, float], ...]


def calibration_curve(graded: Sequence[tuple[float, bool]]) -> Curve:
    """Stated confidence to observed share right, from graded debates, by isotonic regression; empty below fifty.

    Pool-adjacent-violators (Ayer et al. 1955), each block shrunk by one pseudo-debate at the overall share.
    """
    if len(graded) < ENOUGH_TO_CALIBRATE:
        return ()
    from scipy.optimize import isotonic_regression

    overall = sum(right for _, right in graded) / len(graded)
    by_stated: dict[float, list[bool]] = defaultdict(list)  # debates of one stated confidence are one point
    for stated, right in graded:
        by_stated[stated].append(right)
    points = sorted(by_stated)
    counts = np.array([len(by_stated[stated]) for stated in points], dtype=float)
    hits = np.array([sum(by_stated[stated]) for stated in points], dtype=float)
    fitted = isotonic_regression(hits / counts, weights=counts).x
    starts = np.flatnonzero(np.diff(fitted.round(12), prepend=-1.0))  # a block begins where the fit rises
    sizes = np.add.reduceat(counts, starts)
    stated_means = np.add.reduceat(np.array(points) * counts, starts) / sizes
    shares = (np.add.reduceat(hits, starts) + overall) / (sizes + 1.0)
    return tuple(zip(stated_means.tolist(), shares.tolist(), strict=True))


def calibrated(confidence: float, curve: Curve) -> float:
    """The confidence that history supports, between the curve's points linearly."""
    if not curve:
        return confidence
    stated, observed = zip(*curve, strict=True)
    return float(np.interp(confidence, stated, observed))
