"""VADER's compound score, for a whole column at once.

Hutto & Gilbert (2014), VADER: a parsimonious rule-based model for sentiment analysis of social media text, ICWSM. The
`vaderSentiment` package scores a few thousand texts a second with a Python function, so its rules stand here over
columns of words, with the package's own lexicon, boosters, negations and emoji names.

What differs from the package: typographic apostrophes negate like straight ones; a 'but' weighs what stands before and
after it once each (the package finds words by their value and may weigh one twice or miss one); an emoji is scored as
words of its own wherever it stands; its nine idioms ('kiss of death') and two-word dampeners ('sort of') are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]
Flags = NDArray[np.bool_]

OTHER, OUTSIDE = 0, 1  # any word the rules do not know; the place before a text's first word and after its last
_RULE_WORDS = ("no", "or", "nor", "never", "so", "this", "without", "doubt", "least", "at", "very", "but", "kind", "of")
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_NORMALIZER = 15.0
_NEGATION, _CAPITALS, _NEVER_SO = -0.74, 0.733, 1.25
_DAMPING = {1: 1.0, 2: 0.95, 3: 0.9}  # of a booster so many words ahead


def sentiment_scores(texts: pl.Series) -> pl.Series:
    """Compound score of each text in [−1, 1], to 4 digits; 0 without a charged word, null for a null text."""
    named = _with_emoji_named(texts)
    words = _words(named)
    row, number, shouts = (words[name].to_numpy() for name in ("row", "number", "shouts"))
    shouting, every = np.bincount(row, shouts, len(texts)), np.bincount(row, minlength=len(texts))
    sums = _valence_sums(number, row, shouts & (shouting < every)[row], len(texts), vader_lexicon())
    sums += np.sign(sums) * _emphasis(named)
    scores = pl.Series("sentiment_score", np.round(sums / np.sqrt(sums**2 + _NORMALIZER), 4))
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
    question_marks = np.where(questions > 3, 0.96, np.where(questions > 1, 0.18 * questions, 0.0))
    return np.asarray(0.292 * np.minimum(exclamations, 4) + question_marks)


def _valence_sums(number: Ints, row: Ints, shouts: Flags, texts: int, lexicon: Lexicon) -> Floats:
    """Sum over each text's charged words of their valence.

    `near[k]` holds, for each charged word, the word k places on.

    Args:
        number: each word's number, texts one after the other.
        row: the text each word stands in, ascending.
        shouts: whether a word is in capitals in a text that is not.
        texts: how many texts there are.
        lexicon: what the numbers mean.
    """
    charged = np.flatnonzero(lexicon.valence[number])
    near = {place: _at(number, row, charged, place) for place in (-3, -2, -1, 0, 1)}
    valence = _own(near, lexicon)
    valence += np.where(shouts[charged], np.where(valence > 0, _CAPITALS, -_CAPITALS), 0.0)
    for distance in (1, 2, 3):
        loud = shouts[np.maximum(charged - distance, 0)]
        changed = _negated(_boosted(valence, near[-distance], loud, distance, lexicon), near, distance, lexicon)
        valence = np.where(lexicon.listed[near[-distance]] | (near[-distance] == OUTSIDE), valence, changed)
    valence = np.where(_under_least(near, lexicon.rule), _NEGATION * valence, valence)
    weight = _around_but(number, row, charged, texts, lexicon.rule["but"])
    return np.bincount(row[charged], weights=valence * weight, minlength=texts).astype(np.float64)


def _at(number: Ints, row: Ints, charged: Ints, place: int) -> Ints:
    there = np.clip(charged + place, 0, max(len(number) - 1, 0))
    inside = (there == charged + place) & (row[there] == row[charged])
    return np.where(inside, number[there], OUTSIDE)


def _own(near: Mapping[int, Ints], lexicon: Lexicon) -> Floats:
    """The rated valence; 'no' turns a rated word after it, and 'kind of' rates nothing."""
    no, rule = lexicon.rule["no"], lexicon.rule
    rated = lexicon.valence[near[0]]
    one_of_two = (near[-3] == no) & ((near[-1] == rule["or"]) | (near[-1] == rule["nor"]))
    turned = (near[-1] == no) | (near[-2] == no) | one_of_two
    silent = (near[0] == no) & lexicon.listed[near[1]]
    valence = np.where(turned, _NEGATION * rated, np.where(silent, 0.0, rated))
    return np.where((near[0] == rule["kind"]) & (near[1] == rule["of"]), 0.0, valence)


def _boosted(valence: Floats, ahead: Ints, loud: Flags, distance: int, lexicon: Lexicon) -> Floats:
    boost = lexicon.boost[ahead] * np.where(valence < 0, -1.0, 1.0)
    boost += np.where(loud & (boost != 0), np.where(valence > 0, _CAPITALS, -_CAPITALS), 0.0)
    return np.asarray(valence + boost * _DAMPING[distance])


def _negated(valence: Floats, near: Mapping[int, Ints], distance: int, lexicon: Lexicon) -> Floats:
    """Turned by a negation so far ahead; 'never so' strengthens instead, 'without doubt' leaves alone."""
    rule, ahead = lexicon.rule, near[-distance]
    so = {place: (near[place] == rule["so"]) | (near[place] == rule["this"]) for place in (-2, -1)}
    doubt = {place: near[place] == rule["doubt"] for place in (-2, -1)}
    none = np.zeros(len(valence), dtype=bool)
    # At distance 3 the package lets a bare 'so' or 'this' before the word strengthen it, too.
    never_so = {1: none, 2: (ahead == rule["never"]) & so[-1], 3: ((ahead == rule["never"]) & so[-2]) | so[-1]}
    sure = {1: none, 2: doubt[-1], 3: doubt[-2] | doubt[-1]}
    turned = lexicon.negates[ahead] & ~((ahead == rule["without"]) & sure[distance])
    return np.where(never_so[distance], _NEVER_SO, np.where(turned, _NEGATION, 1.0)) * valence


def _under_least(near: Mapping[int, Ints], rule: Mapping[str, int]) -> Flags:
    """'least' turns a word, but for 'at least' and 'very least'."""
    return np.asarray((near[-1] == rule["least"]) & (near[-2] != rule["at"]) & (near[-2] != rule["very"]))


def _around_but(number: Ints, row: Ints, charged: Ints, texts: int, but: int) -> Floats:
    """Half before a text's first 'but', half as much again after it."""
    places = np.flatnonzero(number == but)[::-1]
    first = np.full(texts, len(number))
    first[row[places]] = places  # in reverse, so that the first one of a text is written last
    place = first[row[charged]]
    return np.where(place == len(number), 1.0, np.where(charged < place, 0.5, 1.5))


@dataclass(frozen=True)
class Lexicon:
    """The words that VADER's rules know, by number, so that the rules run over columns of numbers.

    Arrays are indexed by a word's number.

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
