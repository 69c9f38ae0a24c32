"""Texts as numbers: words, pairs of words and pieces of words, hashed and weighed by how rare they are. Pure.

Hashing keeps no vocabulary, so the counts of all rows are made once, whichever of them a model then learns from; only
the weights (inverse document frequencies, Spärck Jones 1972) are learned, from the training rows alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sparse = Any  # scipy.sparse.csr_matrix, which has no types
WORD_COLUMNS, PIECE_COLUMNS = 2**18, 2**18
PIECES = (2, 4)  # characters within one word
PIECES_ROWS = 100_000  # beyond, words alone
PIECE_CHARACTERS = 500  # of each text: in a long one words say enough, and pieces take seconds
COMMON_WORDS = 2_000
SLICE_ROWS = 4_096  # weighed at once: what is made on the way is as large as the result


@dataclass(frozen=True)
class TextCounts:
    """How often each word and each piece of a word stands in each of n texts.

    Attributes:
        words: (n, 2**18); `pieces` likewise, or None where there are too many texts.
    """

    words: Sparse
    pieces: Sparse | None

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[Any]) -> TextCounts:
        if isinstance(rows, slice):
            return TextCounts(
                _lying_there(self.words, rows), None if self.pieces is None else _lying_there(self.pieces, rows)
            )
        return TextCounts(self.words[rows], None if self.pieces is None else self.pieces[rows])

    def repeated(self, orders: Sequence[NDArray[np.int64]]) -> TextCounts:
        """One copy after another, each in its order of rows."""
        return self[np.concatenate(list(orders))]


def _lying_there(counts: Sparse, rows: slice) -> Sparse:
    """Rows one after the other where they lie: parts of a model learn from most of them, and a copy each adds up."""
    from scipy.sparse import csr_matrix

    first, last, step = rows.indices(counts.shape[0])
    assert step == 1, "rows one after the other"
    ends = counts.indptr[first : max(last, first) + 1]
    here = slice(ends[0], ends[-1])
    return csr_matrix((counts.data[here], counts.indices[here], ends - ends[0]), shape=(len(ends) - 1, counts.shape[1]))


def count(texts: Sequence[str], *, pieces: bool) -> TextCounts:
    """Counts of texts (n,), and those of pieces of words where asked for."""
    return TextCounts(_word_hasher().transform(texts), _count_pieces(texts) if pieces else None)


def _count_pieces(texts: Sequence[str]) -> Sparse:
    """(n, 2**18) of the start of each text. A word has the same pieces wherever it stands, so each is cut up once.

    The counts are those of the library over whole texts, which cuts every word of every text: two to ten times as long.
    """
    from scipy.sparse import csr_matrix

    known: dict[str, int] = {}
    places: list[int] = []
    ends = [0]
    for text in texts:
        places.extend([known.setdefault(word, len(known)) for word in text[:PIECE_CHARACTERS].lower().split()])
        ends.append(len(places))
    if not known:
        return csr_matrix((len(ends) - 1, PIECE_COLUMNS), dtype=np.float64)
    words = csr_matrix((np.ones(len(places)), places, ends), shape=(len(ends) - 1, len(known)))
    counted = words @ _piece_hasher().transform(known)
    counted.sort_indices()
    return counted


def _word_hasher() -> Any:
    return _hasher(n_features=WORD_COLUMNS, ngram_range=(1, 2))


def _piece_hasher() -> Any:
    return _hasher(n_features=PIECE_COLUMNS, ngram_range=PIECES, analyzer="char_wb", lowercase=False)


def _hasher(**how: Any) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(alternate_sign=False, norm=None, **how)


@dataclass
class BlockWeights:
    """Columns of one block of counts that are used (k,), and their weights (k,)."""

    places: NDArray[np.int32]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, counts: Sparse) -> BlockWeights:
        """Of training counts (n, columns); what stands in one text of a thousand or more is no help."""
        n = counts.shape[0]
        seen = np.bincount(counts.indices, minlength=counts.shape[1])
        least = 2 if n >= 50 else 1
        places = np.flatnonzero(seen >= least).astype(np.int32)
        if not len(places):  # texts without any word: one column of zeros, as no model fits on none
            places = np.zeros(1, dtype=np.int32)
        return cls(places, np.log((1.0 + n) / (1.0 + seen[places])) + 1.0)

    def weighed(self, counts: Sparse) -> Sparse:
        """(n, k) with rows of length one: 1 + log of each count, times its weight."""
        from sklearn.preprocessing import normalize

        chosen = counts[:, self.places].astype(np.float64, copy=False)  # a selection of columns is a copy already
        np.log(chosen.data, out=chosen.data)
        chosen.data += 1.0
        chosen.data *= self.weights[chosen.indices]
        return normalize(chosen, copy=False)

    def held(self, counts: Sparse) -> int:
        """How many of the counts (n, columns) stand in columns that are used."""
        is_used = np.zeros(counts.shape[1], dtype=np.bool_)
        is_used[self.places] = True
        return int(np.count_nonzero(is_used[counts.indices]))


@dataclass
class TextWeights:
    """What is learned of words and pieces before a model learns from them."""

    words: BlockWeights
    pieces: BlockWeights | None

    @classmethod
    def of(cls, counts: TextCounts) -> TextWeights:
        """Of training counts."""
        return cls(BlockWeights.of(counts.words), None if counts.pieces is None else BlockWeights.of(counts.pieces))

    def weighed(self, counts: TextCounts, beside: Sparse | None = None) -> Sparse:
        """(n, k) words, then pieces, then the columns (n, m) of `beside`; besides the result a slice of it is held."""
        from scipy.sparse import csr_matrix, hstack

        blocks: list[tuple[BlockWeights | None, Sparse]] = [(self.words, counts.words)]
        if self.pieces is not None:
            assert counts.pieces is not None, "pieces are counted for as many rows as they are learned from"
            blocks.append((self.pieces, counts.pieces))
        if beside is not None:
            blocks.append((None, beside))
        n = counts.words.shape[0]
        columns = sum(block.shape[1] if weights is None else len(weights.places) for weights, block in blocks)
        held = sum(block.nnz if weights is None else weights.held(block) for weights, block in blocks)
        data, indices, ends = np.empty(held), np.empty(held, dtype=np.int32), np.zeros(n + 1, dtype=np.int32)
        for first in range(0, n, SLICE_ROWS):
            rows = slice(first, min(first + SLICE_ROWS, n))
            parts = [(weights, _lying_there(block, rows)) for weights, block in blocks]
            made = hstack([part if weights is None else weights.weighed(part) for weights, part in parts], format="csr")
            here = slice(ends[first], ends[first] + made.nnz)
            data[here], indices[here] = made.data, made.indices
            ends[first + 1 : rows.stop + 1] = here.start + made.indptr[1:]
        return csr_matrix((data, indices, ends), shape=(n, columns))


def common_words(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The most common words and pairs of texts (n,), and the columns they are hashed to."""
    analyze = _word_hasher().build_analyzer()
    counted = Counter[str]()
    for text in texts:
        counted.update(analyze(text))
    words = [word for word, _ in sorted(counted.items(), key=_most_common_first)[:COMMON_WORDS]]
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(WORD_COLUMNS, input_type="string", alternate_sign=False)
    places = hasher.transform([[word] for word in words]).indices if words else []
    return words, np.asarray(places, dtype=np.int64)


def _most_common_first(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]
