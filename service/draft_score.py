"""What a draft is worth before it is published: expected engagement, patterns it meets and misses, posts like it.

What was seen is an association in the workspace's own past. What a change of the draft is worth is what doing it is
expected to bring, calibrated by experiments (`tasks.effects`), never the association itself. A worker process computes
it (`service/scoring.py`), so that MLflow and the frames are not in the process that assigns units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from tasks.conditions import in_a_sentence
from tasks.content.features import with_features
from tasks.content.similar_texts import TextSpace
from tasks.errors import RaptorflowError
from tasks.models.errors import NoChampionError
from tasks.models.records import ModelType
from tasks.models.service import ModelService
from tasks.patterns.records import CAVEAT, Pattern
from tasks.patterns.service import PatternService
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame, find_workspace

DRAFT = "draft"
NEWEST_POSTS = 2000
SIMILAR_POSTS = 5
LEAST_NEARNESS = 0.05
TEXT_LENGTH = 200
MOST_LOG = 5.0
DIGITS = 6
RAW = ("title", "body", "media_type", "channel", "content_type", "published_at")


def score_draft(
    warehouse: Warehouse, models: ModelService, workspace_id: str, draft: Mapping[str, Any]
) -> dict[str, Any]:
    """All that is known of a draft.

    Args:
        draft: `title`, `body`, `media_type`, `channel`, `content_type`, `published_at`, each of which may be None.

    Returns:
        `expected` with its interval or the reason why there is none, `met`, `missed`, `unknown`, `similar`, `unusual`.
    """
    posts = content_frame(warehouse, workspace_id).tail(NEWEST_POSTS)
    row = draft_row(warehouse, workspace_id, posts, draft)
    known = {
        "as_of": datetime.now(UTC),
        "content_type": row["content_type"],
        "expected": expected_engagement(models, workspace_id, row),
        **_patterns(PatternService(warehouse=warehouse), workspace_id, row),
        **_past(posts, row, draft),
        "caveat": CAVEAT,
    }
    return {name: _rounded(value) for name, value in known.items()}


def _rounded(value: Any) -> Any:
    """The same with figures of `DIGITS` significant digits: no interval here knows more, and people read them."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def draft_row(warehouse: Warehouse, workspace_id: str, posts: pl.DataFrame, draft: Mapping[str, Any]) -> dict[str, Any]:
    """The draft as a row of content, features and all; what is not said is as in most of the posts, or now."""
    given = {name: draft.get(name) for name in RAW}
    for name in ("channel", "content_type"):
        usual = posts[name].mode().sort().to_list()
        given[name] = given[name] or (usual[0] if usual else "")
    instant = (given.pop("published_at") or datetime.now(UTC)).astimezone(UTC)
    texts = {name: pl.Series([given[name]], dtype=pl.String) for name in given}
    zone = find_workspace(warehouse, workspace_id)["timezone"]
    times = pl.Series([instant], dtype=pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"workspace_id": [workspace_id], "content_id": [DRAFT], "published_at": times} | texts)
    (row,) = with_features(frame, {workspace_id: zone}).to_dicts()
    return row


