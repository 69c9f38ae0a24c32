"""Confidence as experts state it, and as history says it should be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

ENOUGH_TO_CALIBRATE = 50


def normal_confidence(raw: Any) -> float | None:
    """A stated confidence as a share: 0.95, '95%' and 95 are .95; None for what cannot be one, such as 1.7 or NaN.

    A bare number between 1 and 2 is refused: nobody can tell 1.7 out of 1 from 1.7 per cent.
    """
    if isinstance(raw, bool) or raw is None:
        return None
    per_cent = isinstance(raw, str) and raw.strip().endswith("%")
    try:
        value = float(str(raw).strip().rstrip("%"))
    except ValueError:
        return None
    if not math.isfinite(value) or value < 0.0 or value > 100.0:
        return None
    if per_cent or value >= 2.0:
        return value / 100.0
    return value if value <= 1.0 else None


def calibration_curve(graded: Sequence[tuple[float, bool]]) -> tuple[tuple[float, float], ...]:
    """Stated confidence to observed share right, from graded debates, by isotonic regression; empty below fifty.

    Pool-adjacent-violators (Ayer et al. 1955), each block shrunk by one pseudo-debate at the overall share.
    """
    if len(graded) < ENOUGH_TO_CALIBRATE:
        return ()
    overall = sum(right for _, right in graded) / len(graded)
    blocks: list[list[float]] = []  # sum of stated, sum right, count
    for stated, alike in groupby(sorted(graded), key=lambda one: one[0]):  # one stated confidence is one point
        right = [float(was) for _, was in alike]
        blocks.append([stated * len(right), sum(right), float(len(right))])
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    return tuple((stated / n, (right + overall) / (n + 1.0)) for stated, right, n in blocks)


def calibrated(confidence: float, curve: Sequence[tuple[float, float]]) -> float:
    """The confidence that history supports, between the curve's points linearly."""
    if not curve:
        return confidence
    stated, observed = zip(*curve, strict=True)
    return float(np.interp(confidence, stated, observed))


def calibration_error(stated: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: mean |stated - observed| over equally filled bins, weighted by their size."""
    order = np.argsort(np.asarray(stated), kind="stable")
    said, was = np.asarray(stated, dtype=float)[order], np.asarray(right, dtype=float)[order]
    parts = np.array_split(np.arange(len(said)), min(bins, len(said)))
    return float(sum(abs(said[part].mean() - was[part].mean()) * len(part) for part in parts) / len(said))
