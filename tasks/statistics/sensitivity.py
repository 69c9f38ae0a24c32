"""How strong a cause that nobody measured would have to be to take an adjusted difference away.

Cinelli & Hazlett (2020), Making sense of sensitivity: extending omitted variable bias, J. R. Statist. Soc. B 82:39. A
hidden cause can only matter as far as it explains both who does it and how it fares; both as shares of what the
measured ones leave unexplained.
"""

from __future__ import annotations

import math


def robustness_value(estimate: float, standard_error: float, degrees_of_freedom: float) -> float:
    """Share in [0, 1] of both that a hidden cause must explain to take the whole estimate away.

    Args:
        estimate: a difference adjusted by least squares.
        standard_error: the classical one, above 0; infinite where nothing is known, which gives 0.
        degrees_of_freedom: of the residual, above 0.
    """
    squared = estimate**2 / (standard_error**2 * degrees_of_freedom)  # Cohen's f² of the treatment
    return 0.5 * (math.sqrt(squared**2 + 4.0 * squared) - squared)


def left_beside(
    estimate: float, standard_error: float, degrees_of_freedom: float, *, of_treatment: float, of_outcome: float
) -> float | None:
    """What is left of an estimate beside a hidden cause as strong as a measured one.

    Args:
        estimate, standard_error, degrees_of_freedom: as above.
        of_treatment: share in [0, 1) of the treatment that the measured cause explains beside the others.
        of_outcome: the same of the outcome, beside the treatment too.

    Returns:
        The estimate, moved by the most that such a cause could; it may change its sign. None where a cause so strong
        would leave nothing of the treatment to compare.
    """
    odds = of_treatment / (1.0 - of_treatment)
    if odds >= 1.0:
        return None
    shared = of_treatment**2 / (1.0 - of_treatment) ** 2
    factor = (1.0 + math.sqrt(shared)) / math.sqrt(1.0 - shared)
    hidden = min(factor**2 * of_outcome / (1.0 - of_outcome), 1.0)
    bias = standard_error * math.sqrt(degrees_of_freedom * hidden * odds / (1.0 - odds))
    return estimate - math.copysign(bias, estimate)
