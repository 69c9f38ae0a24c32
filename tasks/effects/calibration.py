"""How much of an association is an effect, learned from experiments on the same conditions.

The effect of condition c in workspace w is β·a + δ: a its association (log lift, shrunken), β a slope made of a common
part and deviations by family of features, by outcome and by workspace, δ ~ N(0, τ²) what no association tells, half of
its variance shared by the organization's workspaces. Given the spreads all of it is normal, so that the posterior is a
Gaussian process with kernel

    a·a′·(s² + σ_f²[f = f′] + σ_o²[o = o′] + σ_w²[w = w′]) + τ²·(½ + ½[w = w′])·[c = c′],

and the spreads are summed over on a grid. An experiment on the very condition is then evidence of its own, and counts
beside what the others say of the slope.

The prior is what public archives show, made wide: in the archive of Upworthy (one publisher, 17 conditions on
headlines, click rate; Matias et al. 2021) slopes are .27 to .37 and τ about .02; in 663 experiments on Facebook ads
(Gordon, Moakler and Zettelmeyer 2022, Close enough?, arXiv 2201.07055) effects are .09 to .25 of what was estimated
without them; where nothing confounds, the slope is 1. So β ~ N(.5, .3²) and its deviations N(0, σ²) with σ about .12:
before any experiment nine in ten slopes lie between −.1 and 1.1. The prior of τ is a gamma of shape 2, which leaves out
0 (Chung et al. 2013, Psychometrika 78:685): a few pairs cannot tell that no spread is there, and must not say so.
Simulated, with ten experiments, half a Cauchy instead covered .84 where τ is .05, and this .93.

Where other organizations' experiments are known through a private release, their mean slope is an observation of the
common part, with its noise, its sampling and half of what families and outcomes deviate by as its error; how far their
slopes lie apart, and their spread of bias, are observations of σ_w² and τ². A spread of others is taken to lie within
half of itself of the workspace's own.

Related: Schuemie et al. (2018), PNAS 115:2571, who learn the error of observational estimates from negative controls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tasks.effects.other_organizations import OtherOrganizations
from tasks.effects.records import Association, BasedOn, CalibratedEffect, CalibratingPair
from tasks.statistics.one_thread import one_thread

Floats = NDArray[np.float64]
Deviations = tuple[float, float, float]  # σ of families, outcomes and workspaces

PRIOR_NAME = "public archives: Upworthy headlines (slope .27 to .37) and Facebook ads (.09 to .25), widened to hold 1"
PRIOR_SLOPE, PRIOR_SLOPE_SPREAD = 0.5, 0.3
DEVIATIONS = (0.0, 0.1, 0.25)
DEVIATION_SCALE = 0.15  # of their half-normal prior
SPREADS = np.array((0.005, 0.01, 0.02, 0.03, 0.045, 0.065, 0.1, 0.15, 0.25))  # τ, log units
SPREAD_SCALE = 0.045  # of its gamma prior with shape 2
SHARED = 0.5  # of τ², between workspaces of one organization
MOST_PAIRS = 100  # the most telling ones: the work grows with the third power
LEVEL = 0.90
STEPS = 48  # of bisection: the interval's ends to ten digits
LOG_PRIOR = np.log(SPREADS * np.gradient(SPREADS)) - SPREADS / SPREAD_SCALE
LEAST_VARIANCE = 1e-12
REACH = 8.0  # standard deviations that quantiles are sought within
MIXED = 0.5  # of the variance of families' and outcomes' deviations, left in a mean over many
SPREADS_APART = 0.5  # how far another's τ² may lie from one's own, as a share of it
USUAL = (0.1, 0.1, 0.1)  # deviations under which the slope is learned that associations' errors are multiplied by


@dataclass(frozen=True, slots=True)
class _Conditions:
    """K conditions: associations (K,), their errors (K,), and what they share slopes and spread by."""

    association: Floats
    error: Floats
    family: NDArray[np.str_]
    outcome: NDArray[np.str_]
    workspace: NDArray[np.str_]
    key: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class _Prior:
    """Before the pairs at hand: mean and variance of the common slope, and the log weight (S,) of each τ."""

    slope: float
    variance: float
    log_weight: Floats

    @classmethod
    def of(cls, others: OtherOrganizations | None, deviations: Deviations) -> _Prior:
        """The public one, and what other organizations' experiments add to it, under deviations of slopes."""
        families, outcomes, workspaces = np.square(deviations)
        log_weight = LOG_PRIOR - 0.5 * float(np.square(np.array(deviations) / DEVIATION_SCALE).sum())
        public = PRIOR_SLOPE_SPREAD**2
        if others is None:
            return cls(PRIOR_SLOPE, public, log_weight)
        error = others.slope_error**2 + MIXED * float(families + outcomes)
        share = public / (public + error)
        of_spreads = others.spread_error**2 + (SPREADS_APART * SPREADS**2) ** 2
        log_weight = log_weight + _log_normal(others.slope - PRIOR_SLOPE, public + error)
        log_weight = log_weight + _log_normal(others.between - workspaces, np.square(others.between_error))
        log_weight = log_weight + _log_normal(others.spread - SPREADS**2, of_spreads)
        return cls(PRIOR_SLOPE + share * (others.slope - PRIOR_SLOPE), (1.0 - share) * public, log_weight)


