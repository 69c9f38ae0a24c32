from __future__ import annotations

import numpy as np
import pytest

from tasks.experiments import hashing
from tasks.experiments.assignment import AssignmentPlan
from tasks.experiments.design import Design
from tasks.experiments.inference.sample_ratio import chi_squared_p_value

IDS = [str(i) for i in range(100_000)]


def plan(position: hashing.Position, weights: list[float]) -> AssignmentPlan:
    names = tuple(f"arm {k}" for k in range(len(weights)))
    return AssignmentPlan("e", names, tuple(weights), hashing.cumulative(weights), 0, position)


def arms(salt: str, weights: list[float]) -> np.ndarray:
    placed = plan(hashing.keyed_blake2b(salt), weights)
    return np.array([placed.choose(unit) for unit in IDS])


@pytest.mark.parametrize("weights", [[0.5, 0.5], [0.1, 0.2, 0.7]])
def test_units_arrive_in_the_promised_shares(weights: list[float]) -> None:
    counts = np.bincount(arms("salt", weights), minlength=len(weights))
    assert chi_squared_p_value(counts, weights) > 0.001


def test_two_experiments_divide_the_same_units_independently() -> None:
    one, other = arms("exp-1", [0.5, 0.5]), arms("exp-2", [0.5, 0.5])
    assert abs(np.corrcoef(one, other)[0, 1]) < 3.5 / np.sqrt(len(IDS))


def test_a_platform_hash_keeps_its_buckets_for_experiments_that_move_here() -> None:
    assert set(hashing.HASHES) == {"blake2b", "growthbook-v1", "growthbook-v2"}
    assert hashing.HASHES["growthbook-v2"]("seed")("a") == 0.0505


def test_a_salt_of_any_length_and_script_is_a_key() -> None:
    long = [hashing.keyed_blake2b("été" * length)("u") for length in (1, 20, 40, 100)]
    assert len(set(long)) == 4


def test_rounding_leaves_no_hole_at_the_end() -> None:
    assert plan(lambda _: 0.9999999999999999, [1 / 3, 1 / 3, 1 / 3]).choose("last") == 2


def theirs(position: float, weights: list[float], coverage: float) -> int | None:
    """Which of GrowthBook's ranges a position is in, as its SDKs compute them."""
    start = 0.0
    for arm, weight in enumerate(weights):
        if start <= position < start + coverage * weight:
            return arm
        start += weight
    return None


@pytest.mark.parametrize("version", ["growthbook-v1", "growthbook-v2"])
@pytest.mark.parametrize("weights", [[0.5, 0.5], [0.1, 0.9], [0.2, 0.3, 0.5]])
def test_no_user_moves_when_a_running_experiment_is_taken_over_at_40_percent(
    version: str, weights: list[float]
) -> None:
    def choices(share: float) -> list[int | None]:
        design = Design(bucketing=version, traffic_share=share).as_dict()
        experiment = {"experiment_id": "e", "workspace_id": "w", "salt": "key", "design": design, "started_at": None}
        variants = [{"variant_id": f"arm {k}"} for k in range(len(weights))]
        taken = AssignmentPlan.of(experiment, variants, {"weights": weights, "epoch": 0})
        return [taken.choose(f"user-{i}") for i in range(2000)]

    position = hashing.HASHES[version]("key")
    for share in (0.4, 1.0):
        expected = [theirs(position(f"user-{i}"), weights, share) for i in range(2000)]
        assert sum(ours != other for ours, other in zip(choices(share), expected, strict=True)) == 0
    before, after = choices(0.4), choices(0.7)
    assert sum(arm is not None for arm in before) == pytest.approx(800, abs=80)
    assert all(later == arm for arm, later in zip(before, after, strict=True) if arm is not None)
