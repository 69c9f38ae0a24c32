"""At this pace an answer by a day: the forecast holds what then happens, and a plan's curve is the rule's own power."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tasks.experiments.analysis import AnalysisInput, take_look
from tasks.experiments.design import Design
from tasks.experiments.figures import power_by_size
from tasks.experiments.forecast import Pace, forecast
from tasks.experiments.inference.sequential_evidence import SequentialEvidence
from tasks.experiments.outcomes import SUMS
from tasks.experiments.power_curve import EFFECTS, SIZES
from tasks.experiments.service import ExperimentService

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PLANNED = 4000


def known_after(n: list[int], ones: list[int], evidence: SequentialEvidence | None = None) -> AnalysisInput:
    """An A/B test of coins after so many units and ones, its control first."""
    names = ["control", "bold"]
    metric = {
        "metric_name": "m", "role": "primary", "kind": "binary", "direction": "increase", "origin": 0.0, "lower": 0.0,
        "upper": 1.0, "margin": 0.0, "is_kind_fixed": True, "has_all_sums": True,
    }  # fmt: skip
    sums = ("y", "yy", "b", "m", "mm")
    nothing = dict.fromkeys(SUMS, 0.0)
    rows = [
        {"metric_name": "m", "variant_id": name, "epoch": 0, "segment": "", "n": units}
        | nothing
        | dict.fromkeys(sums, float(one))
        for name, units, one in zip(names, n, ones, strict=True)
    ]
    variants = [{"variant_id": name, "weight": 0.5, "is_control": name == "control"} for name in names]
    return AnalysisInput(
        design=Design(min_effect_size=0.2), variants=variants, metrics=[metric], statistics=rows, arrivals=[],
        epochs=[{"weights": [0.5, 0.5]}], planned=PLANNED, evidence=evidence,
    )  # fmt: skip


def expected(n: list[int], ones: list[int], per_day: float = 1000.0, earliest: datetime = NOW) -> tuple[float, ...]:
    """Probability of a winner, and days from now until the earliest, the middle and the latest answer."""
    known = known_after(n, ones)
    seen = forecast(known, take_look(known), Pace(per_day, per_day / 50), NOW, earliest)
    assert seen is not None
    return (seen.winner_probability, *((one - NOW) / DAY for one in (seen.earliest, seen.by, seen.latest)))


def test_the_forecast_holds_what_then_happens() -> None:
    """Of 150 experiments that go on from the same start, 8 of 10 end within the interval (standard error 3 %)."""
    n, ones = [2000, 2000], [200, 230]
    chance, earliest, _, latest = expected(n, ones)
    rng = np.random.default_rng(5)
    inside, won = [], []
    for _ in range(150):
        rates = rng.beta(np.array(ones) + 1, np.array(n) - ones + 1)
        known, units, hits = known_after(n, ones), np.array(n), np.array(ones)
        evidence, day = take_look(known).evidence, 0.0
        while not evidence.is_final_done and not (evidence.against_all() <= 0.05).any():
            day += 0.5
            hits, units = hits + rng.binomial(250, rates), units + 250
            evidence = take_look(known_after(list(units), list(hits), evidence)).evidence
        inside.append(earliest - 0.3 <= day <= latest + 0.3)
        won.append((evidence.against_all() <= 0.05).any())
    assert np.mean(inside) >= 0.8 - 3 * 0.033
    assert np.mean(won) == pytest.approx(chance, abs=3 * 0.041)


def test_a_clear_lead_ends_soon_and_no_lead_at_the_planned_size() -> None:
    clear, level = expected([2000, 2000], [200, 258]), expected([2000, 2000], [200, 200])
    assert clear[0] > 0.9 > 0.2 > level[0]
    assert clear[2] < 2 < 3.7 < level[2] == pytest.approx(4, abs=0.3), "4,000 units are missing, 1,000 a day come"


def test_nothing_is_foretold_before_a_full_cycle_nor_without_a_pace() -> None:
    assert min(expected([2000, 2000], [200, 258], earliest=NOW + 6 * DAY)[1:]) == 6
    known = known_after([2000, 2000], [200, 230])
    assert forecast(known, take_look(known), None, NOW, NOW) is None
    done = known_after([PLANNED, PLANNED], [400, 410])
    assert forecast(done, take_look(done), Pace(1000, 1), NOW, NOW) is None


def test_the_pace_is_that_of_the_last_week() -> None:
    counts = [(NOW - k * DAY, 10_000 - 500 * k if k <= 7 else 6500 - 100 * (k - 7)) for k in range(20, -1, -1)]
    pace = Pace.of(counts, NOW)
    assert pace is not None
    assert pace.units_per_day == pytest.approx(500)
    assert Pace.of([(NOW, 5)], NOW) is None
    assert Pace.of([(NOW - timedelta(minutes=5), 0), (NOW, 5000)], NOW) is None, "five minutes say nothing"
    assert Pace.of([(NOW - DAY, 7), (NOW, 7)], NOW) is None, "nobody came"


def test_a_curve_rises_with_size_and_effect_and_meets_the_plan() -> None:
    shares = [0.6, 0.2, 0.2]
    curve = ExperimentService().power_curve(0.1, "binary", 3, min_effect_size=0.1, daily_units=3000, weights=shares)
    powers = [row["power"] for row in curve.sizes]
    assert powers == sorted(powers)
    assert [row["power"] for row in curve.effects] == sorted(row["power"] for row in curve.effects)
    assert curve.sizes[SIZES.index(1.0)] == curve.plan.as_dict()
    assert curve.effects[EFFECTS.index(1.0)]["power"] == curve.plan.power == pytest.approx(0.8, abs=0.005)
    assert curve.plan.expected_days == -(-curve.plan.units_per_arm // 600)
    assert power_by_size(curve).startswith(b"\x89PNG")
