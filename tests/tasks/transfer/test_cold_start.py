"""From no posts to a thousand: the pool carries a newcomer, and lets go as its own posts come in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tasks.transfer.catalogue import KEYS
from tasks.transfer.estimates import workspace_estimates
from tasks.transfer.pools import Z95, own_of
from tasks.transfer.prediction import predict
from tasks.transfer.records import Floats, Pool
from tests.factories import content_row
from tests.transfer_factories import NOW

CTA = KEYS.index("content:text:cta")
TAU, POOL_ERROR, POOL_MEAN, NOISE = 0.2, 0.05, 0.3, 0.83
BARS = {30: 0.19, 100: 0.15, 1000: 0.065}
OWN_ONLY = {30: 0.379, 100: 0.207, 1000: 0.067}


def posts(count: int, effect: float, rng: np.random.Generator) -> pl.DataFrame:
    """A post a day at one hour, every fifth with a call to action worth `effect` in log rate."""
    row = content_row(0, impressions=10_000_000, media_type=None)
    cta = rng.permutation(np.arange(count) % 5 == 0)
    rate = 0.02 * np.exp(effect * cta + NOISE * rng.standard_normal(count))
    times = [NOW - timedelta(days=8 + count - i) for i in range(count)]
    changed = {"published_at": times, "has_cta": cta, "engagements": np.rint(1e7 * rate).astype(np.int64)}
    same = {name: value for name, value in row.items() if name not in changed and value is not None}
    frame = pl.DataFrame(changed).with_columns(pl.lit(value).alias(name) for name, value in same.items())
    missing = [name for name in row if name not in frame.columns]
    kinds = {name: pl.Int64 if name in ("title_words", "audience_size") else pl.String for name in missing}
    return frame.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in kinds.items())


def pool(mean: float) -> Pool:
    """A segment that knows this one effect to ±.05, with the spread between workspaces that it really has."""
    error, means = np.full(len(KEYS), np.inf), np.zeros(len(KEYS))
    error[CTA], means[CTA] = POOL_ERROR, mean
    interval = np.stack([means - Z95 * error, means + Z95 * error], axis=1)
    return Pool(np.full(len(KEYS), 300.0), means, error, np.full(len(KEYS), TAU**2), interval, "private_release")


def errors(count: int, workspaces: int, seed: int) -> tuple[float, float]:
    """RMSE of log-lift over workspaces, own estimate and combined."""
    rng = np.random.default_rng(seed)
    missed: list[tuple[float, float]] = []
    for _ in range(workspaces):
        effect = POOL_MEAN + TAU * rng.standard_normal()
        own = own_of(workspace_estimates(posts(count, effect, rng), NOW), "saas", "smb")
        told = predict(pool(POOL_MEAN + POOL_ERROR * rng.standard_normal()), own.effect[0], own.error[0])
        missed.append((own.effect[0, CTA] - effect, told.mean[CTA] - effect))
    found: Floats = np.sqrt(np.mean(np.square(missed), axis=0))
    return float(found[0]), float(found[1])


@pytest.mark.parametrize(("count", "workspaces"), [(30, 200), (100, 100), (1000, 40)])
def test_combining_beats_own_data_at_every_size(count: int, workspaces: int) -> None:
    """A small run of the bars: within 3 standard errors of an RMSE over so many workspaces, 1/√2n each."""
    own, combined = errors(count, workspaces, seed=7)
    slack = 1.0 + 3.0 / np.sqrt(2.0 * workspaces)
    assert own == pytest.approx(OWN_ONLY[count], rel=slack - 1.0)
    assert combined < own
    assert combined <= BARS[count] * slack


@pytest.mark.slow
@pytest.mark.parametrize("count", [30, 100, 1000])
def test_cold_start_bars(count: int) -> None:
    own, combined = errors(count, 2000 if count < 1000 else 1500, seed=11)
    print(f"BAR cold start, {count} posts: RMSE own {own:.4f} → combined {combined:.4f} (bar {BARS[count]})")
    assert combined <= BARS[count]


def test_without_posts_the_pool_speaks_alone() -> None:
    told = predict(pool(0.3), np.zeros(len(KEYS)), np.full(len(KEYS), np.inf))
    assert told.own_weight.max() == 0.0
    assert told.mean[CTA] == pytest.approx(0.3, abs=POOL_ERROR)
    assert told.standard_deviation[CTA] == pytest.approx(np.hypot(TAU, POOL_ERROR), rel=0.01)


def test_own_data_wins_where_the_pool_is_far_off() -> None:
    """Siblings agree that it does nothing; a thousand own posts say +50 %."""
    own, own_error = np.zeros(len(KEYS)), np.full(len(KEYS), np.inf)
    own[CTA], own_error[CTA] = 0.4, 0.03
    sure = replace(pool(0.0), heterogeneity=np.zeros(len(KEYS)), standard_error=pool(0.0).standard_error * 0.4)
    told = predict(sure, own, own_error)
    assert told.mean[CTA] == pytest.approx(0.4, abs=0.01)
    assert told.contradicted[CTA]


def test_a_target_unlike_the_pool_widens_it() -> None:
    """Negative transfer fades over all patterns before any single one can be told to be wrong."""
    rng = np.random.default_rng(3)
    shared = np.arange(12)
    error, means = np.full(len(KEYS), np.inf), np.zeros(len(KEYS))
    error[shared], means[shared] = 0.03, 0.3
    interval = np.stack([means - error, means + error], axis=1)
    known = Pool(np.full(len(KEYS), 300.0), means, error, np.full(len(KEYS), 0.05**2), interval, "private_release")
    own_error = np.where(np.isfinite(error), 0.15, np.inf)

    def own_weight(mean: float) -> float:
        own = np.where(np.isfinite(error), mean + 0.15 * rng.standard_normal(len(KEYS)), 0.0)
        return float(predict(known, own, own_error).own_weight[shared].mean())

    assert np.mean([own_weight(0.3) for _ in range(100)]) < 0.4
    assert np.mean([own_weight(-0.1) for _ in range(100)]) > 0.8
