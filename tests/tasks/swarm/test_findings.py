"""Findings of the warehouse become evidence with the right effect, and nobody sees another workspace's."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator, store
from tasks.swarm.findings import findings_from
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Experiment,
    ExperimentArm,
    ExperimentMetric,
    ExperimentStatistic,
    ExperimentVariant,
    PatternAnalysis,
    PatternFinding,
    TransferRelease,
    TransferSum,
    Workspace,
)
from tasks.warehouse.scope import scope_of, workspace_owners
from tests.factories import store as write
from tests.factories import workspace_row

NOW = datetime(2026, 3, 1, tzinfo=UTC)
VIDEO = {"feature": "media_type", "op": "==", "value": "video", "level": "video"}


def workspaces(warehouse: Warehouse, *names: str) -> None:
    write(warehouse, Workspace, [workspace_row(workspace_id=name, name=name.title()) for name in names])


def pattern(warehouse: Warehouse, workspace_id: str, analysis: str = "x", **changes: Any) -> None:
    as_of = changes.pop("as_of", NOW)
    done: dict[str, Any] = {"analysis_id": f"{workspace_id}-{analysis}", "workspace_id": workspace_id}
    done |= {"content_type": "social", "as_of": as_of, "run_id": "t"}
    asked = {"series": "s", "lookback_days": 90, "status": "patterns_found", "reason": "r", "statistics": {}}
    write(warehouse, PatternAnalysis, [done | asked | {"insights": []}])
    row: dict[str, Any] = {key: done[key] for key in ("analysis_id", "workspace_id", "content_type", "run_id")}
    row |= {"pattern_key": "rule_1", "pattern_id": "p", "pattern_type": "winning", "confidence": 0.99}
    row |= {"description": "Content performs better when it comes as video", "effect_size": 0.4, "lift_pct": 20.0}
    row |= {"lift_low_pct": 5.0, "lift_high_pct": 37.14, "q_value": 0.01, "sample_size": 300, "trend": "new"}
    row |= {"first_seen": NOW, "last_seen": as_of, "details": {"rule": [VIDEO]}}
    write(warehouse, PatternFinding, [row | changes])


def arm(variant: str, n: int, total: float, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"workspace_id": "acme", "experiment_name": "hero", "variant_name": variant, "n": n}
    row |= {"metric_name": "clicked", "metric_kind": "binary", "sum": total, "sum_of_squares": None}
    return row | {"is_control": False, "started_at": NOW, "run_id": "t"} | changes


def found(warehouse: Warehouse, workspace_id: str | None = "acme") -> list[Any]:
    scope = scope_of(workspace_owners(warehouse), workspace_id)
    return findings_from(store.result_rows(warehouse, scope), NOW + timedelta(days=10))


def test_a_pattern_becomes_a_log_ratio_with_its_conditions(warehouse: Warehouse) -> None:
    workspaces(warehouse, "acme")
    pattern(warehouse, "acme")
    (item,) = found(warehouse)
    assert (item.kind, item.n, item.age_days) == ("pattern", 300, 10.0)
    assert item.effect == pytest.approx(math.log(1.2))
    assert item.se == pytest.approx(math.sqrt(3.1) * math.log(1.3714 / 1.05) / (2 * 1.6449), rel=1e-3)
    assert item.conditions[0].feature == "media_type"
    assert "viral_mechanics" in item.tags


def test_a_pattern_that_experiments_calibrated_counts_as_its_effect(warehouse: Warehouse) -> None:
    workspaces(warehouse, "acme")
    effect = {"log_estimate": 0.05, "log_interval": [-0.02, 0.12], "status": "calibrated"}
    pattern(warehouse, "acme", details={"rule": [VIDEO], "effect": effect})
    (item,) = found(warehouse)
    assert item.effect == 0.05
    assert item.se == pytest.approx(0.14 / (2 * 1.6449), rel=1e-3)
    assert item.is_calibrated


async def test_what_experiments_made_of_an_association_is_shrunk_no_further(sqlite_warehouse: Warehouse) -> None:
    """+57 % seen, +35 % (+4 % … +75 %) calibrated: argued as such, less what today's content has of it already."""
    workspaces(sqlite_warehouse, "acme")
    effect = {"log_estimate": 0.3, "log_interval": [0.04, 0.56], "status": "calibrated"}
    details = {"rule": [VIDEO], "effect": effect, "share_of_posts": 0.2}
    pattern(sqlite_warehouse, "acme", lift_pct=57.0, lift_low_pct=28.0, lift_high_pct=92.0, details=details)
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    asked = ("What should we publish, videos?", ["viral_engineer", "data_storyteller"])
    result = await panel.orchestrate_debate(*asked, workspace_id="acme")
    worth = next(one for one in result["standings"] if one["option"] == "A")
    assert worth["mean"] == pytest.approx(0.8 * 0.3)
    assert worth["sd"] == pytest.approx(0.8 * 0.26 / 1.6449, rel=0.1), "a little wider by its age"
    assert "expected +27% (" in result["proposals"][0]["proposal"]


