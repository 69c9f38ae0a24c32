"""Which arms meet which conditions: by their texts, by what they declare, and by the pattern that they test."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.conditions import Condition
from tasks.effects.arms import declared_changes, shown_arms_of
from tasks.effects.families import family_of
from tasks.effects.records import CalibratedEffect
from tasks.effects.wording import AboutCalibration, SeenPattern, as_effect, cheapest_experiment
from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import ExperimentArm, Workspace
from tests.factories import store, workspace_row

VIDEO = Condition("media_type", "==", "video", "video")
ASKS = Condition("question_count", ">=", 1, "present")
SEEN = SeenPattern("asks a question", 40.0, True, 0.03, 0.5)


def arm(experiment: str, variant: str, **shows: Any) -> dict[str, Any]:
    row = {"workspace_id": "acme", "experiment": experiment, "variant": variant, "metric": "clicks", "n": 1000}
    row |= {"mean": 0.05, "variance": 0.0475, "sign": 1.0, "is_control": variant == "a"}
    return row | {"title": None, "body": None, "changes": None} | shows


def test_texts_declared_changes_and_tested_patterns_say_what_an_arm_does() -> None:
    shown = shown_arms_of(
        [
            *(arm("texts", name, title=text) for name, text in (("a", "It is so."), ("b", "Is it so?"))),
            *(arm("declared", name, changes=change) for name, change in (("a", None), ("b", "media_type=video"))),
            *(arm("pattern", name, changes=change) for name, change in (("a", None), ("b", {"pattern": "rule_x"}))),
            *(arm("same", name, title=name, changes="media_type=video") for name in ("a", "b")),
        ]
    )
    assert shown is not None
    met, known = shown.membership("rule_q", (ASKS,))
    assert (met & known).tolist() == [False, True, *[False] * 6]
    assert known.tolist() == [True, True, *[False] * 4, True, True], "of arms without a text nothing is known"
    met, known = shown.membership("rule_v", (VIDEO,))
    assert (met & known).tolist() == [False, False, False, True, False, False, True, True]
    assert known.tolist() == [False, False, True, True, False, False, True, True], "the other arm leaves it as it was"
    met, known = shown.membership("rule_x", (ASKS,))
    assert (met & known).tolist() == [False] * 5 + [True] + [False] * 2
    declared = shown.compared.declared.tolist()
    assert declared == [False] * 2 + [True] * 4 + [False] * 2, "what all arms declare is no difference between them"


def test_declarations_of_files_and_of_hostile_hands() -> None:
    assert declared_changes("media_type=video; emoji_count=2;has_cta=true") == {
        "media_type": "video",
        "emoji_count": 2.0,
        "has_cta": True,
    }
    assert declared_changes(None) == declared_changes("") == declared_changes("nothing") == {}
    assert shown_arms_of([]) is None
    assert shown_arms_of([arm("e", "a", mean=0.0), arm("e", "b", n=1)]) is None
    assert [family_of(rule) for rule in ((VIDEO,), (ASKS,), (VIDEO, ASKS))] == ["media", "text", "mixed"]


def test_a_file_whose_changes_say_nothing_is_refused_with_the_fix(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    file = tmp_path / "e.csv"
    lines = ["workspace_id,experiment_name,variant_name,metric_name,metric_kind,n,sum,is_control,changes"]
    lines += [f"acme,e{k},{v},clicks,binary,900,50,{v == 'a'},media_type=video" for k in range(9) for v in "ab"]
    file.write_text("\n".join([*lines, "acme,x,a,clicks,binary,900,50,true,make it pop"]))
    report = ingest("experiments", [file], warehouse=sqlite_warehouse)
    assert (report.written, report.rejected) == (18, 1)
    assert "media_type=video; emoji_count=1" in Path(str(report.rejects_path)).read_text()
    rows = sqlite_warehouse.read(ExperimentArm.__table__.select())
    assert rows["changes"].unique().to_list() == ["media_type=video"]


def test_an_experiment_of_the_engine_keeps_what_its_arms_show(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    service = ExperimentService(warehouse=warehouse)
    arms = [{"name": "a", "title": "It is so."}, {"name": "b", "title": "Is it so?", "changes": {"emoji_count": 1}}]
    record = service.create_experiment("hero", "acme", arms, "clicks")
    assert record.variants[1]["changes"] == {"emoji_count": 1}
    assert record.variants[1]["title"] == "Is it so?"
    assert service.create_experiment("hero", "acme", arms, "clicks").experiment_id == record.experiment_id
    for wrong in ({"changes": "emoji"}, {"changes": {"emoji_count": math.nan}}, {"changes": {"a": [1]}}, {"title": 3}):
        with pytest.raises(InvalidDesignError):
            service.create_experiment("other", "acme", [arms[0], arms[1] | wrong], "clicks")


def test_the_cheapest_experiment_needs_more_where_less_is_expected() -> None:
    few, many = (
        cheapest_experiment(CalibratedEffect(estimate, (0.0, 0.2), 0.9, 0.5), SEEN) for estimate in (0.2, 0.02)
    )
    assert few == "two versions of one post that differ in this alone, shown to 10,000 people each"
    assert many.endswith("1,000,000 people each")
    posts = cheapest_experiment(CalibratedEffect(0.2, (0.0, 0.2), 0.9, 0.5), SeenPattern("x", 40.0, True, 12.0, 0.5))
    assert posts == "78 posts with it and as many without, by the toss of a coin"
    about = AboutCalibration("engagement", "nothing", 0.1)
    effect = as_effect(CalibratedEffect(0.0, (-9.0, 9.0), 0.5, 0.5), SEEN, about)
    assert np.isfinite(effect["interval_pct"]).all(), "an interval that says nothing stays a number"
