"""Organizations whose bias is known, each with a few experiments, and a release of what they say of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from tasks.effects.other_organizations import ReleasedExperiments
from tasks.effects.records import Association, CalibratingPair
from tasks.effects.shared_experiments import shared_numbers
from tasks.statistics.shrinkage import prior_variance, shrink
from tasks.transfer.privacy import PrivacyBudget
from tasks.transfer.release import SCALE, SENSITIVITY
from tasks.transfer.released_experiments import exact_experiments, experiments_by_row, noisy_experiments
from tests.transfer_factories import SeededNoise

NOISE, ERROR = 0.06, 0.05  # of associations and of experiments' effects, log ratios
UNTESTED = 16
MOST_EXPERIMENTS = 10


@dataclass(frozen=True)
class Agency:
    """A workspace: pairs that experiments compare, conditions that none does, and the latter's true effects."""

    pairs: list[CalibratingPair]
    untested: list[Association]
    truth: np.ndarray


def agency(slope: float, spread: float, experiments: int, rng: np.random.Generator, name: str = "own") -> Agency:
    """Associations of sd .2, of which `slope` is effect, beside a bias of sd `spread`."""
    count = experiments + UNTESTED
    association = rng.normal(0.0, 0.2, count)
    truth = slope * association + rng.normal(0.0, spread, count)
    noisy, error = association + rng.normal(0.0, NOISE, count), np.full(count, NOISE)
    shrunken = shrink(noisy, error, prior_variance(noisy, error))
    seen = [
        Association(str(k), "text", float(shrunken.mean[k]), float(shrunken.standard_deviation[k]))
        for k in range(count)
    ]
    effects = truth[:experiments] + rng.normal(0.0, ERROR, experiments)
    pairs = [
        CalibratingPair(seen[k], name, "clicks", float(effects[k]), ERROR, 1, experiments) for k in range(experiments)
    ]
    return Agency(pairs, seen[experiments:], truth[experiments:])


@cache
def exact_of(organizations: int, slope: float, spread: float, seed: int) -> np.ndarray:
    """Exact sums of so many organizations with one to ten experiments each."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, MOST_EXPERIMENTS + 1, organizations)
    units = [shared_numbers(agency(slope, spread, int(n), rng, str(i)).pairs) for i, n in enumerate(counts)]
    return exact_experiments(units, SCALE)


def released_by(organizations: int, slope: float, spread: float, seed: int, noise_seed: int = 0) -> ReleasedExperiments:
    """What a recipient has of them after one period at the default budget."""
    scale = PrivacyBudget().noise_scale(SENSITIVITY)
    sums = noisy_experiments(exact_of(organizations, slope, spread, seed), scale, SeededNoise(noise_seed)) / SCALE
    by_row = {row: tuple(numbers) for row, numbers in experiments_by_row(sums).items()}
    return ReleasedExperiments(by_row, scale / SCALE, "")
