"""An arm declares conditions that content can meet; anything else is refused with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.effects.declared import require_declarable
from tasks.errors import InputError
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Content, PatternAnalysis, PatternFinding, Workspace
from tests.factories import content_row, store, workspace_row
from tests.learning_history import NOW, analysis_row, finding_row

RULE = [{"feature": "emoji_count", "op": ">=", "value": 1, "level": "present"}]


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("emoji_counts", 1, "unknown feature of content 'emoji_counts'; did you mean 'emoji_count'?"),
        ("emoji_count", "many", "change emoji_count is a whole number from 0 on, not 'many'"),
        ("emoji_count", 1.5, "whole number"),
        ("emoji_count", True, "whole number"),
        ("emoji_count", 10**400, "whole number"),
        ("emoji_count", 10**29, "whole number"),
        ("readability", 10**400, "a number"),
        ("readability", float("nan"), "a number"),
        ("has_cta", 1, "true or false"),
        ("capitals_share", 40, "a number from 0 to 1"),
        ("readability", "easy", "a number"),
        ("local_hour", 24, "from 0 to 23"),
        ("local_weekday", 7, "from 0 (Monday) to 6"),
        ("media_type", "Reels", "called 'video' here"),
        ("media_type", 3, "a text"),
        ("tone", " ", "a text"),
        ("pattern", "rule_b", "unknown pattern 'rule_b'; did you mean 'rule_a'?"),
        ("pattern", True, "unknown pattern 'True'"),
    ],
)
def test_what_no_content_can_be_is_refused_with_the_fix(name: str, value: Any, fix: str) -> None:
    with pytest.raises(InputError) as refused:
        require_declarable(name, value, {"has_face"}, {"rule_a"})
    assert fix in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("emoji_count", 2), ("emoji_count", 2.0), ("has_cta", False), ("capitals_share", 0.1), ("readability", -3.5)),
        *(("local_hour", 0), ("local_weekday", 6), ("media_type", "video"), ("media_type", "hologram")),
        *(("tone", "warm"), ("channel", "blog"), ("has_face", True), ("has_face", "yes"), ("pattern", "rule_a")),
    ],
)
def test_what_content_can_be_is_taken(name: str, value: Any) -> None:
    require_declarable(name, value, {"has_face"}, {"rule_a"})


def test_a_workspace_declares_its_own_attributes_and_patterns_and_nobody_elses(warehouse: Warehouse) -> None:
    for name in ("acme", "zenith"):
        store(warehouse, Workspace, [workspace_row(workspace_id=name)])
    store(warehouse, Content, [content_row(0, attributes={"has_face": True})])
    analysis = analysis_row("acme", "social", NOW)
    row = finding_row(analysis, RULE, 30.0)
    store(warehouse, PatternAnalysis, [analysis])
    store(warehouse, PatternFinding, [row])
    service = ExperimentService(warehouse=warehouse)
    for changes in ({"has_face": True}, {"pattern": row["pattern_key"]}):
        arms = [{"name": "a"}, {"name": "b", "changes": changes}]
        made = service.create_experiment(f"own {changes}", "acme", arms, "clicked")
        assert [arm["changes"] for arm in made.variants] == [None, changes]
        with pytest.raises(InputError, match="unknown") as refused:
            service.create_experiment("theirs", "zenith", arms, "clicked")
        assert "did you mean 'has_face'" not in str(refused.value), "what another workspace has is not told"
        assert f"'{row['pattern_key']}'?" not in str(refused.value)
    assert service.list_experiments("zenith") == []


def test_a_label_that_no_post_has_is_taken_and_said(warehouse: Warehouse) -> None:
    for name, media in (("acme", "video"), ("zenith", "hologram")):
        store(warehouse, Workspace, [workspace_row(workspace_id=name)])
        store(warehouse, Content, [content_row(0, workspace_id=name, media_type=media, attributes={"mood": "sunny"})])
    service = ExperimentService(warehouse=warehouse)

    def warnings_of(changes: dict[str, Any]) -> list[str]:
        arms = [{"name": "a"}, {"name": "b", "changes": changes}]
        return service.create_experiment(f"try {changes}", "acme", arms, "clicked", hypothesis="h").warnings

    (slip,) = warnings_of({"media_type": "vidio"})
    assert slip.startswith("media_type = 'vidio' is new: no post has it; did you mean 'video'?; known: animation, ")
    (new,) = warnings_of({"media_type": "hologram"})
    assert "did you mean" not in new, "what another workspace has is not told"
    assert warnings_of({"mood": "suny"}) == [
        "mood = 'suny' is new: no post has it; did you mean 'sunny'?; known: sunny"
    ]
    for known in ({"media_type": "video"}, {"media_type": "poll"}, {"mood": "sunny"}, {"emoji_count": 2}):
        assert warnings_of(known) == []


def test_arms_that_all_declare_the_same_are_refused(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row(workspace_id="acme")])
    service = ExperimentService(warehouse=warehouse)
    same = [{"name": name, "changes": {"media_type": "video"}} for name in ("a", "b")]
    with pytest.raises(
        InputError, match=r"all arms declare the same changes \(media_type=video\), so that nothing differs"
    ):
        service.create_experiment("same", "acme", same, "clicked")
    assert service.list_experiments("acme") == []
    service.create_experiment("some", "acme", [*same, {"name": "c"}], "clicked")