def _log_normal(distance: float | Floats, variance: float | Floats) -> float | Floats:
    """Log density of a distance, up to a constant; 0 where the variance is infinite."""
    if np.isinf(variance).all():
        return 0.0
    density: Floats = -0.5 * (np.log(variance) + np.square(distance) / variance)
    return density


class _InCommon:
    """What the effects of K and of L conditions have in common, under any spreads: matrices (K, L)."""

    def __init__(self, one: _Conditions, other: _Conditions) -> None:
        self.association = other.association
        self.product: Floats = np.outer(one.association, other.association)
        same = ((getattr(one, name)[:, None] == getattr(other, name)) for name in ("family", "outcome", "workspace"))
        self.kin: Floats = np.stack([mask.astype(np.float64) for mask in same])
        of_one = one.key[:, None] == other.key
        self.own: Floats = of_one * (SHARED + (1.0 - SHARED) * self.kin[2])

    def slopes(self, common: float, deviations: Deviations) -> Floats:
        """Covariance (K, L) of their slopes, given the variance of their common part."""
        covariance: Floats = common + np.tensordot(np.square(deviations), self.kin, axes=1)
        return covariance

    def effects(self, slopes: Floats) -> Floats:
        """Covariance (S, K, L) of their effects, given that of their slopes, for each τ."""
        covariance: Floats = self.product * slopes + SPREADS[:, None, None] ** 2 * self.own
        return covariance


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Normal posteriors of T effects, one for each of G spreads: weights (G,), means, variances and slopes (G, T)."""

    weight: Floats
    mean: Floats
    variance: Floats
    slope: Floats

    def below(self, values: Floats) -> Floats:
        """P(effect < value) (T,)."""
        probability: Floats = self.weight @ ndtr((values - self.mean) / np.sqrt(self.variance))
        return probability

    def quantile(self, probability: float) -> Floats:
        """(T,), by bisection."""
        reach = REACH * np.sqrt(self.variance)
        low, high = (self.mean - reach).min(axis=0), (self.mean + reach).max(axis=0)
        for _ in range(STEPS):
            middle = (low + high) / 2.0
            is_low = self.below(middle) < probability
            low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
        middle_of_ends: Floats = (low + high) / 2.0
        return middle_of_ends


@one_thread()
def calibrated(
    associations: Sequence[Association],
    pairs: Sequence[CalibratingPair],
    workspace_id: str,
    outcome: str,
    others: OtherOrganizations | None = None,
) -> list[CalibratedEffect]:
    """What doing what each association is about would bring to a workspace.

    Args:
        associations: of the workspace.
        pairs: of the workspace and of its organization's others; with none the prior alone counts.
        workspace_id: the workspace.
        outcome: the metric that an experiment would count.
        others: what other organizations' experiments say through a private release; None where they say nothing.

    Returns:
        Estimates and 90 % intervals of the true effects (log ratios): an experiment's own error comes on top.
    """
    if not associations:
        return []
    targets = _conditions(associations, [workspace_id] * len(associations), [outcome] * len(associations))
    telling = sorted(pairs, key=_vagueness)[:MOST_PAIRS]
    mixture = _posterior(telling, targets, others)
    at_least = others.at_least if others is not None else 0
    tail = (1.0 - LEVEL) / 2.0
    low, high = mixture.quantile(tail), mixture.quantile(1.0 - tail)
    mean, slope = mixture.weight @ mixture.mean, mixture.weight @ mixture.slope
    negative = mixture.below(np.zeros(len(associations)))
    same_sign = np.where(targets.association < 0.0, negative, 1.0 - negative)
    return [
        CalibratedEffect(
            estimate=float(mean[k]),
            interval=(float(low[k]), float(high[k])),
            same_sign=float(same_sign[k]),
            slope=float(slope[k]),
            based_on=_based_on(pairs, workspace_id, association.key, at_least),
        )
        for k, association in enumerate(associations)
    ]


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What K pairs say, and how it bears on T targets."""

    targets: _Conditions
    known: _Conditions
    effect: Floats  # (K,) that experiments saw
    noise: Floats  # (K,) variances of the experiments' effects
    others: OtherOrganizations | None
    among: _InCommon
    across: _InCommon

    @classmethod
    def of(cls, pairs: Sequence[CalibratingPair], targets: _Conditions, others: OtherOrganizations | None) -> _Evidence:
        known = _conditions(
            [pair.association for pair in pairs],
            [pair.workspace_id for pair in pairs],
            [pair.outcome for pair in pairs],
        )
        effect = np.array([pair.effect for pair in pairs], dtype=np.float64)
        noise = np.array([pair.effect_error for pair in pairs], dtype=np.float64) ** 2
        return cls(targets, known, effect, noise, others, _InCommon(known, known), _InCommon(targets, known))

    def posterior(self, every: Sequence[Deviations], slope: float) -> _Mixture:
        """Of the targets, over all τ and these deviations; an association's own error moves its effect by `slope`."""
        parts = [self._given(deviations, slope) for deviations in every]
        log_weight, mean, variance, slopes = (np.concatenate([part[k] for part in parts]) for k in range(4))
        weight = np.exp(log_weight - log_weight.max())
        return _Mixture(weight / weight.sum(), mean, variance, slopes)

    def _given(self, deviations: Deviations, slope: float) -> tuple[Floats, Floats, Floats, Floats]:
        """For each τ: log posterior weight (S,), and means, variances and slopes (S, T)."""
        prior, spread = _Prior.of(self.others, deviations), SPREADS[:, None]
        of_slopes = prior.variance + sum(deviation**2 for deviation in deviations)
        variance = self.targets.association**2 * of_slopes + spread**2 + (slope * self.targets.error) ** 2
        mean = np.broadcast_to(prior.slope * self.targets.association, variance.shape)
        if not len(self.effect):
            return prior.log_weight, mean, variance, np.full(variance.shape, prior.slope)
        surprise = self.effect - prior.slope * self.known.association
        total = self.among.effects(self.among.slopes(prior.variance, deviations))
        total += np.diag(self.noise + (slope * self.known.error) ** 2)
        slopes = self.across.slopes(prior.variance, deviations)
        covariance = self.across.effects(slopes)
        columns = np.concatenate([np.broadcast_to(surprise, (len(SPREADS), 1, len(surprise))), covariance], axis=1)
        solved = np.linalg.solve(total, np.swapaxes(columns, 1, 2))
        pull, gain = solved[:, :, 0], solved[:, :, 1:]
        log_likelihood = -0.5 * (pull @ surprise + np.linalg.slogdet(total).logabsdet)
        variance = np.maximum(variance - np.einsum("stk,skt->st", covariance, gain), LEAST_VARIANCE)
        mean = mean + np.einsum("stk,sk->st", covariance, pull)
        learned = prior.slope + pull @ (slopes * self.known.association).T
        return prior.log_weight + log_likelihood, mean, variance, learned


