"""Every outcome is a look: a year of them on a stream that stays as it is alarms in at most one of twenty.

And what is found is found no later than by a test a week at the same level, on a bank's calls when 2008 became 2009.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from tasks.models.drift.monitor import DriftThresholds
from tasks.models.drift.sketch import LARGEST_LOSS, Sketch
from tasks.models.drift.stream import (
    DAYS_A_YEAR,
    LEVEL,
    MARGIN,
    TESTS,
    StreamMoments,
    least_move,
    least_rise,
    stream_of,
)
from tasks.models.records import CRITICAL, INSUFFICIENT_DATA, NO_DRIFT, WARNING
from tasks.models.training.dataset import examples
from tests.tasks.models import drift_looks

YEARS = int(os.environ.get("RAPTORFLOW_DRIFT_YEARS", "150"))
LEAST, WARNS = DriftThresholds().min_samples, DriftThresholds().warning
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
HELD_OUT = 1_000
Draw = Callable[[np.random.Generator, int], Any]


def log_losses(chance: float) -> Draw:
    """Of calibrated chances around one."""

    def draw(random: np.random.Generator, n: int) -> Any:
        chances = np.clip(chance * np.exp(random.normal(0, 0.7, n)), 1e-4, 0.99)
        return -np.log(np.where(random.random(n) < chances, chances, 1 - chances))

    return draw


def squares(random: np.random.Generator, n: int) -> Any:
    return random.normal(0, 1, n) ** 2


def heavy(random: np.random.Generator, n: int) -> Any:
    return np.minimum(random.standard_t(4, n) ** 2, LARGEST_LOSS)


def lopsided(random: np.random.Generator, n: int) -> Any:
    return np.exp(random.normal(0, 1.5, n))


STREAMS = {"squares": squares, "heavy": heavy, "lopsided": lopsided}
STREAMS |= {f"one in {1 / chance:.0f} converts": log_losses(chance) for chance in (0.1, 0.02, 0.005)}


class Looks:
    """All looks at a stream with the same number of outcomes a day, by the sums that `stream_of` has."""

    def __init__(self, losses: Any, a_day: int, registered: dict[str, float]) -> None:
        self.a_day, self.registered = a_day, registered
        self.n = len(losses)
        self.sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in (losses, losses**2)]

    def moments(self, start: int, ends: Any) -> StreamMoments:
        return StreamMoments.of_sums(ends - start, *(part[ends] - part[start] for part in self.sums))

    def rings(self) -> bool:
        """Whether losses ring at any look."""
        held, tenth = self.registered, 1 + MARGIN
        allowed = StreamMoments(held["n"], held["loss"] * tenth, held["loss_variance"] * tenth**2)  # type: ignore[arg-type]
        everything = self.moments(0, np.arange(LEAST, self.n + 1))
        if (least_rise(allowed, everything, LEVEL / TESTS) > 0).any():
            return True
        return any(self._rings_since(start) for start in self._starts())

    def moves(self) -> bool:
        """The same for what is predicted."""
        for start in self._starts():
            before, after = self._split(start)
            spread = np.sqrt(np.maximum(before.variance, after.variance))
            moved = np.abs(after.mean - before.mean) / spread / 2 >= WARNS
            if (moved & (least_move(before, after, LEVEL / TESTS / DAYS_A_YEAR) > 0)).any():
                return True
        return False

    def _starts(self) -> range:
        return range(-(-LEAST // self.a_day) * self.a_day, self.n - LEAST + 1, self.a_day)

    def _split(self, start: int) -> tuple[StreamMoments, StreamMoments]:
        return self.moments(0, np.array(start)), self.moments(start, np.arange(start + LEAST, self.n + 1))

    def _rings_since(self, start: int) -> bool:
        before, after = self._split(start)
        rose = least_rise(before, after, LEVEL / TESTS / DAYS_A_YEAR) > 0
        return bool((rose & (after.mean >= (1 + WARNS) * before.mean)).any())


def held_out(losses: Any) -> dict[str, float]:
    return {"loss": float(losses.mean()), "loss_variance": float(losses.var(ddof=1)), "n": len(losses)}


def days(values: Any, a_day: int, scores: Any = ()) -> list[tuple[datetime, Sketch]]:
    """The sketches after these losses, and the same number of scores."""
    return [
        (FIRST_DAY + timedelta(days=k), Sketch.of(scores[i : i + a_day], values[i : i + a_day]))
        for k, i in enumerate(range(0, max(len(values), len(scores)), a_day))
    ]


def a_year(draw: Draw, a_day: int, seed: int) -> tuple[bool, bool]:
    """Whether losses ring, and whether outputs do, at any of a year's looks."""
    random = np.random.default_rng([22, a_day, seed])
    registered = held_out(draw(random, HELD_OUT))
    looks = Looks(draw(random, 365 * a_day), a_day, registered)
    return looks.rings(), Looks(draw(random, 365 * a_day), a_day, registered).moves()


