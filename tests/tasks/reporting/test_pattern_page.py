"""A workspace's own page: what is worth most first, the posts behind it, and what cannot be told apart."""

from __future__ import annotations

import json
import re

import pytest

from tasks.patterns.analysis import analyze
from tasks.patterns.recommendations import worth
from tasks.patterns.records import Pattern, PatternQuery, SearchThresholds
from tasks.reporting.pattern_report import all_rows, client_pages
from tasks.reporting.report_rows import report_rows
from tasks.warehouse.outcomes import DONE, Outcome
from tests.generators.wordy_workspaces import AS_OF, simulate_texts


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    frame, _, _ = simulate_texts(5, n=1200, lifts={3: 0.7, 5: -0.6}, curry=1.0)
    found = analyze(frame, PatternQuery("acme", "social", AS_OF, 400, SearchThresholds())).as_dict()
    return Outcome("acme", DONE, None, {"analyses": [json.loads(json.dumps(found, default=str))]})


def page_of(outcome: Outcome) -> str:
    found = report_rows(None, all_rows([outcome]), ["acme"], everyone=True)
    return dict(client_pages([outcome], found))["acme"]


def test_what_is_worth_most_comes_first(outcome: Outcome) -> None:
    analysis = outcome.result["analyses"][0]
    patterns = [Pattern.from_dict(one) for one in analysis["winning_patterns"] + analysis["losing_patterns"]]
    assert len(patterns) >= 3
    page = page_of(outcome)
    gains = [int(gain) for gain in re.findall(r"\| \+(\d+) % \|", page)]
    assert gains == sorted((round(worth(pattern)) for pattern in patterns), reverse=True)
    assert page.count("data:image/png") == 1


def test_the_posts_behind_a_pattern_are_shown_best_and_worst(outcome: Outcome) -> None:
    for one in outcome.result["analyses"][0]["winning_patterns"]:
        times = [[post["times_typical"] for post in one[name]] for name in ("best_posts", "worst_posts")]
        assert [len(side) for side in times] == [10, 10]
        assert times[0] == sorted(times[0], reverse=True)
        assert times[1] == sorted(times[1])
        assert min(times[0]) > max(times[1])
        assert all(post["text"] for post in one["best_posts"])
    assert "### Posts behind it" in page_of(outcome)


def test_what_cannot_be_told_apart_is_on_the_page(outcome: Outcome) -> None:
    analysis = outcome.result["analyses"][0]
    together = {"words": "photos and the 9:00 slot always come together"}
    said = analysis | {"statistics": analysis["statistics"] | {"inseparable": [together]}}
    assert "### What cannot be told apart" in page_of(Outcome("acme", DONE, None, {"analyses": [said]}))
    assert "What cannot be told apart" not in page_of(Outcome("acme", DONE, None, {"analyses": [analysis]}))


def test_what_is_folded_under_a_pattern_is_on_the_page(outcome: Outcome) -> None:
    analysis = outcome.result["analyses"][0]
    first = analysis["winning_patterns"][0] | {"same_act": [f"has at least {words} words" for words in (8, 9, 10, 11)]}
    said = analysis | {"winning_patterns": [first, *analysis["winning_patterns"][1:]]}
    page = page_of(Outcome("acme", DONE, None, {"analyses": [said]}))
    assert "### What stands out too, and adds nothing to it" in page
    assert "has at least 8 words; has at least 9 words; has at least 10 words; and 1 more" in page


def test_conditions_that_a_sentence_goes_on_after_are_joined_by_and(outcome: Outcome) -> None:
    analysis = outcome.result["analyses"][0]
    first = analysis["winning_patterns"][0]
    questions = {"feature": "question_count", "op": ">=", "value": 1, "level": "present"}
    videos = {"feature": "media_type", "op": "==", "value": "video", "level": "video"}
    both = analysis | {"winning_patterns": [first | {"rule": [videos, questions]}], "losing_patterns": []}
    page = page_of(Outcome("acme", DONE, None, {"analyses": [both]}))
    assert "**Content that is a video and asks a question**" in page
