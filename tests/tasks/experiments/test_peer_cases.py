"""Numbers that other engines publish or test against themselves: what runs here must give the same.

Each case names its peer, the method, inputs and the peer's numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from tasks.experiments import hashing
from tasks.experiments.assignment import AssignmentPlan
from tasks.experiments.inference import alpha_spending, bandit_allocation, posteriors, power, sample_ratio
from tasks.experiments.inference.arm_statistics import ArmSums, CovariateSums, Moments
from tasks.experiments.inference.comparisons import compare, compare_relative, difference_of, from_estimates
from tasks.experiments.inference.quadrature import best_and_loss
from tasks.experiments.inference.quantile_estimates import QuantileEstimates, Z
from tasks.experiments.outcomes import SUMS
from tasks.experiments.records import MetricKind
from tasks.statistics import confidence_sequences
from tasks.statistics.fixed_tests import p_value_of_counts
from tasks.statistics.multiplicity import CORRECTIONS, benjamini_hochberg, holm
from tasks.statistics.two_sample import chi_square

Case = dict[str, Any]
Numbers = dict[str, Any]
CASES: list[Case] = json.loads((Path(__file__).parents[2] / "cases" / "experiments.json").read_text())
NUMBERS = 225
PEERS_CASES = 53  # that were collected
# What the others ask, and why it is not asked here.
OUT_OF_SCOPE = {
    "planout-uniform": "PlanOut's buckets by SHA-1: an archived framework, whose running experiments nobody takes over",
    "expan-normal-diff": "a t-test that takes the arms' variances for equal, which arms of 90 and 10 % punish: Welch's",
    "cq-normal-one-sided": "a half-normal mixture; one-sided claims are made by a mixture around the planned effect",
    "cq-bernoulli-ci": "a sub-Bernoulli sequence at any n; rates are looked at from 100 units on, smoothed",
    "cq-beta-binomial": "the mixture behind the one before",
    "cq-poly-stitch": "a stitched boundary; a mixture is narrower at every size that is planned",
    "sm-ttest-power": "power of t-tests of 20 units; no plan has arms below 100, where the normal one is as good",
    "sm-cohen-h": "an effect size by arcsines; effects are planned as differences of rates, as people say them",
}


def arms(given: Case) -> tuple[Moments, Moments]:
    return Moments.from_sums(*given["a"]), Moments.from_sums(*given["b"])


def around(estimate: Any, reach: Any) -> list[Any]:
    return [estimate - reach, estimate + reach]


def fixed_test(given: Case) -> Numbers:
    compared = compare(*arms(given), alpha=given["alpha"], n_star=1000.0)
    return {
        "estimate": compared.estimate,
        "interval": around(compared.estimate, compared.fixed_half_width(given["alpha"])),
        "standard_error": compared.standard_error,
        "p": compared.p_value,
    }


def one_sided_test(given: Case) -> Numbers:
    difference = difference_of(*arms(given))
    return {
        "estimate": difference.estimate,
        "lower": difference.lower_bound(1 - given["alpha"]),
        "standard_error": difference.standard_error,
        "p": difference.greater_p_value(),
    }


def relative(given: Case) -> Numbers:
    """Units, mean and variance of two arms, by a fixed test and by a one-sided one."""
    arms = (Moments(*(np.asarray(part, float) for part in given[name])) for name in "ab")
    compared = compare_relative(*arms, alpha=given["alpha"], n_star=1000.0)
    one_sided = compared.estimate - compared.fixed_half_width(2 * given["alpha"])
    return {
        "estimate": compared.estimate,
        "standard_error": compared.standard_error,
        "interval": around(compared.estimate, compared.fixed_half_width(given["alpha"])),
        "p": compared.p_value,
        "lower": one_sided,
        "p_greater": compared.p_value / 2,
    }


def estimated(given: Case, n: float, n_star: float) -> Any:
    numbers = (np.asarray(given[name]) for name in ("estimate", "standard_error"))
    return from_estimates(*numbers, n, alpha=given["alpha"], n_star=n_star)


def sequence(given: Case) -> Numbers:
    compared = estimated(given, given["n"], given["n_star"])
    return {"interval": around(compared.estimate, compared.half_width), "p": compared.always_valid_p_value}


def one_sided_sequence(given: Case) -> Numbers:
    difference, n = difference_of(*arms(given)), given["a"][0] + given["b"][0]
    reach = confidence_sequences.lower_half_width(difference.standard_error, n, given["alpha"], given["n_star"])
    return {"estimate": difference.estimate, "lower": difference.estimate - reach}


def effect_posterior(given: Case) -> Numbers:
    """Of an effect, and of two arms, each with half of the variance, that are so far apart."""
    effect, error = given["estimate"], given["standard_error"]
    mean, deviation = np.array([[0.0, effect]]), np.full((1, 2), error / np.sqrt(2))

    def standardized(x: np.ndarray) -> np.ndarray:
        return (x - mean[:, :, None]) / deviation[:, :, None]

    def density(x: np.ndarray, part: slice) -> np.ndarray:
        return np.exp(-0.5 * standardized(x) ** 2) / (np.sqrt(2 * np.pi) * deviation[:, :, None])

    best, loss = best_and_loss(mean, deviation, density, lambda x, part: np.asarray(ndtr(standardized(x))))
    assert best[0, 1] == pytest.approx(posteriors.chance_to_win(effect, error), abs=1e-9)
    compared = estimated(given, 1000.0, 1000.0)
    return {
        "interval": around(effect, compared.fixed_half_width(given["alpha"])),
        "chance_to_win": posteriors.chance_to_win(effect, error),
        "loss": loss[0],
    }


def covariate_slope(given: Case) -> Numbers:
    x, y = np.array(given["before"], float), np.array(given["after"], float)
    n, h = np.full(2, float(len(x))), np.full(2, float(len(x)))
    one = CovariateSums(n, *(np.full(2, part) for part in (y.sum(), x.sum(), x @ x, x @ y)), h, np.full(2, y.sum()))
    return {"theta": one.slopes()[0]}


def covariate_adjustment(given: Case) -> Numbers:
    """Units, y, yy, x, xx, xy of two arms whose units all have a covariate."""
    arms = np.array([given["a"], given["b"]], float).T
    sums = dict.fromkeys(SUMS, np.zeros((1, 2))) | dict(
        zip(("n", "y", "yy", "x", "xx", "xy"), arms[:, None], strict=True)
    )
    sums |= {"with_covariate": sums["n"], "hy": sums["y"]}
    adjusted = ArmSums(sums, 0.0, MetricKind.CONTINUOUS).adjusted()
    assert adjusted is not None
    mean = adjusted.moments().mean
    return {"lift": (mean[1] - mean[0]) / (given["a"][1] / given["a"][0])}


def units_still_needed(given: Case) -> Numbers:
    wanted = {"alpha": given["alpha"], "power": given["power"]}
    numbers = (given["effect"], given["standard_error"])
    return {
        "fixed": power.additional_factor(*numbers, **wanted),
        "sequence": power.additional_factor(*numbers, **wanted, sequence=(given["n"], given["n_star"])),
    }


def hash_of_a_unit(given: Case) -> Numbers:
    return {"positions": [hashing.HASHES[f"growthbook-v{n}"](salt)(unit) for salt, unit, n in given["units"]]}


def arm_of_a_unit(given: Case) -> Numbers:
    def plan(weights: list[float]) -> AssignmentPlan:
        position = hashing.HASHES["growthbook-v1"](given["salt"])
        return AssignmentPlan("e", ("a", "b"), tuple(weights), hashing.cumulative(weights), 0, position)

    return {"arms": [[plan(weights).choose(unit) for unit in given["units"]] for weights in given["weights"]]}


def discoveries(given: Case) -> Numbers:
    """The p-value at or below which a discovery is called: the rate times the share of discoveries."""
    rate = given["rate"]
    return {"threshold": [rate * (benjamini_hochberg(p) <= rate).mean() for p in given["p"]]}


def group_sequential_bounds(given: Case) -> Numbers:
    return {"alpha": 2 * ndtr(-alpha_spending.two_sided_bounds(given["information"], given["spent"]))}


def units_for_proportions(given: Case) -> Numbers:
    base, effect = given["base"], given["effect"]
    return {"units": [2 * power.units_for_proportions(base, effect, *setting) for setting in given["settings"]]}


def beta_posterior(given: Case) -> Numbers:
    posterior = posteriors.BetaPosterior(*(np.array([given[name]]) for name in "ab"))
    (best, loss), (low, high), mean = posterior.best_and_loss(), posterior.interval(0.95), posterior.mean()
    return {
        "interval_control": [low[0, 0], high[0, 0]],
        "interval_test": [low[0, 1], high[0, 1]],
        "difference": mean[0, 1] - mean[0, 0],
        "probability_best": best[0, 1],
        "loss_test": loss[0, 1],
        "loss_control": loss[0, 0],
    }


def normal_mixture(given: Case) -> Numbers:
    """The bound of accumulated deviations at a variance v is a confidence sequence's half width at v units."""
    v, v_opt, alpha = (given[name] for name in ("v", "v_opt", "alpha"))
    return {
        "rho": 1 / confidence_sequences.mixture_precision(alpha, v_opt),
        "bound": confidence_sequences.half_width(np.sqrt(v), v, alpha, v_opt),
    }


