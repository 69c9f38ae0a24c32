"""Patterns about what posts mention: found where it matters, silent where it does not, and one story counts once."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tasks.conditions import TITLE_AND_BODY
from tasks.patterns.analysis import analyze
from tasks.patterns.applicability import with_tasks
from tasks.patterns.recommendations import recommend
from tasks.patterns.records import Pattern, PatternQuery, SearchThresholds
from tasks.patterns.robustness import explain
from tests.generators.wordy_workspaces import AS_OF, WORDS_OF_SUBJECT, simulate_texts


def query(seed: int = 0) -> PatternQuery:
    return PatternQuery(f"w{seed}", "social", AS_OF, 400, SearchThresholds())


def about_words(patterns: tuple[Pattern, ...]) -> list[Pattern]:
    return [pattern for pattern in patterns if pattern.rule[0].feature == TITLE_AND_BODY]


def test_a_word_that_matters_is_said_as_a_marketer_says_it() -> None:
    frame, _, _ = simulate_texts(5, n=900, curry=1.5)
    found = about_words(analyze(frame, query()).patterns)
    assert [one.rule[0].value for one in found] == ["curry"]
    words = found[0].description
    assert words.startswith("Posts that mention “curry” do ")
    assert words.endswith(f"), {found[0].sample_size} posts")
    assert Pattern.from_dict(json.loads(json.dumps(found[0].as_dict(), default=str))).rule == found[0].rule
    matching = frame.filter(found[0].rule[0].expression)
    assert len(matching) == found[0].sample_size
    assert matching["body"].str.contains("(?i)curry").all()
    assert explain(frame, query(), found)[0]["adjusted_lift_pct"] > 150


def test_a_recommendation_shows_a_post_of_each_kind_and_is_never_certain() -> None:
    frame, _, _ = simulate_texts(5, n=900, curry=1.5)
    found = analyze(frame, query())
    best = replace(
        about_words(found.patterns)[0], applicable_tasks=("social_media_post",), confidence=0.999999, q_value=1e-9
    )
    advice = recommend([("social", best)], "social_media_post", 1)[0]
    texts = dict(frame.select("content_id", "body").iter_rows())
    assert "curry" in texts[advice["better_post"]].lower()
    assert texts[advice["better_post"]].startswith(advice["better_post_text"])
    assert texts[advice["worse_post"]].startswith(advice["worse_post_text"])
    assert "q < 0.001" in advice["evidence"]
    assert "99.9%" in replace(found, patterns=(best,)).insights[1]


def test_a_word_pattern_is_looked_for_in_other_kinds_of_content() -> None:
    frame, _, _ = simulate_texts(5, n=900, curry=1.5)
    other, _, _ = simulate_texts(6, n=400, curry=1.5)
    found = with_tasks(analyze(frame, query()), {"email": other})
    assert "email_campaign" in about_words(found.patterns)[0].applicable_tasks


def test_one_story_told_often_is_one_piece_of_evidence() -> None:
    """Sixty posts of a year tell one story, all of them do well, and nothing is said of its words."""
    frame, _, _ = simulate_texts(8, n=900, viral=60)
    assert not about_words(analyze(frame, query()).patterns)


def test_where_no_word_matters_no_word_is_found() -> None:
    hit = [bool(about_words(analyze(simulate_texts(seed)[0], query(seed)).patterns)) for seed in range(12)]
    assert sum(hit) <= 1


@pytest.mark.slow
def test_null_words_make_no_patterns() -> None:
    """400 workspaces in which nothing that is mentioned matters, half of them with one story told fifty times."""
    hit = [
        bool(about_words(analyze(simulate_texts(seed, viral=50 * (seed % 2))[0], query(seed)).patterns))
        for seed in range(9000, 9400)
    ]
    print(f"\nBAR null workspaces with a pattern about a word: {np.mean(hit):.3f} of {len(hit)} (bar <= 0.05)")
    assert np.mean(hit) <= 0.05


@pytest.mark.slow
def test_planted_words_are_found_and_little_else() -> None:
    true, false, power = 0, 0, []
    for seed in range(9400, 9520):
        lift = float(np.random.default_rng(seed).choice((0.5, 0.8, -0.6)))
        found = about_words(analyze(simulate_texts(seed, n=1200, curry=lift)[0], query(seed)).patterns)
        right = [one for one in found if one.rule[0].value == "curry" and np.sign(one.lift_pct) == np.sign(lift)]
        power.append(bool(right))
        true, false = true + len(right), false + len(found) - len(right)
    print(f"\nBAR false share of patterns about words: {false / max(true + false, 1):.3f} (bar <= 0.05)")
    print(f"power at 1,200 posts, 80 of which mention it, lifts of +65, +123 and -45 %: {np.mean(power):.3f}")
    assert false <= 0.05 * (true + false)


def found_topics(seed: int, subject: int, lift: float) -> tuple[bool, list[bool]]:
    """Whether a topic of the planted subject is found the right way, and which patterns about words are true."""
    frame, subjects, _ = simulate_texts(seed, n=1200, lifts={subject: lift})
    hit, true = False, []
    for pattern in about_words(analyze(frame, query(seed)).patterns):
        about = frame.select(pattern.rule[0].expression).to_series().to_numpy()
        is_it = subjects == subject
        real = lift * (is_it[about].mean() - is_it[~about].mean())
        true.append(bool(abs(real) >= 0.02 and (real > 0) == (pattern.lift_pct > 0)))
        overlap = (about & is_it).sum() / (about | is_it).sum()
        hit |= bool(pattern.rule[0].op == "is_about" and overlap >= 0.5 and true[-1])
    return hit, true


def test_a_topic_that_matters_is_found_and_named_by_its_words() -> None:
    frame, _, telling = simulate_texts(5, n=1200, lifts={3: 0.7})
    found = analyze(frame, query())
    words = about_words(found.patterns)[0]
    assert words.rule[0].op == "is_about"
    assert words.description.startswith("Posts that are about “")
    own = set(telling[3 * WORDS_OF_SUBJECT : 4 * WORDS_OF_SUBJECT])
    name = words.description.partition("“")[2].partition("”")[0]
    assert set(name.split(", ")) <= own
    topic = next(one for one in found.statistics["topics"] if one["name"] == name)
    assert len(topic["examples"]) == 3
    assert set(topic["examples"]) <= set(frame["content_id"])
    assert json.loads(json.dumps(found.as_dict(), default=str))


@pytest.mark.slow
def test_planted_topics_are_found() -> None:
    g = np.random.default_rng(17)
    found = [found_topics(seed, int(g.integers(8)), float(g.choice((0.4, 0.6, -0.5)))) for seed in range(9600, 9700)]
    power = np.mean([hit for hit, _ in found])
    false = 1 - np.mean([one for _, true in found for one in true])
    print(f"\nBAR planted topics found at 1,200 posts, lifts of +49, +82 and -39 %: {power:.3f} (bar >= 0.7)")
    print(f"BAR false share of patterns about words and topics there: {false:.3f} (bar <= 0.05)")
    assert power >= 0.7
    assert false <= 0.05
