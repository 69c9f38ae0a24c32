"""Pieces of words are counted word by word; the counts are the library's own over whole texts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer

from tasks.models.training.text_columns import PIECE_CHARACTERS, PIECE_COLUMNS, PIECES, count

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
