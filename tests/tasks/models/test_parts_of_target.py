"""An attribute that only restates the target teaches a model nothing, and is left out by the numbers alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.models import ModelType
from tasks.models.specs import load_spec
from tasks.models.training.dataset import examples
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import touch_frame
from tasks.warehouse.ingestion import ingest
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


LEARNED = "features: [age]\nlabels: [job]\n"


@pytest.mark.parametrize(("mapping", "features"), [("", set()), (LEARNED, {"age", "job"})])
def test_a_further_column_of_touches_is_a_feature_only_where_a_mapping_says_so(
    mapping: str, features: set[str], sqlite_warehouse: Warehouse, tmp_path: Path
) -> None:
    """The seconds a call took are known after it: what a file happens to hold is not what was known before."""
    store_touches(sqlite_warehouse, [touch_row(0)])
    file, said = tmp_path / "calls.csv", tmp_path / "calls.yaml"
    header = "workspace_id,touch_id,occurred_at,channel,converted,age,job,duration,outcome\n"
    lines = [
        f"acme,c{i},2026-03-{1 + i % 28:02}T10:00:00Z,phone,{i % 3 == 0},{20 + i % 40},j{i % 4},{i * 7 % 600},o{i % 2}"
        for i in range(300)
    ]
    file.write_text(header + "\n".join(lines) + "\n")
    said.write_text(f"kind: touches\n{mapping}")
    ingest("touches", [file], mapping=said, warehouse=sqlite_warehouse)
    known = examples(touch_frame(sqlite_warehouse, "acme"), load_spec(ModelType.CONVERSION_PREDICTOR)).features
    assert {name.removeprefix("attribute.") for name in known.columns} == {"channel", *features}


def test_numbers_of_touches_from_before_roles_are_no_features(sqlite_warehouse: Warehouse) -> None:
    attributes = {"duration": 3.0, "job": "baker"}
    rows = [touch_row(i, attributes=attributes, attribute_roles=None) for i in range(300)]
    store_touches(sqlite_warehouse, rows)
    known = examples(touch_frame(sqlite_warehouse, "acme"), load_spec(ModelType.CONVERSION_PREDICTOR)).features
    assert "attribute.duration" not in known.columns
    assert "attribute.job" in known.columns
