"""Many simulated experiments at once, judged by the engine's own modules. Everything here is simulated and seeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy.special import ndtr

from tasks.experiments.inference import bandit_allocation
from tasks.experiments.inference.adaptive_inference import Scores, augmented_scores
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import Comparison, compare, difference_of, from_estimates
from tasks.experiments.inference.posteriors import BetaPosterior
from tasks.experiments.inference.power import TrafficSplit
from tasks.experiments.inference.right_winner import TUNED_SHARE
from tasks.experiments.inference.sequential_evidence import SequentialEvidence, look
from tasks.experiments.inference.winner_boundary import WIDE_SHARE, Mixture
from tasks.experiments.records import VariantAllocation

Array = NDArray[np.float64]
ALPHA = 0.05


@dataclass(frozen=True)
class Outcome:
    """Shares of the runs.

    Attributes:
        any_difference: some arm was proven different from the control, at some look.
        winner: index of the declared winner of each run; −1 for none.
        stopped_at: units per arm at the winner's declaration, else the last look's; one a run.
    """

    any_difference: float
    winner: NDArray[np.int64]
    stopped_at: Array


def peeked(
    rates: list[float], n_per_look: list[int], runs: int, rule: SpendingRule, planned: int, seed: int, least: int = 100
) -> Outcome:
    """Binary A/B/n experiments with equal weights, looked at and judged after each batch."""
    rng, arms = np.random.default_rng(seed), len(rates)
    evidence = SequentialEvidence.none(runs, arms)
    information = TrafficSplit.of(None, arms, 0).information
    successes, n = np.zeros((runs, arms)), 0
    winner, stopped = np.full(runs, -1), np.full(runs, float(sum(n_per_look)))
    for batch in n_per_look:
        successes += rng.binomial(batch, rates, size=(runs, arms))
        n += batch
        if n < least:
            continue
        moments = Moments.from_smoothed_counts(np.full_like(successes, n), successes)
        found = all_pairs(moments, rule, 2 * TUNED_SHARE * planned)
        evidence = look(evidence, found, rule, information(np.full(arms, float(n)), planned), float(n * arms))
        proven = evidence.against_all()
        fresh = (winner < 0) & (proven.min(axis=1) <= ALPHA)
        winner[fresh], stopped[fresh] = proven[fresh].argmin(axis=1), n
    different = np.minimum(evidence.adjusted[:, :, 0], evidence.adjusted[:, 0, :])[:, 1:] <= ALPHA
    return Outcome(float(different.any(axis=1).mean()), winner, stopped)


def all_pairs(moments: Moments, rule: SpendingRule, n_star: float) -> Comparison:
    """Every arm (row) against every other (column) of many experiments."""
    every = slice(None)
    return compare(
        moments.at(every, None, every), moments.at(every, every, None), alpha=rule.running_alpha, n_star=n_star
    )


def every_look_rejects(rates: list[float], n: int, runs: int, seed: int, least: int = 100) -> float:
    """Share of experiments in which a sequence proves an arm different from the control at any single unit up to n."""
    rng, arms = np.random.default_rng(seed), len(rates)
    rule = SpendingRule(ALPHA, arms)
    at = np.arange(least, n + 1, dtype=np.float64)
    levels = rule.levels() / (arms - 1)
    narrow, wide = Mixture.tuned_to(levels[1, 0] * (arms - 1)), Mixture.wide()
    bounds = [
        np.minimum(narrow.bound(level * (1 - WIDE_SHARE), at / n), wide.bound(level * WIDE_SHARE, at / n))
        for level in (levels[1, 0], levels[0, 1])
    ]
    rejected = 0
    for _ in range(runs):
        successes = np.cumsum(rng.random((n, arms)) < rates, axis=0, dtype=np.float64)[least - 1 :].T
        moments = Moments.from_smoothed_counts(np.broadcast_to(at, successes.shape), successes)
        z = difference_of(moments.at(slice(0, 1)), moments.at(slice(1, None))).z
        rejected += bool(((z >= bounds[0]) | (-z >= bounds[1])).any())
    return rejected / runs


@dataclass(frozen=True)
class Exits:
    """Exact probabilities that an A/B test of two normal means ends by an arm or by the control, and when."""

    better: float
    worse: float
    mean_stop: float


def exact_exits(looks: list[float], shift: float, nodes: int = 160) -> Exits:
    """By the recursion of Armitage, McPherson & Rowe (1969) over the engine's own bounds.

    Args:
        looks: information at each; the first at or past 1 is the test at the planned size.
        shift: expected z at the planned size.
    """
    unit, weight = leggauss(nodes)
    position, mass, better, worse, stop, before = np.zeros(1), np.ones(1), 0.0, 0.0, 0.0, 0.0
    for at, now in enumerate(looks):
        high, low = (bound_at(looks[: at + 1], pair) * np.sqrt(now) for pair in ((1, 0), (0, 1)))
        step = np.sqrt(now - before)
        moved = position + shift * (now - before)
        up, down = mass @ ndtr((moved - high) / step), mass @ ndtr((-low - moved) / step)
        better, worse, stop = better + up, worse + down, stop + (up + down) * now
        grid = (high + low) / 2 * unit + (high - low) / 2
        density = np.exp(-0.5 * np.square((grid[:, None] - moved) / step)) / (step * np.sqrt(2 * np.pi))
        position, mass, before = grid, (high + low) / 2 * weight * (density @ mass), now
    return Exits(float(better), float(worse), float(stop + mass.sum() * looks[-1]))


def bound_at(looks: list[float], pair: tuple[int, int]) -> float:
    """The z that an arm of two must reach at the last of these looks, whatever the others showed."""
    rule, none = SpendingRule(ALPHA, 2, is_hybrid=True), SequentialEvidence.none(2)
    *earlier, now = looks
    is_later = any(one >= 1 for one in earlier)
    before = replace(none, tested=np.full((2, 2), is_later), information=tuple(one for one in earlier if one < 1))
    flat = from_estimates(np.zeros((2, 2)), np.ones((2, 2)), 1.0, alpha=ALPHA, n_star=1.0)
    return -float(look(before, flat, rule, now, 1.0).lower[pair])


@dataclass
class Bandits:
    """Sums per run, epoch and arm of many bandits, and their pseudo-regret."""

    n: list[Array]
    y: list[Array]
    propensity: list[Array]
    regret: Array

    def scores(self, epochs: int | None = None) -> Scores:
        """Weighted scores after some epochs."""
        n, y, e = (np.stack(part[:epochs], axis=1) for part in (self.n, self.y, self.propensity))
        return augmented_scores(n, y, y, e, Moments.from_smoothed_counts(n.sum(axis=1), y.sum(axis=1)).variance)


def bandits(
    rates: list[float],
    horizon: int,
    runs: int,
    floor: float | Callable[[int, float], float],
    seed: int,
    *,
    first: int = 100,
    by: VariantAllocation = VariantAllocation.THOMPSON,
) -> Bandits:
    """Thompson sampling or KL-UCB with the engine's weights, in its batches, after `first` units with equal weights.

    Args:
        floor: of every arm; or what gives it from the number of arms and of outcomes so far.
    """
    rng, arms = np.random.default_rng(seed), len(rates)
    gaps = max(rates) - np.array(rates)
    made = Bandits([], [], [], np.zeros(runs))
    n, y = np.zeros((runs, arms)), np.zeros((runs, arms))
    weights, used, before = np.full((runs, arms), 1 / arms), 0, 0
    while used < horizon:
        size = min(max(100, int(0.05 * before)) if used else first, horizon - used)
        drawn = rng.multinomial(size, weights)
        won = rng.binomial(drawn, rates)
        n, y, used, before = n + drawn, y + won, used + size, used + size
        made.n.append(drawn.astype(float))
        made.y.append(won.astype(float))
        made.propensity.append(weights)
        made.regret += drawn @ gaps
        if by == VariantAllocation.UCB:
            best = bandit_allocation.kl_ucb_weights(y / np.maximum(n, 1), n, bandit_allocation.UCB_STEPS)
        else:
            best, _ = BetaPosterior.from_counts(n, y).best_and_loss()
        least = floor(arms, float(used)) if callable(floor) else floor
        weights = np.stack([bandit_allocation.with_floor(row, least) for row in best])
        weights = weights / weights.sum(axis=1, keepdims=True)
    return made


def kl_ucb(rates: list[float], horizon: int, runs: int, seed: int) -> Array:
    """Pseudo-regret of KL-UCB⁺, one unit at a time."""
    rng, arms = np.random.default_rng(seed), len(rates)
    truth = np.array(rates)
    n, y, regret = np.ones((runs, arms)), (rng.random((runs, arms)) < truth).astype(float), np.zeros(runs)
    regret += (truth.max() - truth).sum()
    rows = np.arange(runs)
    for step in range(arms, horizon):
        chosen = bandit_allocation.kl_ucb_index(y / n, n, step / n).argmax(axis=1)
        n[rows, chosen] += 1
        y[rows, chosen] += rng.random(runs) < truth[chosen]
        regret += truth.max() - truth[chosen]
    return regret


def ever_rejects(made: Bandits, looks: int, *, least: int = 100) -> float:
    """Share of bandits in which some arm is proven different from the first at any of the last looks."""
    epochs, n_star = len(made.n), TUNED_SHARE * float(sum(part[0].sum() for part in made.n))
    arms = made.n[0].shape[1]
    rule = SpendingRule(ALPHA, arms, is_weighted=True)
    ever = np.zeros(len(made.regret), dtype=bool)
    cumulative = np.cumsum(np.stack(made.n, axis=1), axis=1)
    for epoch in range(max(0, epochs - looks), epochs):
        scores = made.scores(epoch + 1)
        found = from_estimates(
            scores.contrast, scores.contrast_error, scores.n[:, None, None], alpha=rule.running_alpha, n_star=n_star
        )
        enough = cumulative[:, epoch].min(axis=1) >= least
        ever |= enough & (found.always_valid_p_value[:, 1:, 0] <= rule.running_alpha).any(axis=1)
    return float(ever.mean())
