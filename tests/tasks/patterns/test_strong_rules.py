"""What explains the outcome anyway blurs no other rule: kinds of posts, and rules that are overwhelmingly strong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.patterns.adjustment import score_contrasts
from tasks.patterns.analysis import analyze
from tasks.patterns.condition_table import condition_table
from tasks.patterns.explained import kinds_of_posts
from tasks.patterns.preparation import prepare
from tasks.patterns.records import PatternQuery, SearchThresholds
from tasks.patterns.search import RuleCandidate
from tasks.patterns.strong_rules import beside_strong_rules
from tests.generators.gappy_workspaces import simulate_gaps

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("first", "second", "third")


def workspace(g: np.random.Generator, flags: np.ndarray, log_rate: np.ndarray) -> pl.DataFrame:
    """A post every few hours, with some flags (n, 3) and log engagement (n,)."""
    n = len(flags)
    published = [AS_OF - timedelta(days=10, hours=7 * (n - i)) for i in range(n)]
    when = pl.Series(published, dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {"workspace_id": "w", "content_id": [f"c{i:04d}" for i in range(n)], "content_type": "social"}
        | {"channel": "facebook", "published_at": when, "measured_at": when + timedelta(days=8)}
        | {"engagements": g.poisson(np.exp(log_rate)), **dict(zip(NAMES, flags.T, strict=True))}
        | {name: pl.Series([None] * n, dtype=pl.Int64) for name in ("impressions", "audience_size")}
    )


def query(attributes: tuple[str, ...] = NAMES) -> PatternQuery:
    return PatternQuery("w", "social", AS_OF, 400, SearchThresholds(min_effect_size=0.15), attributes)


def rules_of(frame: pl.DataFrame) -> list[str]:
    return [" & ".join(one.feature for one in pattern.rule) for pattern in analyze(frame, query()).patterns]


def test_posts_of_which_the_same_is_unknown_are_a_kind_and_gaps_here_and_there_are_none() -> None:
    g = np.random.default_rng(1)
    bare = g.random(600) < 0.3
    spoiled = [~bare & (g.random(600) > 0.1) for _ in range(4)]
    kinds = kinds_of_posts([*spoiled, *(g.random((5, 600)) > 0.1)])
    assert kinds.shape == (600, 1)
    assert (kinds[:, 0] > 0)[bare].all()
    assert kinds[~bare, 0].mean() < 0.01
    assert kinds_of_posts(list(g.random((5, 600)) > 0.1)).shape == (600, 0)
    assert kinds_of_posts([~bare]).shape == (600, 0)  # one feature alone says nothing of a kind


def test_a_rule_is_told_from_nothing_beside_one_that_is_overwhelmingly_strong() -> None:
    """Three times the engagement of half of the posts hides a second rule of + 25 % among 700 posts."""
    g = np.random.default_rng(5)
    flags = g.random((700, 3)) < (0.5, 0.3, 0.4)
    frame = workspace(g, flags, 4.0 + 0.7 * g.standard_normal(700) + flags @ (1.1, 0.25, 0.0))
    posts = prepare(frame, AS_OF, NAMES)
    table = condition_table(posts)
    rules = [RuleCandidate((i,), 9.0, 0) for i in range(len(table.conditions)) if table.conditions[i].level == "true"]
    strong = beside_strong_rules(posts, table, rules)
    assert strong is not None
    assert strong.acts == (frozenset({"first"}),)
    plain, beside = (
        one.told_apart.estimate / one.told_apart.standard_error
        for one in (score_contrasts(posts, table, rules), score_contrasts(posts, table, rules, strong))
    )
    assert beside[0] == plain[0]  # the strong one itself is tested as it is
    assert beside[1] > 1.15 * plain[1]
    assert set(rules_of(frame)) == {"first", "second"}


def test_of_two_strong_rules_that_mostly_come_together_the_one_that_matters_is_reported() -> None:
    g = np.random.default_rng(6)
    first = g.random(900) < 0.4
    flags = np.column_stack([first, np.where(g.random(900) < 0.8, first, g.random(900) < 0.4), g.random(900) < 0.5])
    frame = workspace(g, flags, 4.0 + 0.7 * g.standard_normal(900) + 0.9 * first)
    assert rules_of(frame) == ["first"]


def test_a_format_that_decides_whether_there_is_a_text_is_not_explained_by_posts_without_one() -> None:
    frame = simulate_gaps(2, boost=1.0, evening=0.0)
    video = pl.when(pl.col("body").is_null()).then(pl.lit("video")).otherwise(pl.lit("photo"))
    found = analyze(frame.with_columns(media_type=video), query(()))
    told = [pattern for pattern in found.patterns if pattern.rule[0].feature == "media_type"]
    assert len(told) == 1
    assert abs(told[0].lift_pct) > 50


def test_timing_is_compared_within_kinds_of_posts() -> None:
    """Posts without text do better and are mostly of the evening; the evening itself brings nothing."""
    frames = [simulate_gaps(seed, boost=1.2, evening=0.0, n=1500) for seed in range(3)]
    found = [one for frame in frames for one in analyze(frame, query(())).patterns]
    assert not [one.description for one in found if one.rule[0].feature == "local_hour"]


@pytest.mark.parametrize("effect", [0.0, 0.9])
def test_an_answer_does_not_change_with_the_order_of_rows(effect: float) -> None:
    g = np.random.default_rng(8)
    flags = g.random((500, 3)) < 0.4
    frame = workspace(g, flags, 4.0 + 0.6 * g.standard_normal(500) + flags @ (effect, 0.4, 0.0))
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1)
    assert analyze(frame, query()).as_dict() == analyze(shuffled, query()).as_dict()
