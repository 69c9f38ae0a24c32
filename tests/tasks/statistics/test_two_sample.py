"""The quick two-sample tests say what the exact ones say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from tasks.statistics.multiplicity import holm
from tasks.statistics.two_sample import chi_square, kolmogorov_smirnov, ks_statistic

SHAPES = {
    "normal": lambda random, n: random.normal(size=n),
    "Cauchy": lambda random, n: random.standard_cauchy(n),
    "hours": lambda random, n: random.integers(0, 24, n).astype(float),
    "log-normal": lambda random, n: np.exp(3 * random.normal(size=n)),
    "nearly constant": lambda random, n: (random.random(n) < 0.001) * 1e9,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [50, 30_000])
def test_counting_gives_the_exact_statistic(shape: str, n: int) -> None:
    random = np.random.default_rng(5)
    x, y = SHAPES[shape](random, n), SHAPES[shape](random, 2 * n) * 1.01 + 0.01
    assert ks_statistic(x, y) == pytest.approx(ks_2samp(x, y, method="asymp").statistic, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(60, 80), (500, 900)])
def test_p_value_is_close_to_the_exact_one(n: int, m: int) -> None:
    random = np.random.default_rng(6)
    for shift in (0.0, 0.2, 0.4):
        x, y = random.normal(size=n), random.normal(shift, 1, m)
        assert kolmogorov_smirnov(x, y).p_value == pytest.approx(ks_2samp(x, y, method="exact").pvalue, abs=0.02)


def test_constant_and_empty_columns_have_not_drifted() -> None:
    assert kolmogorov_smirnov(np.zeros(100), np.zeros(50)).statistic == 0.0
    assert kolmogorov_smirnov(np.zeros(0), np.zeros(50)).p_value == 1.0
    assert chi_square([5, 0], [9, 0]).p_value == 1.0
    assert chi_square([0, 0], [9, 1]).p_value == 1.0


def test_labels_are_compared_as_two_samples() -> None:
    before, now = [160, 180, 140], [150, 120, 190]
    found = chi_square(before, now)
    assert found.p_value == pytest.approx(chi2_contingency([before, now]).pvalue, rel=1e-9)
    assert found.statistic == pytest.approx(np.abs(np.array(before) / 480 - np.array(now) / 460).sum() / 2)


def test_shift_of_a_normal_is_read_back_in_standard_deviations() -> None:
    random = np.random.default_rng(7)
    assert kolmogorov_smirnov(random.normal(size=50_000), random.normal(0.3, 1, 50_000)).shift == pytest.approx(
        0.3, abs=0.02
    )


def test_holm_is_never_below_the_raw_value_and_keeps_order() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
