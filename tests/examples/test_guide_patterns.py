"""The guide's snippets for PerformanceAnalyzer, run as written over the simulated sample (import root aside)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.content.planted import load_planted, match
from tasks.content.sample import simulate
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.frames import content_frame
from tasks.warehouse.ingestion import ingest


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A warehouse with the sample in it, and where its planted truths lie."""
    folder = tmp_path_factory.mktemp("sample")
    warehouse = Warehouse(f"sqlite:///{folder / 'warehouse.db'}")
    upgrade(warehouse)
    written = simulate(folder)
    for kind in ("workspaces", "content"):
        ingest(kind, [written.files[kind]], warehouse=warehouse)
    return warehouse.url, written.planted


async def test_the_guides_usage_runs_as_written(sample: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.settings import get_settings

    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", sample[0])
    get_settings.cache_clear()
    workspace_id = "simulated-bakery"

    from tasks.patterns import PerformanceAnalyzer

    # Initialize
    analyzer = PerformanceAnalyzer(
        min_confidence=0.7,
        min_sample_size=30,
        min_effect_size=0.3
    )  # fmt: skip

    # Analyze patterns
    patterns = await analyzer.analyze_patterns(
        workspace_id=workspace_id,
        content_type="social",  # or "blog", "email", etc.
        lookback_days=90,
        min_samples=50
    )  # fmt: skip

    # Get recommendations for specific tasks
    recommendations = await analyzer.get_pattern_recommendations(
        workspace_id=workspace_id,
        task_type="blog_writing",
        top_k=3
    )  # fmt: skip

    assert set(patterns) >= {"winning_patterns", "losing_patterns", "insights", "statistics"}
    guide_statistics = {"sample_count", "winning_pattern_count", "losing_pattern_count", "lookback_days"}
    assert guide_statistics <= set(patterns["statistics"])
    assert patterns["status"] == "patterns_found"
    assert len(recommendations) <= 3
    assert recommendations.reason


async def test_the_guides_agent_applies_what_is_sure(sample: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.patterns import PerformanceAnalyzer
    from tasks.settings import get_settings

    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", sample[0])
    get_settings.cache_clear()
    applied: list[dict[str, Any]] = []
    payload = {"workspace_id": "simulated-bakery", "content_type": "social"}

    # Get learned patterns before generating content
    analyzer = PerformanceAnalyzer()
    patterns = await analyzer.analyze_patterns(
        workspace_id=payload["workspace_id"],
        content_type=payload["content_type"]
    )  # fmt: skip

    # Apply winning patterns to generation
    for pattern in patterns["winning_patterns"]:
        if pattern["confidence"] > 0.8:
            # Incorporate pattern features into prompt/generation
            applied.append(pattern)

    assert patterns["status"] == "patterns_found"
    assert all(pattern["features"] and pattern["rule"] for pattern in applied)


async def test_planted_truths_are_found_and_null_workspaces_stay_quiet(sample: tuple[str, Path]) -> None:
    from tasks.patterns import PerformanceAnalyzer

    warehouse = Warehouse(sample[0])
    analyzer = PerformanceAnalyzer(warehouse=warehouse)
    found, planted, alarms = 0, 0, 0
    for workspace_id, truths in load_planted(sample[1]).items():
        result = await analyzer.analyze_patterns(workspace_id, "social", lookback_days=365)
        patterns = result["winning_patterns"] + result["losing_patterns"]
        within = [pattern for pattern in patterns if pattern["rule"][0]["feature"] != "channel"]
        alarms += bool(within and not truths)
        frame = content_frame(warehouse, workspace_id, content_type="social").tail(result["statistics"]["rows_read"])
        matches = match(within, [truth for truth in truths if truth.content_type == "social"], frame)
        planted += len(matches)
        found += sum(one.pattern is not None for one in matches)
    assert found >= 0.8 * planted
    assert alarms == 0


async def test_the_demo_judges_each_workspace_in_one_reading(
    sample: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the demo prints under its table is what the table holds, and pairs no question with a channel."""
    from flows import sample_evaluation
    from tasks.patterns import PerformanceAnalyzer

    truths = load_planted(sample[1])
    warehouse = Warehouse(sample[0])
    for workspace_id in truths:
        await PerformanceAnalyzer(warehouse=warehouse).analyze_patterns(workspace_id, "social", lookback_days=365)
    read: list[str] = []
    monkeypatch.setattr(sample_evaluation, "open_warehouse", lambda: warehouse)
    monkeypatch.setattr(
        sample_evaluation, "content_frame", lambda *asked: (read.append(asked[1]), content_frame(*asked))[1]
    )
    judged = sample_evaluation.evaluate(sample[1], 365)
    pairs = [(row["planted"], row["found"]) for row in judged.rows if row["found"]]
    assert read == list(truths)
    assert judged.verdict.startswith(f"{len(pairs)} of {len(judged.rows)} planted effects found; ")
    assert "; 0 of 3 workspaces without any effect" in judged.verdict
    assert len(pairs) >= 15
    assert not any("is on" in found and "is on" not in planted for planted, found in pairs)
