"""Whoever collects every release that a contributor was part of still cannot tell more than they cost together.

Five attacks by somebody who knows everybody else's contributions and all of the target's: on all coordinates that it
touches as one, on counts, means or products alone, and on the single coordinate that stands out most.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from tasks.transfer.privacy import PrivacyBudget, epsilon_after
from tasks.transfer.records import Floats, Integers
from tasks.transfer.release import NOISE_FACTORS, SENSITIVITY, exact_sums, fixed_point, select_contributions, with_units
from tests.membership_inference import epsilon_lower_bound
from tests.transfer_factories import SeededNoise, crowd

DRAWS = 12_000
BUDGET = PrivacyBudget(epsilon=1.0)
PERIODS = tuple(f"2026-{month:02}-01" for month in range(1, 7))

Attack = Callable[[Integers, Integers], Floats]


def moved(period: str) -> Integers:
    """What the loudest target there can be adds to a period's sums, where it adds anything (C, 3), in units of each
    number's noise; by the real path."""
    target = pl.DataFrame({"workspace_id": ["w0"], "organisation_id": [None], "industry": ["saas"], "size": ["smb"]})
    loud = crowd(1).with_columns(pl.lit(9.0).alias(name) for name in ("log_lift", "log_lift_a", "log_lift_b"))
    sums = exact_sums(fixed_point(select_contributions(loud, with_units(target), period)))
    touched = sums.any(axis=2)
    return np.rint(sums[touched] / NOISE_FACTORS[touched]).astype(np.int64)


def as_one(noisy: Integers, added: Integers) -> Floats:
    """The projection on the direction in which the target moves them: nothing separates better under Gaussian noise."""
    return np.asarray(noisy.reshape(len(noisy), -1) @ added.ravel() / np.linalg.norm(added))


def component(place: int) -> Attack:
    """The same for one of count, mean and product."""

    def attack(noisy: Integers, added: Integers) -> Floats:
        return as_one(noisy[:, :, place], added[:, place])

    return attack


def loudest(noisy: Integers, added: Integers) -> Floats:
    """The coordinate that stands out most."""
    return np.asarray(noisy.reshape(len(noisy), -1).max(axis=1), dtype=np.float64)


ATTACKS: dict[str, Attack] = {
    "all coordinates": as_one,
    "counts": component(0),
    "means": component(1),
    "products": component(2),
    "loudest coordinate": loudest,
}


def bounds(periods: tuple[str, ...], epsilon: float, seed: int) -> dict[str, float]:
    """ε lower bound of each attack on all these releases together."""
    noise, scale = SeededNoise(seed), PrivacyBudget(epsilon).noise_scale(SENSITIVITY)
    scores = {name: np.zeros((2, DRAWS)) for name in ATTACKS}
    for added in map(moved, periods):
        for present in (0, 1):
            sums = noise(np.broadcast_to(present * added, (DRAWS, *added.shape)), scale)
            for name, attack in ATTACKS.items():
                scores[name][present] += attack(sums, added)
    return {name: epsilon_lower_bound(*both, BUDGET.delta) for name, both in scores.items()}


def test_the_best_of_five_attacks_stays_below_what_six_releases_cost() -> None:
    claimed = epsilon_after(len(PERIODS) * BUDGET.rho, BUDGET.delta)
    best = bounds(PERIODS, BUDGET.epsilon, 1)
    print(f"BAR five attacks on six releases, ε lower bound: {max(best.values()):.2f} (bar < {claimed:.2f}); {best}")
    assert 0.3 < max(best.values()) < claimed  # attacks that find nothing at all would not have been any


def test_the_same_attacks_find_what_was_not_paid_for() -> None:
    """A release drawn anew every week of the month instead of once."""
    claimed = epsilon_after(len(PERIODS) * BUDGET.rho, BUDGET.delta)
    best = bounds(PERIODS * 4, 3.0, 2)
    assert max(best.values()) > claimed


@pytest.mark.slow
def test_who_is_in_two_installations_pays_in_both() -> None:
    """Twelve releases of six periods: more can be told than one installation's ledger says, no more than both do."""
    alone, both = (epsilon_after(n * len(PERIODS) * BUDGET.rho, BUDGET.delta) for n in (1, 2))
    best = max(bounds(PERIODS * 2, BUDGET.epsilon, 3).values())
    print(f"BAR five attacks on twelve releases of two installations: {best:.2f} (bar < {both:.2f}, alone {alone:.2f})")
    assert best < both
