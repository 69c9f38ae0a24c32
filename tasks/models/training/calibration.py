"""From decision values to probabilities that hold: a slope and an offset a class, on rows not learned from. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FIRST_SLOPE = 2.0
OFFSET_PENALTY = 1e-3
LEAST_ROWS = 20


@dataclass
class Calibration:
    """Probabilities = softmax(slope · decision values + offsets).

    With one slope and the offsets free this is multinomial Platt scaling (Guo et al. 2017). Its targets are Platt's
    (1999), short of one by one row in those of a class: fifty rows told apart perfectly do not promise the next.
    """

    slope: float
    offsets: Floats  # (classes,)

    def probabilities(self, decisions: Floats) -> Floats:
        """(n, classes) from decision values (n, classes)."""
        return softmax(self.slope * decisions + self.offsets)


def calibrated(decisions: Floats, classes: NDArray[np.int64], known: NDArray[np.bool_]) -> Calibration:
    """Fit on decision values (n, classes) of rows with true classes (n,), by position.

    Args:
        decisions: of a model that did not learn from these rows.
        classes: position of each row's class.
        known: (classes,) which of them that model had seen; rows of the others say nothing, nor do fewer than 20 rows.
    """
    from scipy.optimize import minimize

    usable = known[classes]
    offsets = np.zeros(len(known))
    if usable.sum() < LEAST_ROWS or known.sum() < 2:
        return Calibration(FIRST_SLOPE, offsets)
    values, truth = decisions[usable][:, known], (np.cumsum(known) - 1)[classes[usable]]
    n, count = len(truth), values.shape[1]
    short = 1.0 / (np.bincount(truth, minlength=count) + 2.0)[truth]
    wanted = np.repeat((short / (count - 1))[:, None], count, axis=1)
    wanted[np.arange(n), truth] = 1.0 - short

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slope, free = parameters[0], parameters[1:]
        p = softmax(slope * values + free)
        lost = -(wanted * np.log(np.clip(p, 1e-12, 1.0))).sum() / n + OFFSET_PENALTY * (free**2).sum()
        off = (p - wanted) / n
        return float(lost), np.concatenate([[(off * values).sum()], off.sum(axis=0) + 2 * OFFSET_PENALTY * free])

    start = np.concatenate([[FIRST_SLOPE], np.zeros(count)])
    bounds = [(0.0, None), *[(None, None)] * count]
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    offsets[known] = fitted[1:]
    return Calibration(float(fitted[0]), offsets)


def softmax(values: Floats) -> Floats:
    """(n, classes) that add up to one."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
