"""What posts mention: words of any script, phrases within a sentence, and stories told again and again."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tasks.conditions import TITLE_AND_BODY, Condition
from tasks.content.words import Terms, mentions, terms_in, tokens


def token_texts(*bodies: str | None, title: str | None = None) -> pl.Series:
    columns = {"title": [title] * len(bodies), "body": bodies}
    frame = pl.DataFrame(columns, schema={"title": pl.String, "body": pl.String})
    return frame.select(tokens(pl.col("title"), pl.col("body"))).to_series()


def mentions_of(token_texts: pl.Series, term: str) -> np.ndarray:
    return pl.select(mentions(pl.lit(token_texts), term).fill_null(False)).to_series().to_numpy()


def terms(texts: list[str | None], least: int = 2) -> Terms:
    return terms_in(token_texts(*texts), least, most_share=0.9)


@pytest.mark.parametrize(
    ("body", "term", "held"),
    [
        ("Curry scores again!", "curry", True),
        ("Scurry home", "curry", False),
        ("CURRY'S shot", "curry's", True),
        ("Stephen  Curry wins", "stephen curry", True),
        ("It was Stephen. Curry wins", "stephen curry", False),
        ("Stephen 🏀 Curry", "stephen curry", False),
        ("see https://curry.com/curry", "curry", False),
        ("#curry for @lebron", "curry", True),
        ("我们喜欢咖喱饭", "咖喱", True),
        ("我们喜欢咖喱饭", "喱咖", False),
        ("Лучший рецепт борща", "рецепт борща", True),
        ("", "curry", False),
    ],
)
def test_a_term_is_whole_words_within_a_sentence(body: str, term: str, held: bool) -> None:
    assert mentions_of(token_texts(body), term).tolist() == [held]
    condition = Condition(TITLE_AND_BODY, "mentions", term, f"mentions {term}")
    assert condition.met_by({"title": None, "body": body}) is held
    assert Condition.from_dict(condition.as_dict()) == condition


def test_no_text_is_unknown_and_no_phrase_reaches_from_title_to_body() -> None:
    condition = Condition(TITLE_AND_BODY, "mentions", "curry")
    assert condition.met_by({"title": None, "body": None}) is None
    assert condition.met_by({"curry": True}) is None
    assert not mentions_of(token_texts("curry", title="stephen"), "stephen curry")[0]
    assert terms(["green tea", None, "green tea", "tea", "coffee"]).known.tolist() == [True, False, True, True, True]


def test_terms_say_something_and_are_said_once() -> None:
    found = terms(3 * ["With Grand Canyon"] + 3 * ["A quiet river"] + 4 * ["quiet people"])
    assert set(found.names) == {"quiet", "grand canyon", "quiet river", "quiet people"}


def test_the_table_of_terms_and_the_test_of_one_text_agree() -> None:
    g = np.random.default_rng(3)
    words = ["tea", "green", "咖喱", "river", "l'été", "Straße", "don’t", "кофе", "-", ".", "🎉", "a b"]
    texts: list[str | None] = [" ".join(g.choice(words, 6)) for _ in range(120)]
    found = terms([*texts, None], least=5)
    assert len(found.names) >= 10
    for column, name in enumerate(found.names):
        assert mentions_of(token_texts(*texts, None), name).tolist() == found.mentioned[:, column].tolist(), name


def test_nearly_the_same_words_are_one_story_and_few_words_are_none() -> None:
    story = "curry scores forty points again as warriors beat the hawks in the last second"
    texts = [f"{story} {word}" for word in ("today", "yesterday", "wow", "update")]
    others = ["happy friday"] * 5 + [
        "a quiet river walk with tea and bread",
        "eight new museums open their doors in may",
    ]
    codes = terms([*texts, *others]).story
    assert len(set(codes[:4])) == 1
    assert len(set(codes[3:])) == 1 + len(others)
    assert "curry" not in terms([*texts, *others], least=3).names


def test_a_word_too_long_for_a_word_makes_no_term() -> None:
    assert terms(5 * ["x" * 10_000] + 4 * ["tea"]).names == ["tea"]
