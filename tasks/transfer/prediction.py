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

from tasks.statistics.shrinkage import Shrunken, adaptive_shrink, prior_variance, shrink
from tasks.transfer.pools import MIN_SPREAD
from tasks.transfer.records import Floats, LiftPrediction, Mask, Pool

CONTRADICTION = 1.96  # standard deviations; own and pool have opposite signs
CONFLICT = 6.0  # whatever their signs
MIN_SHARED = 5  # patterns both must know before their disagreement can be measured
SURE = 10.0  # standard errors of the disagreement: patterns move together, so its error is far larger than it seems
POOLED_EFFECTS = 0.4  # log-lift; means of pooled effects lie between a twentieth and .8 of it, nulls included
COMMON_SOURCES = 3.0  # how many workspaces the average spread of all patterns counts for beside a pattern's own
LASTING_DRIFT = 0.15  # log-lift; how far an effect of the months to come lies from that of the months seen
OWN_FREEDOM = 3.0  # degrees of freedom of own errors: few weeks, and engagement is heavy-tailed
POOL_FREEDOM = 1e4
AUC_PER_CORRELATION = np.sqrt(2.0) / np.pi
# Others are followed a third of the way at most. That earns nearly half of what the whole way does, and who loses .2 by
# the whole way loses .03 (`tests/tasks/transfer/test_transfer_real_pages.py`).
MOST_FOLLOWED = 0.3
LEAST_FOLLOWED = 0.05  # less changes hardly any rank
FULL_GAIN = 0.01  # AUC; an expected gain so far above its standard deviation is followed as far as any


def predict(pool: Pool, own: Floats, own_error: Floats, *, usable: Mask | None = None) -> LiftPrediction:
    """Posterior of the target's own effects in the months to come.

    The pool's means are first shrunk under a mixture learned from all the catalogue's entries, those that do nothing
    included, which pays for looking at all of them at once. They are then the prior of the target's effect,
    N(mean, τ² + SE²), and its own estimates the data, whose errors hold what effects drift from week to week. The more
    of the answer is the target's own, the more its posterior allows for lasting drift and for errors that are
    themselves estimated. On real pages these three are what makes claims come true as often as they say:
    `tests/tasks/transfer/test_claims_come_true.py`. Where the target differs from the pool beyond any doubt, over all
    patterns or in one, the prior widens: then the pool was not about targets like this one.

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
    deviation = np.sqrt(variance * (1.0 - weight) + weight * LASTING_DRIFT**2)
    freedom = np.minimum(OWN_FREEDOM / np.maximum(weight, 1e-12), POOL_FREEDOM)
    return LiftPrediction(posterior, deviation, weight, opposite | elsewhere, mean, freedom)


def own_alone(own: Floats, own_error: Floats) -> Shrunken:
    """What a target's own estimates (K,) say without any pool: shrunk toward zero among themselves."""
    return shrink(own, own_error, prior_variance(own, own_error, minimum=MIN_SPREAD))


def _prior(pool: Pool, known: Mask) -> tuple[Floats, Floats]:
    """Mean and variance (K,) of a target's effects before its own posts are looked at."""
    if not known.any():
        return np.zeros_like(pool.mean), np.full_like(pool.mean, MIN_SPREAD)
    shrunken = adaptive_shrink(pool.mean, np.where(known, pool.standard_error, np.inf), POOLED_EFFECTS)
    sources = np.where(known, pool.sources, 0.0)
    common = float(sources @ pool.heterogeneity / sources.sum())
    # A spread estimated from three workspaces is often zero.
    spread = (sources * pool.heterogeneity + COMMON_SOURCES * common) / (sources + COMMON_SOURCES)
    variance = np.maximum(spread + shrunken.standard_deviation**2, MIN_SPREAD)
    return np.where(known, shrunken.mean, 0.0), np.where(known, variance, max(common, MIN_SPREAD))


def _disagreement(mean: Floats, variance: Floats, own: Floats, own_error: Floats, known: Mask) -> float:
    """How many times the prior's variance the target's distance to the pool is; 1 unless chance is too small for it.

    A prior that chance has widened believes own posts too readily.
    """
    shared = known & np.isfinite(own_error)
    if shared.sum() < MIN_SHARED:
        return 1.0
    distance = ((own - mean) ** 2 - own_error**2)[shared].sum()
    chance = np.sqrt(2.0 * np.sum((own_error**2 + variance)[shared] ** 2))
    return max(float(distance / variance[shared].sum()), 1.0) if distance > SURE * chance else 1.0


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
    def follow(self) -> float:
        """How far to follow the pool, as `ranking` does: 0 where the gain is within its error."""
        follow = MOST_FOLLOWED * min((self.expected - self.deviation) / FULL_GAIN, 1.0)
        return follow if follow >= LEAST_FOLLOWED else 0.0

    @property
    def worthwhile(self) -> bool:
        """Whether to follow at all; otherwise own data decides."""
        return self.follow > 0.0

    def ranking(self, alone: Floats, combined: Floats, own_error: Floats, posts: int) -> Floats:
        """Effects (K,) to rank posts by: the target's own and the combined ones side by side, both at one length.

        Args:
            alone: (K,) the target's own log-lifts, shrunk.
            combined: (K,) what they and the pool say together.
            own_error: (K,) standard errors of what was shrunk; infinite where the target has none.
            posts: of the target.
        """
        explained = 1.0 / (max(posts, 1) * own_error**2)
        lengths = [float(np.sqrt(explained @ effects**2)) for effects in (alone, combined)]
        if min(lengths) == 0.0:
            return alone if lengths[0] > 0.0 else combined
        turned: Floats = (1.0 - self.follow) * alone / lengths[0] + self.follow * combined / lengths[1]
        return turned


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
