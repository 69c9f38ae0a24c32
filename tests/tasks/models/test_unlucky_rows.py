"""Worlds in which rows change their nature: labels spelled otherwise, outcomes all equal, losses that were nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.models.drift.labels import unseen_labels
from tasks.models.drift.monitor import drift_verdict, loss_change
from tasks.models.records import ModelType
from tasks.models.specs import load_spec
from tasks.models.training.dataset import ModelRows
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame
from tests.factories import store_content
from tests.tasks.models.model_rows import posts


def test_labels_in_a_new_spelling_are_named_with_the_old_one() -> None:
    seen = unseen_labels(["dry", "warm"], ["DRY"] * 3 + ["warm "] * 2 + ["dry"] * 5)
    assert seen == (
        "5 of 10 rows have labels it never saw: 'DRY' (3, which is 'dry' in another spelling), "
        "'warm ' (2, which is 'warm' in another spelling); give them one spelling at the source"
    )
    new = unseen_labels(["dry"], ["a", "a", "b", "c", "d\x1b[31m", "e"])
    assert new == "6 of 6 rows have labels it never saw: 'a' (2), 'b' (1), 'c' (1), 2 more"
    assert unseen_labels(["dry", "warm"], ["dry"] * 9) is None, "a class that vanished is no new label"


@pytest.mark.parametrize(
    ("before", "now", "phrase"),
    [
        (0.5, 1.0, "by 100% (at least "),
        (0.01, 0.5, "to 50 times what it was (at least "),
        (1e-14, 0.5, "from next to "),
    ],
)
def test_a_rise_is_said_in_a_number_that_people_read(before: float, now: float, phrase: str) -> None:
    losses = np.random.default_rng(1).normal(now, now / 50, 200)
    change = loss_change(losses, losses, before, (before / 10) ** 2, 500)
    assert f"loss rose {phrase}" in " ".join(drift_verdict(change, None, [], 0.1, 0.2).reasons)


def test_outcomes_that_are_all_equal_teach_nothing_and_it_is_said(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, [row | {"engagements": 0} for row in posts(300)])
    rows = ModelRows(content_frame(sqlite_warehouse, "acme"), load_spec(ModelType.ENGAGEMENT_PREDICTOR))
    assert rows.shortage == "all 300 rows have the same engagement; two kinds are needed"
