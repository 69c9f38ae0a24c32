"""A found rule is a planted one if it covers the same rows and points the same way."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.content.planted import Truth, load_channel_levels, load_planted, match, true_lift
from tasks.errors import InputError

START = datetime(2025, 1, 1, tzinfo=UTC)
EMOJI = ({"feature": "emoji_count", "op": ">=", "value": 1},)


@pytest.fixture
def frame() -> pl.DataFrame:
    """A hundred posts, one a day; every second has an emoji, every tenth two, the second half is an hour later."""
    days = pl.DataFrame({"day": range(100)})
    return days.select(
        channel=pl.lit("facebook"),
        content_type=pl.lit("social"),
        published_at=pl.lit(START) + pl.duration(days="day"),
        emoji_count=(pl.col("day") % 2 == 0).cast(pl.Int64) + (pl.col("day") % 10 == 0).cast(pl.Int64),
        local_hour=9 + pl.col("day") // 50,
    )


def truth(lift: float = 0.5, **changes: Any) -> Truth:
    return Truth("acme", EMOJI, "includes emojis", lift, "social", **changes)


def pattern(feature: str, op: str, value: Any, direction: str = "winning") -> dict[str, Any]:
    return {"rule": [{"feature": feature, "op": op, "value": value}], "pattern_type": direction}


def test_another_wording_of_the_same_rows_matches(frame: pl.DataFrame) -> None:
    (found,) = match([pattern("emoji_count", "between", [1, 9])], [truth()], frame)
    assert (found.jaccard, found.pattern is None) == (1.0, False)


def test_the_nearest_of_several_is_chosen(frame: pl.DataFrame) -> None:
    near, far = pattern("emoji_count", ">=", 1), pattern("local_hour", "==", 9)
    (found,) = match([far, near], [truth()], frame)
    assert found.pattern is near


def test_losing_without_is_winning_with(frame: pl.DataFrame) -> None:
    (found,) = match([pattern("emoji_count", "<", 1, "losing")], [truth()], frame)
    assert (found.jaccard, found.pattern is None) == (1.0, False)


def test_too_little_overlap_or_the_wrong_direction_is_no_match(frame: pl.DataFrame) -> None:
    found = [pattern("emoji_count", ">=", 2), pattern("emoji_count", ">=", 1, "losing"), pattern("local_hour", "==", 9)]
    assert match(found, [truth()], frame)[0].pattern is None


def test_what_covers_the_same_posts_but_is_about_something_else_is_no_match(frame: pl.DataFrame) -> None:
    by_chance = frame.with_columns(
        channel=pl.when(pl.col("emoji_count") > 0).then(pl.lit("instagram")).otherwise("channel")
    )
    same_posts, less_exact = pattern("channel", "==", "instagram"), pattern("emoji_count", ">=", 1)
    assert match([same_posts], [truth()], by_chance)[0].pattern is None
    assert match([same_posts, less_exact], [truth()], by_chance)[0].pattern is less_exact


def test_a_truth_not_in_force_in_the_window_is_not_asked_for(frame: pl.DataFrame) -> None:
    assert match([], [truth(until=START)], frame) == []
    assert match([], [truth()], frame.clear()) == []


def test_a_relation_that_flips_is_judged_by_what_prevails(frame: pl.DataFrame) -> None:
    flip = START + timedelta(days=20)
    before, after = truth(0.5, until=flip), truth(-0.3333, since=flip)
    (found,) = match([pattern("emoji_count", ">=", 1, "losing")], [before, after], frame)
    assert found.truth is after
    assert found.pattern is not None


def test_halves_that_cancel_are_not_asked_for(frame: pl.DataFrame) -> None:
    flip = START + timedelta(days=50)
    assert match([], [truth(0.5, until=flip), truth(-0.3333, since=flip)], frame) == []


def test_a_rule_has_the_lift_of_what_it_shares_with_the_planted_ones(frame: pl.DataFrame) -> None:
    rules = {op: pattern("emoji_count", op, 1)["rule"] for op in (">=", "<")}
    assert true_lift(rules[">="], [truth(0.5)], {}, frame) == pytest.approx(0.5)
    assert true_lift(rules["<"], [truth(0.5)], {}, frame) == pytest.approx(1 / 1.5 - 1)
    assert true_lift(pattern("local_hour", "==", 9)["rule"], [], {}, frame) == 0
    assert true_lift(pattern("emoji_count", ">=", 0)["rule"], [truth()], {}, frame) is None


def test_a_channel_s_lift_is_its_level_against_the_others(frame: pl.DataFrame) -> None:
    halves = frame.with_columns(channel=pl.when(pl.col("emoji_count") > 0).then(pl.lit("a")).otherwise(pl.lit("b")))
    rule = pattern("channel", "==", "a")["rule"]
    assert true_lift(rule, [], {"a": 0.3, "b": 0.1}, halves) == pytest.approx(math.exp(0.2) - 1)


@pytest.mark.parametrize("content", [None, "not json", "{}", '{"workspaces": {"a": {}}}', '{"workspaces": 1}'])
def test_a_file_that_is_no_planted_json_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "planted.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"planted\.json.*raptorflow sample"):
        load_planted(path)
    with pytest.raises(InputError):
        load_channel_levels(path)
