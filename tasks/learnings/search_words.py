"""A text as the words it is found by: stems, and what means the same; the same for what was learned and for a question.

Every word becomes letters and digits of ASCII, so that no database reads anything into it: stems begin with `w`,
groups of words that mean the same with `c`, pairs of signs in scripts without blanks with `h`, scopes with `s`.
"""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import snowballstemmer

from tasks.content.stop_words import ENGLISH
from tasks.learnings.vocabulary import ASKING, PHRASES, synonyms

MOST_LETTERS = 20_000  # of a text that are read
LONGEST_WORD = 40
LEAST_BEGINNING, MOST_ENDING = 4, 4  # letters
# Chinese, Japanese and Thai, Lao, Khmer and Burmese write no blanks between words, Korean few.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0002fa1f"
)
_RUNS = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_PHRASE = re.compile("|".join(rf"\b{re.escape(one)}(?=s?\b)" for one in sorted(PHRASES, key=len, reverse=True)))
_COMMON = ASKING | ENGLISH
_STEMMER, _STEMMING = snowballstemmer.stemmer("english"), threading.Lock()  # it holds the word that it works on


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The word without the endings of English; the word itself where it is in other letters."""
    if not word.isascii():
        return word
    with _STEMMING:
        return str(_STEMMER.stemWord(word))


def search_words(text: str) -> list[str]:
    """Words of a text in their order, without those that any text holds, and bounded in number."""
    plain = unicodedata.normalize("NFKC", text[:MOST_LETTERS]).casefold().replace("’", "'")
    plain = _PHRASE.sub(_joined, plain).replace("'s", "").replace("'", "")
    words: list[str] = []
    for run in _RUNS.findall(plain):
        if _IS_UNSPACED.match(run):
            words += [run] if len(run) < 3 else [run[i : i + 2] for i in range(len(run) - 1)]
        elif run not in _COMMON:
            words.append(stem(run[:LONGEST_WORD]))
    return words


def _joined(phrase: re.Match[str]) -> str:
    return PHRASES[phrase.group()]


@lru_cache(maxsize=1)
def _groups() -> dict[str, tuple[str, ...]]:
    """Groups of words that mean the same, each by the stem of its first word, by the stems of all their words."""
    by_stem: dict[str, dict[str, None]] = {}
    for first, word in synonyms():
        by_stem.setdefault(stem(word), {})[stem(first)] = None
    return {word: tuple(groups) for word, groups in by_stem.items()}


@lru_cache(maxsize=50_000)
def keys_of(word: str) -> tuple[str, ...]:
    """The keys of a stem: its own, and those of the groups it stands in."""
    own = f"h{word.encode().hex()}" if _IS_UNSPACED.match(word) else f"w{_ascii(word)}"
    return (own, *(f"c{_ascii(group)}" for group in _groups_of(word)))


def _groups_of(word: str) -> tuple[str, ...]:
    """Groups a stem stands in; one that is in none stands where what it begins with does, as `swipeable` does."""
    known = _groups()
    beginnings = range(len(word) - 1, max(LEAST_BEGINNING, len(word) - MOST_ENDING) - 1, -1)
    written = (word, *(word[:length] for length in beginnings))
    return next((known[one] for one in written if one in known), ())


def keys_in(words: Iterable[str]) -> list[str]:
    """All keys of some words, in order; a key stands as often as its words do."""
    return [key for word in words for key in keys_of(word)]


def scope_key(workspace_id: str | None) -> str:
    """The key of everything that belongs to one workspace; no word is ever one."""
    return "s" + hashlib.sha256((workspace_id or "").encode("utf-8", "replace")).hexdigest()[:24]


def _ascii(word: str) -> str:
    return word if word.isascii() else f"0x{word.encode('utf-8', 'replace').hex()[: 2 * LONGEST_WORD]}"
