"""Rows a recipe was scored on, later than all it learnt from."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.models.dataset import Examples
from tasks.models.estimators import FittedModel, Floats


@dataclass(frozen=True, slots=True)
class HeldOut:
    """n later rows with what was said of them.

    Attributes:
        model: learnt from the rows before; None where those held one class only.
        predicted: (n,) expected values, or (n, classes) probabilities.
        losses: (n,) of the model; `baseline_losses` (n,) of the better trivial predictor.
        classes: labels of the probability columns; None for regression.
    """

    rows: Examples
    model: FittedModel | None
    predicted: Floats
    losses: Floats
    baseline_losses: Floats
    classes: tuple[str, ...] | None
