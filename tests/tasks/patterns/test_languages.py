"""Measures made for English are off where the text is not English, and the answer says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.content import with_features
from tasks.content.catalogue import ENGLISH_ONLY
from tasks.patterns.analysis import analyze
from tasks.patterns.preparation import NOT_ENGLISH
from tasks.patterns.records import PatternQuery, SearchThresholds

START = datetime(2025, 1, 6, tzinfo=UTC)
SAYINGS = {
    "English": "This is what we do for you and for the people who love the sea: click here to see it all!",
    "German": "Das ist es, was wir für euch und für die Menschen tun, die das Meer lieben: klickt hier!",
    "Spanish": "Esto es lo que hacemos por ti y por la gente que ama el mar: haz clic aquí para verlo.",
    "Arabic": "هذا ما نفعله من أجلك ومن أجل الناس الذين يحبون البحر",
    "Japanese": "これは海を愛する人々のために私たちがしていることです",
}


def refused(text: str) -> dict[str, str]:
    """Features that are refused where posts are so much of a text."""
    g = np.random.default_rng(4)
    words = text.split()
    bodies = [" ".join(words[: int(g.integers(len(words) // 2, len(words) + 1))]) for _ in range(300)]
    at = [START + timedelta(hours=20 * i) for i in range(300)]
    frame = pl.DataFrame(
        {"workspace_id": "w", "content_id": [f"c{i}" for i in range(300)], "content_type": "social", "title": None}
        | {"channel": "facebook", "published_at": pl.Series(at), "body": bodies, "media_type": "photo"}
        | {"impressions": 1000, "audience_size": None, "engagements": g.poisson(40 * g.gamma(4, 1 / 4, 300))}
    )
    rows = with_features(frame.with_columns(measured_at=pl.col("published_at") + timedelta(days=8)), {"w": "UTC"})
    query = PatternQuery("w", "social", START + timedelta(days=400), 400, SearchThresholds())
    reasons: dict[str, str] = analyze(rows, query).statistics["refused"]
    return reasons


@pytest.mark.parametrize("language", SAYINGS)
def test_what_is_made_for_english_is_said_of_english_alone(language: str) -> None:
    expected = {} if language == "English" else dict.fromkeys(ENGLISH_ONLY, NOT_ENGLISH)
    assert refused(SAYINGS[language]) == expected
