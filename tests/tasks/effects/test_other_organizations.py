"""Other organizations' experiments, through noise: what a recipient learns of bias from them, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.effects.calibration import calibrated
from tasks.effects.other_organizations import TOO_LITTLE, ReleasedExperiments
from tasks.effects.records import Association, CalibratedEffect, CalibratingPair
from tasks.effects.shared_experiments import MOST_ROWS, ROWS, kind_of_outcome, shared_numbers
from tasks.effects.wording import AboutCalibration, SeenPattern, as_effect, experiments_behind
from tests.calibrating_organizations import agency, released_by

WORLDS = [(0.3, 0.05), (1.0, 0.0)]


def compared(
    organizations: int, world: tuple[float, float], own: int, recipients: int, seed: int
) -> tuple[float, float, float, float, float]:
    """Coverage of 90 % intervals and its error over recipients, RMSE with others' experiments and without, and the
    share of releases that say something. A new draw for every fourth."""
    rng, covered, squares, plain, heard = np.random.default_rng(seed), [], [], [], []
    released = released_by(organizations, *world, seed)  # one crowd, its release drawn again and again
    for k in range(recipients):
        if k % 4 == 0:
            released = released_by(organizations, *world, seed, k)
        one = agency(*world, own, rng)
        others = released.learned("clicks")[0]
        effects = calibrated(one.untested, one.pairs, "own", "clicks", others)
        alone = calibrated(one.untested, one.pairs, "own", "clicks")
        low, high = np.array([effect.interval for effect in effects]).T
        covered.append(((low <= one.truth) & (one.truth <= high)).mean())
        squares.append(np.mean((np.array([effect.estimate for effect in effects]) - one.truth) ** 2))
        plain.append(np.mean((np.array([effect.estimate for effect in alone]) - one.truth) ** 2))
        heard.append(others is not None)
    error = float(np.std(covered) / np.sqrt(recipients))
    rmse, without = float(np.sqrt(np.mean(squares))), float(np.sqrt(np.mean(plain)))
    print(
        f"BAR {organizations} organizations, slope and spread {world}, {own} own experiments, {recipients} recipients: "
        f"coverage {np.mean(covered):.3f} ± {error:.3f} (bar .85 to .95), RMSE {rmse:.4f}, by the public prior "
        f"{without:.4f}, {np.mean(heard):.2f} of releases heard"
    )
    return float(np.mean(covered)), error, rmse, without, float(np.mean(heard))


@pytest.mark.parametrize("world", WORLDS)
def test_two_hundred_organizations_say_more_than_public_archives(world: tuple[float, float]) -> None:
    covered, error, rmse, without, heard = compared(200, world, 0, 16, 11)
    assert covered >= 0.85 - 2.0 * error
    assert rmse < without
    assert heard > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("own", [0, 3, 10])
@pytest.mark.parametrize("organizations", [50, 200, 800])
def test_intervals_hold_and_errors_are_smaller(organizations: int, own: int, world: tuple[float, float]) -> None:
    """Where the release of fifty is mostly noise, nothing is taken from it and the errors are the same."""
    covered, error, rmse, without, _ = compared(organizations, world, own, 120, 77)
    assert covered >= 0.85 - 2.0 * error
    assert rmse <= without * 1.01


def test_noise_that_exceeds_what_they_tell_changes_nothing_and_says_so() -> None:
    released = released_by(12, 0.3, 0.05, 5)
    others, words = released.learned("clicks")
    assert others is None
    assert words == TOO_LITTLE
    assert not released.tells


def test_how_many_they_are_is_a_lower_bound() -> None:
    bounds = [released_by(200, 0.3, 0.05, 11, seed).learned("clicks")[0] for seed in range(40)]
    counts = [others.at_least for others in bounds if others is not None]
    assert len(counts) > 35
    assert np.mean(np.array(counts) > 200) <= 0.05
    assert 80 < np.mean(counts) < 200


def test_what_is_released_names_nobody_s_metric_or_condition() -> None:
    pair = CalibratingPair(Association("secret", "text", 0.2, 0.02), "w", "Project X clicks", 0.1, 0.05, 1, 1)
    assert [kind_of_outcome(one) for one in ("Project X clicks", "Einkäufe", "purchase-rate", "likes")] == [
        *("clicks", "other", "conversions", "engagement")
    ]
    rows = shared_numbers([pair])
    assert set(rows) <= set(ROWS)
    assert "slope:clicks" in rows


@pytest.mark.parametrize("size", [1e-9, 0.01, 1.0, 1e9])
def test_no_organization_moves_a_number_by_more_than_its_unit(size: float) -> None:
    rng = np.random.default_rng(3)
    for count in (1, 2, 300):
        pairs = [
            CalibratingPair(
                Association(str(k), "text", size * rng.normal(), 0.01),
                "w",
                f"metric {k}",
                size * rng.normal(),
                0.01,
                1,
                1,
            )
            for k in range(count)
        ]
        rows = shared_numbers(pairs)
        assert len(rows) <= MOST_ROWS
        assert all(abs(number) <= 1.0 for numbers in rows.values() for number in numbers)
        assert 0.0 <= rows["slope:any"][0] <= 1.0


def test_what_is_no_number_takes_no_part() -> None:
    good = agency(0.3, 0.05, 4, np.random.default_rng(1)).pairs
    bad = [
        CalibratingPair(Association("x", "text", lift, 0.1), "w", "clicks", effect, 0.05, 1, 1)
        for lift, effect in ((np.nan, 0.1), (0.1, np.inf), (0.0, 0.1))
    ]
    vague = CalibratingPair(Association("x", "text", 0.1, 0.1), "w", "clicks", 0.3, 0.5, 1, 1)
    assert shared_numbers([*good, *bad, vague]) == shared_numbers(good)
    assert shared_numbers([*bad, vague]) == shared_numbers([]) == {}


def test_a_slope_that_is_known_to_the_digit_is_the_prior() -> None:
    sums: dict[str, tuple[float, float, float]] = dict.fromkeys(ROWS, (1e6, 0.5e6, 0.25e6))
    sums["spread:any"] = (1e6, 0.125e6, 0.0)
    others, words = ReleasedExperiments(sums, 1.0, "").learned("clicks")
    assert others is not None
    assert others.slope == pytest.approx(1.0, abs=0.01)
    assert others.spread == pytest.approx(0.0025, abs=1e-4)
    effect = calibrated([Association("a", "text", 0.3, 0.01)], [], "own", "clicks", others)[0]
    assert effect.slope == pytest.approx(1.0, abs=0.1)
    assert effect.source == "other_organizations"
    assert "at least" in words


def test_words_say_whose_experiments_they_are_and_how_few_at_the_least() -> None:
    others = {"other_organizations_at_least": 61}
    assert experiments_behind(others) == "experiments of at least 61 other organizations (private)"
    every = others | {"own_experiments": 3, "organization_experiments": 2}
    assert experiments_behind(every) == (
        "3 experiments of yours, 2 of your organization and of at least 61 other organizations (private)"
    )
    known = released_by(200, 0.3, 0.05, 1).learned("clicks")
    effect = calibrated([Association("a", "text", 0.3, 0.05)], [], "own", "clicks", known[0])[0]
    shown = as_effect(
        effect, SeenPattern("asks a question", 35.0, True, 12.0, 0.5), AboutCalibration("x", known[1], 0.1)
    )
    print(shown["words"])
    assert shown["status"] == "calibrated"
    assert "other organizations (private)" in shown["words"]
    assert shown["based_on"]["other_organizations_at_least"] == effect.based_on.others_at_least > 0
    silent = as_effect(
        CalibratedEffect(0.1, (-0.1, 0.3), 0.8, 0.5),
        SeenPattern("asks a question", 35.0, True, 12.0, 0.5),
        AboutCalibration("x", TOO_LITTLE, 0.1),
    )
    assert silent["status"] == "not_enough_experiments"
    assert silent["based_on"]["other_organizations"] == TOO_LITTLE