def test_only_the_newest_analysis_counts_and_what_is_gone_does_not(warehouse: Warehouse) -> None:
    workspaces(warehouse, "acme")
    pattern(warehouse, "acme", "old", as_of=NOW - timedelta(days=1), lift_pct=10.0)
    pattern(warehouse, "acme", "new")
    assert [round(math.expm1(item.effect), 2) for item in found(warehouse)] == [0.2]
    pattern(warehouse, "acme", "newest", as_of=NOW + timedelta(days=1), trend="gone")
    assert found(warehouse) == []


def test_arms_measured_elsewhere_become_effects_against_their_control(warehouse: Warehouse) -> None:
    workspaces(warehouse, "acme")
    arms = [arm("photo", 1000, 100, is_control=True), arm("video", 1000, 130), arm("B", 1000, 90)]
    write(warehouse, ExperimentArm, arms)
    items = {item.terms[0]: item for item in found(warehouse)}
    video = items["video"]
    assert video.kind == "experiment"
    assert video.effect == pytest.approx(math.log(1.3))
    assert video.se == pytest.approx(math.sqrt(0.9 / 100 + 0.87 / 130), rel=2e-3)
    assert video.n == 2000
    assert items["photo"].effect == 0.0
    assert "hero B" in items  # a bare letter names no option


def terms_of(*arms: tuple[str, str, float]) -> list[tuple[str, ...]]:
    """Terms of the arms that are tried, from rows of experiment, arm and mean; the first of each is the control."""
    row: dict[str, Any] = {"workspace_id": "acme", "metric": "clicked", "n": 1000, "variance": 0.1, "sign": 1.0}
    row |= {"description": None, "observed_at": NOW, "is_text": False}
    rows = [
        row | {"experiment": experiment, "variant": name, "mean": mean, "is_control": name == "start"}
        for experiment, name, mean in arms
    ]
    return [item.terms for item in findings_from({"experiment_arm": rows}, NOW) if item.effect != 0.0]


@pytest.mark.parametrize("name", ["v1", "Variant 2", "variation_3", "B1", "17", "arm-2", "516e0278ebff"])
def test_arms_whose_names_only_number_them_share_no_effect(name: str) -> None:
    arms = [("sale", "start", 0.1), ("sale", name, 0.13), ("menu", "start", 0.1), ("menu", name, 0.07)]
    assert terms_of(*arms) == [(f"sale {name}",), (f"menu {name}",)]


@pytest.mark.parametrize("name", ["video", "20 % off", "v-neck", "b2b offer", "cafe"])
def test_arms_whose_names_say_something_are_known_by_them(name: str) -> None:
    assert terms_of(("sale", "start", 0.1), ("sale", name, 0.13)) == [(name,)]


def test_own_experiments_count_and_the_direction_of_their_metric(warehouse: Warehouse) -> None:
    workspaces(warehouse, "acme")
    head: dict[str, Any] = {"experiment_id": "e", "workspace_id": "acme", "name": "hero", "hypothesis": None}
    head |= {"experiment_type": "ab_test", "allocation_strategy": "equal", "metric_name": "bounce", "design": {}}
    head |= {"salt": "s", "planned_units_per_arm": None, "status": "running", "conclusion": None, "winner": None}
    write(warehouse, Experiment, [head | {"created_at": NOW, "started_at": NOW, "completed_at": None}])
    metric: dict[str, Any] = {"experiment_id": "e", "metric_name": "bounce", "role": "primary", "kind": "continuous"}
    metric |= {"is_kind_fixed": True, "direction": "decrease", "lower": None, "upper": None, "margin": 0.0}
    write(warehouse, ExperimentMetric, [metric | {"origin": 1.0}])
    for place, name in enumerate(["photo", "video"]):
        variant: dict[str, Any] = {"experiment_id": "e", "variant_id": name, "position": place, "description": None}
        write(warehouse, ExperimentVariant, [variant | {"weight": 0.5, "is_control": place == 0, "levels": None}])
        for epoch in (0, 1):
            sums: dict[str, Any] = {"experiment_id": "e", "metric_name": "bounce", "variant_id": name, "epoch": epoch}
            sums |= {"segment": "", "n": 100, "y": -50.0 if place else 0.0, "yy": 50.0 if place else 40.0, "d": 100.0}
            sums |= dict.fromkeys(["dd", "yd", "x", "xx", "xy"], 0.0) | {"with_covariate": 0}
            write(warehouse, ExperimentStatistic, [sums])
    items = {item.terms[0]: item for item in found(warehouse)}
    assert items["video"].effect == pytest.approx(-math.log(0.5))  # mean 0.5 against 1.0, and less is better
    assert items["video"].n == 400


