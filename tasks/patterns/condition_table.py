"""The conditions rules are made of, where they cut a feature's range, and which posts match them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tasks.conditions import TITLE_AND_BODY, Condition, Membership, Rule
from tasks.content.catalogue import family
from tasks.content.topics import Topic, topics_in
from tasks.content.words import COMMA, terms_in
from tasks.patterns.features import EncodedFeature, Floats, Mask
from tasks.patterns.preparation import Posts
from tasks.patterns.search import rule_matches
from tasks.statistics.group_codes import groups

MAX_CONDITIONS = 150
MIN_MATCHES = 20
MAX_SHARE = 0.95
OPPOSITE = {"false": "true", "absent": "present", "lower_half": "upper_half"}
# Conditions whose posts are those of others of the same feature: these, or all that are known if none, less those.
MADE_OF = {
    **{negation: ((), (positive,)) for negation, positive in OPPOSITE.items()},
    "third_quarter": (("upper_half",), ("top_quarter",)),
    "second_quarter": ((), ("upper_half", "bottom_quarter")),
}

MAX_WORDS = 200
LEAST_STORIES = 5  # of a word that topics may be made of
LEAST_SHARE = 0.01  # of the texts, that mention a word
MAX_LABELS = 12
ZERO_INFLATED = 0.1
HOURS_PER_BLOCK = 4
SIGNIFICANT_DIGITS = 2
QUARTERS = np.array((0.25, 0.5, 0.75))


@dataclass(frozen=True)
class ConditionTable:
    """S conditions and which of n posts match them.

    Attributes:
        conditions: S conditions.
        about: (S) the feature each is about.
        owner: (S,) index of that feature.
        matches: (n, S); a missing feature matches nothing.
        dropped: features that can tell no posts apart, with the reason.
        story: (n,) codes of posts that tell one story in nearly the same words; None where there are no words.
        topics: what posts are about, under the names of the analysis before.
    """

    conditions: list[Condition]
    about: list[EncodedFeature]
    owner: NDArray[np.int64]
    matches: Mask
    dropped: dict[str, str]
    story: NDArray[np.int64] | None = None
    topics: Sequence[Topic] = ()

    @cached_property
    def of_words(self) -> Mask:
        """(S,) conditions on words, which stand after all others."""
        return np.array([feature.kind == "words" for feature in self.about], dtype=bool)

    @cached_property
    def act(self) -> NDArray[np.int64]:
        """(S,) codes of what conditions are about; features that measure one act, such as lengths, have one code."""
        names = [family(feature.name) for feature in self.about]
        codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
        return np.array([codes[name] for name in names], dtype=np.int64)

    @cached_property
    def alone(self) -> Mask:
        """(S,) false for a condition that only negates another one here, which is reported in its positive form."""
        at = self._at(np.arange(len(self.conditions)))
        alone = np.ones(len(self.conditions), dtype=bool)
        alone[[k for (feature, level), k in at.items() if (feature, OPPOSITE.get(level)) in at]] = False
        return alone

    def _at(self, chosen: NDArray[np.int64]) -> dict[tuple[str, str], int]:
        """Where conditions stand among the chosen, by feature and level; labels, which can have any name, left out."""
        return {
            (self.conditions[i].feature, self.conditions[i].level): k
            for k, i in enumerate(chosen.tolist())
            if self.about[i].kind not in ("category", "words")
        }

    @cached_property
    def known(self) -> tuple[Mask, NDArray[np.int64]]:
        """The distinct sets of posts (n, G) that conditions are known on, and the set (S,) of each condition."""
        sets: dict[bytes, int] = {}
        columns: list[Mask] = []
        of_feature: dict[int, int] = {}
        for index in np.unique(self.owner).tolist():
            feature = self.about[int(np.argmax(self.owner == index))]
            packed = np.packbits(feature.known).tobytes()
            if packed not in sets:
                sets[packed] = len(columns)
                columns.append(feature.known)
            of_feature[index] = sets[packed]
        known = np.column_stack(columns) if columns else np.ones((len(self.matches), 1), dtype=bool)
        return known, np.array([of_feature[index] for index in self.owner.tolist()], dtype=np.int64)

    def made_of(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
        """Which of the chosen conditions cannot be made of others (B,), and what each is made of (S, B + G).

        The G sets are those that conditions are known on.
        """
        at = self._at(chosen)
        made: dict[int, tuple[list[int], list[int]]] = {}
        for (feature, level), k in at.items():
            plus, minus = MADE_OF.get(level, ((), ()))
            if minus and all((feature, one) in at for one in (*plus, *minus)):
                made[k] = [at[feature, one] for one in plus], [at[feature, one] for one in minus]
        basis = np.array([k for k in range(len(chosen)) if k not in made], dtype=np.int64)
        known, known_as = self.known
        parts = np.zeros((len(chosen), len(basis) + known.shape[1]))
        parts[basis, np.arange(len(basis))] = 1.0
        column = {k: i for i, k in enumerate(basis.tolist())}
        for k, (of, less) in made.items():
            parts[k, [column[i] for i in of] or len(basis) + known_as[chosen[k]]] = 1.0
            parts[k, [column[i] for i in less]] = -1.0
        return basis, parts

    def rule(self, members: tuple[int, ...]) -> Rule:
        """The conditions of a rule."""
        return tuple(self.conditions[i] for i in members)

    def roles(self, members: tuple[int, ...]) -> set[str]:
        """What a rule is about."""
        return {self.about[i].role for i in members}

    def acts_of(self, members: tuple[int, ...]) -> frozenset[str]:
        """What somebody does who follows a rule."""
        return frozenset(family(self.about[i].name) for i in members)

    def membership(self, members: tuple[int, ...]) -> Membership:
        """Which posts (n,) match all conditions of a rule, and of which it is known: those with all its features."""
        known = self.about[members[0]].known
        both = known if len(members) == 1 else known & self.about[members[1]].known
        return Membership(rule_matches(self.matches, members), both)


def condition_table(posts: Posts, least: int = MIN_MATCHES, before: Sequence[Topic] = ()) -> ConditionTable:
    """At most 150 conditions and as many on words; the outcome takes no part in where they cut."""
    dropped: dict[str, str] = {}
    proposed: list[tuple[Condition, int]] = []
    for index, feature in enumerate(posts.features):
        if feature.kind == "words":
            continue
        values = feature.numbers[feature.known]
        if not len(values) or values.min() == values.max():
            dropped[feature.name] = "constant" if len(values) else "all missing"
            continue
        proposed += [(condition, index) for condition in _proposals(feature, values)]
    bits = np.empty((len(proposed), len(posts.week)), dtype=bool)
    for row, (condition, index) in zip(bits, proposed, strict=True):
        row[:] = posts.features[index].matching(condition)
    known = np.array([posts.features[index].known.sum() for _, index in proposed], dtype=np.int64)
    kept = _supported(bits, known)
    conditions, owner = [proposed[i][0] for i in kept], [proposed[i][1] for i in kept]
    rows, story, topics = bits[kept], None, list[Topic]()
    for index, feature in enumerate(posts.features):
        if feature.tokens is not None:
            terms, texts = terms_in(feature.tokens, LEAST_STORIES), feature.known.sum()
            often = terms.stories >= max(least, ceil(LEAST_SHARE * texts))
            words = np.flatnonzero(often & (terms.mentioned.sum(axis=0) <= texts - least))[:MAX_WORDS]
            conditions += [_word(terms.names[i]) for i in words]
            topics = topics_in(terms, before)
            about = [_topic(topic) for topic in topics if least <= topic.texts <= texts - least]
            conditions += about
            rows = np.vstack([rows, terms.mentioned[:, words].T, *(feature.matching(one) for one in about)])
            owner += [index] * (len(words) + len(about))
            story = terms.story
    return ConditionTable(
        conditions=conditions,
        about=[posts.features[i] for i in owner],
        owner=np.array(owner, dtype=np.int64),
        matches=rows.T,  # a condition's rows lie side by side, as the matrix products want them
        dropped=dropped,
        story=story,
        topics=topics,
    )


def _word(term: str) -> Condition:
    return Condition(TITLE_AND_BODY, "mentions", term, f"mentions {term}")


def _topic(topic: Topic) -> Condition:
    return Condition(TITLE_AND_BODY, "is_about", COMMA.join(topic.words), f"topic {topic.topic_id}")


def _supported(bits: Mask, known: NDArray[np.int64]) -> list[int]:
    """Conditions that match neither too few nor nearly all of the rows (S,) they are known on; the most even 150."""
    rows = bits.sum(axis=1)
    usable = np.flatnonzero((rows >= MIN_MATCHES) & (rows <= MAX_SHARE * known))
    if len(usable) > MAX_CONDITIONS:
        unevenness = np.abs(rows[usable] / known[usable] - 0.5)
        usable = np.sort(usable[np.argsort(unevenness, kind="stable")[:MAX_CONDITIONS]])
    return [int(i) for i in usable]


def _proposals(feature: EncodedFeature, values: Floats) -> Iterator[Condition]:
    """Conditions on a feature: present, in a quarter of its range, or with a certain label.

    Args:
        feature: what it is.
        values: known values (m,), m ≥ 1, that cut points and labels are chosen from.
    """
    if feature.kind == "boolean":
        yield Condition(feature.name, "==", True, "true")
        yield Condition(feature.name, "==", False, "false")
    elif feature.kind == "category":
        for label in _labels(feature, values):
            yield Condition(feature.name, "==", label, str(label))
    elif feature.kind == "hour":
        for first in range(0, 24, HOURS_PER_BLOCK):
            yield Condition(feature.name, "between", (first, first + HOURS_PER_BLOCK), f"from_{first:02d}")
    else:
        yield from _numeric(feature.name, values, whole=feature.kind == "count")


def _labels(feature: EncodedFeature, values: Floats) -> list[str | int]:
    """The twelve most common labels, ties by name."""
    labels = groups(values.astype(np.int64))
    common = labels.numbers[np.argsort(-labels.rows, kind="stable")[:MAX_LABELS]]
    return [feature.labels[int(code)] if feature.labels else int(code) for code in common]


def _numeric(name: str, values: Floats, *, whole: bool) -> Iterator[Condition]:
    """Present or absent where zeros are common; quarters and halves of the range elsewhere."""
    floor = -np.inf
    if whole and np.mean(values < 1) >= ZERO_INFLATED:
        yield Condition(name, ">=", 1, "present")
        yield Condition(name, "<", 1, "absent")
        floor = 1
    low, middle, high = (_round(cut, whole) for cut in _quartiles(values))
    if high > max(floor, middle):
        yield Condition(name, ">=", high, "top_quarter")
    if floor < middle:
        yield Condition(name, ">=", middle, "upper_half")
        yield Condition(name, "<", middle, "lower_half")
    if floor < low < middle:
        yield Condition(name, "<", low, "bottom_quarter")
    if floor < low < middle < high:
        yield Condition(name, "between", (low, middle), "second_quarter")
        yield Condition(name, "between", (middle, high), "third_quarter")


def _quartiles(values: Floats) -> list[float]:
    """Values that are there, never means of two of them: `np.quantile(…, method="higher")` in half the time."""
    at = np.ceil((len(values) - 1) * QUARTERS).astype(np.int64)
    cuts: list[float] = np.partition(values, at)[at].tolist()
    return cuts


def _round(value: float, whole: bool) -> float:
    """Cut points a person can read, that stay put when one more day of posts comes in."""
    return ceil(value) if whole else float(f"{value:.{SIGNIFICANT_DIGITS}g}")
