"""When and how the weights of an adaptive experiment follow the outcomes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.allocation import kl_ucb_weights, top_two, with_floor
from tasks.experiments.analysis import Material
from tasks.experiments.arm_sums import ArmSums
from tasks.experiments.metric_kinds import MetricKind
from tasks.experiments.posteriors import BetaPosterior, Posterior, StudentPosterior
from tasks.experiments.records import VariantAllocation

Array = NDArray[np.float64]
BATCH = 100
LEAST_UNITS = 10  # of every arm, before weights follow outcomes at all
BATCH_GROWTH = 0.05  # of the outcomes so far: the number of epochs grows with their logarithm
UCB_STEPS = 100


def is_due(outcomes: int, outcomes_before: int, smallest_arm: int) -> bool:
    """Whether a new epoch begins: each arm has its first units, and a batch has come since the last weights."""
    batch = max(BATCH, int(BATCH_GROWTH * outcomes_before))
    return smallest_arm >= LEAST_UNITS and outcomes - outcomes_before >= batch


def new_weights(material: Material) -> Array:
    """Weights (K,) of the next epoch, floor included."""
    metric, design = material.metrics[0], material.design
    sums = material.sums(metric)
    is_less_better = metric["direction"] == "decrease"
    if design.allocation_strategy == VariantAllocation.UCB:
        weights = _upper_confidence(sums, metric["lower"], metric["upper"], is_less_better=is_less_better)
    else:
        posterior = _posterior(sums)
        best, _ = (posterior.mirrored() if is_less_better else posterior).best_and_loss()
        weights = top_two(best[0]) if design.goal == "winner" else best[0]
    return with_floor(weights, design.floor(len(material.names)))


def _posterior(sums: ArmSums) -> Posterior:
    moments = sums.moments()
    if sums.kind == MetricKind.BINARY:
        return BetaPosterior.from_counts(moments.n, sums.total("y"))
    return StudentPosterior(
        np.atleast_2d(moments.mean),
        np.atleast_2d(np.maximum(moments.standard_error, 1e-12)),
        np.atleast_2d(np.maximum(moments.n - 1, 1)),
    )


def _upper_confidence(sums: ArmSums, lower: float | None, upper: float | None, *, is_less_better: bool) -> Array:
    """Bernoulli divergence for what is bounded, the normal one for everything else."""
    moments = sums.moments()
    mean = -moments.mean if is_less_better else moments.mean
    if sums.kind in (MetricKind.BINARY, MetricKind.RATE):
        low, high = (0.0 if lower is None else lower), (1.0 if upper is None else upper)
        scaled = (moments.mean - low) / (high - low)
        return kl_ucb_weights(1 - scaled if is_less_better else scaled, moments.n, UCB_STEPS)
    return kl_ucb_weights(mean, moments.n, UCB_STEPS, np.sqrt(moments.variance))
