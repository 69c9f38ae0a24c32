"""How often the engine is wrong, and how soon it is right: simulated, seeded, judged by its own modules.

Bounds are the bars themselves; the seeds are fixed, so a run cannot fail by chance. `slow` repeats them at full size.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from tasks.experiments.design import Design
from tasks.experiments.inference import alpha_spending, right_winner, winner_boundary
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import difference_of
from tasks.experiments.inference.power import units_for_proportions
from tasks.experiments.inference.winner_boundary import Mixture
from tasks.experiments.records import VariantAllocation

PLACE = Path(__file__).with_name("simulations.py")
TEN_ARMS = [0.1] + [0.05] * 3 + [0.02] * 3 + [0.01] * 3
SHIFT = float(ndtri(0.975) + ndtri(0.8))  # expected z of the planned effect at the fixed-80 % size
PLANNED = 3841  # 80 % power for .10 against .12 in one two-sided test at 5 %


def _load() -> Any:
    import sys

    spec = importlib.util.spec_from_file_location("experiment_simulations", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


simulations = _load()


def share(happened: NDArray[np.bool_]) -> float:
    return float(happened.mean())


def bar(name: str, figure: float, bound: str, how: str = "simulated") -> None:
    print(f"\nBAR {name} ({how}): {figure:.4g} (bar {bound})")


@pytest.mark.parametrize("arms", [2, 3, 4])
@pytest.mark.parametrize("rate", [0.01, 0.5])
def test_ab_test_without_a_difference_errs_at_most_at_its_level_over_20_looks(arms: int, rate: float) -> None:
    rule = SpendingRule(0.05, arms, is_hybrid=True)
    found = simulations.peeked([rate] * arms, [250] * 20, 1000, rule, 5000, seed=1)
    assert found.any_difference <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("arms", [2, 3, 4])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2, 0.5])
def test_ab_test_type_one_error_at_full_size(arms: int, rate: float) -> None:
    rule = SpendingRule(0.05, arms, is_hybrid=True)
    found = simulations.peeked([rate] * arms, [250] * 20, 10_000, rule, 5000, seed=2)
    bar(f"type I error, AB_TEST, 20 looks, K = {arms}, p = {rate}", found.any_difference, "≤ 0.05")
    assert found.any_difference <= 0.05


@pytest.mark.parametrize("rate", [0.01, 0.5])
def test_a_sequence_looked_at_after_every_unit_errs_at_most_at_its_level(rate: float) -> None:
    assert simulations.every_look_rejects([rate] * 2, 3000, 400, seed=3) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("arms", [2, 3, 4])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2, 0.5])
def test_sequential_type_one_error_at_full_size(arms: int, rate: float) -> None:
    found = simulations.every_look_rejects([rate] * arms, 10_000, 2000, seed=4)
    bar(f"type I error, SEQUENTIAL, every look of 10,000, K = {arms}, p = {rate}", found, "≤ 0.05")
    assert found <= 0.05


@pytest.mark.parametrize(("looks", "batch", "seed"), [(96, 40, 5), (20, 192, 15)])
def test_the_hybrid_keeps_its_power_and_stops_early(looks: int, batch: int, seed: int) -> None:
    rule = SpendingRule(0.05, 2, is_hybrid=True)
    found = simulations.peeked([0.1, 0.12], [batch] * looks, 3000, rule, batch * looks, seed)
    power, stop = float((found.winner == 1).mean()), float(found.stopped_at.mean()) / PLANNED
    # Two standard errors of 3,000 runs are .015 of the power and .010 of the stop; the exact figures follow below.
    bar(f"power of an A/B test at the fixed-80 % size, {looks} looks", power, "≥ 0.79 − 0.015")
    bar(f"mean stop over the planned size, {looks} looks", stop, "≤ 0.80 + 0.01")
    assert power >= 0.79 - 0.015
    assert stop <= 0.81
    assert (found.winner == 0).mean() <= 0.005


def test_the_control_wins_less_easily_than_another_arm() -> None:
    """What false winners at 3 % cost: of arms that are worse by the planned effect, fewer are proven worse."""
    rule = SpendingRule(0.05, 2, is_hybrid=True)
    found = simulations.peeked([0.12, 0.1], [192] * 20, 3000, rule, 192 * 20, seed=16)
    proven = float((found.winner == 0).mean())
    bar("a worse arm proven worse at the planned size, 20 looks", proven, "none")
    assert 0.50 <= proven <= 0.60
    assert (found.winner == 1).mean() == 0


@pytest.mark.parametrize("arms", [3, 4])
def test_the_hybrid_with_several_arms_shares_its_error_and_keeps_its_power(arms: int) -> None:
    rule = SpendingRule(0.05, arms, is_hybrid=True)
    planned = math.ceil(units_for_proportions(0.1, 0.02, 0.05 / (arms - 1), 0.8) / 20)
    null = simulations.peeked([0.1] * arms, [planned] * 20, 2000, rule, 20 * planned, seed=17)
    found = simulations.peeked([0.1] * (arms - 1) + [0.12], [planned] * 20, 2000, rule, 20 * planned, seed=18)
    bar(f"type I error, AB_TEST, 20 looks, K = {arms}", null.any_difference, "≤ 0.05")
    bar(f"false winner, AB_TEST through its planned size, 20 looks, K = {arms}", share(null.winner >= 0), "≤ 0.03")
    bar(f"one better arm of {arms} proven different from the control", found.any_difference, "≥ 0.75")
    bar(f"one better arm of {arms} proven better than every other", share(found.winner == arms - 1), "none")
    assert null.any_difference <= 0.05
    assert share(null.winner >= 0) <= 0.03
    assert found.any_difference >= 0.75
    assert share((found.winner >= 0) & (found.winner < arms - 1)) <= 0.002


def test_a_schedule_of_looks_spends_its_error_and_keeps_its_power() -> None:
    rule, looks = SpendingRule(0.05, 2, is_scheduled=True), [384] * 10
    null = simulations.peeked([0.1, 0.1], looks, 3000, rule, 3840, seed=13)
    found = simulations.peeked([0.1, 0.12], looks, 3000, rule, 3840, seed=14)
    # A schedule spends all of its 5 %, where a sequence keeps some: two standard errors of 3,000 runs are 0.008.
    assert 0.03 <= null.any_difference <= 0.05 + 0.008
    assert (found.winner == 1).mean() >= 0.77
    assert found.stopped_at.mean() <= 0.85 * 3840


@pytest.mark.parametrize("arms", [2, 4])
@pytest.mark.parametrize(("is_hybrid", "planned"), [(True, 57_000), (False, PLANNED)])
def test_no_false_winner_in_96_looks_without_a_difference(arms: int, is_hybrid: bool, planned: int) -> None:
    rule = SpendingRule(0.05, arms, is_hybrid=is_hybrid)
    found = simulations.peeked([0.1] * arms, [40] * 96, 1500, rule, planned, seed=6)
    false = float((found.winner >= 0).mean())
    kind = "AB_TEST while running" if is_hybrid else "SEQUENTIAL"
    bar(f"false winner in 96 looks, {kind}, K = {arms}", false, "≤ 0.03")
    assert false <= 0.03


@pytest.mark.parametrize(("looks", "planned_look"), [(20, 20), (96, 96), (96, 48), (400, 200)])
def test_two_equal_arms_seldom_have_a_winner_wherever_the_planned_size_falls(looks: int, planned_look: int) -> None:
    found = simulations.exact_exits([look / planned_look for look in range(1, looks + 1)], 0.0)
    bar(
        f"false winner, AB_TEST, {looks} looks, planned at {planned_look}",
        found.better + found.worse,
        "≤ 0.03",
        "exact",
    )
    assert found.better + found.worse <= 0.03
    assert found.better <= 0.025, "an arm beats the control falsely no more often than in any two-sided test"


@pytest.mark.parametrize("seed", range(5))
def test_two_equal_arms_seldom_have_a_winner_whenever_one_looks(seed: int) -> None:
    """Looks at any times: few, many, all of them early, or none before the planned size, which is passed by chance."""
    rng = np.random.default_rng(seed)
    looks: list[float] = []
    for at in np.sort(rng.beta(*rng.uniform(0.3, 3, 2), size=rng.integers(1, 60))).tolist():
        if at > 0.01 and at > 1.03 * (looks or [0.0])[-1]:  # nearer ones are too near for the recursion of this test
            looks.append(at)
    looks += [1 + 0.3 * rng.random(), 2 + rng.random(), 5.0]
    found = simulations.exact_exits(looks, 0.0)
    assert found.better + found.worse <= 0.03
    assert found.better <= 0.025
    assert found.better + found.worse >= 0.027, "the error is spent, however one looks"


@pytest.mark.parametrize(("looks", "figures"), [(20, (0.7932, 0.795, 0.4125)), (96, (0.7904, 0.769, 0.3851))])
def test_an_ab_test_is_at_the_frontier_by_exact_figures(looks: int, figures: tuple[float, ...]) -> None:
    even = [look / looks for look in range(1, looks + 1)]
    planned, twice = simulations.exact_exits(even, SHIFT), simulations.exact_exits(even, 2 * SHIFT)
    bar(f"power of an A/B test at the fixed-80 % size, {looks} looks", planned.better, "≥ 0.79", "exact")
    bar(f"mean stop over the planned size, {looks} looks", planned.mean_stop, "≤ 0.80", "exact")
    bar(f"mean stop at twice the effect, {looks} looks", twice.mean_stop, "≤ 0.42", "exact")
    assert planned.better >= 0.79
    assert planned.mean_stop <= 0.80
    assert twice.mean_stop <= 0.42
    assert (planned.better, planned.mean_stop, twice.mean_stop) == pytest.approx(figures, abs=0.0006)


def test_an_effect_ten_times_the_planned_one_is_seen_at_a_hundredth_of_the_size() -> None:
    found = simulations.exact_exits([0.005, 0.01, 0.02, 0.03], 10 * SHIFT)
    assert found.mean_stop <= 0.035
    assert found.better >= 0.35


def several(arms: int, rates: list[float], runs: int, seed: int) -> Any:
    """At the size at which fixed tests with α/(K − 1) find one arm in 80 %, 20 looks."""
    batch = math.ceil(units_for_proportions(0.1, 0.02, 0.05 / (arms - 1), 0.8) / 20)
    rule = SpendingRule(0.05, arms, is_hybrid=True)
    return simulations.peeked(rates, [batch] * 20, runs, rule, 20 * batch, seed)


@pytest.mark.parametrize(("arms", "least", "runs"), [(4, 0.70, 1500), (12, 0.68, 400)])
def test_the_right_one_of_several_arms_wins_and_needs_no_correction(arms: int, least: float, runs: int) -> None:
    found = several(arms, [0.1] * (arms - 1) + [0.12], runs, seed=26)
    error = math.sqrt(least * (1 - least) / runs)
    bar(f"right winner of {arms}, 20 looks, ± {error:.3f}", share(found.winner == arms - 1), f"≥ {least}")
    assert share(found.winner == arms - 1) >= least - 2 * error
    assert share((found.winner >= 0) & (found.winner < arms - 1)) <= 0.005


@pytest.mark.slow
@pytest.mark.parametrize(("arms", "least"), [(4, 0.70), (12, 0.68)])
def test_the_right_one_of_several_arms_at_full_size(arms: int, least: float) -> None:
    runs = 10_000 if arms == 4 else 6_000
    right = share(several(arms, [0.1] * (arms - 1) + [0.12], runs, seed=27).winner == arms - 1)
    spread = math.sqrt(right * (1 - right) / runs)
    bar(f"right winner of {arms}, 20 looks, {runs:,} runs, ± {spread:.4f}", right, f"≥ {least}")
    assert right - 2 * spread >= least
    for name, rates in (
        ("an arm and the control", [0.1] * 2 + [0.05] * (arms - 2)),
        ("two arms", [0.05] * (arms - 2) + [0.1] * 2),
        ("all arms", [0.1] * arms),
    ):
        false = share(several(arms, rates, runs, seed=28).winner >= 0)
        error = math.sqrt(0.03 * 0.97 / runs)
        bar(f"false winner of {arms}, {name} tied for the best, ± {error:.4f}", false, "≤ 0.03")
        assert false <= 0.03 + 2 * error


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_of_two_arms_tied_for_the_best_neither_wins_more_often_than_allowed(rate: float) -> None:
    """All others far behind, so that beating each other decides: by every look's bound, and exactly for normal ones."""
    rule, level, times = (
        SpendingRule(0.05, 4, is_hybrid=True),
        0.05 * alpha_spending.PLANNED_SHARES[2],
        np.arange(1, 21) / 20,
    )
    between = winner_boundary.ARMS_INTERIM_SHARE
    exact = 2 * right_winner.crossing_probability(rule, level, 0.0, 20, between)
    line = right_winner._bounds(rule, level, 20, between)
    bounds = np.minimum(line, Mixture.wide().bound(level * winner_boundary.SEQUENCE_SHARE, times))
    rng, runs, batch = np.random.default_rng(41), 100_000, 257
    successes, ever = np.zeros((2, runs)), np.zeros(runs, dtype=bool)
    for number, bound in enumerate(bounds, start=1):
        successes += rng.binomial(batch, rate, size=(2, runs))
        arms = Moments.from_smoothed_counts(np.full((2, runs), float(batch * number)), successes)
        ever |= np.abs(difference_of(arms.at(0), arms.at(1)).z) >= bound
    false, error = share(ever), math.sqrt(0.03 * 0.97 / runs)
    bar("false winner of two tied arms among several, 20 looks", exact, "≤ 0.03", "exact")
    bar(f"false winner of two tied arms among several, 20 looks, ± {error:.4f}", false, "≤ 0.03")
    assert exact <= 0.0296
    assert false + error <= 0.03