def sequential_sample_ratio(given: Case) -> Numbers:
    so_far = np.cumsum(given["batches"], axis=0)
    return {"log_bayes_factor": [sample_ratio.log_bayes_factor(counts, given["shares"]) for counts in so_far]}


def quantile_effect(given: Case) -> Numbers:
    """Two arms' quantiles, each with the ends of its own interval."""
    n, value, low, high = (np.array(given[name], float) for name in ("n", "value", "low", "high"))
    error = (high - low) / (2 * Z) * np.sqrt((n - 1) / n)  # theirs has n − 1 for n
    estimate, errors = QuantileEstimates(n, value, error).differences()
    compared = from_estimates(estimate, errors, n.sum(), alpha=given["alpha"], n_star=1000.0)
    reach = compared.fixed_half_width(given["alpha"])
    return {"estimate": estimate[1, 0], "interval": around(estimate[1, 0], reach[1, 0])}


CHECKS: dict[str, Callable[[Case], Numbers]] = {
    "effect on a quantile": quantile_effect,
    "fixed test": fixed_test,
    "one-sided test": one_sided_test,
    "confidence sequence": sequence,
    "one-sided sequence": one_sided_sequence,
    "posterior of an effect": effect_posterior,
    "covariate slope": covariate_slope,
    "covariate adjustment": covariate_adjustment,
    "units still needed": units_still_needed,
    "allocation floor": lambda given: {
        "weights": [bandit_allocation.with_floor(given["weights"], floor) for floor in given["floors"]]
    },
    "hash of a unit": hash_of_a_unit,
    "ranges of the arms": lambda given: {"ranges": [hashing.covered_ranges(*one) for one in given["cases"]]},
    "relative difference": relative,
    "counts by name": lambda given: {
        "p": [p_value_of_counts(test, given["control"], given["treatment"]) for test in given["tests"]]
    },
    "correction by name": lambda given: {"adjusted": CORRECTIONS[given["correction"]](given["p"])},
    "arm of a unit": arm_of_a_unit,
    "equal proportions": lambda given: {"p": chi_square(given["control"], given["treatment"]).p_value},
    "Benjamini-Hochberg": lambda given: {"adjusted": benjamini_hochberg(given["p"])},
    "Holm": lambda given: {"adjusted": holm(given["p"])},
    "discoveries": discoveries,
    "O'Brien-Fleming spending": lambda given: {"spent": alpha_spending.obrien_fleming_spending(**given)},
    "group-sequential bounds": group_sequential_bounds,
    "units for a mean": lambda given: {"units": 2 * power.units_for_means(**given)},
    "units for a proportion": units_for_proportions,
    "Beta posterior": beta_posterior,
    "normal mixture": normal_mixture,
    "power of a z-test": lambda given: {"power": power.z_power(**given)},
    "power for proportions": lambda given: {
        "power": [power.proportions_power(base, gap, n, given["alpha"]) for gap, base, n in given["settings"]]
    },
    "sequential sample ratio": sequential_sample_ratio,
}


def flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return [number for part in value for number in flat(part)]
    return [value]


def agrees(ours: Any, expected: float | None, tolerance: float, relative: float) -> bool:
    if expected is None:
        return True
    return abs(float(ours) - expected) <= max(tolerance, relative * abs(expected), 1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if case["method"] in CHECKS], ids=lambda case: case["name"])
def test_method_reproduces_the_peers_numbers(case: Case) -> None:
    numbers = CHECKS[case["method"]](case["given"])
    tolerances = case["tolerance"] if isinstance(case["tolerance"], dict) else {"": case["tolerance"]}
    for name, expected in case["expected"].items():
        tolerance = next((value for part, value in tolerances.items() if part in name), 0.0)
        relative = tolerances.get("relative", 0.0)
        for ours, theirs in zip(flat(numbers[name]), flat(expected), strict=True):
            assert agrees(ours, theirs, tolerance, relative), f"{name}: {ours} is not {theirs} ± {tolerance}"


def test_sample_ratio_of_the_documented_example_alarms() -> None:
    case = next(case for case in CASES if case["method"] == "sample ratio")
    p = sample_ratio.chi_squared_p_value(case["given"]["counts"], case["given"]["shares"])
    assert p < case["expected"]["p_below"]


def test_every_case_is_checked() -> None:
    numbers = sum(one is not None for case in CASES for value in case["expected"].values() for one in flat(value))
    assert {case["method"] for case in CASES} == {*CHECKS, "sample ratio"}
    assert (len(CASES), numbers) == (45, NUMBERS)
    assert not {case["name"] for case in CASES} & set(OUT_OF_SCOPE)
    assert len(CASES) + len(OUT_OF_SCOPE) == PEERS_CASES