@pytest.mark.slow
@pytest.mark.parametrize("a_day", [5, 20])
@pytest.mark.parametrize("name", STREAMS)
def test_a_year_of_looks_at_a_stream_that_stays_rings_in_one_of_twenty(name: str, a_day: int) -> None:
    rung = np.array([a_year(STREAMS[name], a_day, seed) for seed in range(YEARS)])
    rate = float(rung.any(axis=1).mean())
    error = math.sqrt(max(rate * (1 - rate), 1 / YEARS) / YEARS)
    by = "losses {:.3f}, outputs {:.3f}".format(*rung.mean(axis=0))
    print(f"\nBAR a year without drift, {name}, {a_day} a day: {rate:.3f} ± {error:.3f} of {YEARS} (bar .05; {by})")
    assert rate <= 0.05


def test_a_few_years_of_looks_ring_nothing() -> None:
    """The small version of the above."""
    assert not any(
        any(a_year(STREAMS[name], 5, 1_000 + seed)) for name in ("squares", "one in 50 converts") for seed in range(2)
    )


def test_a_look_at_sketches_is_the_simulated_look() -> None:
    random, rung = np.random.default_rng(5), []
    for n in (40, 120, 300, 310, 330, 360, 420, 600):
        losses = np.concatenate([squares(random, min(n, 300)), 2.2 * squares(random, max(n - 300, 0))])
        registered = held_out(squares(random, HELD_OUT))
        found = stream_of(days(losses, 10), registered, DriftThresholds())
        looks = Looks(losses, 10, registered)
        looks_now = Looks(losses, 10, registered)
        looks_now.moments = lambda start, ends, own=looks: own.moments(start, ends if np.ndim(ends) == 0 else ends[-1:])  # type: ignore[method-assign,misc]
        rings = n >= LEAST and looks_now.rings()
        assert any(one.is_labeled for one in found.findings) == rings, n
        rung.append(rings)
    assert True in rung
    assert False in rung


def test_a_rise_is_told_with_the_day_since_when() -> None:
    random = np.random.default_rng(3)
    losses = np.concatenate([squares(random, 500), 3 * squares(random, 200)])
    found = stream_of(days(losses, 10), held_out(squares(random, HELD_OUT)), DriftThresholds())
    (since,) = [one.since for one in found.findings if one.since is not None]
    assert found.status == CRITICAL
    assert abs((since - FIRST_DAY).days - 50) <= 1
    assert found.n_outcomes == 700


def test_outputs_alone_warn_and_few_outcomes_say_nothing() -> None:
    random = np.random.default_rng(4)
    scores = np.concatenate([random.normal(0, 1, 400), random.normal(1, 1, 300)])
    moved = stream_of(days([], 20, scores), None, DriftThresholds())
    assert moved.status == WARNING
    assert "what it predicts" in moved.findings[0].reason
    assert stream_of([], None, DriftThresholds()).status == INSUFFICIENT_DATA
    few = stream_of(days(squares(random, 49), 7), held_out(squares(random, 99)), DriftThresholds())
    assert few.status == INSUFFICIENT_DATA
    assert stream_of(days(squares(random, 60), 7), {"loss": 1.0}, DriftThresholds()).status == NO_DRIFT


def test_the_band_around_all_so_far_is_the_confidence_sequence() -> None:
    losses = squares(np.random.default_rng(6), 300)
    means, widths = stream_of(days(losses, 10), None, DriftThresholds()).running()
    assert means[-1] == pytest.approx(losses.mean(), abs=1e-6)
    assert (np.diff(widths) < 0).mean() > 0.8
    assert widths[-1] > 2.5 * losses.std() / math.sqrt(300), "wider than an interval of one look"