def _posterior(pairs: Sequence[CalibratingPair], targets: _Conditions, others: OtherOrganizations | None) -> _Mixture:
    evidence = _Evidence.of(pairs, targets, others)
    first = evidence.posterior([USUAL], _Prior.of(others, USUAL).slope)
    slope = float((first.weight @ first.slope).mean())
    return evidence.posterior(list(product(DEVIATIONS, DEVIATIONS, DEVIATIONS)), slope)


def _conditions(associations: Sequence[Association], workspaces: Sequence[str], outcomes: Sequence[str]) -> _Conditions:
    return _Conditions(
        association=np.array([one.log_lift for one in associations], dtype=np.float64),
        error=np.array([one.standard_error for one in associations], dtype=np.float64),
        family=np.array([one.family for one in associations], dtype=np.str_),
        outcome=np.array(outcomes, dtype=np.str_),
        workspace=np.array(workspaces, dtype=np.str_),
        key=np.array([one.key for one in associations], dtype=np.str_),
    )


def _vagueness(pair: CalibratingPair) -> tuple[float, str, str]:
    """The most telling pairs first: small errors, and large associations, which show slopes."""
    size = max(abs(pair.association.log_lift), 0.01)
    return pair.effect_error / size, pair.workspace_id, pair.association.key


def _based_on(pairs: Sequence[CalibratingPair], workspace_id: str, key: str, others_at_least: int) -> BasedOn:
    """Experiments by whose they are, each counted once however many conditions it compares."""
    counts: dict[str, int] = {}
    for pair in pairs:
        counts[pair.workspace_id] = max(counts.get(pair.workspace_id, 0), pair.of_experiments)
    of_this = [pair.experiments for pair in pairs if pair.workspace_id == workspace_id and pair.association.key == key]
    own = counts.pop(workspace_id, 0)
    return BasedOn(own=own, organization=sum(counts.values()), of_this=sum(of_this), others_at_least=others_at_least)
