"""How well the chain did on the simulated sample, whose truths are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from flows import listing
from tasks.content.planted import Match, Truth, load_channel_levels, load_planted, match, true_lift
from tasks.content.sample import Sample
from tasks.patterns.records import Pattern
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import content_frame

NO_EFFECT = 0.02  # a true lift smaller than this is none


def found_beside_planted(sample: Sample, days: int) -> list[dict[str, Any]]:
    """A row for each planted truth that is in force in the window, with the pattern that says the same, if any."""
    rows = []
    for name, truths in load_planted(sample.planted).items():
        for content_type, patterns, frame in _analyses(open_warehouse(), name, days):
            planted = [truth for truth in truths if truth.content_type == content_type]
            rows += [_row(one) for one in match([found.to_dict() for found in patterns], planted, frame)]
    return rows


def verdict(found: Sequence[dict[str, Any]], sample: Sample, days: int) -> str:
    """One line: how much of what was planted was found, and how much of what was found is true."""
    truths, levels = load_planted(sample.planted), load_channel_levels(sample.planted)
    warehouse = open_warehouse()
    judged = {
        name: [
            _is_true(pattern, truths[name], levels[name], frame)
            for _, patterns, frame in _analyses(warehouse, name, days)
            for pattern in patterns
        ]
        for name in truths
    }
    reported = [is_true for found_true in judged.values() for is_true in found_true]
    nulls = [name for name, planted in truths.items() if not planted]
    alarmed = [name for name in nulls if judged[name]]
    return (
        f"{sum(row['found'] is not None for row in found)} of {len(found)} planted effects found; "
        f"{sum(reported)} of {len(reported)} reported patterns are true of the simulation; "
        f"{len(alarmed)} of {len(nulls)} workspaces without any effect got a pattern."
    )


def _analyses(warehouse: Warehouse, name: str, days: int) -> Iterator[tuple[str, list[Pattern], pl.DataFrame]]:
    """Content type, patterns found and the content looked at, for each content type of a workspace."""
    stored = listing.stored_patterns(warehouse, name)
    content = content_frame(warehouse, name)
    recent = content.filter(pl.col("published_at").dt.offset_by(f"{days}d") > pl.col("published_at").max())
    for content_type in recent["content_type"].unique().sort():
        patterns = [pattern for kind, pattern in stored if kind == content_type]
        yield content_type, patterns, recent.filter(pl.col("content_type") == content_type)


def _is_true(pattern: Pattern, truths: Sequence[Truth], levels: dict[str, float], frame: pl.DataFrame) -> bool:
    lift = true_lift([selector.to_dict() for selector in pattern.rule], truths, levels, frame)
    return lift is not None and abs(lift) >= NO_EFFECT and (lift > 0) == (pattern.lift_pct > 0)


def _row(one: Match) -> dict[str, Any]:
    row = {
        "workspace": one.truth.workspace_id,
        "type": one.truth.content_type,
        "planted": one.truth.words,
        "true lift": f"{one.truth.lift:+.0%}",
    }
    if one.pattern is None:
        return row | {"found": None, "90 % interval": None, "sure of sign": None}
    low, high = one.pattern["lift_interval_pct"]
    return row | {
        "found": f"{one.pattern['lift_pct']:+.0f} % when: {one.pattern['description'].partition(': ')[2]}",
        "90 % interval": f"{low:+.0f} … {high:+.0f} %",
        "sure of sign": f"{one.pattern['confidence']:.1%}",
    }