def test_a_private_release_is_evidence_for_everybody_above_its_gate(warehouse: Warehouse) -> None:
    release: dict[str, Any] = {"period": "2026-01-30", "status": "published", "catalogue_version": 1, "epsilon": 1.0}
    write(
        warehouse,
        TransferRelease,
        [release | {"delta": 1e-6, "rho": 0.02, "noise_scale": 5.0, "as_of": NOW, "run_id": "t"}],
    )
    sums = {"content:text:question": [200_000, 40_000, 12_000], "content:media_type:video": [20_000, 9_000, 1_000]}
    write(warehouse, TransferSum, [{"period": "2026-01-30", "segment": "everyone", "sums": sums}])
    workspaces(warehouse, "acme")
    (item,) = found(warehouse)
    assert item.kind == "transfer"
    assert item.effect == pytest.approx(0.7 * 0.2)
    assert item.conditions[0].feature == "question_count"
    assert 0.02 < item.se < 0.12


async def test_a_debate_of_a_workspace_sees_only_its_own_evidence(warehouse: Warehouse) -> None:
    workspaces(warehouse, "acme", "zenith")
    pattern(warehouse, "acme", description="Acme's posts do better as video")
    pattern(warehouse, "zenith", description="Zenith's posts do worse as video", lift_pct=-30.0, lift_low_pct=-40.0,
            lift_high_pct=-19.0)  # fmt: skip
    orchestrator = AgentDebateOrchestrator(warehouse=warehouse)
    asked: dict[str, Any] = {"problem": "Which medium?", "agent_roles": ["data_storyteller", "viral_engineer"]}
    asked |= {"options": ["Publish more video", "Publish more photos"]}
    mine = await orchestrator.orchestrate_debate(**asked, workspace_id="acme")
    theirs = await orchestrator.orchestrate_debate(**asked, workspace_id="zenith")
    assert mine["decision"] == "Publish more video"
    assert theirs["decision"] == "Publish more photos"
    assert "zenith" not in json.dumps(mine).lower()
    assert "acme" not in json.dumps(theirs).lower()
    nobody = await orchestrator.orchestrate_debate(**asked)
    assert (nobody["scope"], nobody["status"]) == ("shared", "insufficient_evidence")
    assert nobody["transcript"]["brief"]["evidence"] == []
    assert "name a workspace" in nobody["reason"]


async def test_without_options_the_findings_propose_them(sqlite_warehouse: Warehouse) -> None:
    workspaces(sqlite_warehouse, "acme")
    pattern(sqlite_warehouse, "acme")
    orchestrator = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    result = await orchestrator.orchestrate_debate("What next?", ["viral_engineer"], workspace_id="acme")
    assert result["decision"] == "Publish more content that is a video"
    assert result["options"][-1]["label"] == "Keep what is done today."
    assert "90 % interval" in result["reasoning"]
    assert result["reasoning"].startswith("Statistical panel; no language model was used.")


async def test_a_question_that_names_a_finding_is_answered_and_not_another(sqlite_warehouse: Warehouse) -> None:
    workspaces(sqlite_warehouse, "acme")
    asks = [{"feature": "question_count", "op": ">=", "value": 1, "label": "yes"}]
    pattern(sqlite_warehouse, "acme", lift_pct=90.0, lift_low_pct=70.0, lift_high_pct=120.0)
    pattern(
        sqlite_warehouse, "acme", pattern_key="q", details={"rule": asks}, description="Better when: asks a question"
    )
    orchestrator = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    told = {
        problem: (await orchestrator.orchestrate_debate(problem, ["data_storyteller"], workspace_id="acme"))["options"]
        for problem in ("Should posts ask questions?", "Fewer videos?", "What is first to change?")
    }
    labels = [[option["label"] for option in options] for options in told.values()]
    quo = "Keep what is done today."
    video, question = "Publish more content that is a video", "Publish more content that asks a question"
    assert labels == [[question, quo], [video, quo], [video, question, quo]]


async def test_graded_debates_are_evidence_in_the_next(sqlite_warehouse: Warehouse) -> None:
    workspaces(sqlite_warehouse, "acme")
    pattern(sqlite_warehouse, "acme", lift_pct=12.0, lift_low_pct=-10.0, lift_high_pct=40.0)
    orchestrator = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    asked: dict[str, Any] = {"agent_roles": ["data_storyteller"], "workspace_id": "acme"}
    asked |= {"options": ["Publish video", "Publish photos"]}
    first = await orchestrator.orchestrate_debate("Which medium?", **asked)
    assert first["decision"] == "Publish video"
    assert await orchestrator.grade_debate(first["debate_id"], "B", "experiment e1") == {"data_storyteller": 0.0}
    second = await orchestrator.orchestrate_debate("Which medium now?", **asked)
    kinds = {item["kind"] for item in second["transcript"]["brief"]["evidence"]}
    assert kinds == {"pattern", "debate"}
    video = {result["debate_id"]: result["standings"][0]["probability_best"] for result in (first, second)}
    assert video[second["debate_id"]] < video[first["debate_id"]]
    assert second["transcript"]["brief"]["experts"][0]["graded"] == 1
