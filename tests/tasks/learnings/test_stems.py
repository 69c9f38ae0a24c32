"""Chunks of a night are remembered by threads at once: the stemmer holds the word it works on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.learnings.search_words import stem

WORDS = [f"{start}{middle}{end}" for start in ("organ", "swip", "publ", "mount") for middle in ("iz", "ish", "eabl", "")
         for end in ("ation", "ing", "ed", "ness", "ies", "fully", "ement")]  # fmt: skip


@pytest.fixture
def threads_that_alternate() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def stems_of(words: list[str]) -> list[str]:
    return [stem.__wrapped__(word) for word in words]


@pytest.mark.usefixtures("threads_that_alternate")
def test_words_that_two_threads_stem_at_once_keep_their_stems() -> None:
    expected = stems_of(WORDS)
    orders = [WORDS, WORDS[::-1]] * 5
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(stems_of, orders))
    assert answers == [expected, expected[::-1]] * 5
