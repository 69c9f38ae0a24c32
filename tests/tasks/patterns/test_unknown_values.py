"""Unknown is not 'no': posts of which a rule cannot be told are on neither side, in search, test and count alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tasks.conditions import Condition
from tasks.patterns.adjustment import score_contrasts
from tasks.patterns.analysis import analyze
from tasks.patterns.applicability import with_tasks
from tasks.patterns.condition_table import condition_table
from tasks.patterns.preparation import prepare
from tasks.patterns.records import ContentAnalysis, PatternQuery, SearchThresholds
from tasks.patterns.robustness import explain
from tasks.patterns.search import RuleCandidate
from tasks.statistics.contrast import stratified_contrast
from tests.generators.gappy_workspaces import AS_OF, TEXT_FEATURES, simulate_gaps

SHAPES: tuple[dict[str, float], ...] = ({"marks": 0.003}, {}, {"marks": 0.08, "boost": 1.0, "evening": 1.0})


def query(seed: int = 0, **changes: float) -> PatternQuery:
    return PatternQuery(f"w{seed}", "social", AS_OF, 400, replace(SearchThresholds(), **changes))  # type: ignore[arg-type]


def phantoms(seed: int, **shape: float) -> list[str]:
    found = analyze(simulate_gaps(seed, **shape), query(seed)).patterns  # type: ignore[arg-type]
    return [p.description for p in found if any(condition.feature in TEXT_FEATURES for condition in p.rule)]


def test_where_nothing_in_a_text_matters_nothing_is_said_about_texts() -> None:
    """12 workspaces; 128 of 240 had such a pattern while posts without text counted as others."""
    hit = [bool(phantoms(seed, **shape)) for seed in range(4) for shape in SHAPES]
    assert sum(hit) <= 1


@pytest.mark.slow
def test_gaps_that_are_no_accident_make_no_phantoms() -> None:
    hit = [bool(phantoms(seed, **shape)) for seed in range(100, 300) for shape in SHAPES]
    print(f"\nBAR workspaces with a phantom about texts: {np.mean(hit):.3f} of {len(hit)} (bar <= 0.05)")
    assert np.mean(hit) <= 0.05


def test_a_pattern_has_enough_known_posts_on_both_sides() -> None:
    """Of 900 posts 390 have no text, and all texts but three mention nobody: there is nobody to compare with."""
    frame = simulate_gaps(39, marks=0.003, without_text=0.43, boost=1.0, evening=1.0)
    found = analyze(frame, query(min_effect_size=0.0, false_discovery_rate=0.5))
    assert found.patterns
    for pattern in found.patterns:
        conditions = [condition.expression for condition in pattern.rule]
        sides = frame.select(pl.all_horizontal(conditions).alias("met"))["met"]
        known = frame.select(pl.all_horizontal(one.is_not_null() for one in conditions).alias("known"))["known"]
        assert pattern.sample_size == (sides & known).sum() >= 30
        assert (~sides & known).sum() >= 30


def test_posts_of_which_nothing_is_known_do_not_enter_what_is_adjusted_for() -> None:
    """The contrast of a rule on text is that of the posts with text alone."""
    frame = simulate_gaps(5, boost=1.0, evening=1.0, marks=0.2)
    posts, told = prepare(frame, AS_OF), prepare(frame.filter(pl.col("body").is_not_null()), AS_OF)
    table, alone = condition_table(posts), condition_table(told)
    rule = Condition("mention_count", "<", 1, "absent")
    seen, expected = (
        score_contrasts(p, t, [RuleCandidate((next(i for i, c in enumerate(t.conditions) if c == rule),), 0.0, 0)])
        for p, t in ((posts, table), (told, alone))
    )
    # Ranks are over all posts in one and over those with text in the other: nearly, not exactly, the same numbers.
    z, expected_z = (float((one.estimate / one.standard_error)[0]) for one in (seen.told_apart, expected.told_apart))
    assert z == pytest.approx(expected_z, abs=0.3)


def test_controls_are_fitted_on_the_rows_a_rule_is_known_on() -> None:
    """Unknown rows are mostly late and do well: through the controls they would make late rows look explained."""
    g = np.random.default_rng(7)
    n = 6000
    unknown = g.random(n) < 0.4
    late = g.random(n) < np.where(unknown, 0.8, 0.2)
    rule = (g.random(n) < np.where(late, 0.3, 0.7)) & ~unknown
    outcome = g.normal(size=n) + 2.0 * unknown + 1.0 * late
    nothing, week, controls = np.zeros(n, dtype=int), np.arange(n) // 100, late[:, None].astype(float)
    known = ~unknown
    found = stratified_contrast(rule[:, None], outcome, nothing, week, valid=known[:, None], controls=controls)
    alone = stratified_contrast(
        rule[known][:, None], outcome[known], nothing[known], week[known], controls=controls[known]
    )
    assert found.estimate[0] == pytest.approx(alone.estimate[0], abs=1e-6)
    assert found.standard_error[0] == pytest.approx(alone.standard_error[0], rel=0.02)
    assert abs(found.estimate[0]) < 3 * found.standard_error[0]


def test_a_task_whose_posts_have_no_text_is_not_served_by_a_pattern_on_texts() -> None:
    """Mails without a body, and a rule on bodies: unknown there, whatever the mails with a body do."""
    frame = simulate_gaps(3)
    boosted = frame.with_columns(
        engagements=pl.when(pl.col("word_count") >= 14).then(pl.col("engagements") * 3).otherwise("engagements")
    )
    found = analyze(boosted, query())
    on_texts = [p for p in found.patterns if p.rule[0].feature in TEXT_FEATURES]
    assert on_texts
    told = {one.feature: pl.when(one.expression).then(pl.col(one.feature)) for p in on_texts for one in p.rule}
    mails = boosted.with_columns(content_type=pl.lit("email"), **told)
    served = with_tasks(ContentAnalysis(found.query, found.status, "", tuple(on_texts)), {"email": mails}).patterns
    assert all("email_campaign" in p.untested_for for p in served)


def test_an_explanation_compares_known_posts_alone() -> None:
    frame = simulate_gaps(3, boost=2.0).with_columns(
        engagements=pl.when(pl.col("word_count") >= 14).then(pl.col("engagements") * 3).otherwise("engagements")
    )
    found = [p for p in analyze(frame, query()).patterns if p.rule[0].feature in TEXT_FEATURES]
    explained = explain(frame, query(), found[:1], doubly_robust=True)[0]
    # Three times as many, not what is left of it beside posts without text.
    assert 150 < explained["doubly_robust"]["lift_pct"] < 260
    assert 100 < explained["raw_lift_pct"] < 350


def test_posts_in_bursts_are_answered() -> None:
    """All posts in every other fortnight, which once left one half of a split calendar without any."""
    frame = simulate_gaps(4, n=1200)
    fortnight = pl.col("published_at").dt.epoch("d") // 14
    found = analyze(frame.filter(fortnight % 2 == 0), query())
    assert found.status in ("patterns_found", "no_patterns")
    assert "of 0" not in found.reason


def test_nothing_to_compare_is_said_as_such() -> None:
    """Every post at the same hour and of the same make: no rule has others to be compared with."""
    frame = simulate_gaps(6, without_text=1.0)
    day = pl.col("published_at").dt.truncate("1d")
    same = frame.with_columns(
        published_at=day + timedelta(hours=9), local_hour=9, local_weekday=pl.lit(0, pl.Int64), is_weekend=False
    )
    found = analyze(same, query())
    assert (found.status, found.statistics["tested"]) == ("no_patterns", 0)
    assert found.reason.startswith("nothing could be compared: no feature tells at least 30 posts from 30 others")
