"""What posts mention: words and phrases of two words, and which posts tell one story in nearly the same words.

Nothing here knows a language: a word is a run of letters and digits, lower-cased, names kept; of Chinese characters,
which no blanks divide, two side by side stand for a word. Links and e-mail addresses are no words. The words that hold
any sentence together (`stop_words.py`) make no term: to mention “with” is nothing that a marketer can do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.content import text
from tasks.content.stop_words import ENGLISH, OTHERS, STOP_WORDS

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

_LETTER = r"[\p{L}\p{M}\p{N}]"
_TOKEN = (
    rf"\p{{Han}}|[{_LETTER}--\p{{Han}}]+(?:['’][\p{{L}}\p{{M}}]+)*"  # a word, or one Chinese character
    r"|[^\s\p{L}\p{M}\p{N}\-–'’#@_]+"  # whatever else divides: no phrase reaches across a full stop or an emoji
)
_WORD = rf"^{_LETTER}"
_HAN = r"^\p{Han}$"
_LONE_LETTER = r"^[^\p{Han}] | [^\p{Han}]$"
SEPARATOR = "\x1f"
_HAN_OR_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\u3400-\u9fff\uf900-\ufaff]+")
_FIELDS = " . "  # between title and body: no phrase reaches from one to the other

MOST_LETTERS = 40
FEWEST_WORDS, ENGLISH_SHARE = 200, 0.05  # that tell a language, and what share of English they are at least
LEAST_LETTERS = 3  # of a word in a script with an alphabet
COMMA = ", "
WORDS_OF_A_TOPIC = 2  # that a text must mention to be about it
MOST_TERMS = 600
MOST_SHARE = 0.6
SAME_STORY = 0.5  # Jaccard index of the words of two texts
LEAST_WORDS = 5  # of a text that can be told to be another one: “happy friday” is no story
BANDS, ROWS = 6, 3  # of hash functions: .8 alike are compared in .99 of cases, .5 alike in .55
SAME_POSTS = 0.9  # of a word's posts hold the same phrase: the phrase stands for both


@dataclass(frozen=True, eq=False)
class Terms:
    """T terms that tell n texts apart.

    Attributes:
        names: (T) words or phrases, lower case, most common first.
        mentioned: (n, T) which texts mention them; false where there is no text.
        stories: (T,) how many stories mention them.
        known: (n,) where there is a text.
        story: (n,) codes of stories: texts in nearly the same words have one code; texts without words one each.
    """

    names: list[str]
    mentioned: Mask
    stories: Codes
    known: Mask
    story: Codes


def tokens(title: pl.Expr, body: pl.Expr) -> pl.Expr:
    """Words and what divides them, as one text with a separator around each; null where there is no text."""
    joined = pl.concat_str(text.plain(title), text.plain(body), separator=_FIELDS, ignore_nulls=True)
    words = joined.str.to_lowercase().str.extract_all(_TOKEN)
    around = pl.concat_str(pl.lit(SEPARATOR), words.list.join(SEPARATOR), pl.lit(SEPARATOR))
    return pl.when(title.is_not_null() | body.is_not_null()).then(around)


def mentions(token_text: pl.Expr, term: str) -> pl.Expr:
    """Whether tokens hold a term; null where there is no text."""
    return token_text.str.contains(_needle(term), literal=True)


def is_about(token_texts: pl.Expr, words: str) -> pl.Expr:
    """Whether tokens hold at least two of a topic's words, which commas divide; null where there is no text."""
    held = [mentions(token_texts, word).cast(pl.Int8) for word in words.split(COMMA)]
    return pl.sum_horizontal(held, ignore_nulls=False) >= WORDS_OF_A_TOPIC


def is_english(token_texts: pl.Series) -> bool:
    """Whether texts are English, as far as the words tell that hold any sentence together; true of too few words.

    Of the words of English pages about a third are such; of German, Spanish or Malay ones hardly any.
    """
    words = _words(token_texts).filter("word").group_by("token").len()
    counts = words.select(
        pl.col("len").sum().alias("all"),
        pl.col("len").filter(pl.col("token").is_in(ENGLISH - OTHERS)).sum().alias("english"),
        pl.col("len").filter(pl.col("token").is_in(OTHERS - ENGLISH)).sum().alias("others"),
    ).row(0, named=True)
    enough = max(ENGLISH_SHARE * counts["all"], counts["others"])
    return bool(counts["all"] < FEWEST_WORDS or counts["english"] >= enough)


def terms_in(token_texts: pl.Series, least: int, *, most_share: float = MOST_SHARE, at_most: int = MOST_TERMS) -> Terms:
    """Terms that at least so many stories and at most so large a share of texts mention, and the texts' stories.

    How a text fared takes no part in what is chosen.

    Args:
        token_texts: (n,) of `tokens`.
        least: fewest stories that mention a term; those that do not must be as many texts.
        most_share: of texts that are known.
        at_most: of more terms, the most common are kept.
    """
    known = token_texts.is_not_null().to_numpy()
    words = _words(token_texts)
    story = _stories(words, len(known))
    pairs = pl.concat([_singles(words), _phrases(words, least)]).join(
        pl.DataFrame({"text": np.arange(len(known), dtype=np.uint32), "story": story}), on="text"
    )
    most = min(most_share * known.sum(), known.sum() - least)
    counted = pairs.group_by("term", "phrase").agg(pl.len().alias("texts"), pl.col("story").n_unique().alias("stories"))
    common = counted.filter((pl.col("stories") >= least) & (pl.col("texts") <= most) & _says_something())
    common = common.sort("texts", "term", descending=[True, False])
    kept = common[_not_said_twice(common)[:at_most]].with_row_index("column")
    held = pairs.join(kept.select("term", "column"), on="term").select("text", "column")
    mentioned = np.zeros((len(known), len(kept)), dtype=bool, order="F")
    mentioned[held["text"].to_numpy(), held["column"].to_numpy()] = True
    return Terms(kept["term"].to_list(), mentioned, kept["stories"].to_numpy().astype(np.int64), known, story)