# ── a bank's calls ───────────────────────────────────────────────────────────────────────────────────────────────────
JANUARY = 27_690  # the first call of 2009
CHAMPIONS = ((15_000, 25_000), (16_000, 26_000), (18_000, 24_500), (20_000, 25_500))
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def days_and_weeks(shared_data: Path) -> tuple[Any, Any]:
    """(n,) number of the day and of the week of each call, as far as months and weekdays tell them."""
    frame = pl.read_parquet(shared_data / "bank_marketing" / "bank_additional_full.parquet").sort("seq")
    month = np.array([MONTHS.index(name) for name in frame["month"]]) + 12 * frame["year"].to_numpy()
    weekday = np.array([WEEKDAYS.index(name) for name in frame["day_of_week"]])
    new_month = np.diff(month, prepend=0) != 0
    return np.cumsum(new_month | (np.diff(weekday, prepend=9) != 0)), np.cumsum(
        new_month | (np.diff(weekday, prepend=9) < 0)
    )


def first_weekly_alarm(losses: Any, weeks: Any, registered: dict[str, Any]) -> int | None:
    """Rows until a test a week rings: of the week beside all before, or of all so far beside registration."""
    level, start, tenth = LEVEL * 2 / TESTS / 2 / 53, 0, 1 + MARGIN
    for end in [*(np.flatnonzero(np.diff(weeks)) + 1), len(losses)]:
        week, before, so_far = losses[start:end], losses[:start], losses[:end]
        if min(len(week), len(before)) >= LEAST:
            test = stats.ttest_ind(week, before, equal_var=False, alternative="greater")
            if test.pvalue <= level and week.mean() >= (1 + WARNS) * before.mean():
                return int(end)
        if end >= LEAST:
            error = math.sqrt(so_far.var() / end + registered["loss_variance"] * tenth**2 / registered["n"])
            if stats.norm.sf((so_far.mean() - tenth * registered["loss"]) / error) <= level:
                return int(end)
        start = end
    return None


def first_alarm(losses: Any, of_day: Any, registered: dict[str, Any], looks: Any) -> int | None:
    """Rows until a look at the sketches rings."""
    for n in looks:
        edges = [0, *(np.flatnonzero(np.diff(of_day[:n])) + 1), n]
        sketches = [
            (FIRST_DAY + timedelta(days=k), Sketch.of(losses=losses[start:end]))
            for k, (start, end) in enumerate(pairwise(edges))
        ]
        if any(one.is_labeled for one in stream_of(sketches, registered, DriftThresholds()).findings):
            return int(n)
    return None


@pytest.mark.real_data
@pytest.mark.slow
def test_a_banks_2009_is_found_no_later_than_by_a_test_a_week(shared_data: Path) -> None:
    spec, (calls,) = drift_looks.rows_of(shared_data, "conversion")
    calls = examples(drift_looks.bank_touches(shared_data), spec.model_copy(update={"maximum_rows": 50_000}))
    of_day, of_week = days_and_weeks(shared_data)
    delays = []
    for start, end in CHAMPIONS:
        trained, version = drift_looks.champion_on(spec, calls.slice(start, end))
        losses = trained.model.losses(calls.slice(end, JANUARY + 4_000))
        turn, part = JANUARY - end, slice(end, end + len(losses))
        weekly = first_weekly_alarm(losses, of_week[part], version.evaluation)
        looks = [*range(LEAST, turn, 20), *range(turn, len(losses))]  # every outcome once the year has turned
        ours = first_alarm(losses, of_day[part], version.evaluation, looks)
        assert weekly is not None
        assert ours is not None
        assert ours > turn < weekly, "2008 rings nothing"
        delays.append((ours - turn, weekly - turn))
    ratio = sum(ours for ours, _ in delays) / sum(weekly for _, weekly in delays)
    print(f"\nBAR bank 2008 to 2009: {ratio:.2f} of the delay of a weekly test (bar 1.3); ours and weekly: {delays}")
    assert ratio <= 1.3
