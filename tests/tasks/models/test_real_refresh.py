"""Monthly refreshes of real data in time order: `make bench` runs these."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.content.features import with_features
from tasks.models.dataset import Examples, examples
from tasks.models.estimators import FittedModel, fit
from tasks.models.records import ModelType
from tasks.models.refresh import retrain_gain
from tasks.models.specs import ModelSpec, load_spec
from tasks.models.training import metrics

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
START = datetime(2008, 5, 1, tzinfo=UTC)
LABELS = ["job", "marital", "education", "default", "housing", "loan", "contact", "day_of_week", "poutcome"]
NUMBERS = ["age", "campaign", "pdays", "previous", "emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m"]
NUMBERS += ["nr.employed"]  # never `duration`: it is known only after the call
MIN_MONTH_ROWS = 100


def bank(shared_data: Path) -> tuple[Examples, list[int]]:
    """Calls in order, and the row each month begins with."""
    frame = pl.read_parquet(shared_data / "bank_marketing" / "bank_additional_full.parquet").sort("seq")
    numbers = [pl.col(name).cast(pl.Float64) for name in NUMBERS]
    features = frame.select(*numbers, *(pl.col(name).cast(pl.String) for name in LABELS))
    times = frame.select(time=pl.lit(START) + pl.duration(hours=pl.col("seq").cast(pl.Int64)))["time"]
    target = (frame["y"] == "yes").cast(pl.Int8).cast(pl.String)
    month = frame["year"].cast(pl.String) + frame["month"]
    begins = np.flatnonzero((month != month.shift(1)).fill_null(True).to_numpy()).tolist()
    return Examples(features, target, frame["seq"].cast(pl.String), times), begins


def refreshed(
    spec: ModelSpec, rows: Examples, champion: FittedModel, champion_rows: int, now: int
) -> tuple[FittedModel, int]:
    """What `check_and_update_models` does with `force_retrain`: a challenger, and the gate."""
    known = rows.slice(max(0, now - spec.maximum_rows), now)
    if now - champion_rows < 50:
        return champion, champion_rows
    gain = retrain_gain(spec, known, champion, rows.times[champion_rows - 1])
    if not gain.helps:
        return champion, champion_rows
    learnt = rows.slice(champion_rows, now) if gain.window == "recent" else known
    return fit(spec, learnt), now


def test_bank_marketing_refreshed_monthly_beats_the_frozen_model(shared_data: Path) -> None:
    spec = load_spec(ModelType.CONVERSION_PREDICTOR).model_copy(update={"maximum_rows": 10_000})
    rows, begins = bank(shared_data)
    first = next(i for i in begins if i >= 27_690)  # the first month of 2009
    frozen = champion = fit(spec, rows.slice(first - spec.maximum_rows, first))
    champion_rows, found = first, []
    for start, stop in zip(begins, [*begins[1:], len(rows)], strict=True):
        if start < first or stop - start < MIN_MONTH_ROWS:
            continue
        champion, champion_rows = refreshed(spec, rows, champion, champion_rows, start)
        month = rows.slice(start, stop)
        both = [metrics(model.predict(month.features), month.target, model.classes) for model in (frozen, champion)]
        found.append([both[0]["auc"], both[1]["auc"], both[0]["calibration_error"], both[1]["calibration_error"]])
    old_auc, new_auc, old_error, new_error = np.array(found).mean(axis=0)
    print(f"\nBAR bank AUC, refreshed − frozen, {len(found)} months: {new_auc - old_auc:.3f} (bar 0.08)")
    print(f"BAR bank calibration error, refreshed / frozen: {new_error / old_error:.2f} (bar 0.5)")
    assert new_auc - old_auc >= 0.08
    assert new_error / old_error <= 0.5


def pages(shared_data: Path, every: int) -> Iterator[pl.DataFrame]:
    """Posts of every n-th Facebook page, with their features."""
    posts = pl.read_parquet(shared_data / "facebook_pages_2016" / "posts.parquet")
    engagements = pl.sum_horizontal("num_reactions", "num_comments", "num_shares").cast(pl.Int64)
    frame = posts.select(
        workspace_id="page",
        content_id=pl.col("status_id").cast(pl.String),
        content_type=pl.lit("social"),
        channel=pl.lit("facebook"),
        published_at=pl.col("status_published").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        title="link_name",
        body="status_message",
        media_type="status_type",
        impressions=pl.lit(None, pl.Int64),
        engagements=engagements,
    )
    for name in sorted(frame["workspace_id"].unique())[::every]:
        yield with_features(frame.filter(pl.col("workspace_id") == name), {name: "UTC"})


@pytest.mark.parametrize("every", [8])
def test_facebook_engagement_is_never_behind_no_change_in_any_month(shared_data: Path, every: int) -> None:
    spec = load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    losses: dict[int, list[tuple[float, float]]] = {month: [] for month in (4, 5, 6)}
    for frame in pages(shared_data, every):
        rows = examples(frame, spec)
        month_of = rows.times.dt.month()
        for month, pooled in losses.items():
            past, now = int((month_of < month).sum()), int((month_of <= month).sum())
            if past < spec.minimum_rows or now - past < 10:
                continue
            future = rows.slice(past, now)
            mine = fit(spec, rows.slice(0, past)).losses(future)
            # The strong kind of no change: the level of the latest posts, known up to the row before.
            level = future.features["recent_level"].to_numpy()
            pooled += zip(mine.tolist(), ((level - future.target.to_numpy()) ** 2).tolist(), strict=True)
    for month, pooled in losses.items():
        mine_mean, level_mean = np.array(pooled).mean(axis=0)
        print(f"\nBAR Facebook engagement, month {month}, loss / no change: {mine_mean / level_mean:.3f} (bar 1.0)")
        assert mine_mean <= level_mean
