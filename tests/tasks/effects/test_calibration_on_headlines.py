"""Learned on one half of real headline tests, applied to the associations of the other half.

The experiments of a half have errors of their own (.027 on average, .031 without the weeks of faulty randomization),
which no method can tell: RMSE is also given with their share taken off, and beside it stand what a single slope comes
to that is fitted to the very answers ("at best"), and the prototype's formula, a weighted slope, on the same
conditions. The prototype's own .024 and .034 were of halves twice as large as these, whose experiments err by .019:
so large is the whole archive here, and there .029 is reached with each condition left out in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tasks.effects.calibration import calibrated
from tasks.effects.records import CalibratedEffect, CalibratingPair
from tests.conftest import SHARED_DATA
from tests.headline_halves import halves, headlines, pairs_of

pytestmark = pytest.mark.real_data
Z_90 = 1.645
FOLDS = 4
PROTOTYPE_SLOPE = 0.3  # that associations' errors are multiplied by in its weights
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    rmse: float
    rmse_of_truth: float
    covered: float
    brier: float
    brier_error: float
    raw_rmse: float
    silent_rmse: float
    noise: float
    sure_brier: float
    best_slope_rmse: float
    prototype_rmse: float

    def __str__(self) -> str:
        return (
            f"RMSE {self.rmse:.4f} (target's own error off: {self.rmse_of_truth:.4f}), 90 % interval covers "
            f"{self.covered:.3f}, Brier of the sign {self.brier:.3f} ± {self.brier_error:.3f} a half; who knows every "
            f"effect {self.noise:.4f} and {self.sure_brier:.3f}, one slope at best {self.best_slope_rmse:.4f}, the "
            f"prototype's formula {self.prototype_rmse:.4f}; association {self.raw_rmse:.4f}, saying nothing "
            f"{self.silent_rmse:.4f}"
        )


def score(effects: list[CalibratedEffect], truth: list[CalibratingPair], by_prototype: Floats) -> Score:
    target = np.array([one.effect for one in truth])
    noise = np.array([one.effect_error for one in truth])
    association = np.array([one.association.log_lift for one in truth])
    off = np.array([one.estimate for one in effects]) - target
    ends = np.array([one.interval for one in effects])
    reach = np.hypot((ends[:, 1] - ends[:, 0]) / 2, Z_90 * noise)  # the experiment's own error comes on top
    same = np.array([one.same_sign for one in effects]) - (np.sign(target) == np.sign(association))
    at_best = float(target @ association) / float(association @ association) * association
    spread_squared = max(float((target**2 - noise**2).mean()), 0.0)
    return Score(
        rmse=float(np.sqrt((off**2).mean())),
        rmse_of_truth=float(np.sqrt(max((off**2 - noise**2).mean(), 0.0))),
        covered=float((np.abs(ends.mean(axis=1) - target) <= reach).mean()),
        brier=float((same**2).mean()),
        brier_error=float((same**2).std() / np.sqrt(len(same))),
        raw_rmse=float(np.sqrt(((association - target) ** 2).mean())),
        silent_rmse=float(np.sqrt((target**2).mean())),
        noise=float(np.sqrt((noise**2).mean())),
        sure_brier=float(np.mean([brier_of_the_sure(spread_squared**0.5, one) for one in noise])),
        best_slope_rmse=float(np.sqrt(((at_best - target) ** 2).mean())),
        prototype_rmse=float(np.sqrt(((by_prototype - target) ** 2).mean())),
    )


def brier_of_the_sure(spread: float, noise: float) -> float:
    """Of who knows each effect, drawn from N(0, spread²), and not the error of the experiment whose sign is asked."""
    effect = spread * ndtri((np.arange(400) + 0.5) / 400)
    agrees = ndtr(effect / noise)
    return float((agrees * (1.0 - agrees)).mean())


def prototype_slope(pairs: list[CalibratingPair]) -> float:
    """Weighted least squares through zero, as the research's prototype had it."""
    numbers = [(p.effect, p.association.log_lift, p.effect_error, p.association.standard_error) for p in pairs]
    effect, association, noise, error = np.array(numbers).T
    weight = 1.0 / (noise**2 + (PROTOTYPE_SLOPE * error) ** 2)
    return float((weight * association * effect).sum() / (weight * association**2).sum())


