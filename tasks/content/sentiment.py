"""VADER's compound score, for a whole column at once.

Hutto & Gilbert (2014), VADER: a parsimonious rule-based model for sentiment analysis of social media text, ICWSM. The
`vaderSentiment` package scores a few thousand texts a second with a Python function, so its rules stand here (and in
tasks/content/valence.py) over columns of words, with the package's own lexicon, boosters, negations and emoji names.

What differs from the package: typographic apostrophes negate like straight ones; a 'but' weighs what stands before and
after it once each (the package finds words by their value and may weigh one twice or miss one); an emoji is scored as
words of its own wherever it stands; its nine idioms ('kiss of death') and two-word dampeners ('sort of') are left out.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.content.lexicon import OTHER, vader_lexicon
from tasks.content.valence import valence_sums

_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_NORMALISER = 15.0


def sentiment_scores(texts: pl.Series) -> pl.Series:
    """Compound score of each text in [−1, 1], to 4 digits; 0 without a charged word, null for a null text."""
    named = _with_emoji_named(texts)
    words = _words(named)
    row, number, shouts = (words[name].to_numpy() for name in ("row", "number", "shouts"))
    shouting, every = np.bincount(row, shouts, len(texts)), np.bincount(row, minlength=len(texts))
    sums = valence_sums(number, row, shouts & (shouting < every)[row], len(texts), vader_lexicon())
    sums += np.sign(sums) * _emphasis(named)
    scores = pl.Series("sentiment_score", np.round(sums / np.sqrt(sums**2 + _NORMALISER), 4))
    return scores.set(texts.is_null(), None)


def _with_emoji_named(texts: pl.Series) -> pl.Series:
    """Charged emoji as their names, apostrophes straight; texts in ASCII need neither."""
    emoji, text = vader_lexicon().emoji, pl.col("text")
    wide = (texts.str.len_bytes() != texts.str.len_chars()).fill_null(False)
    named = text.str.replace_all("’", "'", literal=True).str.replace_many(list(emoji), list(emoji.values()))
    return texts.clone().scatter(wide.arg_true(), texts.filter(wide).to_frame("text").select(named).to_series())


def _words(texts: pl.Series) -> pl.DataFrame:
    """One row a word, in order: `row` of its text, its `number`, whether it `shouts` in capitals.

    Words are runs between blanks, stripped of punctuation unless too little is left: then it may be an emoticon.
    """
    rows = texts.to_frame("text").lazy().with_row_index("row").filter(pl.col("text").is_not_null())
    runs = rows.select("row", run=pl.col("text").str.extract_all(r"\S+")).explode("run", empty_as_null=False)
    stripped = runs.with_columns(bare=pl.col("run").str.strip_chars(_PUNCTUATION))
    words = stripped.select("row", run=pl.when(pl.col("bare").str.len_chars() > 2).then("bare").otherwise("run"))
    lowered = words.with_columns(word=pl.col("run").str.to_lowercase())
    number = pl.col("word").cast(vader_lexicon().words, strict=False).to_physical().fill_null(OTHER)
    shouts = (pl.col("run") != pl.col("word")) & ~pl.col("run").str.contains(r"\p{Ll}")
    return lowered.select("row", number=number, shouts=shouts).collect()


def _emphasis(texts: pl.Series) -> NDArray[np.float64]:
    """What up to four exclamation marks, and two or more question marks, add to the size of a sum."""
    exclamations, questions = (texts.str.count_matches(mark, literal=True).fill_null(0).to_numpy() for mark in "!?")
    asked = np.where(questions > 3, 0.96, np.where(questions > 1, 0.18 * questions, 0.0))
    return np.asarray(0.292 * np.minimum(exclamations, 4) + asked)
