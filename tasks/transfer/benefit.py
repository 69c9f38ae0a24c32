"""What a pool should add to what a target's own posts say already: the guard against negative transfer.

Whoever ranks posts by summed effects β hits their log engagement with correlation r = β′W β* / √(β′Wβ), where β* are
the true effects and W holds what each pattern explains: its indicator's variance over the outcome's, 1 / (n · SE²) for
an estimate from n posts. The chance that a post above the median ranks above one that is not (AUC) is then
½ + (√2/π) r for small r. Own estimates and the posterior are two such rankings, and the posterior says how far apart
they should be and how sure that is; in simulations of a pool that fits, the gain is about twice what is expected here,
because a prediction prepares for targets unlike their pool. Patterns the target never tried do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.transfer.prediction import MIN_SHARED
from tasks.transfer.records import Floats, Mask, Prediction

AUC_PER_CORRELATION = np.sqrt(2.0) / np.pi
MIN_GAIN = 0.02  # an expected gain below it drowns in what a hundred later posts can show (±.04), and may cost as much
MAX_LOSS = 0.03
Z95_ONE_SIDED = 1.645


@dataclass(frozen=True, slots=True)
class Benefit:
    """Gain in AUC of 'above own median' that following the pool should bring over own estimates alone.

    Attributes:
        expected: its mean.
        deviation: its standard deviation.
    """

    expected: float
    deviation: float

    @property
    def worthwhile(self) -> bool:
        """Whether it is noticeable, and a loss of more than .03 unlikely; otherwise own data decides."""
        return self.expected >= MIN_GAIN and self.expected - Z95_ONE_SIDED * self.deviation >= -MAX_LOSS


def benefit_of(told: Prediction, usable: Mask, alone: Floats, own_error: Floats, posts: int) -> Benefit | None:
    """What a prediction should add to own estimates; None for a target with too few of its own to lose anything.

    Args:
        told: K patterns.
        usable: (K,) patterns of which the pool may speak; of the others only own data does.
        alone: (K,) the target's own log-lifts, shrunk.
        own_error: (K,) standard errors of what was shrunk; infinite where the target has none.
        posts: of the target.
    """
    shared = np.isfinite(own_error)
    if shared.sum() < MIN_SHARED or posts < 1:
        return None
    explained = 1.0 / (posts * own_error[shared] ** 2)
    own, combined = alone[shared], np.where(usable, told.mean, alone)[shared]
    lengths = [float(np.sqrt(explained @ effects**2)) for effects in (own, combined)]
    if min(lengths) == 0.0:
        return None
    turn = AUC_PER_CORRELATION * explained * (combined / lengths[1] - own / lengths[0])
    deviation = np.where(usable, told.standard_deviation, 0.0)[shared]
    return Benefit(float(turn @ combined), float(np.sqrt(turn**2 @ deviation**2)))
