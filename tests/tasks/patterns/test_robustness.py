"""An explanation adds up, names the confounder, and a doubly-robust effect agrees where nothing confounds."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tasks.patterns import figures
from tasks.patterns.analysis import analyze
from tasks.patterns.records import PatternQuery, SearchThresholds
from tasks.patterns.robustness import explain
from tests.generators.planted_patterns import DAYS, START

QUESTION = PatternQuery("w", "social", START + timedelta(days=DAYS), DAYS, SearchThresholds(), ("noise", "video"))
PNG = b"\x89PNG\r\n\x1a\n"


def workspace(n: int = 1500, lift: float = 0.6, seed: int = 3) -> pl.DataFrame:
    """Two channels, one of them ten times livelier and full of videos; videos truly do `lift` better."""
    g = np.random.default_rng(seed)
    lively = g.random(n) < 0.5
    video = g.random(n) < np.where(lively, 0.7, 0.15)
    published = pl.Series([START + timedelta(days=i * DAYS / n) for i in range(n)], dtype=pl.Datetime("us", "UTC"))
    rate = 0.01 * np.where(lively, 5.0, 1.0) * (1 + lift * video) * np.exp(g.normal(0, 0.6, n))
    return pl.DataFrame(
        {"workspace_id": "w", "content_id": [f"c{i:05d}" for i in range(n)], "content_type": "social"}
        | {"channel": np.where(lively, "lively", "quiet"), "published_at": published}
        | {"measured_at": published + timedelta(days=8), "impressions": 2000, "engagements": g.poisson(2000 * rate)}
        | {"audience_size": pl.Series([None] * n, dtype=pl.Int64), "video": video, "noise": g.random(n) < 0.3}
    )


def test_a_decoy_that_follows_the_channel_is_not_reported() -> None:
    found = analyze(workspace(lift=0.0), QUESTION)
    assert {condition.feature for pattern in found.patterns for condition in pattern.rule} == {"channel"}


def test_raw_and_adjusted_differ_by_the_named_confounder() -> None:
    frame = workspace()
    found = [p for p in analyze(frame, QUESTION).patterns if p.rule[0].feature == "video"]
    explained = explain(frame, QUESTION, found, doubly_robust=True)[0]
    assert explained["raw_lift_pct"] > 150
    assert 35 < explained["adjusted_lift_pct"] < 90
    assert explained["moved_by"] == found[0].moved_by == "channel"
    moved = sum(explained["log_contributions"].values())
    raw, adjusted = (np.log1p(explained[name] / 100) for name in ("raw_lift_pct", "adjusted_lift_pct"))
    assert raw + moved == pytest.approx(adjusted)
    said = explained["robustness"]
    assert 0.1 < said["value"] < 0.5
    assert f"explain {said['value']:.0%} of what is left" in said["words"]
    beside = said["lift_pct_beside_one_as_strong_as"]
    assert beside["channel"] < beside["season"] <= explained["adjusted_lift_pct"]
    robust = explained["doubly_robust"]
    assert robust["status"] == "ok"
    assert robust["lift_interval_pct"][0] < 60 < robust["lift_interval_pct"][1] + 10


def test_figures_are_pictures() -> None:
    found = analyze(workspace(), QUESTION).patterns
    assert figures.forest(found).startswith(PNG)
    assert figures.forest([]).startswith(PNG)
