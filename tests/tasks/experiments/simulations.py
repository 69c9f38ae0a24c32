"""Many simulated experiments at once, judged by the engine's own modules. Everything here is simulated and seeded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tasks.experiments.inference import bandit_allocation
from tasks.experiments.inference.adaptive_inference import Scores, augmented_scores
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import Comparison, compare, from_estimates
from tasks.experiments.inference.posteriors import BetaPosterior
from tasks.experiments.inference.power import TUNED_SHARE
from tasks.experiments.inference.sequential_evidence import SequentialEvidence, look
from tasks.statistics import confidence_sequences

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
    successes, n = np.zeros((runs, arms)), 0
    winner, stopped = np.full(runs, -1), np.full(runs, float(sum(n_per_look)))
    for batch in n_per_look:
        successes += rng.binomial(batch, rates, size=(runs, arms))
        n += batch
        if n < least:
            continue
        moments = Moments.from_smoothed_counts(np.full_like(successes, n), successes)
        found = all_pairs(moments, rule, 2 * TUNED_SHARE * planned)
        evidence = look(evidence, found, rule, n / planned, float(n * arms))
        proven = evidence.against_all()
        fresh = (winner < 0) & (proven.min(axis=1) <= ALPHA)
        winner[fresh], stopped[fresh] = proven[fresh].argmin(axis=1), n
    different = np.minimum(evidence.better[:, :, 0], evidence.better[:, 0, :])[:, 1:] <= ALPHA
    return Outcome(float(different.any(axis=1).mean()), winner, stopped)


def all_pairs(moments: Moments, rule: SpendingRule, n_star: float) -> Comparison:
    """Every arm (row) against every other (column) of many experiments."""
    every = slice(None)
    return compare(
        moments.at(every, None, every), moments.at(every, every, None), alpha=rule.running_alpha, n_star=n_star
    )


def every_look_rejects(rates: list[float], n: int, runs: int, seed: int, least: int = 100) -> float:
    """Share of experiments in which a pure sequence rejects at any single unit up to n per arm."""
    rng, rule = np.random.default_rng(seed), SpendingRule(ALPHA, len(rates))
    at = np.arange(least, n + 1, dtype=np.float64)
    rejected = 0
    for _ in range(runs):
        successes = np.cumsum(rng.random((n, len(rates))) < rates, axis=0, dtype=np.float64)[least - 1 :].T
        moments = Moments.from_smoothed_counts(np.broadcast_to(at, successes.shape), successes)
        found = compare(
            moments.at(slice(0, 1)), moments.at(slice(1, None)), alpha=rule.running_alpha, n_star=2 * TUNED_SHARE * n
        )
        rejected += bool((found.always_valid_p_value <= rule.running_alpha).any())
    return rejected / runs


@dataclass(frozen=True)
class Exits:
    """Exact probabilities that an A/B test of two normal means ends by an arm or by the control, and when."""

    better: float
    worse: float
    mean_stop: float


def exact_exits(looks: int, planned_look: int, shift: float, nodes: int = 160) -> Exits:
    """By the recursion of Armitage, McPherson & Rowe (1969) over the engine's own bounds.

    Args:
        shift: expected z at the planned look.
    """
    rule = SpendingRule(ALPHA, 2, is_hybrid=True)
    unit, weight = leggauss(nodes)
    position, mass, better, worse, stop = np.zeros(1), np.ones(1), 0.0, 0.0, 0.0
    t = np.arange(1, looks + 1) / planned_look
    for look_at, now in enumerate(t, start=1):
        running = confidence_sequences.half_width(1.0, now, rule.running_alpha, TUNED_SHARE)
        final = -ndtri(rule.final_alphas() / 2) if look_at == planned_look else np.full((2, 2), np.inf)
        high, low = (min(running, final[pair]) * np.sqrt(now) for pair in ((1, 0), (0, 1)))
        step = np.sqrt(1 / planned_look)
        moved = position + shift / planned_look
        up, down = mass @ ndtr((moved - high) / step), mass @ ndtr((-low - moved) / step)
        better, worse, stop = better + up, worse + down, stop + (up + down) * now
        grid = (high + low) / 2 * unit + (high - low) / 2
        density = np.exp(-0.5 * np.square((grid[:, None] - moved) / step)) / (step * np.sqrt(2 * np.pi))
        position, mass = grid, (high + low) / 2 * weight * (density @ mass)
    return Exits(float(better), float(worse), float(stop + mass.sum() * t[-1]))


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
        return augmented_scores(n, y, y, e)


def thompson(rates: list[float], horizon: int, runs: int, floor: float, seed: int, *, first: int = 100) -> Bandits:
    """Batched Thompson sampling with exact weights, in the engine's batches, after `first` units with equal weights."""
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
        best, _ = BetaPosterior.from_counts(n, y).best_and_loss()
        weights = np.stack([bandit_allocation.with_floor(row, floor) for row in best])
        weights = weights / weights.sum(axis=1, keepdims=True)
    return made


def kl_ucb(rates: list[float], horizon: int, runs: int, seed: int) -> Array:
    """Pseudo-regret of KL-UCB, one unit at a time."""
    rng, arms = np.random.default_rng(seed), len(rates)
    truth = np.array(rates)
    n, y, regret = np.ones((runs, arms)), (rng.random((runs, arms)) < truth).astype(float), np.zeros(runs)
    regret += (truth.max() - truth).sum()
    rows = np.arange(runs)
    for step in range(arms, horizon):
        chosen = bandit_allocation.kl_ucb_index(y / n, n, step).argmax(axis=1)
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