def test_a_sequence_finds_most_of_what_it_is_planned_for() -> None:
    rule = SpendingRule(0.05, 2)
    exact = right_winner.crossing_probability(rule, 0.04, SHIFT, 20)
    found = share(simulations.peeked([0.1, 0.12], [192] * 20, 3000, rule, 3840, seed=29).winner == 1)
    bar("power of SEQUENTIAL at the fixed-80 % size, 20 looks", exact, "≥ 0.62", "exact")
    bar("power of SEQUENTIAL at the fixed-80 % size, 20 looks, ± 0.009", found, "≥ 0.62")
    assert exact == pytest.approx(0.6366, abs=0.0005)
    assert found >= 0.62 - 0.018


def test_scheduled_bounds_are_obrien_and_flemings() -> None:
    """Lan & DeMets, five even looks at a two-sided 5 %, as in every textbook; rule 1 spent too much early."""
    times = np.arange(1, 6) / 5
    bounds = alpha_spending.two_sided_bounds(times, alpha_spending.two_sided_spending(times, 0.05))
    assert bounds == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=0.001)
    first = alpha_spending.two_sided_bounds(times, alpha_spending.two_sided_spending(times, 0.05, version=1))
    assert first[0] < 4.5


@pytest.mark.slow
@pytest.mark.parametrize("arms", [2, 4])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_false_winner_at_full_size(arms: int, rate: float) -> None:
    rule = SpendingRule(0.05, arms, is_hybrid=True)
    found = simulations.peeked([rate] * arms, [40] * 96, 40_000 // arms, rule, PLANNED - 1, seed=19)
    bar(
        f"false winner, AB_TEST, 96 looks to its planned size, K = {arms}, p = {rate}",
        share(found.winner >= 0),
        "≤ 0.03",
    )
    assert share(found.winner >= 0) <= 0.03


def test_thompson_regret_is_small() -> None:
    regret = simulations.bandits(TEN_ARMS, 20_000, 10, 0.0, seed=8).regret
    bar("regret of batched Thompson, 10 arms, T = 20,000", float(regret.mean()), "≤ 100")
    assert regret.mean() <= 100


def test_kl_ucb_regret_is_small() -> None:
    regret = simulations.kl_ucb(TEN_ARMS, 4_000, 12, seed=9)
    assert regret.mean() <= 140


@pytest.mark.slow
def test_kl_ucb_regret_at_full_size() -> None:
    regret = simulations.kl_ucb(TEN_ARMS, 20_000, 100, seed=10)
    bar("regret of KL-UCB, 10 arms, T = 20,000", float(regret.mean()), "≤ 140")
    assert regret.mean() <= 140


def coverage(made: Any, truth: list[float]) -> float:
    scores = made.scores()
    gap = np.array(truth)[1:] - truth[0]
    z = np.abs(scores.contrast[:, 1:, 0] - gap) / scores.contrast_error[:, 1:, 0]
    return float((z < 1.959964).mean())


STRATEGIES = (VariantAllocation.THOMPSON, VariantAllocation.UCB)


@pytest.mark.parametrize("by", STRATEGIES)
def test_regret_at_the_default_floors_is_small(by: VariantAllocation) -> None:
    regret = simulations.bandits(TEN_ARMS, 20_000, 10, Design().floor, seed=43, first=160, by=by).regret
    error = float(regret.std() / math.sqrt(10))
    bar(f"regret of {by} at its default floors, 10 arms, T = 20,000, ± {error:.0f}", float(regret.mean()), "≤ 140")
    assert regret.mean() <= 140


@pytest.mark.parametrize("by", STRATEGIES)
def test_intervals_hold_after_a_bandit(by: VariantAllocation) -> None:
    made = simulations.bandits([0.1] * 4, 4000, 150, Design().floor, seed=11, by=by)
    assert coverage(made, [0.1] * 4) >= 0.94
    assert simulations.ever_rejects(made, 100) <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("by", STRATEGIES)
@pytest.mark.parametrize(
    ("truth", "horizon"),
    [([0.1] * 4, 10_000), ([0.1, 0.1, 0.1, 0.12], 10_000), ([0.12, 0.1, 0.1, 0.1], 10_000), (TEN_ARMS, 20_000)],
    ids=["null", "one better", "control best", "ten arms"],
)
def test_regret_and_intervals_of_bandits_at_full_size(by: VariantAllocation, truth: list[float], horizon: int) -> None:
    """Coverage of one interval at the end, and of the truth ever being rejected over all looks."""
    runs = 2000 if len(truth) < 10 else 300
    made = simulations.bandits(truth, horizon, runs, Design().floor, seed=12, first=160, by=by)
    covered = coverage(made, truth)
    bar(f"coverage after {by}, {truth}, ± {math.sqrt(0.05 * 0.95 / runs):.4f}", covered, "≥ 0.94")
    assert covered >= 0.94
    if len(truth) == 10:
        error = float(made.regret.std() / math.sqrt(runs))
        bar(f"regret of {by} at its default floors, 10 arms, ± {error:.1f}", float(made.regret.mean()), "≤ 140")
        assert made.regret.mean() <= 140
    if len(set(truth)) == 1:
        ever = simulations.ever_rejects(made, 100)
        bar(f"ever-reject over all looks after {by}, null, ± {math.sqrt(0.06 * 0.94 / runs):.4f}", ever, "≤ 0.06")
        assert ever <= 0.06
