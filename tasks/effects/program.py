"""What the declared effects of a whole program of experiments are expected to come to once they are repeated.

Who declares the best arm also declares its luck: of 554 winners among 1,815 headline tests (z > 1.96 on half of the
clicks) the mean log ratio was .68 seen and .38 in the other half of the same clicks. Each arm's true log mean is
μ_e + δ, μ_e its experiment's own and δ ~ N(0, σ_e²); what experiments' σ_e are like is learned from all of them, as
weights of a mixture, by EM. Given σ_e the posterior of a difference is exact, and being Bayes' it needs no correction
for having been selected. Three things make it hold at the tail, each chosen on new thinnings of those tests (expected
over repeated for all, z > 1.96 and z > 2.6): spreads that differ between experiments (one normal for all: .81, .86,
.90); sampling variances from the experiment's pooled rate instead of each arm's own, which is small where an arm was
lucky (.88, .94, .98); and spreads that may grow with the sampling error, since small tests are of other things than
large ones (σ_e ∝ v^(γ/2), γ by its likelihood: .98, .99, .98).

That is what a repetition at the same time would show. Later ones show less: in the 44 experiments of ASOS that are
published here (190 effects) what came in the second half of the time was .81 of what the first half let expect (.88 ±
.09 and .75 ± .10 in halves of the experiments), hence `LATER`.

Related: Robbins (1956), Efron (2011, Tweedie's formula and selection bias), Xie, Kou and Brown (2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SPREADS = np.geomspace(0.003, 1.0, 13)  # σ, log units
POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)  # γ
USUAL_POWER = 0.5
ENOUGH_FOR_POWER = 40  # experiments, from which on γ is learned
PSEUDO_EXPERIMENTS = 3.0  # that say every order of magnitude of σ is as likely
MOST_FROM_OTHERS = 10.0  # experiments that the organization's other workspaces count for
ROUNDS = 100
LEVEL = 0.90
Z = float(ndtri(0.5 + LEVEL / 2))


@dataclass(frozen=True, slots=True)
class ProgramArms:
    """n arms of E experiments.

    Attributes:
        experiment: (n,) codes 0…E−1, in order: arms of one experiment stand together.
        units: (n,) how many each had.
        log_mean: (n,) log of the mean outcome, turned over where less is better.
        variance: (n,) its sampling variance, as if all arms of an experiment had the same mean.
    """

    experiment: Codes
    units: Floats
    log_mean: Floats
    variance: Floats

    @property
    def experiments(self) -> int:
        """E."""
        return int(self.experiment.max(initial=-1)) + 1


@dataclass(frozen=True, slots=True)
class Fade:
    """What is left of an effect after its experiment: a share, and how far that differs between effects."""

    share: float
    spread: float


SAME_TIME = Fade(1.0, 0.0)
LATER = Fade(0.8, 0.3)  # the spread as of lifts between stretches of weeks on 37 real pages, .29


class DeclaredEffect(NamedTuple):
    """One arm against others: log ratio as claimed, as expected to hold, and the standard deviation of the latter."""

    claimed: float
    expected: float
    deviation: float

    @property
    def interval(self) -> tuple[float, float]:
        """90 %, of the true log ratio."""
        return self.expected - Z * self.deviation, self.expected + Z * self.deviation


@dataclass(frozen=True, slots=True)
class ProgramPrior:
    """What the spreads of experiments' arms are like: weights (S,) of σ, and γ."""

    weight: Floats
    power: float


def learned_prior(arms: ProgramArms, others: ProgramArms | None = None) -> ProgramPrior:
    """From a workspace's program, and from that of its organization's other workspaces, which count less."""
    flat = np.full(len(SPREADS), PSEUDO_EXPERIMENTS / len(SPREADS))
    if others is not None and others.experiments:
        theirs = _fitted(others, flat)
        counts = min(float(others.experiments), MOST_FROM_OTHERS)
        flat = flat + counts * theirs.weight
        if arms.experiments < ENOUGH_FOR_POWER:
            return ProgramPrior(_weights(_likelihoods(arms, theirs.power), flat)[0], theirs.power)
    return _fitted(arms, flat)


def declared_effects(
    arms: ProgramArms,
    chosen: Sequence[int],
    against: Sequence[Sequence[int]],
    prior: ProgramPrior,
    fade: Fade = LATER,
) -> list[DeclaredEffect]:
    """What declaring an arm of each experiment claims, and what is expected of it.

    Args:
        arms: of E experiments.
        chosen: (E) the row of the arm that is declared.
        against: (E) rows of the arms that it is compared with: the control, or all others, weighed by their units.
        prior: of the program.
        fade: `LATER` for what is to hold from now on, `SAME_TIME` for what a repetition beside it would have shown.
    """
    likelihoods = _likelihoods(arms, prior.power)
    share = _responsibilities(likelihoods, prior.weight)
    spreads = SPREADS * _scales(arms, prior.power)[:, None]
    starts = np.searchsorted(arms.experiment, np.arange(arms.experiments + 1))
    return [
        _faded(_declared(arms, np.arange(starts[k], starts[k + 1]), row, np.array(others), share[k], spreads[k]), fade)
        for k, (row, others) in enumerate(zip(chosen, against, strict=True))
    ]


