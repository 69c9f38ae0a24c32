"""What a release costs."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tasks.errors import OutOfRangeError
from tasks.transfer.privacy import DiscreteGaussian, PrivacyBudget, epsilon_after, gaussian_measurement, period_of
from tasks.transfer.release import SENSITIVITY
from tests.transfer_factories import NOW


def test_rho_and_epsilon_are_each_others_inverse() -> None:
    assert epsilon_after(PrivacyBudget(3.0, 1e-6).rho, 1e-6) == pytest.approx(3.0)
    assert PrivacyBudget(3.0, 1e-6).rho == pytest.approx(0.1473, abs=1e-4)


def test_opendp_charges_what_the_ledger_says() -> None:
    budget = PrivacyBudget()
    charged = gaussian_measurement(budget.noise_scale(SENSITIVITY)).map(float(SENSITIVITY))
    assert charged == pytest.approx(budget.rho, rel=1e-9)


def test_opendp_noise_has_the_stated_spread() -> None:
    noise = DiscreteGaussian()(np.zeros(4000, dtype=np.int64), 50.0)
    assert noise.dtype == np.int64
    assert np.std(noise) == pytest.approx(50.0, rel=0.08)  # 7 standard errors


def test_periods_follow_each_other_without_overlap() -> None:
    days = [period_of(NOW + timedelta(days=d)) for d in range(90)]
    assert len(set(days)) == 4 or len(set(days)) == 3
    assert sorted(days) == days
    assert all(days.count(period) <= 30 for period in set(days))


@pytest.mark.parametrize("wrong", [{"epsilon": 0.0}, {"epsilon": 50.0}, {"delta": 0.5}, {"epsilon": float("nan")}])
def test_a_budget_that_protects_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(OutOfRangeError):
        PrivacyBudget(**wrong)