def _words(token_texts: pl.Series) -> pl.DataFrame:
    """One row a token: `text`, `token` and whether it is a `word`, in order."""
    inside = token_texts.str.strip_chars(SEPARATOR).str.split(SEPARATOR)
    rows = pl.DataFrame({"token": inside}).with_row_index("text").explode("token").drop_nulls("token")
    return rows.with_columns(pl.col("token").str.contains(_WORD).alias("word"))


def _singles(words: pl.DataFrame) -> pl.DataFrame:
    singles = words.lazy().filter("word").select("text", pl.col("token").alias("term"), pl.lit(False).alias("phrase"))
    return singles.unique().collect()


def _phrases(words: pl.DataFrame, least: int) -> pl.DataFrame:
    """Two words side by side, both of which enough texts hold."""
    common = words.filter("word").group_by("token").agg(pl.col("text").n_unique().alias("texts"))
    common = common.filter((pl.col("texts") >= least) & ~pl.col("token").is_in(STOP_WORDS))
    after = words.select("text", "token", follows=pl.col("token").shift(-1), same=pl.col("text").shift(-1))
    beside = after.filter(pl.col("text") == pl.col("same"))
    for side in ("token", "follows"):
        beside = beside.join(common.select(pl.col("token").alias(side)), on=side, how="semi")
    glue = pl.when(pl.col("token").str.contains(_HAN) & pl.col("follows").str.contains(_HAN)).then(pl.lit(""))
    term = pl.concat_str("token", glue.otherwise(pl.lit(" ")), "follows")
    return beside.select("text", term.alias("term"), pl.lit(True).alias("phrase")).unique()


def _says_something() -> pl.Expr:
    """Not one that holds any sentence together, no number, no single letter or character."""
    term, letters = pl.col("term"), pl.col("term").str.count_matches(r"\p{L}")
    short = pl.when(term.str.contains(r"^[\p{Latin}\p{Cyrillic}\p{Greek}\p{N}\p{M}'’ ]+$")).then(LEAST_LETTERS)
    phrase = ~term.str.contains(_LONE_LETTER) & (letters > 0)
    word = ~term.is_in(STOP_WORDS) & (letters >= short.otherwise(2))
    return pl.when(pl.col("phrase")).then(phrase).otherwise(word) & (term.str.len_chars() <= MOST_LETTERS)


def _not_said_twice(common: pl.DataFrame) -> list[int]:
    """Columns without words that stand nearly always in one phrase: “donald” where “donald trump” is there."""
    columns = {term: column for column, term in enumerate(common["term"])}
    texts, covered = common["texts"].to_list(), set()
    for term, column in columns.items():
        if common["phrase"][column]:
            parts = term.split(" ") if " " in term else list(term)
            covered |= {columns[w] for w in parts if w in columns and texts[column] >= SAME_POSTS * texts[columns[w]]}
    return [column for column in range(len(common)) if column not in covered]


def _stories(words: pl.DataFrame, size: int) -> Codes:
    """Codes (size,) of texts in nearly the same words.

    MinHash (Broder 1997): texts that share the least hash of their words under some band of hash functions are
    compared in full with the band's first text, and are one story where their sets of words agree by more than half.
    """
    sets = words.lazy().filter("word").select("text", "token").unique().collect()
    hashes = [pl.col("token").hash(seed).min().alias(f"h{seed}") for seed in range(BANDS * ROWS)]
    by_text = sets.lazy().group_by("text").agg(*hashes, pl.len().alias("size"))
    least = by_text.filter(pl.col("size") >= LEAST_WORDS).sort("text").collect()
    bands = [
        least.select("text", first=pl.col("text").first().over([f"h{row}" for row in rows]))
        for rows in np.arange(BANDS * ROWS).reshape(BANDS, ROWS).tolist()
    ]
    candidates = pl.concat(bands).filter(pl.col("text") != pl.col("first")).unique().sort("text", "first")
    alike = _alike(candidates, sets, least)
    links = coo_array((np.ones(len(alike)), (alike["text"].to_numpy(), alike["first"].to_numpy())), shape=(size, size))
    codes: Codes = connected_components(links, directed=False)[1].astype(np.int64)
    return codes


def _alike(candidates: pl.DataFrame, sets: pl.DataFrame, least: pl.DataFrame) -> pl.DataFrame:
    """Candidates whose sets of words agree: Jaccard index of at least a half."""
    other = sets.rename({"text": "first"})
    shared = (
        candidates.lazy()
        .join(sets.lazy(), on="text")
        .join(other.lazy(), on=["first", "token"])
        .group_by("text", "first")
        .agg(pl.len().alias("both"))
        .collect()
    )
    sizes = least.select("text", "size")
    joined = shared.join(sizes, on="text").join(sizes.rename({"text": "first", "size": "other"}), on="first")
    return joined.filter(pl.col("both") >= SAME_STORY * (pl.col("size") + pl.col("other") - pl.col("both")))


def _needle(term: str) -> str:
    """A term as it stands between separators; Chinese characters are tokens of their own."""
    parts = term.split(" ") if " " in term else _HAN_OR_WORD.findall(term)
    return SEPARATOR + SEPARATOR.join(parts) + SEPARATOR
