"""From ingested experiments to what a pattern promises: in numbers, in words and in the order of recommendations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.effects.records import Association, CalibratingPair
from tasks.effects.store import evidence_state, save_pairs
from tasks.patterns.service import PatternService
from tasks.warehouse import Warehouse
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import Content, Workspace
from tests.effect_factories import experiments_csv, misleading_posts
from tests.factories import store, workspace_row


def learned(warehouse: Warehouse, folder: Path) -> dict[str, dict[str, Any]]:
    """Patterns of a workspace with 40 experiments, of its sister without any, and of a stranger."""
    owners = {"own": "agency", "sister": "agency", "stranger": None}
    store(warehouse, Workspace, [workspace_row(workspace_id=w, organisation_id=o) for w, o in owners.items()])
    for seed, workspace_id in enumerate(owners):
        store(warehouse, Content, misleading_posts(workspace_id, seed))
    report = ingest("experiments", [experiments_csv(folder / "tests.csv", "own", 40, 1)], warehouse=warehouse)
    assert report.written == 80
    service = PatternService(warehouse=warehouse)
    return {workspace_id: service.analyze_patterns(workspace_id, "social", 365) for workspace_id in owners}


def effect_of(analysis: dict[str, Any]) -> dict[str, Any]:
    patterns = [*analysis["winning_patterns"], *analysis["losing_patterns"]]
    asked = [one for one in patterns if one["rule"][0]["feature"] == "question_count"]
    assert asked, analysis["reason"]
    effect: dict[str, Any] = asked[0]["effect"] | {"lift_pct": asked[0]["lift_pct"]}
    return effect


def test_what_was_seen_and_what_doing_it_brings_stand_side_by_side(warehouse: Warehouse, tmp_path: Path) -> None:
    analyses = learned(warehouse, tmp_path)
    own, sister, stranger = (effect_of(analyses[name]) for name in ("own", "sister", "stranger"))
    print(own["words"], sister["words"], stranger["words"], sep="\n")
    _require_calibrated(own)
    assert sister["based_on"]["organization_experiments"] == 40
    assert sister["estimate_pct"] < stranger["estimate_pct"], "a sister learns from the organization"
    _require_unknown(stranger)
    for analysis in analyses.values():
        counts = analysis["statistics"]["negative_controls"]
        assert counts["tried"] == 24
        assert counts["claimed_by_association"] <= 8
        assert counts["claimed_by_effect"] <= 2


def _require_calibrated(own: dict[str, Any]) -> None:
    assert own["lift_pct"] > 30
    low, high = own["interval_pct"]
    assert low <= 5.1 <= high, "the question itself does 5 %"
    assert high < 20
    assert own["status"] == "calibrated"
    assert own["based_on"]["own_experiments"] == own["based_on"]["experiments_of_this"] == 40
    assert "if you do it, expect +" in own["words"]
    assert "of yours" in own["words"]
    assert own["outcome"] == "clicks"


def _require_unknown(stranger: dict[str, Any]) -> None:
    assert stranger["status"] == "not_enough_experiments"
    assert stranger["based_on"]["own_experiments"] == stranger["based_on"]["organization_experiments"] == 0
    assert "not enough experiments to say what doing it would bring" in stranger["words"]
    assert "people each" in stranger["cheapest_experiment"]
    low, high = stranger["interval_pct"]
    assert low < 5.1 < high
    assert low < stranger["lift_pct"] < high, "wide enough that the association may be all true"


def test_recommendations_rank_by_the_effect_and_leave_out_what_experiments_found_to_harm(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    store(warehouse, Workspace, [workspace_row(workspace_id="own")])
    store(warehouse, Content, misleading_posts("own", 0))
    service = PatternService(warehouse=warehouse)
    service.analyze_patterns("own", "social", 365)
    before = service.get_pattern_recommendations("own", "social_media_post")
    assert any("question" in one["recommendation"] for one in before)
    harmful = experiments_csv(tmp_path / "tests.csv", "own", 40, 1, effect=-0.2)
    ingest("experiments", [harmful], warehouse=warehouse)
    service.analyze_patterns("own", "social", 365)
    after = service.get_pattern_recommendations("own", "social_media_post")
    assert not any("asks a question" in one["recommendation"] and one["action"] == "prefer" for one in after)


def test_an_answer_stands_until_experiments_or_the_organization_say_something_new(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    owners = {"own": "agency", "sister": "agency", "stranger": None}
    store(warehouse, Workspace, [workspace_row(workspace_id=w, organisation_id=o) for w, o in owners.items()])
    before = evidence_state(warehouse, list(owners))
    assert evidence_state(warehouse, list(owners)) == before
    ingest("experiments", [experiments_csv(tmp_path / "tests.csv", "own", 2, 1)], warehouse=warehouse)
    arms = evidence_state(warehouse, list(owners))
    assert [arms[name] != before[name] for name in owners] == [True, False, False]
    pair = CalibratingPair(Association("rule_1", "text", 0.1, 0.1), "own", "clicks", 0.1, 0.1, 1, 1)
    save_pairs(warehouse, "own", "social", [pair], "t")
    pairs = evidence_state(warehouse, list(owners))
    assert [pairs[name] != arms[name] for name in owners] == [False, True, False]
