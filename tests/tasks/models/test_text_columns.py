"""Pieces of words are counted word by word, and counts are weighed slice by slice: to the digit as the libraries do."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import HashingVectorizer

from tasks.models.training import text_columns
from tasks.models.training.text_columns import PIECE_CHARACTERS, PIECE_COLUMNS, PIECES, TextWeights, count

WORDS = st.one_of(
    st.text(max_size=12), st.sampled_from(["Tea", "tea", "ΟΔΟΣ", "İstanbul", "ﬁne", "a", "\u2003", "x" * 600])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=8).map(" ".join), min_size=1, max_size=6))
def test_pieces_are_counted_as_the_library_counts_them(texts: list[str]) -> None:
    library = HashingVectorizer(
        alternate_sign=False, norm=None, n_features=PIECE_COLUMNS, ngram_range=PIECES, analyzer="char_wb"
    )
    expected = library.transform([text[:PIECE_CHARACTERS] for text in texts])
    counted = count(texts, pieces=True).pieces
    assert counted is not None
    assert (counted != expected).nnz == 0
    assert counted.dtype == expected.dtype
    assert counted.indices.tolist() == expected.indices.tolist()
    assert count(texts, pieces=False).pieces is None


@pytest.mark.parametrize("pieces", [True, False])
@pytest.mark.parametrize("first", [0, 3, 69])
def test_rows_weighed_by_slices_are_those_weighed_at_once(
    pieces: bool, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = count([f"tea {i} at {i % 7} " * (i % 4) for i in range(70)], pieces=pieces)
    weights, rows = TextWeights.of(counts[slice(0, 50)]), slice(first, 70)
    beside = csr_matrix(np.arange(140.0).reshape(70, 2))[rows]
    chosen = counts[rows]
    of_blocks = [weights.words.weighed(chosen.words)]
    if pieces:
        assert weights.pieces is not None
        of_blocks.append(weights.pieces.weighed(chosen.pieces))
    at_once = hstack([*of_blocks, beside], format="csr")
    monkeypatch.setattr(text_columns, "SLICE_ROWS", 16)
    by_slices = weights.weighed(chosen, beside)
    assert by_slices.shape == at_once.shape
    assert by_slices.data.tolist() == at_once.data.tolist()
    assert by_slices.indices.tolist() == at_once.indices.tolist()
    assert by_slices.indptr.tolist() == at_once.indptr.tolist()


def test_slices_of_counts_are_those_of_the_library_and_no_copies() -> None:
    counts = count(["tea or coffee", "", "tea", "two cups of tea"], pieces=True)
    for rows in (slice(0, 3), slice(1, 4), slice(2, 2), slice(3, 99), slice(4, 1)):
        sliced = counts[rows]
        assert (sliced.words != counts.words[rows]).nnz == 0
        assert sliced.words.shape == counts.words[rows].shape
        assert sliced.pieces is not None
        assert counts.pieces is not None
        assert (sliced.pieces != counts.pieces[rows]).nnz == 0
        assert np.shares_memory(sliced.words.data, counts.words.data) == (sliced.words.nnz > 0)


def test_what_is_made_on_the_way_is_small_beside_the_result() -> None:
    counts = count([f"{i} cups of tea number {i % 997}, for {i % 89} guests" for i in range(40_000)], pieces=True)
    weights = TextWeights.of(counts)
    tracemalloc.start()
    made = weights.weighed(counts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.6 * (made.data.nbytes + made.indices.nbytes)
