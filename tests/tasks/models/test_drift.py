"""Drift that matters is called; drift that does not, and none at all, is not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tasks.models import records as states
from tasks.models.drift import monitor as drift
from tasks.models.drift.monitor import DriftMeasurement, DriftThresholds, loss_change, measure_drift
from tasks.models.drift.shifts import column_shifts, independent_rows, output_shift, summarize_outputs
from tests.tasks.models.worlds import SPEC, champion_of, joined, rows

THRESHOLDS = DriftThresholds(0.1, 0.2, 50)
Floats = np.ndarray


def frame(values: Floats) -> pl.DataFrame:
    return pl.DataFrame(values, schema=[f"x{i}" for i in range(values.shape[1])])


def judge(reference: Floats, current: Floats, losses: tuple[Floats, Floats] | None = None) -> drift.DriftVerdict:
    change = None
    if losses is not None:
        then, now = losses
        change = loss_change(now, now + 0.5, then.mean(), then.var(ddof=1), len(then))
    shifts = column_shifts(frame(reference), frame(current))
    return drift.drift_verdict(change, None, shifts, THRESHOLDS.warning, THRESHOLDS.critical)


def share_flagged(repetitions: int, n: int, shift: Floats, seed: int, *, with_losses: bool = False) -> float:
    flagged = 0
    for i in range(repetitions):
        random = np.random.default_rng([seed, i])
        reference, current = random.normal(size=(n, 20)), random.normal(size=(n, 20)) + shift
        losses = (random.exponential(size=n), random.exponential(size=n)) if with_losses else None
        flagged += judge(reference, current, losses).status != states.NO_DRIFT
    return flagged / repetitions


def moved(columns: int, by: float) -> Floats:
    return np.where(np.arange(20) < columns, by, 0.0)


@pytest.mark.parametrize("with_losses", [False, True])
def test_no_drift_is_called_drift_at_most_one_time_in_twenty(with_losses: bool) -> None:
    found = share_flagged(200, 1000, moved(0, 0.0), seed=1, with_losses=with_losses)
    print(f"BAR drift false alarms, null, n = 1,000, 20 columns: {found:.3f} (bar 0.05)")
    assert found <= 0.05


@pytest.mark.parametrize(("columns", "by", "bar"), [(1, 0.3, 0.95), (9, 0.5, 1.0)])
def test_a_real_shift_is_seen(columns: int, by: float, bar: float) -> None:
    found = share_flagged(200, 1000, moved(columns, by), seed=2)
    print(f"BAR drift power, {columns} column(s) +{by} sd: {found:.3f} (bar {bar})")
    assert found >= bar


def test_a_harmless_shift_stays_unmentioned_however_large_the_sample() -> None:
    found = share_flagged(5, 100_000, moved(20, 0.02), seed=3)
    print(f"BAR drift harmless .02 sd, n = 100,000: {found:.3f} (bar 0.05)")
    assert found <= 0.05


def test_inputs_alone_never_say_critical() -> None:
    random = np.random.default_rng(4)
    found = judge(random.normal(size=(500, 20)), random.normal(5, 1, size=(500, 20)))
    assert (found.status, found.score) == (states.WARNING, THRESHOLDS.critical)


def test_new_labels_and_missing_values_are_drift_too() -> None:
    before = pl.DataFrame({"media": ["a", "b"] * 200, "x": [1.0, 2.0] * 200})
    now = pl.DataFrame({"media": ["a", "c"] * 200, "x": [1.0, None] * 200})
    found = drift.drift_verdict(None, None, column_shifts(before, now), 0.1, 0.2)
    assert {column["name"] for column in found.columns if column["p_adjusted"] < 0.01} == {"media", "x"}
    assert any(reason.startswith("share of missing values in x") for reason in found.reasons)


def what_is_seen(seed: int, **change: object) -> DriftMeasurement:
    before = rows(1000, seed)
    trained, version = champion_of(before)
    everything = joined(before, rows(400, seed, start=1000, **change))
    return measure_drift(SPEC, version, trained.model, everything, everything, THRESHOLDS)


def proposes_retraining(seen: DriftMeasurement) -> bool:
    return drift.recommend(seen.verdict.status, seen.gain, THRESHOLDS.warning)[0] != states.CONTINUE


@pytest.mark.parametrize("repetitions", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_inputs_that_moved_alone_are_no_reason_to_retrain(repetitions: int) -> None:
    seen = [what_is_seen(i, skewed=True) for i in range(repetitions)]
    assert all(one.verdict.status == states.WARNING for one in seen)
    kept = 1 - np.mean([proposes_retraining(one) for one in seen])
    print(f"BAR covariate-only drift, no retrain: {kept:.2f} (bar 0.90)")
    assert kept >= 0.9


@pytest.mark.parametrize("repetitions", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_a_changed_answer_to_the_same_inputs_is_a_reason_to_retrain(repetitions: int) -> None:
    seen = [what_is_seen(i, sign=-1.0) for i in range(repetitions)]
    assert all(one.verdict.status == states.CRITICAL for one in seen)
    retrained = np.mean([proposes_retraining(one) for one in seen])
    print(f"BAR concept-only drift, retrain: {retrained:.2f} (bar 0.90)")
    assert retrained >= 0.9


def test_outputs_that_follow_a_moving_average_say_less_than_as_many_independent_ones() -> None:
    """Taken for independent rows, .42 of such pairs lie beyond the one per cent that chance is to have."""
    random = np.random.default_rng(4)
    steps = random.normal(size=(200, 800))
    level = np.apply_along_axis(np.convolve, 1, steps, np.ones(30) / 30, "valid")
    outputs = level * 4 + random.normal(size=level.shape)
    smooth = [output_shift(summarize_outputs(one[:300]), one[400:700]).p_value for one in outputs]
    rough = [
        output_shift(summarize_outputs(one[:300]), one[400:700]).p_value for one in random.permuted(outputs, axis=1)
    ]
    assert np.mean(np.array(smooth) <= 0.01) <= 0.06
    assert np.mean(np.array(rough) <= 0.01) <= 0.03
    assert independent_rows(outputs[0]) < 0.5 * len(outputs[0])
    assert independent_rows(np.full(50, 0.1)) == 50
    assert independent_rows(np.tile([[0.2, 0.8]], (50, 1))) == 50
    moved = [output_shift(summarize_outputs(one[:300]), one[400:700] + 3 * one.std()).p_value for one in outputs]
    assert np.mean(np.array(moved) <= 0.003) >= 0.95
