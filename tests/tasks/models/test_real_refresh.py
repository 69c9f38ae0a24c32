"""Monthly refreshes of real data in time order, by all that a night does: guard, drift, retraining, gate, registry.

`make bench` runs these.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.models.records import ModelKey, ModelType, Run
from tasks.models.service import ModelService
from tasks.models.specs import ModelSpec, load_spec
from tasks.models.training.dataset import KEYS, Examples, ModelRows, examples
from tasks.models.training.estimators import FittedModel, fit
from tasks.models.training.metrics import metrics
from tasks.warehouse import Warehouse
from tests.tasks.models.drift_looks import bank_touches, pages

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]
MIN_MONTH_ROWS = 100


@pytest.fixture
def service(sqlite_warehouse: Warehouse) -> ModelService:
    return ModelService(sqlite_warehouse)


def refreshed(
    service: ModelService, key: ModelKey, spec: ModelSpec, known: pl.DataFrame
) -> tuple[FittedModel | None, str]:
    """One night that retrains whatever drift says; who serves after it, and what came of it. None serves: no model."""
    moment = known[KEYS[spec.rows][1]][-1]
    refresh = service.refresh(key, spec, ModelRows(known, spec), Run("month", as_of=moment))
    found = refresh.update(force=True, promote=True)
    champion = service.store.version(key, found["model_version"] or "")
    return (None if champion is None else service.promoter.load(key, champion)), found["status"]


def months_of_bank(shared_data: Path) -> list[int]:
    """The row that each month of the bank's calls begins with."""
    frame = pl.read_parquet(shared_data / "bank_marketing" / "bank_additional_full.parquet").sort("seq")
    month = frame["year"].cast(pl.String) + frame["month"]
    return np.flatnonzero((month != month.shift(1)).fill_null(True).to_numpy()).tolist()


def measured(model: FittedModel, rows: Examples) -> dict[str, float]:
    """Metrics of a classifier on rows."""
    predicted = model.predict_rows(rows)
    return metrics(predicted, rows.target, model.classes, model.chosen(predicted))


def test_bank_marketing_refreshed_monthly_beats_the_frozen_model(shared_data: Path, service: ModelService) -> None:
    spec = load_spec(ModelType.CONVERSION_PREDICTOR).model_copy(update={"maximum_rows": 10_000})
    touches, begins = bank_touches(shared_data), months_of_bank(shared_data)
    rows = examples(touches, spec.model_copy(update={"maximum_rows": len(touches)}))
    first = next(i for i in begins if i >= 27_690)  # the first month of 2009
    frozen = fit(spec, rows.slice(first - spec.maximum_rows, first))
    key, found, came = ModelKey("bank", spec.model_type), [], list[str]()
    for start, stop in zip(begins, [*begins[1:], len(rows)], strict=True):
        if start < first or stop - start < MIN_MONTH_ROWS:
            continue
        champion, status = refreshed(service, key, spec, touches[:start])
        month, serving = rows.slice(start, stop), champion or frozen  # before anything was good enough: what was there
        came.append(status)
        both = [measured(model, month) for model in (frozen, serving)]
        found.append([both[0]["auc"], both[1]["auc"], both[0]["calibration_error"], both[1]["calibration_error"]])
    old_auc, new_auc, old_error, new_error = np.array(found).mean(axis=0)
    print(f"\n{dict(Counter(came))}")
    print(f"BAR bank AUC, refreshed − frozen, {len(found)} months: {new_auc - old_auc:.3f} (bar 0.08)")
    print(f"BAR bank calibration error, refreshed / frozen: {new_error / old_error:.2f} (bar 0.5)")
    assert new_auc - old_auc >= 0.08
    assert new_error / old_error <= 0.5


@pytest.mark.parametrize("every", [4])
def test_facebook_engagement_is_never_behind_no_change_in_any_month(
    shared_data: Path, service: ModelService, every: int
) -> None:
    spec = load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    losses: dict[int, list[tuple[float, float]]] = {month: [] for month in (4, 5, 6)}
    came = list[str]()
    for frame in pages(shared_data, every):
        rows, key = examples(frame, spec), ModelKey(frame["workspace_id"][0], spec.model_type)
        month_of = rows.times.dt.month()
        for month, pooled in losses.items():
            past, now = int((month_of < month).sum()), int((month_of <= month).sum())
            if past < spec.minimum_rows or now - past < 10:
                continue
            known = frame.sort("published_at").filter(pl.col("published_at") <= rows.times[past - 1])
            champion, status = refreshed(service, key, spec, known)
            came.append(status)
            if champion is None:  # nothing beat the trivial predictor, so nobody is told anything
                continue
            future = rows.slice(past, now)
            # The strong kind of no change: the level of the latest posts, known up to the row before.
            level = future.features["recent_level"].to_numpy()
            no_change = (level - future.target.to_numpy()) ** 2
            pooled += zip(champion.losses(future).tolist(), no_change.tolist(), strict=True)
    print(f"\n{dict(Counter(came))}")
    for month, pooled in losses.items():
        mine_mean, level_mean = np.array(pooled).mean(axis=0)
        said = f"month {month}, {len(pooled)} posts, loss / no change: {mine_mean / level_mean:.3f} (bar 1.0)"
        print(f"BAR Facebook engagement, {said}")
        assert mine_mean <= level_mean