def expected_engagement(models: ModelService, workspace_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The champion's expectation with its 90 % interval; `value` is None, with the reason, where it cannot say."""
    try:
        preview = models.preview(workspace_id, ModelType.ENGAGEMENT_PREDICTOR, row)
    except NoChampionError:
        return {"value": None, "reason": "no model of this workspace's engagement serves yet"}
    except RaptorflowError as error:
        return {"value": None, "reason": f"the model cannot be asked now ({type(error).__name__})"}
    return dict(preview)


def _patterns(patterns: PatternService, workspace_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Patterns of the draft's content type, by whether it meets them."""
    sides: dict[str, list[dict[str, Any]]] = {"met": [], "missed": [], "unknown": []}
    for content_type, pattern in patterns.stored_patterns(workspace_id):
        if content_type != row["content_type"]:
            continue
        answers = [condition.met_by(row) for condition in pattern.rule]
        side = "missed" if False in answers else "unknown" if None in answers else "met"
        sides[side].append(_shown(pattern, side))
    return sides


def _shown(pattern: Pattern, side: str) -> dict[str, Any]:
    """A pattern as it was seen, and what changing it in the draft is expected to bring."""
    low, high = pattern.lift_interval_pct
    about = {
        "pattern_key": pattern.pattern_key,
        "pattern_type": pattern.pattern_type,
        "words": f"content that {in_a_sentence(pattern.rule)}",
        "lift_pct": pattern.lift_pct,
        "lift_interval_pct": [low, high],
        "interval_level": 0.9,
        "confidence": pattern.confidence,
        "trend": pattern.trend,
    }
    return about | _change(pattern, side)


def _change(pattern: Pattern, side: str) -> dict[str, Any]:
    """Doing what it misses, or leaving off what it has, where that is expected to bring more.

    Where no calibration is stored, what was seen says which change goes with more, and nothing says what it brings.
    """
    nothing = {"change": None, "worth_pct": None, "worth_interval_pct": None, "worth_rests_on": None}
    sign = 1.0 if side == "missed" else -1.0
    effect, wins = pattern.effect, pattern.pattern_type == "winning"
    brings_more = wins == (side == "missed") if effect is None else sign * effect["log_estimate"] > 0.0
    if side == "unknown" or not brings_more:
        return nothing
    change = {"change": f"{'make it' if side == 'missed' else 'avoid'} content that {in_a_sentence(pattern.rule)}"}
    if effect is None:
        return nothing | change
    ends = sorted(_per_cent(sign * end) for end in effect["log_interval"])
    worth = {"worth_pct": _per_cent(sign * effect["log_estimate"]), "worth_interval_pct": ends}
    return nothing | change | worth | {"worth_rests_on": effect["source"]}


def _per_cent(log_ratio: float) -> float:
    return 100.0 * math.expm1(min(max(log_ratio, -MOST_LOG), MOST_LOG))


def _past(posts: pl.DataFrame, row: Mapping[str, Any], draft: Mapping[str, Any]) -> dict[str, Any]:
    """The posts most like the draft and how they did; and in what it is unlike anything seen."""
    strange = [
        f"no post has {name.replace('_', ' ')} “{row[name]}” so far"
        for name in ("media_type", "channel", "content_type")
        if draft.get(name) and row[name] not in set(posts[name].to_list())
    ]
    if not (row["title"] or row["body"]) or posts.is_empty():
        return {"similar": [], "nearness": None, "unusual": strange}
    space = TextSpace.of(posts["title"], posts["body"])
    near = space.nearness(row["title"], row["body"])
    usual, nearest = space.unusual_below(), float(near.max())
    if usual is not None and nearest < usual:
        strange.append(
            f"its words are unlike anything seen: the nearest post is {nearest:.2f} near, and 19 of 20 posts have one "
            f"nearer than {usual:.2f}"
        )
    order = np.argsort(-near, kind="stable")[:SIMILAR_POSTS]
    places = [int(place) for place in order if near[place] >= LEAST_NEARNESS]
    return {"similar": _shown_posts(posts, places, near), "nearness": nearest, "unusual": strange}


def _shown_posts(posts: pl.DataFrame, places: list[int], near: Any) -> list[dict[str, Any]]:
    known = posts.filter(pl.col("engagements").is_not_null())["engagements"]
    names = ("content_id", "published_at", "channel", "media_type", "impressions", "engagements")
    shown = []
    for place in places:
        (post,) = posts[place].to_dicts()
        text = " · ".join(part for part in (post["title"], post["body"]) if part)[:TEXT_LENGTH]
        below = None
        if post["engagements"] is not None and len(known):
            below = round(float((known < post["engagements"]).mean() or 0.0), 3)
        shown.append({name: post[name] for name in names} | {"text": text, "nearness": round(float(near[place]), 3)})
        shown[-1]["did_better_than"] = below
    return shown
