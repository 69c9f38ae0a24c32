"""How new units are divided among arms by the outcomes so far, and when: Thompson, top-two, KL-UCB.

A floor under every arm's share keeps inference possible. It falls with the outcomes, because the floors of ten arms at
5 % are half of the traffic (`Design.floor`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from tasks.experiments.design import Design
from tasks.experiments.inference import drift
from tasks.experiments.inference.arm_statistics import ArmSums
from tasks.experiments.inference.posteriors import posterior_of
from tasks.experiments.records import MetricKind, VariantAllocation

Array = NDArray[np.float64]
BISECTIONS = 30  # of all arms at once: scipy's root finders for arrays take ten times as long for so few
BATCH = 100
LEAST_UNITS = 10  # of every arm, before weights follow outcomes at all
BATCH_GROWTH = 0.05  # of the outcomes so far: the number of epochs grows with their logarithm
UCB_STEPS = 100


def is_due(outcomes: int, outcomes_before: int, smallest_arm: int) -> bool:
    """Whether a new epoch begins: each arm has its first units, and a batch has come since the last weights."""
    batch = max(BATCH, int(BATCH_GROWTH * outcomes_before))
    return smallest_arm >= LEAST_UNITS and outcomes - outcomes_before >= batch


def new_weights(sums: ArmSums, metric: Mapping[str, Any], design: Design) -> Array:
    """Weights (K,) of the next epoch by the primary metric's sums, floor included.

    Where an arm's rewards changed, only what came since counts; equal weights until every arm has its first units then.
    """
    recent = sums if design.decision_rule == 1 else since_change(sums)
    arms = len(recent.n)
    if recent.n.min() < LEAST_UNITS:
        return np.full(arms, 1 / arms)
    is_less_better = metric["direction"] == "decrease"
    if design.allocation_strategy == VariantAllocation.UCB:
        bounds = (metric["lower"], metric["upper"])
        is_plus = design.decision_rule > 2
        weights = _upper_confidence(recent, bounds, is_less_better=is_less_better, is_plus=is_plus)
    else:
        posterior = posterior_of(recent.kind, recent.moments(), recent.total("y"))
        best, _ = (posterior.mirrored() if is_less_better else posterior).best_and_loss()
        weights = top_two(best[0]) if design.goal == "winner" else best[0]
    return with_floor(weights, design.floor(arms, float(recent.n.sum())))


def since_change(sums: ArmSums) -> ArmSums:
    """The sums of the epochs since an arm's rewards changed; all of them where none did."""
    start = change_of(sums)
    return sums if start is None else replace(sums, sums={name: part[start:] for name, part in sums.sums.items()})


def change_of(sums: ArmSums) -> int | None:
    """The epoch since which an arm's rewards are others; None where nothing changed. Of a ratio, its numerator's."""
    return drift.changed_at(*(sums.sums[name] for name in ("n", "y", "yy")))


def _upper_confidence(
    sums: ArmSums, bounds: tuple[float | None, float | None], *, is_less_better: bool, is_plus: bool
) -> Array:
    """Bernoulli divergence for what is bounded, the normal one for everything else."""
    lower, upper = bounds
    moments = sums.moments()
    mean = -moments.mean if is_less_better else moments.mean
    if sums.kind in (MetricKind.BINARY, MetricKind.RATE):
        low, high = (0.0 if lower is None else lower), (1.0 if upper is None else upper)
        scaled = (moments.mean - low) / (high - low)
        return kl_ucb_weights(1 - scaled if is_less_better else scaled, moments.n, UCB_STEPS, is_plus=is_plus)
    return kl_ucb_weights(mean, moments.n, UCB_STEPS, np.sqrt(moments.variance), is_plus=is_plus)


def with_floor(weights: ArrayLike, floor: float) -> Array:
    """Mix weights (K,) with uniform ones so that none is below the floor; uniform when the floors fill the whole."""
    w = np.asarray(weights, dtype=np.float64)
    f = max(floor, 0.0)
    return np.full_like(w, 1 / len(w)) if len(w) * f >= 1 else f + (1 - len(w) * f) * w


def top_two(best: ArrayLike, leader_share: float = 0.5) -> Array:
    """Top-two Thompson weights from P(best) (K,), without resampling (Russo 2020): finds the winner sooner.

    The challenger is drawn from P(best) given that the leader is not.
    """
    p = np.minimum(np.asarray(best, dtype=np.float64), 1 - 1e-12)
    p = p / p.sum()
    odds = p / np.maximum(1 - p, 1e-12)
    weights = p * (leader_share + (1 - leader_share) * (odds.sum() - odds))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def kl_ucb_index(mean: ArrayLike, n: ArrayLike, total: ArrayLike) -> Array:
    """Largest mean in [0, 1] that the Bernoulli divergence still allows: n·kl(mean, q) ≤ ln(total).

    Garivier & Cappé (2011). Also valid for any outcome in [0, 1]. With `total` over n it is their KL-UCB⁺, that
    explores an arm the less the better it is known: regret of ten arms after 20,000 outcomes is 127 instead of 190.
    """
    p, count = np.asarray(mean, dtype=np.float64), np.asarray(n, dtype=np.float64)
    allowed = np.log(np.maximum(total, 1.0)) / np.maximum(count, 1e-12)
    low, high = p + 0.0, np.minimum(1.0, p + np.sqrt(allowed / 2))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = rel_entr(p, middle) + rel_entr(1 - p, 1 - middle) > allowed
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return np.where(count > 0, low, np.inf)


def normal_ucb_index(mean: ArrayLike, deviation: ArrayLike, n: ArrayLike, total: ArrayLike) -> Array:
    """The same for outcomes without bounds, with the normal divergence."""
    count = np.maximum(np.asarray(n, dtype=np.float64), 1e-12)
    index = np.asarray(mean) + np.asarray(deviation) * np.sqrt(2 * np.log(np.maximum(total, 1.0)) / count)
    return np.where(np.asarray(n) > 0, index, np.inf)


def kl_ucb_weights(
    mean: ArrayLike, n: ArrayLike, batch: int, deviation: ArrayLike | None = None, *, is_plus: bool = True
) -> Array:
    """Shares of the next batch: its units go one by one to the highest index, each as if it changed no mean.

    Args:
        mean: of each arm (…, K); in [0, 1] unless `deviation` is given.
        n: units of each arm.
        batch: units until the next weights.
        deviation: of each arm's outcomes, for metrics without bounds.
        is_plus: whether by KL-UCB⁺; False under the rules before the third.
    """
    counts, start = np.array(n, dtype=np.float64), np.asarray(n, dtype=np.float64)
    arms = np.arange(counts.shape[-1])
    for _ in range(batch):
        total = (counts.sum(axis=-1, keepdims=True) + 1) / (counts if is_plus else 1.0)
        if deviation is None:
            index = kl_ucb_index(mean, counts, total)
        else:
            index = normal_ucb_index(mean, deviation, counts, total)
        counts += index.argmax(axis=-1)[..., None] == arms
    return np.asarray((counts - start) / batch, dtype=np.float64)
