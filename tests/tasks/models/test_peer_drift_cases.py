"""Forty cases from peers' own test suites: the same figure where we compute it, the same verdict where we do not.

Two kinds differ on purpose. Peers read a p-value off six rows; we pool labels expected fewer than five times and then
say nothing. Four cases need data that only a peer's wheel holds.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.models.drift.shifts import expected_performance
from tasks.statistics.two_sample import TwoSample, chi_square, kolmogorov_smirnov

Case = dict[str, Any]
CASES: dict[str, Case] = {
    case["name"]: case for case in json.loads((Path(__file__).parents[2] / "cases" / "drift.json").read_text())
}
SAME = ["chi2-gof-p", "chi2-gof-p-double-reference", "hellinger-categorical", "mannwhitney-p", "epps-singleton-p"]
SAME += ["t-test-p", "anderson-p", "cvm-p", "g-test-p", "psi-null", "hellinger-null", "js-continuous-null"]
SAME += ["ks-identical"]
DIFFERENT = ["wasserstein-1", "energy", "psi-empty-bins", "js-quasi-continuous", "js-categorical-new-category"]
DIFFERENT += ["emd-third", "hellinger-categorical-new", "wasserstein-shift-1", "cramers-v", "ks-shift-1sd"]
TOO_FEW = ["chi2-2sample", "chi2-2sample-p"]
DISTANCES = ["linf-new-category", "linf-total", "ks-identical", "ks-shift-1sd"]
EXPECTED = [name for name in CASES if name.startswith("cbpe-") and "synthetic" not in name]
STREAMS = [name for name in CASES if name.startswith("stream-")]
ELSEWHERE = [name for name in CASES if name.startswith("cbpe-synthetic")]


def values(case: Case, side: str) -> Any:
    """A sample as the case gives it: numbers, labels, or how they are drawn; without a seed, on from the last draw."""
    sample = case["given"][side]
    if not isinstance(sample, dict):
        return sample
    if "seed" in sample:
        np.random.seed(sample["seed"])
    return list(getattr(np.random, sample["draw"])(*sample["of"]))


def compared(case: Case) -> TwoSample:
    if "reference_counts" in case["given"]:
        return chi_square(case["given"]["reference_counts"], case["given"]["current_counts"])
    reference, current = values(case, "reference"), values(case, "current")
    if isinstance(reference[0], str):
        before, now = Counter(reference), Counter(current)
        labels = sorted(before.keys() | now.keys())
        return chi_square([before[label] for label in labels], [now[label] for label in labels])
    return kolmogorov_smirnov(reference, current)


def test_every_case_is_accounted_for() -> None:
    assert set(CASES) == {*SAME, *DIFFERENT, *TOO_FEW, *DISTANCES, *EXPECTED, *STREAMS, *ELSEWHERE}


@pytest.mark.parametrize("name", SAME)
def test_no_difference_is_no_drift(name: str) -> None:
    found = compared(CASES[name])
    assert found.p_value > 0.05


@pytest.mark.parametrize("name", DIFFERENT)
def test_difference_is_drift_large_enough_to_matter(name: str) -> None:
    found = compared(CASES[name])
    assert found.p_value < 0.001
    assert found.shift / 2 >= 0.1


@pytest.mark.parametrize("name", TOO_FEW)
def test_six_rows_are_too_few_to_say_anything(name: str) -> None:
    assert compared(CASES[name]).p_value == 1.0


@pytest.mark.parametrize("name", DISTANCES)
def test_distance_is_the_peer_s(name: str) -> None:
    case = CASES[name]
    assert compared(case).statistic == pytest.approx(case["expected"], abs=max(case["tolerance"], 1e-12))


@pytest.mark.parametrize("name", EXPECTED)
def test_performance_expected_without_labels_is_the_peer_s(name: str) -> None:
    given = CASES[name]["given"]
    found = expected_performance(given["calibrated_probabilities"], given["predictions"])
    assert found[name.removeprefix("cbpe-")] == pytest.approx(CASES[name]["expected"], abs=CASES[name]["tolerance"])


@pytest.mark.parametrize("name", STREAMS)
def test_stream_that_changes_is_seen_and_its_quiet_half_is_not(name: str) -> None:
    binary = name == "stream-ddm"
    dice = random.Random(42 if binary else 12345)
    quiet = dice.choices([0, 1], k=1000)
    changed = dice.choices([0, 1], k=1000, weights=[0.3, 0.7]) if binary else dice.choices(range(4, 8), k=1000)
    assert kolmogorov_smirnov(quiet, changed).p_value < 0.001
    assert kolmogorov_smirnov(quiet[:500], quiet[500:]).p_value > 0.05
