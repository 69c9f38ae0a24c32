"""A found rule is a planted one if it covers the same rows and points the same way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.content.planted import Truth, load_planted, match
from tasks.errors import InputError

START = datetime(2025, 1, 1, tzinfo=UTC)
EMOJI = ({"feature": "emoji_count", "op": ">=", "value": 1},)


@pytest.fixture
def frame() -> pl.DataFrame:
    """A hundred posts, one a day; every second has an emoji, every tenth two, the second half is an hour later."""
    days = pl.DataFrame({"day": range(100)})
    return days.select(
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


def test_too_little_overlap_or_the_wrong_direction_is_no_match(frame: pl.DataFrame) -> None:
    found = [pattern("emoji_count", ">=", 2), pattern("emoji_count", ">=", 1, "losing"), pattern("local_hour", "==", 9)]
    assert match(found, [truth()], frame)[0].pattern is None


def test_a_truth_not_in_force_in_the_window_is_not_asked_for(frame: pl.DataFrame) -> None:
    assert match([], [truth(until=START)], frame) == []
    assert match([], [truth()], frame.clear()) == []


def test_a_relation_that_flips_is_judged_by_what_prevails(frame: pl.DataFrame) -> None:
    flip = START + timedelta(days=30)
    before, after = truth(0.5, until=flip), truth(-0.3333, since=flip)
    (found,) = match([pattern("emoji_count", ">=", 1, "losing")], [before, after], frame)
    assert found.truth is after
    assert found.pattern is not None


@pytest.mark.parametrize("content", [None, "not json", "{}", '{"workspaces": {"a": {}}}', '{"workspaces": 1}'])
def test_a_file_that_is_no_planted_json_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "planted.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"planted\.json.*raptorflow sample"):
        load_planted(path)
