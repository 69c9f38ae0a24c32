"""A pool's knowledge and the target's own, combined by empirical Bayes; and what the pool should add to the latter.

The second is the guard against negative transfer. Whoever ranks posts by summed effects β hits their log engagement
with correlation r = β′W β* / √(β′Wβ), where β* are the true effects and W holds what each pattern explains: its
indicator's variance over the outcome's, 1 / (n · SE²) for an estimate from n posts. The chance that a post above the
median ranks above one that is not (AUC) is then ½ + (√2/π) r for small r. Own estimates and the posterior are two such
rankings, and the posterior says how far apart they should be and how uncertain that is; in simulations of a pool that
fits, the gain is about twice what is expected here, because a prediction prepares for targets unlike their pool.
Patterns the target never tried do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.statistics.shrinkage import Shrunken, prior_variance, shrink
from tasks.transfer.pools import MIN_SPREAD
from tasks.transfer.records import Floats, LiftPrediction, Mask, Pool

CONTRADICTION = 1.96  # standard deviations; own and pool have opposite signs
CONFLICT = 4.0  # whatever their signs
MIN_SHARED = 5  # patterns both must know before their disagreement can be measured
AUC_PER_CORRELATION = np.sqrt(2.0) / np.pi
MIN_GAIN = 0.02  # an expected gain below it drowns in what a hundred later posts can show (±.04), and may cost as much
MAX_LOSS = 0.03
Z95_ONE_SIDED = 1.645


def predict(pool: Pool, own: Floats, own_error: Floats, *, usable: Mask | None = None) -> LiftPrediction:
    """Posterior of the target's own effects.

    The pool's means are first shrunk toward zero among themselves, which pays for looking at all patterns at once.
    They are then the prior of the target's effect, N(mean, τ² + SE²), and its own estimates the data. Where the target
    differs from the pool more than that prior foresees, over all patterns, the prior widens: negative transfer fades
    before any single pattern can be shown to be wrong. Where one clearly is, own data wins, and the pattern is marked.

    Args:
        pool: K patterns.
        own: (K,) the target's log-lifts.
        own_error: (K,) their standard errors; infinite where the target has none.
        usable: (K,) patterns that pass the pool's gates; all unless given.
    """
    known = np.isfinite(pool.standard_error) if usable is None else usable
    mean, variance = _prior(pool, known)
    variance = variance * _disagreement(mean, variance, own, own_error, known)
    doubt = np.sqrt(variance + own_error**2)
    distance = np.where(np.isfinite(own_error), np.abs(own - mean), 0.0)
    opposite = (distance > CONTRADICTION * doubt) & (np.abs(own) > CONTRADICTION * own_error) & (own * mean < 0)
    elsewhere = distance > CONFLICT * doubt
    # A prior that is this far off was not this target's: it becomes as wide as it would have to have been.
    variance = np.where(elsewhere, distance**2 - np.where(elsewhere, own_error, 0.0) ** 2, variance)
    weight = variance / (variance + own_error**2)
    posterior = np.where(np.isfinite(own_error), weight * own + (1.0 - weight) * mean, mean)
    deviation = np.sqrt(variance * (1.0 - weight))
    contradicted = opposite | elsewhere
    return LiftPrediction(posterior, deviation, weight, contradicted, mean)


def own_alone(own: Floats, own_error: Floats) -> Shrunken:
    """What a target's own estimates (K,) say without any pool: shrunk toward zero among themselves."""
    return shrink(own, own_error, prior_variance(own, own_error, minimum=MIN_SPREAD))


def _prior(pool: Pool, known: Mask) -> tuple[Floats, Floats]:
    error = np.where(known, pool.standard_error, np.inf)
    shrunken = shrink(pool.mean, error, prior_variance(pool.mean, error, minimum=MIN_SPREAD))
    # Most patterns do nothing, so the prior is narrow and would bury the few that do something: limited translation
    # (Efron & Morris 1971) lets no estimate be shrunk by more than one standard error.
    least = np.maximum(np.abs(pool.mean) - np.where(known, error, np.inf), 0.0)
    mean = np.sign(pool.mean) * np.maximum(np.abs(shrunken.mean), least)
    return mean, np.where(known, pool.standard_error**2 + pool.heterogeneity, MIN_SPREAD)


def _disagreement(mean: Floats, variance: Floats, own: Floats, own_error: Floats, known: Mask) -> float:
    """How many times the prior's variance the target's distance to the pool may be; at least 1.

    The upper end of what the estimates allow, one standard error above the mean squared distance: what that costs a
    target that is like the pool is small beside what a pool costs that is not like the target.
    """
    shared = known & np.isfinite(own_error)
    if shared.sum() < MIN_SHARED:
        return 1.0
    distance = ((own - mean) ** 2 - own_error**2)[shared].sum()
    chance = np.sqrt(2.0 * np.sum((own_error**2 + variance)[shared] ** 2))
    return max(float((distance + chance) / variance[shared].sum()), 1.0)


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


def benefit_of(
    prediction: LiftPrediction, usable: Mask, alone: Floats, own_error: Floats, posts: int
) -> Benefit | None:
    """What a prediction should add to own estimates; None for a target with too few of its own to lose anything.

    Args:
        prediction: K patterns.
        usable: (K,) patterns the pool may be used for; the others are left to own data.
        alone: (K,) the target's own log-lifts, shrunk.
        own_error: (K,) standard errors of what was shrunk; infinite where the target has none.
        posts: of the target.
    """
    shared = np.isfinite(own_error)
    if shared.sum() < MIN_SHARED or posts < 1:
        return None
    explained = 1.0 / (posts * own_error[shared] ** 2)
    own, combined = alone[shared], np.where(usable, prediction.mean, alone)[shared]
    lengths = [float(np.sqrt(explained @ effects**2)) for effects in (own, combined)]
    if min(lengths) == 0.0:
        return None
    turn = AUC_PER_CORRELATION * explained * (combined / lengths[1] - own / lengths[0])
    deviation = np.where(usable, prediction.standard_deviation, 0.0)[shared]
    return Benefit(float(turn @ combined), float(np.sqrt(turn**2 @ deviation**2)))