def _faded(effect: DeclaredEffect, fade: Fade) -> DeclaredEffect:
    deviation = np.hypot(fade.share * effect.deviation, fade.spread * effect.expected)
    return DeclaredEffect(effect.claimed, fade.share * effect.expected, float(deviation))


def _declared(arms: ProgramArms, rows: Codes, row: int, others: Codes, share: Floats, spread: Floats) -> DeclaredEffect:
    """A difference of posterior log means of one experiment's arms (rows), under each σ (S,), then over all of them."""
    total = 1.0 / (arms.variance[rows, None] + spread**2)
    middle = (total * arms.log_mean[rows, None]).sum(axis=0) / total.sum(axis=0)
    kept = spread**2 * total
    theirs = np.isin(rows, others)
    shares = np.where(theirs, arms.units[rows], 0.0) / arms.units[others].sum()
    contrast = (rows == row) - shares
    log_means = middle + kept * (arms.log_mean[rows, None] - middle)
    means = _against(log_means, rows == row, shares)
    of_middle = contrast @ (1.0 - kept)
    variances = contrast**2 @ (kept * arms.variance[rows, None]) + of_middle**2 / total.sum(axis=0)
    expected = float(share @ means)
    variance = float(share @ (variances + means**2)) - expected**2
    claimed = float(_against(arms.log_mean[rows, None], rows == row, shares)[0])
    return DeclaredEffect(claimed, expected, float(np.sqrt(max(variance, 0.0))))


def _against(log_means: Floats, is_chosen: NDArray[np.bool_], shares: Floats) -> Floats:
    """Log ratio (S,) of the chosen arm's mean to that of the others together, from log means (K, S)."""
    ratio: Floats = log_means[is_chosen][0] - np.log(shares @ np.exp(log_means - log_means.max())) - log_means.max()
    return ratio


def _fitted(arms: ProgramArms, pseudo: Floats) -> ProgramPrior:
    powers = POWERS if arms.experiments >= ENOUGH_FOR_POWER else (USUAL_POWER,)
    fits = [(*_weights(_likelihoods(arms, power), pseudo), power) for power in powers]
    weight, _, power = max(fits, key=_evidence)
    return ProgramPrior(weight, power)


def _evidence(fit: tuple[Floats, float, float]) -> float:
    return fit[1]


def _scales(arms: ProgramArms, power: float) -> Floats:
    """Factor (E,) of each experiment's σ, by its arms' sampling variances against those of the program."""
    count = np.bincount(arms.experiment, minlength=arms.experiments)
    own = np.bincount(arms.experiment, np.log(arms.variance), minlength=arms.experiments) / np.maximum(count, 1)
    scales: Floats = np.exp(0.5 * power * (own - own.mean()))
    return scales


def _likelihoods(arms: ProgramArms, power: float) -> Floats:
    """Log marginal likelihood (E, S) of each experiment's arms under each σ, whatever its level μ."""
    scales, codes = _scales(arms, power)[arms.experiment], arms.experiment
    columns = []
    for spread in SPREADS:
        weight = 1.0 / (arms.variance + (spread * scales) ** 2)
        total = np.bincount(codes, weight)
        off = arms.log_mean - (np.bincount(codes, weight * arms.log_mean) / total)[codes]
        squares, logs = np.bincount(codes, weight * off**2), np.bincount(codes, np.log(weight))
        columns.append(-0.5 * squares + 0.5 * logs - 0.5 * np.log(total))
    return np.column_stack(columns)


def _weights(likelihoods: Floats, pseudo: Floats) -> tuple[Floats, float]:
    """Weights (S,) of σ by EM, with experiments that others had as pseudo-counts, and their log likelihood."""
    weight = pseudo / pseudo.sum()
    for _ in range(ROUNDS):
        weight = _responsibilities(likelihoods, weight).sum(axis=0) + pseudo
        weight = weight / weight.sum()
    top = likelihoods.max(axis=1)
    return weight, float((np.log(np.exp(likelihoods - top[:, None]) @ weight) + top).sum())


def _responsibilities(likelihoods: Floats, weight: Floats) -> Floats:
    joint = np.exp(likelihoods - likelihoods.max(axis=1, keepdims=True)) * weight
    posterior: Floats = joint / joint.sum(axis=1, keepdims=True)
    return posterior
