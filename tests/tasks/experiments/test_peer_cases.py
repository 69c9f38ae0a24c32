"""Numbers that other engines publish or test against themselves: ours must be the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.experiments import (
    alpha_spending,
    contingency,
    cuped,
    fixed_tests,
    hashing,
    mixture_boundaries,
    posteriors,
    power,
    sample_ratio,
)
from tasks.experiments.inference.arm_statistics import Moments
from tasks.statistics import confidence_sequences, familywise
from tasks.statistics.multiplicity import benjamini_hochberg

Case = dict[str, Any]
Found = dict[str, Any]
SHARED_CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "experiments.json"
CASES: list[Case] = json.loads(SHARED_CASES.read_text()) if SHARED_CASES.is_file() else []
NUMBERS = 276


def arm(sums: Case) -> Moments:
    if sums.get("proportion"):
        return Moments.from_counts(sums["n"], sums["sum"])
    return Moments.from_sums(sums["n"], sums["sum"], sums["sum_squares"])


def compared(given: Case) -> fixed_tests.Comparison:
    compare = fixed_tests.relative_lift if given["relative"] else fixed_tests.difference
    return compare(arm(given["a"]), arm(given["b"]))


def welch(given: Case) -> Found:
    found = compared(given)
    reach = found.half_width(given["alpha"])
    return {
        "est": found.estimate,
        "ci": [found.estimate - reach, found.estimate + reach],
        "se": found.standard_error,
        "p": found.two_sided_p_value(),
    }


def welch_greater(given: Case) -> Found:
    found = compared(given)
    lower = found.estimate - found.half_width(given["alpha"], sides=1)
    return {
        "est": found.estimate,
        "lower": lower,
        "se": found.standard_error,
        "p": found.greater_p_value(),
    }


def sequence(given: Case) -> Found:
    found, n = compared(given), given["a"]["n"] + given["b"]["n"]
    reach = confidence_sequences.half_width(found.standard_error, n, given["alpha"], given["nstar"])
    p = confidence_sequences.p_value(found.z, n, given["alpha"], given["nstar"])
    return {"est": found.estimate, "ci": [found.estimate - reach, found.estimate + reach], "p": p}


def sequence_greater(given: Case) -> Found:
    found, n = compared(given), given["a"]["n"] + given["b"]["n"]
    reach = confidence_sequences.lower_half_width(found.standard_error, n, given["alpha"], given["nstar"])
    return {"est": found.estimate, "lower": found.estimate - reach}


def bayesian_effect(given: Case) -> Found:
    found = compared(given)
    prior = tuple(given["prior"]) if "prior" in given else None
    effect = posteriors.EffectPosterior.from_estimate(float(found.estimate), float(found.standard_error), prior)
    return {
        "est": effect.mean,
        "ci": effect.interval(1 - given["alpha"]),
        "sd": effect.deviation,
        "ctw": effect.chance_to_win(),
        "risk": effect.risks(),
    }


def quantile(given: Case) -> Found:
    variances = [posteriors.quantile_variance(given[f"lo_{g}"], given[f"hi_{g}"], given[f"n_{g}"]) for g in "ct"]
    error = (variances[0] / given["n_c"] + variances[1] / given["n_t"]) ** 0.5
    gap = given["q_t"] - given["q_c"]
    flat = posteriors.EffectPosterior.from_estimate(gap, error)
    informed = posteriors.EffectPosterior.from_estimate(gap, error, (0.0, given["q_c"] ** 2))
    return {"est": flat.mean, "ci": flat.interval(0.95), "est_informative": informed.mean}


def covariate_sums(arms: list[Case]) -> cuped.CovariateSums:
    return cuped.CovariateSums(
        *(np.array([a[name] for a in arms], float) for name in ("n", "y", "yy", "x", "xx", "xy"))
    )


def theta(given: Case) -> Found:
    x, y = np.array(given["pre"], float), np.array(given["post"], float)
    one = {"n": len(x), "y": y.sum(), "yy": y @ y, "x": x.sum(), "xx": x @ x, "xy": x @ y}
    return {"theta": covariate_sums([one, one]).theta()}


def cuped_relative(given: Case) -> Found:
    found = cuped.relative_lift(covariate_sums([given["a"], given["b"]]))
    return {"est": found.estimate, "p": found.two_sided_p_value()}


def mid_power(given: Case) -> Found:
    found = fixed_tests.relative_lift(arm(given["a"]), arm(given["b"]))
    n = given["a"]["n"] + given["b"]["n"]

    def factor(**decision: Any) -> float:
        error = float(found.standard_error)
        return power.additional_factor(given["mde"], error, alpha=given["alpha"], power=given["power"], **decision)

    return {
        "freq": factor(),
        "seq": factor(sequence=(n, given["nstar"])),
        "bayes": factor(prior=tuple(given["prior"])),
    }


def sdk_hashes(given: Case) -> Found:
    return {"h": [hashing.HASHES[f"growthbook-v{version}"](seed)(value) for seed, value, version in given["cases"]]}


def sdk_ranges(given: Case) -> Found:
    def weights(arms: int, wanted: list[float] | None) -> list[float]:
        fits = wanted is not None and len(wanted) == arms and abs(sum(wanted) - 1) <= 0.01
        return list(wanted) if wanted and fits else [1 / arms] * arms

    return {"r": [hashing.covered_ranges(weights(arms, wanted), share) for arms, share, wanted in given["cases"]]}


def sdk_run(given: Case) -> Found:
    def run(weights: list[float]) -> list[int]:
        ends = hashing.cumulative(weights)
        return [hashing.choose(hashing.growthbook_v1(given["key"])(unit), ends) for unit in given["ids"]]

    return {"v": [run(weights) for weights in given["weights"]]}


def planout(given: Case) -> Found:
    picks = [hashing.planout_choice(f"{given['salt']}.{name}", str(given["unit"]), 2) for name in given["names"]]
    return {"v": [given["choices"][pick] for pick in picks]}


def both(given: Case) -> tuple[contingency.Arm, contingency.Arm]:
    return tuple(given["control"]), tuple(given["treatment"])


def g_test(given: Case) -> Found:
    arms = both(given)
    plain = contingency.contingency_p_value(*arms, "log-likelihood")
    return {"p_corr": contingency.contingency_p_value(*arms, "log-likelihood", yates=True), "p": plain}


def pooled(given: Case) -> Found:
    p, interval = contingency.pooled_z(*both(given))
    return {"p": p, "ci": interval}


def units_for_sample(given: Case) -> Found:
    x = np.array(given["x"], float)
    n = power.units_for_means(given["mde"] * x.mean(), x.var(ddof=1), 0.05, 0.8, given["r"])
    return {"n": round((1 + given["r"]) * n)}


def units_for_rates(given: Case) -> Found:
    def total(alpha: float, wanted: float) -> float:
        return 2 * power.units_for_proportions(given["p"], given["mde"], alpha, wanted, pooled_null=False)

    return {"n_total": [total(alpha, wanted) for alpha, wanted in given["settings"]]}


def student(given: Case) -> Found:
    control, treatment = (
        Moments(*map(np.asarray, (given[f"n{i}"], given[f"m{i}"], given[f"s{i}"] ** 2))) for i in (2, 1)
    )
    found = fixed_tests.pooled_difference(control, treatment)
    reach = found.half_width(0.05)
    return {"ci": [found.estimate - reach, found.estimate + reach]}


def beta_binomial(given: Case) -> Found:
    successes, n = zip(given["control"], given["test"], strict=True)
    posterior = posteriors.BetaPosterior.from_counts(n, successes, tuple(given["prior"]))
    best, loss = posterior.best_and_loss()
    low, high = posterior.interval(0.95)
    mean = posterior.mean()
    return {
        "summary_ci_control": [low[0, 0], high[0, 0]],
        "summary_ci_test": [low[0, 1], high[0, 1]],
        "diff": mean[0, 1] - mean[0, 0],
        "p": best[0, 1],
        "loss_test": loss[0, 1],
        "loss_control": loss[0, 0],
    }


def sequential_alpha(given: Case) -> Found:
    t = alpha_spending.information_fractions(given["count"], given["final"])
    bounds = alpha_spending.two_sided_bounds(t, alpha_spending.power_spending(t, given["alpha"]))
    from scipy.special import ndtr

    return {"adjusted_alpha": 2 * ndtr(-bounds)}


def normal_two_sided(given: Case) -> Found:
    rho = mixture_boundaries.normal_precision(given["v_opt"], given["alpha_opt"])
    return {
        "rho": rho,
        "bound": mixture_boundaries.normal_bound(given["v"], given["alpha"], rho),
        "log_mixture": mixture_boundaries.normal_log_mixture(given["s"], given["v"], rho),
    }


def normal_one_sided(given: Case) -> Found:
    rho = mixture_boundaries.normal_precision(given["v_opt"], 2 * given["alpha_opt"])
    return {
        "bound": mixture_boundaries.one_sided_normal_bound(given["v"], given["alpha"], rho),
        "log_mixture": mixture_boundaries.one_sided_normal_log_mixture(given["s"], given["v"], rho),
    }


def beta_mixture(given: Case) -> Found:
    g, h = given["g"], given["h"]
    rho = mixture_boundaries.beta_binomial_precision(given["v_opt"], g, h, given["alpha"])
    return {
        "bound": mixture_boundaries.beta_binomial_bound(given["v"], given["alpha"], rho, g, h),
        "log_mixture": mixture_boundaries.beta_binomial_log_mixture(given["s"], given["v"], rho, g, h),
    }


def stitched(given: Case) -> Found:
    return {"bound": mixture_boundaries.stitched_bound(given["v"], given["alpha"], given["v_min"], given["c"])}


def rare_events(given: Case) -> Found:
    return dict(fixed_tests.event_rates((given["c1"], given["c2"]), (given["n1"], given["n2"])))


def sequential_ratio(given: Case) -> Found:
    """The package counts each batch with its own multinomial coefficient, and carries the posterior on."""
    batches, prior = np.array(given["batches"]), np.array(given["alpha0"], float)
    so_far = np.cumsum(batches, axis=0)
    coefficients = np.cumsum([sample_ratio.log_coefficient(batch) for batch in batches])
    free = [sample_ratio.log_dirichlet_multinomial(counts, prior) for counts in so_far]
    fixed = [sample_ratio.log_multinomial(counts, given["theta0"]) for counts in so_far]
    return {"log_m1": free + coefficients, "log_m0": fixed + coefficients}


CHECKS: dict[str, Callable[[Case], Found]] = {
    "welch": welch,
    "welch_greater": welch_greater,
    "asympcs": sequence,
    "asympcs_greater": sequence_greater,
    "bayes_eff": bayesian_effect,
    "risk": lambda given: {"risk": posteriors.EffectPosterior(given["mu"], given["sigma"]).risks()},
    "quantile": quantile,
    "theta": theta,
    "cuped_rel": cuped_relative,
    "midpower": mid_power,
    "floor": lambda given: {"p": [bandit_allocation.with_floor(given["w"], floor) for floor in given["floors"]]},
    "fnv": sdk_hashes,
    "ranges": sdk_ranges,
    "sdkrun": sdk_run,
    "planout": planout,
    "fisher": lambda given: {"p": contingency.exact_p_value(*both(given), "fisher")},
    "barnard": lambda given: {"p": contingency.exact_p_value(*both(given), "barnard")},
    "boschloo": lambda given: {"p": contingency.exact_p_value(*both(given), "boschloo")},
    "pearson": lambda given: {"p": contingency.contingency_p_value(*both(given), yates=True)},
    "gtest": g_test,
    "norm2p": pooled,
    "bh": lambda given: {"adj": benjamini_hochberg(given["p"])},
    "by": lambda given: {"adj": familywise.benjamini_yekutieli(given["p"])},
    "hochberg_sidak": lambda given: {"adj": familywise.hochberg_sidak(given["p"])},
    "holm": lambda given: {"adj": familywise.holm(given["p"])},
    "bh_cut": lambda given: {"alpha": [familywise.rejection_threshold(p, given["q"]) for p in given["p"]]},
    "obfspend": lambda given: {"a": alpha_spending.obrien_fleming_spending(given["t"], 0.05)},
    "expan_n": units_for_sample,
    "expan_nd": student,
    "sp_cont": lambda given: {
        "n_total": 2 * power.units_for_means(given["mde"], given["var"], given["alpha"], given["power"])
    },
    "sp_bin": units_for_rates,
    "betabin": beta_binomial,
    "sp_seqalpha": sequential_alpha,
    "cq_norm2": normal_two_sided,
    "cq_norm1": normal_one_sided,
    "cq_bern": lambda given: {"ci": [mixture_boundaries.bernoulli_interval(*case) for case in given["cases"]]},
    "cq_bb": beta_mixture,
    "cq_poly": stitched,
    "sm_tt": lambda given: {"power": [power.t_power(*case[:3], given["alpha"], case[3]) for case in given["cases"]]},
    "sm_norm": lambda given: {"power": power.z_power(given["h"], given["n"], given["alpha"])},
    "sm_2prop": lambda given: {
        "power": [power.proportions_power(p, gap, n, given["alpha"]) for gap, p, n in given["cases"]]
    },
    "sm_h": lambda given: {"h": power.cohens_h(given["p1"], given["p2"])},
    "sm_pois": rare_events,
    "ssrm": sequential_ratio,
}


def flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return [number for part in value for number in flat(part)]
    return [value]


def agrees(found: Any, expected: Any, tolerance: float | str) -> bool:
    if isinstance(expected, str) or expected is None:
        return expected is None or bool(found == expected)
    if isinstance(tolerance, str):
        return abs(float(found) / expected - 1) <= float(tolerance.removeprefix("rtol "))
    return abs(float(found) - expected) <= max(tolerance, 1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if case["check"] != "srmchi2"], ids=lambda case: case["id"])
def test_method_reproduces_the_peers_numbers(case: Case) -> None:
    found = CHECKS[case["check"]](case["input"])
    for name, expected in case["expected"].items():
        given = case["tolerance"]
        tolerance = given if not isinstance(given, dict) else given[next(key for key in given if key in name)]
        for mine, theirs in zip(flat(found[name]), flat(expected), strict=True):
            assert agrees(mine, theirs, tolerance), f"{name}: {mine} is not {theirs} ± {tolerance}"


def test_sample_ratio_of_the_documented_example_alarms(shared_cases: Path) -> None:
    case = next(case for case in CASES if case["check"] == "srmchi2")
    p = sample_ratio.chi_squared_p_value(case["input"]["counts"], case["input"]["weights"])
    assert p < case["expected"]["p_less_than"]


def test_every_case_is_checked(shared_cases: Path) -> None:
    numbers = sum(one is not None for case in CASES for value in case["expected"].values() for one in flat(value))
    assert {case["check"] for case in CASES} == {*CHECKS, "srmchi2"}
    assert (len(CASES), numbers) == (53, NUMBERS)
