"""How well the chain did on the simulated sample, whose truths are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from flows import listing
from tasks.conditions import rule_in_words
from tasks.content.planted import Match, Truth, load_channel_levels, load_planted, match, true_lift
from tasks.patterns.records import Pattern
from tasks.patterns.service import PatternService
from tasks.patterns.wording import format_probability
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import content_frame

NO_EFFECT = 0.02  # a true lift smaller than this is none


@dataclass(frozen=True, slots=True)
class SampleEvaluation:
    """What was found in the sample, held against what was planted.

    Attributes:
        rows: one for each planted truth that is in force in the window, with the pattern that says the same, if any.
        verdict: one line: how much of what was planted was found, and how much of what was found is true.
    """

    rows: list[dict[str, Any]]
    verdict: str


def evaluate(planted_in: Path, days: int) -> SampleEvaluation:
    """Hold the stored patterns of the last so many days against the truths of a sample's planted.json."""
    warehouse = open_warehouse()
    levels = load_channel_levels(planted_in)
    rows, true, alarmed, nulls = [], [], 0, 0
    for name, truths in load_planted(planted_in).items():
        reported = 0
        for content_type, patterns, frame in _analyses(warehouse, name, days):
            planted = [truth for truth in truths if truth.content_type == content_type]
            rows += [_row(one) for one in match([pattern.as_dict() for pattern in patterns], planted, frame)]
            true += [_is_true(pattern, truths, levels[name], frame) for pattern in patterns]
            reported += len(patterns)
        nulls += not truths
        alarmed += bool(reported and not truths)
    return SampleEvaluation(
        rows,
        f"{sum(row['found'] is not None for row in rows)} of {len(rows)} planted effects found; "
        f"{sum(true)} of {len(true)} reported patterns are true of the simulation; "
        f"{alarmed} of {nulls} workspaces without any effect got a pattern.",
    )


def _analyses(warehouse: Warehouse, name: str, days: int) -> Iterator[tuple[str, list[Pattern], pl.DataFrame]]:
    """Content type, patterns found and the content looked at, for each content type of a workspace."""
    stored = PatternService(warehouse=warehouse).stored_patterns(name)
    content = content_frame(warehouse, name)
    recent = content.filter(pl.col("published_at").dt.offset_by(f"{days}d") > pl.col("published_at").max())
    for content_type in recent["content_type"].unique().sort():
        patterns = [pattern for kind, pattern in stored if kind == content_type]
        yield content_type, patterns, recent.filter(pl.col("content_type") == content_type)


def _is_true(pattern: Pattern, truths: Sequence[Truth], levels: dict[str, float], frame: pl.DataFrame) -> bool:
    lift = true_lift([selector.as_dict() for selector in pattern.rule], truths, levels, frame)
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
    pattern = Pattern.from_dict(dict(one.pattern))
    return row | {
        "found": f"{listing.lift(pattern)} when: {rule_in_words(pattern.rule)}",
        "90 % interval": listing.interval(pattern),
        "sure of sign": format_probability(pattern.confidence),
    }
