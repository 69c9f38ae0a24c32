"""Texts as columns: pieces of their words, what can be counted of their form, and what is declared beside them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tasks.swarm.learned.comparisons import ShownText

LEAST_TEXTS = 3  # that hold a word or piece
MOST_COLUMNS = 60_000
PIECES = (3, 4, 5)
LONG_WORD = 7
FARTHEST = 4.0  # standard deviations
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_SENTENCE_END = re.compile(r"[.!?。！？]+")
MARKS = ["emoji_count", "hashtag_count", "mention_count", "link_count", "exclamation_count", "question_count"]
MARKS += ["number_count"]
SCALES = ["capitals_share", "has_cta", "readability", "sentiment_score"]

Floats = NDArray[np.float64]
Counts = Counter[str]


def of_pieces(texts: Sequence[ShownText], known: int, length_counts: float) -> csr_array:
    """(U, V) groups of three to five letters within words, by TF-IDF.

    Args:
        known: so many of the first texts make the columns; the others are only read by them.
        length_counts: how much longer texts say more: 0 makes all of one length, 1 none.
    """
    return _columns([_pieces_in(text.letters) for text in texts], known, length_counts)


def of_one_length(columns: csr_array) -> csr_array:
    """The same columns, every text of length 1."""
    length = np.sqrt(np.asarray(columns.multiply(columns).sum(axis=1)).ravel())
    rows = np.repeat(np.where(length > 0.0, length, 1.0), np.diff(columns.indptr))
    return csr_array((columns.data / rows, columns.indices, columns.indptr), shape=columns.shape)


def of_form(texts: Sequence[ShownText], features: pl.DataFrame, known: int) -> Floats:
    """(U, F) lengths, marks and some of the catalogue's features, standardized.

    Args:
        features: (U) rows of the catalogue's columns.
        known: so many of the first texts are the measure.
    """
    rows = features.select(pl.col(MARKS + SCALES).cast(pl.Float64).fill_null(0.0).fill_nan(0.0))
    has = rows.select(pl.col(MARKS) > 0.0).to_numpy()
    counted = [_form_of(text.letters) for text in texts]
    return standardized(np.column_stack([counted, has, rows[SCALES].to_numpy()]), known)


def of_attributes(texts: Sequence[ShownText], names: Collection[str], known: int) -> Floats:
    """(U, F) declared attributes of these names, a column for each value; an hour stands for four."""
    held = [{f"{name}={_coarse(name, value)}" for name, value in text.attributes if name in names} for text in texts]
    values = sorted({value for one in held for value in one})
    table = np.array([[value in one for value in values] for one in held], dtype=np.float64)
    return standardized(table.reshape(len(texts), len(values)), known)


def standardized(table: Floats, known: int) -> Floats:
    """Columns of mean 0 among the first rows, together of length 1 for a usual one; those that never vary left out."""
    spread = table[:known].std(axis=0)
    varied = spread > 1e-9
    chosen = (table[:, varied] - table[:known, varied].mean(axis=0)) / spread[varied]
    cut: Floats = np.clip(chosen, -FARTHEST, FARTHEST) / math.sqrt(max(1, int(varied.sum())))
    return cut


def _coarse(name: str, value: object) -> object:
    is_hour = name == "local_hour" and isinstance(value, int | float) and math.isfinite(value)
    return int(float(str(value)) // 4) if is_hour else value


def _plain(letters: str) -> str:
    return unicodedata.normalize("NFKC", letters).casefold()


def _pieces_in(letters: str) -> Counts:
    counts: Counts = Counter()
    for word, times in Counter(_plain(letters).split()).items():
        padded = f" {word} "
        for length in PIECES:
            for start in range(max(1, len(padded) - length + 1)):
                counts[padded[start : start + length]] += times
    return counts


def _form_of(letters: str) -> list[float]:
    """What can be counted of one text."""
    words = _WORD.findall(letters)
    different = len({word.casefold() for word in words})
    many = max(len(words), 1)
    long = sum(len(word) >= LONG_WORD for word in words)
    stripped = letters.strip()
    return [
        math.log1p(len(words)),
        math.sqrt(len(words)),
        math.log1p(len(letters)),
        math.sqrt(len(letters)),
        math.sqrt(different),
        different / many,
        sum(map(len, words)) / many,
        math.log1p(long),
        long / many,
        math.log1p(sum(1 for part in _SENTENCE_END.split(letters) if part.strip())),
        math.log1p(letters.count(",")),
        math.log1p(sum(letter.isdigit() for letter in letters)),
        sum(letter.isupper() for letter in letters) / max(len(letters), 1),
        float(stripped[:1].isupper()),
        float(stripped[-1:] in tuple(".!?")),
        float(letters.count('"') + letters.count("“")),
        float(letters.count("(")),
        float(letters.count("...") + letters.count("…")),
    ]


def _columns(counted: Sequence[Counts], known: int, length_counts: float) -> csr_array:
    """TF-IDF of what at least three texts hold, the most common first where there are too many."""
    texts = Counter(key for counts in counted[:known] for key in counts)
    kept = sorted((key for key, many in texts.items() if many >= LEAST_TEXTS), key=lambda key: (-texts[key], key))
    column = {key: place for place, key in enumerate(kept[:MOST_COLUMNS])}
    rarity = {key: math.log((1 + known) / (1 + texts[key])) + 1.0 for key in column}
    places, values, ends = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], [0]
    for counts in counted:
        held = [(column[key], (1.0 + math.log(many)) * rarity[key]) for key, many in counts.items() if key in column]
        row = np.array([value for _, value in held])
        length = math.sqrt(float(row @ row)) or 1.0
        places.append(np.array([place for place, _ in held], dtype=np.int64))
        values.append(row / length ** (1.0 - length_counts))
        ends.append(ends[-1] + len(held))
    every = np.concatenate(values)
    usual = math.sqrt(float(every[: ends[known]] @ every[: ends[known]]) / max(known, 1)) or 1.0
    return csr_array((every / usual, np.concatenate(places), ends), shape=(len(counted), len(column)))
