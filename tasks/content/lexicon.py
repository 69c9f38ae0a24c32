"""The words that VADER's rules know, by number, so that the rules can run over columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

OTHER, OUTSIDE = 0, 1  # any word the rules do not know; the place before a text's first word and after its last
_RULE_WORDS = ("no", "or", "nor", "never", "so", "this", "without", "doubt", "least", "at", "very", "but", "kind", "of")


@dataclass(frozen=True)
class Lexicon:
    """Arrays are indexed by a word's number.

    Attributes:
        words: a category a word, in the order of their numbers.
        valence: mean rating, −4 … 4; 0 for words that only modify others.
        boost: what the word adds to the valence of one that follows.
        negates: whether it turns the valence of one that follows.
        listed: whether it has a rating of its own: then it modifies nothing.
        rule: number of each word that a rule names.
        emoji: name of each emoji whose name holds a rated word, between blanks.
    """

    words: pl.Enum
    valence: NDArray[np.float64]
    boost: NDArray[np.float64]
    negates: NDArray[np.bool_]
    listed: NDArray[np.bool_]
    rule: dict[str, int]
    emoji: dict[str, str]


@cache
def vader_lexicon() -> Lexicon:
    """The lexicon, boosters, negations and emoji names of the `vaderSentiment` package."""
    from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    rated: dict[str, float] = analyzer.lexicon
    words = ["", "\n", *dict.fromkeys([*rated, *BOOSTER_DICT, *NEGATE, *_RULE_WORDS])]
    number = {word: i for i, word in enumerate(words)}
    charged = {sign: name for sign, name in analyzer.emojis.items() if rated.keys() & set(name.split())}
    return Lexicon(
        words=pl.Enum(words),
        valence=np.array([0.0 if word in BOOSTER_DICT else rated.get(word, 0.0) for word in words]),
        boost=np.array([BOOSTER_DICT.get(word, 0.0) for word in words]),
        negates=np.array([word in set(NEGATE) for word in words]),
        listed=np.array([word in rated for word in words]),
        rule={word: number[word] for word in _RULE_WORDS},
        emoji={sign: f" {name} " for sign, name in charged.items() if len(sign) == 1},
    )
