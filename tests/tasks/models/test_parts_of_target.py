"""An attribute that only restates the target teaches a model nothing, and is left out by the numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.models import ModelType
from tasks.models.specs import load_spec
from tasks.models.training.dataset import examples
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import touch_frame
from tests.factories import store_touches, touch_row


@pytest.mark.parametrize(
    ("name", "is_refused"), [("receipt", True), ("outcome", True), ("age", False), ("visits", False)]
)
def test_attributes_that_restate_the_target_are_no_features(
    name: str, is_refused: bool, sqlite_warehouse: Warehouse
) -> None:
    random = np.random.default_rng(4)
    rows = []
    for i in range(400):
        converted = bool(random.random() < 0.3)
        attributes = {
            "receipt": float(random.uniform(20, 90)) if converted else 0.0,
            "outcome": "sold" if converted else "lost",
            "age": float(random.normal(45 if converted else 38, 8)),
            "visits": int(random.poisson(6 if converted else 3)),
        }
        rows.append(touch_row(i, attributes=attributes, converted=converted))
    store_touches(sqlite_warehouse, rows)
    known = examples(touch_frame(sqlite_warehouse, "acme"), load_spec(ModelType.CONVERSION_PREDICTOR)).features
    assert (f"attribute.{name}" not in known.columns) == is_refused
