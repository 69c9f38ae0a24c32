"""An attacker who knows everyone else's contributions, and all of the target's, cannot do better than ε allows.

The attack is the strongest there is for Gaussian noise: project the release on the direction in which the target would
move it, each cell by the precision of its noise. It must fail against the real path, and succeed against two bugs
planted in it, or the audit proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from tasks.transfer.catalogue import KEYS
from tasks.transfer.privacy import DiscreteGaussian, Noise, PrivacyBudget
from tasks.transfer.records import Integers
from tasks.transfer.release import (
    NOISE_FACTORS,
    SCALE,
    SENSITIVITY,
    exact_sums,
    fixed_point,
    select_contributions,
    with_units,
)
from tests.membership_inference import epsilon_lower_bound
from tests.transfer_factories import SeededNoise, crowd

DRAWS = 40_000
BUDGET = PrivacyBudget()
NIGHTS = 10


def target_values(lift: float = 9.0) -> pl.DataFrame:
    """The target's contribution at the bound of everything, as the real path makes it."""
    workspaces = with_units(
        pl.DataFrame({"workspace_id": ["w0"], "organisation_id": [None], "industry": ["saas"], "size": ["smb"]})
    )
    loud = crowd(1).with_columns(pl.lit(lift).alias(name) for name in ("log_lift", "log_lift_a", "log_lift_b"))
    return fixed_point(select_contributions(loud, workspaces, "2026-01-01"))


def attack(values: pl.DataFrame, noise: Noise, releases: int = 1) -> float:
    """ε lower bound over draws of the coordinates the target touches; all others hold nothing about it."""
    moved = exact_sums(values)
    factors = NOISE_FACTORS[moved != 0]
    touched = moved[moved != 0]
    scale = BUDGET.noise_scale(SENSITIVITY)
    scores = [np.zeros(DRAWS), np.zeros(DRAWS)]
    for _ in range(releases):
        for present in (0, 1):
            for factor in np.unique(factors):
                cells = touched[factors == factor]
                sums = np.ascontiguousarray(np.broadcast_to(present * cells, (DRAWS, len(cells))))
                scores[present] += noise(sums, scale * float(factor)) @ cells / factor**2 / np.linalg.norm(touched)
    return epsilon_lower_bound(scores[0], scores[1], BUDGET.delta)


def without_clip(values: pl.DataFrame) -> pl.DataFrame:
    """Planted bug: a target whose estimates are six times the bound is not clipped."""
    return values.with_columns(pl.lit(6 * SCALE).alias("mean"), pl.lit(36 * SCALE).alias("product"))


def test_the_real_path_stays_below_the_claimed_epsilon() -> None:
    values = target_values()
    assert values.height == len(KEYS)
    bound = attack(values, SeededNoise(1))
    print(f"BAR membership inference, ε lower bound: {bound:.2f} (bar < {BUDGET.epsilon})")
    assert 0.5 < bound < BUDGET.epsilon  # an attack that finds nothing at all would not have been one


@pytest.mark.parametrize(
    ("bug", "values", "releases"),
    [
        ("a missing clip", lambda: without_clip(target_values()), 1),
        ("nightly noise that nobody composed", target_values, NIGHTS),
    ],
)
def test_the_audit_catches(bug: str, values: Callable[[], pl.DataFrame], releases: int) -> None:
    bound = attack(values(), SeededNoise(2), releases)
    print(f"BAR audit catches {bug}, ε lower bound: {bound:.2f} (bar > {BUDGET.epsilon})")
    assert bound > BUDGET.epsilon


@pytest.mark.slow
def test_opendps_own_draws_stay_below_the_claimed_epsilon() -> None:
    """The production noise, drawn 40,000 times for each world; no seed exists, so the bound varies by a few percent.

    Some eleven minutes of the processor: a target that answers every pattern touches 606 cells, 14 µs each.
    """

    def in_parts(sums: Integers, scale: float) -> Integers:
        return np.concatenate([DiscreteGaussian()(part, scale) for part in np.array_split(sums, 200)])

    bound = attack(target_values(), in_parts)
    print(f"BAR membership inference with OpenDP's noise, ε lower bound: {bound:.2f} (bar < {BUDGET.epsilon})")
    assert 0.5 < bound < BUDGET.epsilon
