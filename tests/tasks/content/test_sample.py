"""The simulated sample holds what it says it holds, and says that it is simulated."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.content import with_features
from tasks.content.planted import Truth, covers, load_channel_levels, load_planted
from tasks.content.sample import Sample, simulate, vocabulary
from tasks.content.sample.agency import AGENCY
from tasks.content.sample.posts import PIECES, posts
from tasks.content.sample.writing import texts
from tasks.content.sentiment import sentiment_scores

ZONES = {workspace.workspace_id: workspace.timezone for workspace in AGENCY}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return simulate(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def content(sample: Sample) -> pl.DataFrame:
    return with_features(pl.read_parquet(sample.files["content"]), ZONES)


def adjusted_log_lift(frame: pl.DataFrame, truth: Truth) -> float:
    """Difference of mean log rates within channel and month, other planted rules left to chance."""
    frame = frame.with_columns(
        rate=((pl.col("engagements") + 0.5) / pl.col("impressions")).log(),
        covered=covers(truth.rule),
        stratum=pl.concat_str("channel", pl.col("published_at").dt.strftime("%Y-%m")),
    )
    means = frame.group_by("stratum").agg(
        difference=pl.col("rate").filter("covered").mean() - pl.col("rate").filter(~pl.col("covered")).mean(),
        weight=pl.col("covered").sum() * (~pl.col("covered")).sum() / pl.len(),
    )
    return means.select((pl.col("difference") * pl.col("weight")).sum() / pl.col("weight").sum()).item()


def in_force(content: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    rows = content.filter(pl.col("workspace_id") == truth.workspace_id, pl.col("content_type") == truth.content_type)
    rows = rows if truth.since is None else rows.filter(pl.col("published_at") >= truth.since)
    return rows if truth.until is None else rows.filter(pl.col("published_at") < truth.until)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agency of one."""
    monkeypatch.setattr("tasks.content.sample.AGENCY", AGENCY[:1])


@pytest.mark.usefixtures("small")
def test_the_same_seed_writes_the_same_rows(tmp_path: Path) -> None:
    one, again, other = (
        simulate(tmp_path / name, seed=seed) for name, seed in (("one", 1), ("again", 1), ("other", 2))
    )
    for kind, path in one.files.items():
        assert again.files[kind].read_bytes() == path.read_bytes()
    assert again.planted.read_text() == one.planted.read_text()
    assert other.files["content"].read_bytes() != one.files["content"].read_bytes()


def test_everything_says_simulated(sample: Sample, content: pl.DataFrame) -> None:
    assert content["simulated"].all()
    assert json.loads(sample.planted.read_text())["simulated"] is True
    for kind in ("workspaces", "touches", "experiments"):
        lines = sample.files[kind].read_text().splitlines()[1:]
        assert all("simulated" in line for line in lines), kind


@pytest.mark.usefixtures("small")
def test_a_chosen_last_day_moves_the_whole_sample(tmp_path: Path) -> None:
    moved = pl.read_parquet(simulate(tmp_path, until=date(2024, 5, 8)).files["content"])
    assert timedelta(0) <= date(2024, 5, 8) - moved["published_at"].max().date() <= timedelta(days=1)  # type: ignore[union-attr]


def test_most_workspaces_have_hundreds_of_social_posts_in_the_last_ninety_days(content: pl.DataFrame) -> None:
    recent = content.filter(pl.col("published_at") > pl.col("published_at").max() - timedelta(days=90))
    counts = recent.filter(content_type="social").group_by("workspace_id").len()
    assert counts["len"].min() >= 250  # type: ignore[operator]


def test_texts_hold_the_pieces_they_were_given() -> None:
    workspace, random = AGENCY[0], np.random.default_rng(1)
    plan = posts(workspace, date(2025, 6, 29), random)
    written = plan.hstack(texts(plan, workspace.industry, random))
    found = with_features(written, ZONES)
    columns = {"emoji": "emoji_count", "question": "question_count", "number": "number_count", "link": "link_count"}
    columns |= {"hashtag": "hashtag_count", "exclamation": "exclamation_count"}
    held = {name: (found[column] > 0) for name, column in columns.items()}
    held |= {"call": found["has_cta"], "long": found["word_count"] >= 65}
    assert set(held) == set(PIECES)
    assert [name for name in PIECES if not (held[name] == plan[name]).all()] == []


@pytest.mark.parametrize("name", ["THINGS", "TOPICS", "TONES", "FILLERS", "QUESTIONS", "CALLS", "NUMBERS", "EMOJI"])
def test_no_piece_but_those_of_sentiment_carries_sentiment(name: str) -> None:
    pieces = getattr(vocabulary, name)
    said = [piece for group in pieces.values() for piece in group] if isinstance(pieces, dict) else list(pieces)
    scores = sentiment_scores(pl.Series(said))
    assert [piece for piece, score in zip(said, scores, strict=True) if score != 0] == []


def test_null_workspaces_are_alike_in_all_that_can_be_found(sample: Sample, content: pl.DataFrame) -> None:
    levels, planted = load_channel_levels(sample.planted), load_planted(sample.planted)
    nulls = [name for name, truths in planted.items() if not truths]
    assert len(nulls) == 3
    assert {level for name in nulls for level in levels[name].values()} == {0.0}
    assert all(len(set(levels[name].values())) > 1 for name in planted if name not in nulls)


def test_planted_effects_are_in_the_data(sample: Sample, content: pl.DataFrame) -> None:
    truths = [truth for planted in load_planted(sample.planted).values() for truth in planted]
    errors = []
    for truth in truths:
        rows = in_force(content, truth)
        errors.append(adjusted_log_lift(rows, truth) - math.log1p(truth.lift))
    assert len(truths) >= 22
    assert max(map(abs, errors)) < 0.3
    assert abs(float(np.mean(errors))) < 0.05


def test_decoys_look_good_until_channel_and_month_are_held_fixed(content: pl.DataFrame) -> None:
    raw, adjusted = [], []
    for workspace in AGENCY:
        rows = content.filter(workspace_id=workspace.workspace_id, content_type="social")
        for feature in ("hashtag_count", "exclamation_count", "link_count"):
            decoy = Truth(workspace.workspace_id, ({"feature": feature, "op": ">=", "value": 1},), "", 0.0, "social")
            rate = rows.select(((pl.col("engagements") + 0.5) / pl.col("impressions")).log().alias("rate"))["rate"]
            mask = rows[feature] >= 1
            raw.append(abs(rate.filter(mask).mean() - rate.filter(~mask).mean()))  # type: ignore[operator]
            adjusted.append(abs(adjusted_log_lift(rows, decoy)))
    assert np.mean(raw) > 2 * np.mean(adjusted)
    assert np.mean(adjusted) < 0.05


def test_a_covariate_drift_changes_posts_and_not_what_works(sample: Sample, content: pl.DataFrame) -> None:
    planted = json.loads(sample.planted.read_text())["workspaces"]
    (name,) = [name for name, entry in planted.items() if (entry["drift"] or {}).get("kind") == "covariates"]
    rows = content.filter(workspace_id=name)
    late = rows["published_at"] >= pl.Series([planted[name]["drift"]["from"]]).str.to_datetime(time_zone="UTC").item()
    share = [(rows.filter(mask)["emoji_count"] > 0).mean() for mask in (~late, late)]
    assert share[1] - share[0] > 0.3  # type: ignore[operator]
    assert {(entry["from"], entry["until"]) for entry in planted[name]["patterns"]} == {(None, None)}
