"""What is kept of a day's predictions and outcomes of one version: six whole numbers. Pure.

Sums are kept in millionths, so that the order in which processes add them changes no digit: the sketch of two parts is
the sum of their sketches, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any

from tasks.models.training.estimators import PROBABILITY_FLOOR

UNIT = 1_000_000
LARGEST_SCORE, LARGEST_LOSS = 100.0, 400.0  # an error of e²⁰; a billion rows of it on a day fit into 64 bits


@dataclass(frozen=True, slots=True)
class Sketch:
    """Counts, sums and sums of squares, in millionths.

    Attributes:
        score_sum: of one number a prediction, see `score_of`.
        loss_sum: of the loss of each row whose outcome is known, see `loss_of`.
    """

    n_predictions: int = 0
    score_sum: int = 0
    score_squares: int = 0
    n_outcomes: int = 0
    loss_sum: int = 0
    loss_squares: int = 0

    def __add__(self, other: Sketch) -> Sketch:
        return Sketch(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    @classmethod
    def of(cls, scores: Iterable[float] = (), losses: Iterable[float] = ()) -> Sketch:
        """The sketch of some predictions and of some outcomes."""
        return cls(*_sums(scores), *_sums(losses))


def _sums(values: Iterable[float]) -> tuple[int, int, int]:
    n = total = squares = 0
    for value in values:
        n, total, squares = n + 1, total + round(value * UNIT), squares + round(value * value * UNIT)
    return n, total, squares


def score_of(output: Mapping[str, Any]) -> float:
    """One number of a prediction: what it expects, the second of two classes' probability, or the largest of several.

    As `shifts.scores` has it.
    """
    if "expected" in output:
        return min(max(float(output["expected"]), -LARGEST_SCORE), LARGEST_SCORE)
    probabilities = list(output["probabilities"].values())
    return float(probabilities[1] if len(probabilities) == 2 else max(probabilities))


def loss_of(output: Mapping[str, Any], value: float | str) -> float:
    """The loss of a prediction, as `estimators.losses` has it, once its row's number or label is known."""
    if "expected" in output:
        return min((float(output["expected"]) - float(value)) ** 2, LARGEST_LOSS)
    return -math.log(min(max(float(output["probabilities"].get(value, 0.0)), PROBABILITY_FLOOR), 1.0))