def applied(
    learned: list[CalibratingPair], truth: list[CalibratingPair], *, untested: bool, folds: int = FOLDS
) -> Score:
    """Effects of the other half's conditions; `untested`: as if the first half had no experiment on them."""
    names = {one.association.key for one in learned}
    truth = [one for one in truth if one.association.key in names]
    effects: dict[str, CalibratedEffect] = {}
    prototype: dict[str, float] = {}
    for fold in range(folds if untested else 1):
        asked = truth[fold::folds] if untested else truth
        keys = {one.association.key for one in asked} if untested else set()
        known = [one for one in learned if one.association.key not in keys]
        made = calibrated([one.association for one in asked], known, "upworthy", "clicks")
        effects |= dict(zip((one.association.key for one in asked), made, strict=True))
        slope = prototype_slope(known)
        prototype |= {one.association.key: slope * one.association.log_lift for one in asked}
    names_of = [one.association.key for one in truth]
    return score([effects[name] for name in names_of], truth, np.array([prototype[name] for name in names_of]))


def mean_of(scores: list[Score]) -> Score:
    return Score(
        *(
            float(np.mean([getattr(one, name) for one in scores]))
            if not name.startswith("rmse_of")
            else float(np.sqrt(np.mean([getattr(one, name) ** 2 for one in scores])))
            for name in Score.__dataclass_fields__
        )
    )


def replayed(folder: Path, by: str, seeds: range, *, with_faulty_weeks: bool, untested: bool) -> Score:
    data = headlines(folder, with_faulty_weeks=with_faulty_weeks)
    scores = []
    for seed in seeds:
        first, second = (pairs_of(half) for half in halves(data, by, seed))
        scores += [applied(first, second, untested=untested), applied(second, first, untested=untested)]
    return mean_of(scores)


@pytest.fixture(scope="module")
def folder() -> Path:
    if not (SHARED_DATA / "upworthy_exploratory").is_dir():
        pytest.skip("no real data here")
    return SHARED_DATA


def test_calibrated_effects_beat_associations_and_silence_and_their_intervals_hold(folder: Path) -> None:
    result = replayed(folder, "test", range(100, 101), with_faulty_weeks=True, untested=True)
    print(result)
    assert result.rmse <= 0.04
    assert result.rmse_of_truth <= 0.030
    assert result.rmse < 1.03 * result.prototype_rmse
    assert result.rmse < 0.8 * result.silent_rmse
    assert result.rmse < 0.6 * result.raw_rmse
    assert result.covered >= 0.85
    assert result.brier <= 0.18


@pytest.mark.parametrize("with_faulty_weeks", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_each_condition_is_told_from_the_others_of_the_whole_archive(folder: Path, with_faulty_weeks: bool) -> None:
    pairs = pairs_of(headlines(folder, with_faulty_weeks=with_faulty_weeks))
    result = applied(pairs, pairs, untested=True, folds=len(pairs))
    print(result)
    assert result.rmse <= 0.035
    assert result.rmse <= 1.03 * result.prototype_rmse
    assert result.brier <= 0.17


@pytest.mark.slow
@pytest.mark.parametrize("with_faulty_weeks", [True, False])
@pytest.mark.parametrize("by", ["test", "week", "time"])
@pytest.mark.parametrize("untested", [True, False])
def test_the_bars_hold_on_splits_that_nothing_was_tuned_on(
    folder: Path, by: str, with_faulty_weeks: bool, untested: bool
) -> None:
    seeds = range(100, 101) if by == "time" else range(100, 112)
    result = replayed(folder, by, seeds, with_faulty_weeks=with_faulty_weeks, untested=untested)
    print(by, "all weeks" if with_faulty_weeks else "sound weeks", "untested" if untested else "tested", result)
    assert result.rmse_of_truth <= 0.035
    worse = 1.10 if by == "time" else 1.03
    assert result.rmse <= worse * result.prototype_rmse, "no worse than the formula that the bar was taken from"
    assert result.rmse < result.silent_rmse
    assert 0.85 <= result.covered <= 0.97
    assert result.brier <= (0.20 if by == "time" else 0.17)  # one split by time has 34 signs: ± .03
