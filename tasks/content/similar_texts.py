"""How near texts are to each other: the cosine of their words, the rarer the heavier. Pure.

Enough to find what a page has said before in much the same words; it knows nothing of meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from tasks.content.words import SEPARATOR, tokens

SAMPLE = 300
UNUSUAL_SHARE = 0.05
FEWEST_TEXTS = 50  # of fewer nobody can say what is unusual
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TextSpace:
    """n texts as rows of unit length, or of zeros where there are no words.

    Attributes:
        rows: (n, v) weights of the v words that any of them holds.
        words: columns by word.
        weights: (v,) of words: the log of how many texts there are for each that holds it.
    """

    rows: Any
    words: dict[str, int]
    weights: Floats

    @classmethod
    def of(cls, title: pl.Series, body: pl.Series) -> TextSpace:
        """From titles and bodies (n,)."""
        held = _words_of(title, body)
        vocabulary = held["word"].unique().sort()
        words = {word: place for place, word in enumerate(vocabulary.to_list())}
        columns = held["word"].replace_strict(words, return_dtype=pl.Int64).to_numpy() if words else np.zeros(0, int)
        texts = held["text"].to_numpy()
        found_in = np.bincount(columns, minlength=len(words))
        weights = np.log((1.0 + len(title)) / (1.0 + found_in)) + 1e-9
        rows = sparse.csr_matrix((weights[columns], (texts, columns)), shape=(len(title), len(words)))
        return cls(_of_unit_length(rows), words, weights)

    def nearness(self, title: str | None, body: str | None) -> Floats:
        """(n,) cosine of each text with another one, 0 to 1; words that nobody used before count against it."""
        held = _words_of(pl.Series([title], dtype=pl.String), pl.Series([body], dtype=pl.String))["word"].to_list()
        known = [self.words[word] for word in held if word in self.words]
        newest = np.log(1.0 + self.rows.shape[0])
        length = np.sqrt(np.sum(self.weights[known] ** 2) + (len(held) - len(known)) * newest**2)
        if not known or length == 0:
            return np.zeros(self.rows.shape[0])
        other = sparse.csr_matrix((self.weights[known] / length, (known, [0] * len(known))), (len(self.words), 1))
        near: Floats = np.asarray((self.rows @ other).todense()).ravel()
        return near

    def unusual_below(self, seed: int = 0) -> float | None:
        """Nearness to its nearest other text that only one text in twenty stays under; None for too few texts."""
        n = self.rows.shape[0]
        if n < FEWEST_TEXTS:
            return None
        chosen = np.sort(np.random.default_rng(seed).choice(n, min(SAMPLE, n), replace=False))
        near = np.asarray((self.rows[chosen] @ self.rows.T).todense())
        near[np.arange(len(chosen)), chosen] = 0.0
        return float(np.quantile(near.max(axis=1), UNUSUAL_SHARE))


def _words_of(title: pl.Series, body: pl.Series) -> pl.DataFrame:
    """Each text's different words: `text`, its place, and `word`."""
    frame = pl.DataFrame({"title": title.cast(pl.String), "body": body.cast(pl.String)}).with_row_index("text")
    split = frame.select("text", word=tokens(pl.col("title"), pl.col("body")).str.split(SEPARATOR))
    held = split.explode("word").filter(pl.col("word").str.contains(r"\w")).unique(maintain_order=True)
    return held.with_columns(pl.col("text").cast(pl.Int64))


def _of_unit_length(rows: Any) -> Any:
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.diags(1.0 / np.where(lengths > 0, lengths, 1.0)) @ rows
