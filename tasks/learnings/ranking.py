"""Which of some candidates answers a question best: full text and likeness of letters, fused by reciprocal rank. Pure.

Full text is BM25 (Robertson and Zaragoza 2009) over stems, each counted once a learning; another word of the same
meaning counts three quarters. Likeness is the cosine of TF-IDF over groups of three letters, which sees what stems
miss: other forms, compounds, misspelled words. A rank counts 1 / (10 + rank), of likeness a tenth of that (Cormack,
Clarke and Buettcher 2009).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

SATURATION, LENGTH_WEIGHT = 1.2, 0.5
SAME_MEANING, OWN_RARITY = 0.75, 0.25
COMPARED_BY_LETTERS = 40
RANK_OFFSET = 10.0
LETTERS_WEIGHT = 0.1
MANY_UNKNOWN = 2
OWN = "w"  # keys of words themselves begin so, see search_words


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """One word of a question.

    Attributes:
        asked: its key.
        own: keys of the word itself, or of those it may have been meant for.
        meanings: keys of the groups of words that mean the same.
        learnings: in how many of the scope each key stands.
    """

    asked: str
    own: tuple[str, ...]
    meanings: tuple[str, ...]
    learnings: Mapping[str, int]

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that are there; each stands for the word."""
        return tuple(key for key in (*self.own, *self.meanings) if self.learnings.get(key))

    @property
    def most(self) -> int:
        """At most so many learnings hold it."""
        return sum(self.learnings[key] for key in self.keys)


@dataclass(frozen=True, slots=True)
class RecallCandidate:
    """A learning that may answer, by the keys of its words."""

    learning_id: str
    keys: frozenset[str]


def ranked(terms: Sequence[SearchTerm], candidates: Sequence[RecallCandidate], total: int, unknown: int) -> list[str]:
    """Ids of candidates that are about the question, the best first.

    Args:
        total: learnings in the scope.
        unknown: words of the question that none of these holds.
    """
    held_by = [frozenset(term.keys) for term in terms]
    about = [one for one in candidates if is_about(held_by, one, unknown)]
    by_words = _by_words(terms, about, total)[:COMPARED_BY_LETTERS]
    keys = {one.learning_id: one.keys for one in candidates}
    by_letters = _by_letters([term.asked for term in terms], {name: keys[name] for name in by_words})
    rank_of_letters = {name: rank for rank, name in enumerate(by_letters, start=1)}
    scores = {
        name: 1.0 / (RANK_OFFSET + rank) + LETTERS_WEIGHT / (RANK_OFFSET + rank_of_letters[name])
        for rank, name in enumerate(by_words, start=1)
    }
    return sorted(scores, key=lambda name: (-scores[name], name))


def is_about(held_by: Sequence[frozenset[str]], candidate: RecallCandidate, unknown: int) -> bool:
    """Whether a learning is about a question: one shared word is not enough where two others are in none.

    Of 200 questions about learnings this loses 2 to 3 in 100, and answers 27 of 100 questions about other things with
    something, where 47 were before. To ask more of a learning loses more than it saves; so does to let rare words alone
    be enough.

    Args:
        held_by: the keys of each of its words.
        unknown: words of it that no learning holds.
    """
    shared = sum(not candidate.keys.isdisjoint(keys) for keys in held_by)
    return shared >= (2 if unknown >= MANY_UNKNOWN else 1)


def _by_words(terms: Sequence[SearchTerm], candidates: Sequence[RecallCandidate], total: int) -> list[str]:
    """Ids of candidates that hold any of the words, by BM25."""
    usual = sum(len(one.keys) for one in candidates) / max(len(candidates), 1) or 1.0
    gains = [_gains(term, total) for term in terms]
    scores = {one.learning_id: _score(gains, one.keys, usual) for one in candidates}
    return sorted((name for name, score in scores.items() if score > 0.0), key=lambda name: (-scores[name], name))


def _gains(term: SearchTerm, total: int) -> dict[str, float]:
    """What each key of a word adds where it stands: the word itself in full, another of its meaning in part.

    A word is as rare as its most common meaning, or one that is seldom used would outweigh what it means; its own
    rarity counts for a quarter.
    """
    rarities = {key: _rarity(term.learnings[key], total) for key in term.keys}
    least = min(rarities.values(), default=0.0)
    return {
        key: least + OWN_RARITY * (rarity - least) if key in term.own else SAME_MEANING * rarity
        for key, rarity in rarities.items()
    }


def _rarity(holding: int, total: int) -> float:
    return math.log1p(max(total - holding + 0.5, 0.5) / (holding + 0.5))


def _score(gains: Sequence[Mapping[str, float]], keys: frozenset[str], usual: float) -> float:
    held = (max((gain for key, gain in of_word.items() if key in keys), default=0.0) for of_word in gains)
    return math.fsum(held) / (SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * len(keys) / usual) + 1.0)


def _by_letters(asked: Sequence[str], documents: Mapping[str, Iterable[str]]) -> list[str]:
    """Ids by the cosine of their words' letters with the question's, the most alike first."""
    question = _triples_of(asked)
    counted = {name: _triples_of(keys) for name, keys in documents.items()}
    held = Counter(triple for counts in counted.values() for triple in counts)
    rarity = {triple: math.log((1 + len(documents)) / (1 + count)) + 1.0 for triple, count in held.items()}
    likeness = {name: _cosine(question, counts, rarity) for name, counts in counted.items()}
    return sorted(likeness, key=lambda name: (-likeness[name], name))


def _cosine(question: Mapping[str, int], counts: Mapping[str, int], rarity: Mapping[str, float]) -> float:
    length = math.sqrt(math.fsum(count * rarity[triple] ** 2 for triple, count in counts.items()))
    shared = math.fsum(math.sqrt(question[one] * counts[one]) * rarity[one] ** 2 for one in question if one in counts)
    return shared / length if length else 0.0


def _triples_of(keys: Iterable[str]) -> Counter[str]:
    return Counter(triple for key in keys if key.startswith(OWN) for triple in _triples(key[1:]))


@lru_cache(maxsize=50_000)
def _triples(word: str) -> tuple[str, ...]:
    """Groups of three letters of a word, its edges included."""
    padded = f" {word} "
    return tuple(padded[i : i + 3] for i in range(len(padded) - 2))
