"""The vectorized score is the library's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tasks.content.sentiment import sentiment_scores

SENTENCES = [
    "",
    "A table.",
    "The soup was good.",
    "The soup was very good!!!",
    "The soup was VERY GOOD today",
    "ALL OF IT GOOD",
    "The soup was not good, never great and hardly edible?",
    "No good, no problem, no love or hope.",
    "At least it is not terrible; the least happy of all, the very least happy",
    "The room was lovely, but the food was awful and cold.",
    "never so happy, without doubt a great day, this great so great",
    "don't love it, isn't bad, can't wait, it is kind of you",
    ":) :-( lol XD great <3",
    "why?? really??? what?!?! bad",
    "what a day 😂 😍 and rain 😭",
    "  blanks \n everywhere\tgood ",
]


def library(texts: list[str]) -> list[float]:
    analyzer = SentimentIntensityAnalyzer()
    return [analyzer.polarity_scores(text)["compound"] for text in texts]


def test_each_rule_scores_as_the_library_does() -> None:
    assert sentiment_scores(pl.Series(SENTENCES)).to_list() == pytest.approx(library(SENTENCES), abs=1e-4)


def test_one_text_s_words_never_touch_the_next_text() -> None:
    texts = ["this is not", "good", None, "very", "bad", "but", "great"]
    alone = [sentiment_scores(pl.Series([text], dtype=pl.String)).item() for text in texts]
    assert sentiment_scores(pl.Series(texts)).to_list() == alone


def test_typographic_apostrophes_negate() -> None:
    assert sentiment_scores(pl.Series(["isn’t good"])).item() == library(["isn't good"])[0]


@pytest.mark.real_data
def test_agrees_with_the_library_on_real_posts(shared_data: Path) -> None:
    posts = pl.read_parquet(shared_data / "facebook_pages_2016" / "posts.parquet", columns=["status_message"])
    texts = posts["status_message"].drop_nulls().sample(5000, seed=2)
    ours, theirs = sentiment_scores(texts).to_numpy(), np.array(library(texts.to_list()))
    assert np.corrcoef(ours, theirs)[0, 1] >= 0.99
    assert (np.sign(ours) == np.sign(theirs)).mean() >= 0.995
