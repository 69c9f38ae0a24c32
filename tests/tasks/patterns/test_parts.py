"""The parts: halves that never change sides, conditions that stay put, words, and recommendations that differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.conditions import TITLE_AND_BODY, Condition
from tasks.effects.wording import SeenPattern
from tasks.patterns import doing
from tasks.patterns.analysis import analyze
from tasks.patterns.condition_table import condition_table
from tasks.patterns.evidence import lift_intervals, on_its_side
from tasks.patterns.preparation import prepare, week_numbers
from tasks.patterns.recommendations import recommend
from tasks.patterns.records import Pattern, rule_key
from tasks.patterns.search import RuleCandidate, distinct, pair_sums, search, strongest_first
from tasks.patterns.wording import describe, format_lift
from tasks.statistics.contrast import Contrast
from tests.generators.planted_patterns import ATTRIBUTES, simulate
from tests.tasks.patterns.test_planted_truth import AS_OF, query

EMOJI = Condition("emoji_count", ">=", 1, "present")


def test_weeks_begin_on_mondays_utc() -> None:
    sunday = datetime(2026, 1, 4, 23, 59, tzinfo=UTC)
    weeks = week_numbers(pl.Series([sunday, sunday + timedelta(minutes=1)], dtype=pl.Datetime("us", "UTC")))
    assert np.diff(weeks).tolist() == [1]


def test_an_interval_widens_by_what_shrinking_took_and_for_weeks_to_come_by_drift() -> None:
    one = np.ones(2)
    contrast = Contrast(0.5 * one, 0.1 * one, 0.1 * one, 1e9 * one)
    as_they_are, shrunken = lift_intervals(np.array([0.5, 0.3]), contrast)
    assert as_they_are == pytest.approx([0.5 - 1.645 * 0.1, 0.5 + 1.645 * 0.1], abs=1e-3)
    assert shrunken == pytest.approx([0.3 - 1.645 * np.hypot(0.1, 0.2), 0.3 + 1.645 * np.hypot(0.1, 0.2)], abs=1e-3)
    later = lift_intervals(np.array([0.5, 0.5]), contrast, drift=0.2)[0]
    assert np.ptp(later) == pytest.approx(2 * 1.645 * np.hypot(0.1, 0.1), abs=1e-3)


def test_an_interval_agrees_with_how_sure_the_sign_is() -> None:
    intervals = np.array([[-0.1, 0.5], [-0.1, 0.5], [-0.5, 0.1], [0.1, 0.3]])
    cut = on_its_side(intervals, np.array([0.2, 0.2, -0.2, 0.2]), np.array([0.95, 0.949, 0.99, 0.99]))
    assert cut.tolist() == [[0.0, 0.5], [-0.1, 0.5], [-0.5, 0.0], [0.1, 0.3]]


def test_a_pattern_says_what_to_expect_later_too() -> None:
    """Later lifts are less certain, and an answer of an older version that did not say so can still be read."""
    found = analyze(simulate(3, null=False, n=2000).frame, query(3)).patterns
    assert found
    for pattern in found:
        low, high = pattern.later_interval_pct
        assert low < pattern.lift_interval_pct[0] < pattern.lift_pct < pattern.lift_interval_pct[1] < high
        plain = json.loads(json.dumps(pattern.as_dict(), default=str))
        assert Pattern.from_dict(plain) == pattern
        del plain["later_interval_pct"]
        assert Pattern.from_dict(plain).later_interval_pct == ()


def test_pair_sums_agree_with_counting_one_pair_at_a_time() -> None:
    g = np.random.default_rng(1)
    matches, outcome = g.random((5000, 8)) < 0.4, g.normal(size=5000)
    sums = pair_sums(matches, outcome)
    both = matches[:, 2] & matches[:, 5]
    assert sums.count[2, 5] == both.sum()
    assert np.isclose(sums.total[2, 5], outcome[both].sum(), atol=1e-3)
    inside, outside = outcome[both], outcome[~both]
    welch = (inside.mean() - outside.mean()) / np.sqrt(
        inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside)
    )
    assert np.isclose(sums.welch()[2, 5], welch, atol=1e-3)


def test_products_that_are_spared_are_those_of_the_conditions_they_are_made_of() -> None:
    """What is below a middle is what is known and not above it; a label of that name is only a label."""
    frame = simulate(4, null=False, n=600, gaps=True).frame
    answer = pl.Series("answer", ["true", "false", "maybe", "absent", "present"])
    frame = frame.with_columns(answer.gather(np.arange(len(frame)) % 5))
    posts = prepare(frame, AS_OF, (*ATTRIBUTES, "answer"))
    table = condition_table(posts)
    everything = np.arange(len(table.conditions))
    basis, parts = table.made_of(everything)
    known, known_as = table.known
    assert len(basis) < 0.8 * len(everything)
    assert (np.hstack([table.matches[:, basis], known]) @ parts.T == table.matches).all()
    outcome = posts.beside_kinds.rank_score
    each, spared = (pair_sums(table.matches, outcome, known, known_as, one) for one in (None, (basis, parts)))
    assert np.abs(each.welch() - spared.welch()).max() < 1e-4
    assert np.array_equal(each.first_count, spared.first_count)
    labels = [i for i, condition in enumerate(table.conditions) if condition.feature == "answer"]
    assert len(labels) == 5
    assert table.alone[labels].all()


def proposed(matches: np.ndarray, outcome: np.ndarray) -> list[RuleCandidate]:
    size = matches.shape[1]
    found = search(pair_sums(matches, outcome), np.arange(size), np.ones(size, dtype=bool))
    return strongest_first(found.singles + found.pairs)


def test_two_effects_side_by_side_are_two_findings_and_a_joint_one_is_one() -> None:
    g = np.random.default_rng(2)
    matches = g.random((4000, 6)) < 0.5
    beside = g.normal(size=4000) + 0.5 * matches[:, 0] + 0.5 * matches[:, 1]
    assert {c.members for c in proposed(matches, beside)[:2]} == {(0,), (1,)}
    joint = g.normal(size=4000) + 0.8 * (matches[:, 0] & matches[:, 1])
    assert proposed(matches, joint)[0].members == (0, 1)


def test_every_usable_pair_is_counted_whether_it_stands_out_or_not() -> None:
    g = np.random.default_rng(4)
    matches = g.random((500, 5)) < np.array([0.5, 0.5, 0.5, 0.03, 0.5])
    found = search(pair_sums(matches, g.normal(size=500)), np.array([0, 0, 1, 2, 3]), np.ones(5, dtype=bool), 30)
    assert found.pairs_searched == 5  # of the four common ones, but for the pair within one feature
    assert [one.members for one in found.singles] == [(0,), (1,), (2,), (4,)]


def test_pairs_are_compared_with_rows_known_not_to_match_alone() -> None:
    g = np.random.default_rng(5)
    known = g.random((3000, 2)) < np.array([0.7, 0.5])
    matches = (g.random((3000, 2)) < 0.4) & known
    outcome = g.normal(size=3000) + 2.0 * ~known[:, 0]  # what is unknown does well, and means nothing
    sums = pair_sums(matches, outcome, known, np.arange(2))
    both = known.all(axis=1)
    alone = pair_sums(matches[both], outcome[both])
    assert sums.welch()[0, 1] == pytest.approx(alone.welch()[0, 1], abs=1e-3)
    assert sums.count[0, 1] == alone.count[0, 1]
    first, second = np.array([0]), np.array([1])
    alone_interaction = alone.interaction(first, second) * np.sqrt(alone.variance / sums.variance)
    assert sums.interaction(first, second) == pytest.approx(alone_interaction, abs=1e-3)


def test_overlapping_and_negating_rules_are_told_once() -> None:
    g = np.random.default_rng(3)
    first = g.random(1000) < 0.5
    matches = np.column_stack([first, ~first, first | (g.random(1000) < 0.1)])
    assert len(distinct(proposed(matches, g.normal(size=1000) + first), matches)) == 1


def test_a_rule_keeps_its_name_while_quartiles_move() -> None:
    one, other = (Condition("word_count", ">=", cut, "top_quarter") for cut in (120, 126))
    assert rule_key([one, EMOJI]) == rule_key([EMOJI, other])
    assert rule_key([one]) != rule_key([replace(one, level="upper_half", value=80)])


def test_words_are_a_persons() -> None:
    words = {
        EMOJI.words: "includes emojis",
        Condition("has_cta", "==", False, "false").words: "has no clear call to action",
        Condition("local_weekday", "==", 5, "5").words: "is posted on Saturday",
        Condition("local_hour", "between", (8, 12), "from_08").words: "is posted between 8 and 12 h",
        Condition("channel", "==", "instagram", "instagram").words: "is on Instagram",
        Condition("channel", "==", "email", "email").words: "goes out by e-mail",
        Condition("channel", "==", "social_ads", "social_ads").words: "is on social ads",
        Condition("media_type", "==", "video", "video").words: "is a video",
        Condition("word_count", ">=", 120, "top_quarter").words: "has many words (at least 120)",
        Condition("character_count", "<", 80, "lower_half").words: "is short (under 80 characters)",
        Condition("capitals_share", ">=", 0.12, "top_quarter").words: "has many capital letters (at least 12 %)",
        Condition("title_words", ">=", 2, "upper_half").words: "has at least 2 words in the title",
        Condition("title_words", ">=", 12, "top_quarter").words: "has a long title (at least 12 words)",
        Condition("body_words", "<", 40, "lower_half").words: "has under 40 words in the body",
        Condition("mention_count", "<", 2, "bottom_quarter").words: "has under 2 mentions",
        Condition("sentiment_score", ">=", 0.0, "upper_half").words: "does not sound negative (score at least 0)",
        Condition(
            "sentiment_score", ">=", -0.3, "upper_half"
        ).words: "does not sound very negative (score at least -0.3)",
        Condition("sentiment_score", "between", (-0.3, 0.1), "second_quarter").words: (
            "has a sentiment score between -0.3 and 0.1"
        ),
        Condition("readability", "between", (50, 60), "third_quarter").words: "has a reading ease between 50 and 60",
        Condition("capitals_share", "between", (0.02, 0.05), "third_quarter").words: (
            "has between 2 % and 5 % capital letters"
        ),
        Condition("sentiment_score", ">=", 0.4, "top_quarter").words: "has positive sentiment (score at least 0.4)",
        Condition("sentiment_score", "<", 0.4, "lower_half").words: "does not sound very positive (score under 0.4)",
        Condition("capitals_share", ">=", 0.069, "top_quarter").words: "has at least 6.9 % capital letters",
        Condition("readability", ">=", 29.0, "upper_half").words: "has a reading ease of at least 29",
        Condition("readability", ">=", 80.0, "upper_half").words: "is easy to read (reading ease at least 80)",
        Condition("readability", "<", 29.0, "lower_half").words: "is hard to read (reading ease under 29)",
        Condition("title_words", "between", (4, 7), "second_quarter").words: "has 4 to 6 words in the title",
        Condition("title_words", "between", (7, 9), "second_quarter").words: "has 7 or 8 words in the title",
        Condition("price", "between", (2.5, 7.5), "second_quarter").words: "has price between 2.5 and 7.5",
    }
    assert all(said == expected for said, expected in words.items())


def test_a_lift_claims_no_digit_that_its_interval_does_not_bear() -> None:
    rule = (EMOJI, Condition("has_cta", "==", True, "true"))
    guide = "Content performs 45.2% better when: includes emojis, has a clear call to action"
    assert describe(rule, 45.2, (38.0, 53.0), 61) == guide
    assert describe(rule, 45.2, (20.0, 74.0), 61) == guide.replace("45.2", "45")
    assert describe(rule, 599.1, (447.0, 862.0), 61) == guide.replace("45.2", "600")
    assert describe(rule, -31.9, (-42.0, -22.0), 61) == guide.replace("45.2", "32").replace("better", "worse")
    curry = (Condition(TITLE_AND_BODY, "mentions", "curry"),)
    assert describe(curry, -26.0, (-48.0, 0.0), 61) == "Posts that mention “curry” do 26 % worse (0 … 48 %), 61 posts"
    assert [format_lift(nothing, (-4.0, 4.0), "+") for nothing in (0.0, -0.0, 0.04, -0.04)] == ["0"] * 4
    assert [format_lift(little, (-40.0, 40.0), "+") for little in (0.4, -0.4, 0.6, -0.6)] == ["0", "0", "+1", "-1"]
    assert format_lift(-4.0, (-400.0, 400.0), "+") == "0"
    assert (
        describe(curry, 375.0, (210.0, 590.0), 61)
        == "Posts that mention “curry” do 380 % better (210 … 590 %), 61 posts"
    )
    assert (
        describe(curry, -32.0, (-42.0, -22.0), 61) == "Posts that mention “curry” do 32 % worse (22 … 42 %), 61 posts"
    )


def test_an_effect_s_sentence_joins_conditions_by_and(monkeypatch: pytest.MonkeyPatch) -> None:
    """'Content that is a video and asks a question did 40 % better'; commas are for lists that end there."""
    analysis = analyze(simulate(3, null=False, n=2000).frame, query(3))
    rule = (Condition("media_type", "==", "video", "video"), Condition("question_count", ">=", 1, "present"))
    pair = replace(analysis, patterns=(replace(analysis.patterns[0], rule=rule),))
    monkeypatch.setattr(doing, "as_effect", _only_words)
    effects: Any = SimpleNamespace(calibrate=_as_it_is)
    nothing: Any = None
    (pattern,) = doing.with_effects(pair, effects, None, "run", nothing).patterns
    assert pattern.effect == {"words": "is a video and asks a question"}


def _as_it_is(_workspace: str, _type: str, asked: Sequence[object], *_rest: object) -> SimpleNamespace:
    effects = [SimpleNamespace(is_claim=False) for _ in asked]
    return SimpleNamespace(effects=effects, outcome="engagements", from_others="")


def _only_words(_effect: object, pattern: SeenPattern, _about: object) -> dict[str, Any]:
    return {"words": pattern.words}


def test_missing_values_and_constants_are_dropped_and_listed() -> None:
    frame = simulate(1, n=600).frame.with_columns(empty=pl.lit(None, dtype=pl.Float64), same=pl.lit(3.0))
    table = condition_table(prepare(frame, AS_OF, [*ATTRIBUTES, "empty", "same"]))
    assert (table.dropped["empty"], table.dropped["same"]) == ("all missing", "constant")
    assert not {"empty", "same"} & {condition.feature for condition in table.conditions}


def test_the_same_rows_give_the_same_answer_and_a_viral_post_hardly_moves_it() -> None:
    truth = simulate(27, null=False, n=3000, clean=True)
    first, again = (analyze(truth.frame, query(1)) for _ in range(2))
    assert first == again
    assert first.patterns
    viral = truth.frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 700).then(pl.col("engagements") * 1000).otherwise(pl.col("engagements"))
    )
    moved = {p.pattern_key: p for p in analyze(viral, query(1)).patterns}
    kept = [p for p in first.patterns if p.pattern_key in moved]
    assert len(kept) >= 0.8 * len(first.patterns)
    assert max(abs(np.log1p(p.lift_pct / 100) - np.log1p(moved[p.pattern_key].lift_pct / 100)) for p in kept) < 0.03


def test_recommendations_are_diverse_and_fading_ones_come_last() -> None:
    found = analyze(simulate(27, null=False, n=3000, clean=True).frame, query(1)).patterns
    base = replace(found[0], applicable_tasks=("social_media_post",))
    twin = replace(base, pattern_key="twin", confidence=base.confidence * 0.99)
    other = replace(base, rule=(Condition("has_cta", "==", True, "true"),), pattern_key="other", effect_size=0.5)
    faded = replace(base, rule=(EMOJI,), pattern_key="faded", fading=True, effect_size=0.5)
    gone = replace(base, rule=(Condition("topic", "==", "x", "x"),), pattern_key="gone", trend="gone")
    pool = [("social", pattern) for pattern in (faded, twin, other, gone, base)]
    keys = [one["pattern_key"] for one in recommend(pool, "social_media_post", 5)]
    assert keys == [base.pattern_key, "other", "faded"] or keys == ["other", base.pattern_key, "faded"]
    assert recommend(pool, "blog_writing", 5) == []


def test_a_pattern_survives_its_own_dictionary() -> None:
    pattern = analyze(simulate(27, null=False, n=3000, clean=True).frame, query(1)).patterns[0]
    assert Pattern.from_dict(pattern.as_dict()) == pattern
