"""What posts are about, without labels: groups of words that come together, named by the words that tell them apart.

A non-negative factorization of TF-IDF (Lee & Seung 1999; updates by columns after Cichocki & Phan 2009) finds the
groups. A post is about a topic if it mentions at least two of its telling words, so that whoever has the words can say
of any text whether it is. The next analysis finds its topics anew, and each takes the name of the earlier one that it
shares most words with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.content.words import WORDS_OF_A_TOPIC, Terms

Floats = NDArray[np.float64]

MOST_TOPICS = 12
POSTS_A_TOPIC = 100
TELLING_WORDS = 12
MOST_TEXTS = 2000  # that they are learned from, evenly spaced
MOST_SHARE = 0.3  # of texts that mention a word which tells a topic
ROUNDS, POWER_ROUNDS = 20, 8
SAME_TOPIC, RELATED = 0.3, 0.15  # of the words of two topics, the share in both (Jaccard index)
EXAMPLES = 3
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic.

    Attributes:
        topic_id: its name across analyses.
        words: that tell it from other topics, the most telling first.
        texts: how many texts mention at least two of them.
        examples: positions of the three texts that are most about it.
        history: `new`, `kept`, `split from <id>`, and ` merged with <id>` behind any of them.
    """

    topic_id: str
    words: tuple[str, ...]
    texts: int
    examples: tuple[int, ...] = ()
    history: str = "new"

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Topic:
        """The topic under its name and by its words, which is all that the next analysis asks for."""
        return cls(str(stored["topic_id"]), tuple(stored["words"]), int(stored["posts"]))


def topics_in(terms: Terms, before: Sequence[Topic] = ()) -> list[Topic]:
    """Topics of n texts, the most common first; none where there are too few texts.

    With five more posts a time, .988 of the topics of real pages keep their names.

    Args:
        terms: of the texts; words that nearly a third of them mention tell no topic.
        before: topics of the analysis before, whose names live on.
    """
    names = set(terms.names)
    alone = np.array([" " not in name or names.isdisjoint(name.split()) for name in terms.names], dtype=bool)
    columns = np.flatnonzero(alone & (terms.mentioned.sum(axis=0) <= MOST_SHARE * terms.known.sum()))
    worded = np.flatnonzero(terms.mentioned[:, columns].any(axis=1))
    _, first = np.unique(terms.story[worded], return_index=True)  # one story is told once
    rows = worded[np.sort(first)]
    count = min(len(rows) // POSTS_A_TOPIC, MOST_TOPICS)
    if count < 2 or len(columns) < count * WORDS_OF_A_TOPIC:
        return []
    matrix = _weights(terms.mentioned[np.ix_(rows, columns)])
    own = [np.isin([terms.names[i] for i in columns], topic.words).astype(np.float64) for topic in before[:count]]
    factors = _factors(matrix[:: -(-len(rows) // MOST_TEXTS)], count, own)
    share = factors / np.maximum(factors.sum(axis=0), TINY)
    topics = []
    for weight, score in zip(factors * share, (matrix @ factors.T).T, strict=True):
        telling = columns[np.argsort(-weight, kind="stable")[:TELLING_WORDS]]
        words = tuple(terms.names[i] for i in telling)
        texts = int((terms.mentioned[:, telling].sum(axis=1) >= WORDS_OF_A_TOPIC).sum())
        examples = tuple(int(rows[i]) for i in np.argsort(-score, kind="stable")[:EXAMPLES])
        topics.append(Topic(_new_id(words), words, texts, examples))
    return with_names(sorted(topics, key=_most_common_first), before)


def _most_common_first(topic: Topic) -> tuple[int, str]:
    return -topic.texts, topic.topic_id


def with_names(topics: Sequence[Topic], before: Sequence[Topic]) -> list[Topic]:
    """Topics under the names of those before them that they share most words with, splits and merges said."""
    alike = np.array([[_alike(one.words, other.words) for other in before] for one in topics])
    alike = alike.reshape(len(topics), len(before))
    names: dict[int, int] = {}
    for at in np.argsort(-alike, axis=None, kind="stable").tolist():
        i, j = divmod(at, max(len(before), 1))
        if alike[i, j] >= SAME_TOPIC and i not in names and j not in names.values():
            names[i] = j
    named = []
    for i, topic in enumerate(topics):
        history = "kept" if i in names else "new"
        nearest = int(np.argmax(alike[i])) if len(before) else 0
        if i not in names and len(before) and alike[i, nearest] >= RELATED:
            history = f"split from {before[nearest].topic_id}"
        gone = [j for j in range(len(before)) if j not in names.values() and int(np.argmax(alike[:, j])) == i]
        for j in gone:
            history += f", merged with {before[j].topic_id}" if alike[i, j] >= RELATED else ""
        named.append(
            replace(topic, topic_id=before[names[i]].topic_id if i in names else topic.topic_id, history=history)
        )
    return named


def _alike(one: Sequence[str], other: Sequence[str]) -> float:
    return len({*one} & {*other}) / max(len({*one} | {*other}), 1)


def _new_id(words: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(sorted(words)).encode()).hexdigest()[:8]


def _weights(mentioned: NDArray[np.bool_]) -> Floats:
    """TF-IDF (n, V), each row of length 1."""
    rarity = np.log(len(mentioned) / np.maximum(mentioned.sum(axis=0), 1))
    matrix = mentioned.astype(np.float64) * rarity
    length = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    weights: Floats = matrix / np.maximum(length, TINY)[:, None]
    return weights


def _factors(matrix: Floats, count: int, before: Sequence[Floats]) -> Floats:
    """H (K, V) of W · H ≈ matrix, both ≥ 0.

    Begins at the words (V,) of the topics before, and at the leading singular vectors: there are many factorizations as
    good as each other, and this one is near the last one.
    """
    generator = np.random.default_rng(0)
    right = generator.normal(size=(count, matrix.shape[1]))
    for _ in range(POWER_ROUNDS):
        right = np.linalg.qr(matrix.T @ (matrix @ right.T))[0].T
    right *= np.where(right.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    factors: Floats = np.maximum(right, 0.0) + 1e-3 * generator.random(right.shape)
    for k, words in enumerate(before):
        factors[k] = words / np.sqrt(max(words.sum(), 1.0)) + TINY
    shares = np.maximum(matrix @ factors.T, TINY)
    for _ in range(ROUNDS):
        _improve(shares, matrix @ factors.T, factors @ factors.T)
        _improve(factors.T, matrix.T @ shares, shares.T @ shares)
    return factors


def _improve(columns: Floats, target: Floats, gram: Floats) -> None:
    """One round of least squares for each column in turn, in place."""
    for k in range(columns.shape[1]):
        step = (target[:, k] - columns @ gram[:, k]) / max(float(gram[k, k]), TINY)
        columns[:, k] = np.maximum(columns[:, k] + step, TINY)
