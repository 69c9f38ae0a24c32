"""The conditions rules are made of, and which posts match them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.patterns.encoding import Feature
from tasks.patterns.preparation import Posts
from tasks.patterns.proposals import propose
from tasks.patterns.records import Rule, Selector

Mask = NDArray[np.bool_]

MAX_SELECTORS = 150
MIN_MATCHES = 20
MAX_SHARE = 0.95
OPPOSITE = {"false": "true", "absent": "present", "lower_half": "upper_half"}


@dataclass(frozen=True)
class SelectorTable:
    """S selectors and which of n posts match them.

    Attributes:
        selectors: S conditions.
        about: (S) the feature each is about.
        owner: (S,) index of that feature.
        matches: (n, S); a missing feature matches nothing.
        dropped: features that can tell no posts apart, with the reason.
    """

    selectors: list[Selector]
    about: list[Feature]
    owner: NDArray[np.int64]
    matches: Mask
    dropped: dict[str, str]

    @cached_property
    def alone(self) -> Mask:
        """(S,) false for a condition that only negates another one here: one finding is told once, the positive way."""
        names = {(selector.feature, selector.level) for selector in self.selectors}
        return np.array([(s.feature, OPPOSITE.get(s.level)) not in names for s in self.selectors], dtype=bool)

    def rule(self, members: tuple[int, ...]) -> Rule:
        """The selectors of a rule."""
        return tuple(self.selectors[i] for i in members)

    def roles(self, members: tuple[int, ...]) -> set[str]:
        """What a rule is about."""
        return {self.about[i].role for i in members}

    def valid(self, members: tuple[int, ...]) -> Mask:
        """Rows (n,) on which all of a rule's features are known."""
        known = self.about[members[0]].known
        return known if len(members) == 1 else known & self.about[members[1]].known


def selector_table(posts: Posts) -> SelectorTable:
    """At most 150 selectors; cut points and support come from the discovery half alone."""
    searched = posts.searched
    dropped: dict[str, str] = {}
    proposed: list[tuple[Selector, int]] = []
    for index, feature in enumerate(posts.features):
        values = feature.numbers[searched]
        values = values[~np.isnan(values)]
        if not len(values) or values.min() == values.max():
            dropped[feature.name] = "constant" if len(values) else "all missing"
            continue
        proposed += [(selector, index) for selector in propose(feature, values)]
    bits = np.empty((len(proposed), len(posts.discovery)), dtype=bool)
    for row, (selector, index) in zip(bits, proposed, strict=True):
        row[:] = posts.features[index].matches(selector)
    kept = _supported(bits[:, searched])
    owner = np.array([proposed[i][1] for i in kept], dtype=np.int64)
    return SelectorTable(
        selectors=[proposed[i][0] for i in kept],
        about=[posts.features[i] for i in owner],
        owner=owner,
        matches=bits[kept].T,  # a selector's rows lie side by side, as the matrix products want them
        dropped=dropped,
    )


def _supported(bits: Mask) -> list[int]:
    """Selectors that match neither too few nor nearly all rows, the most evenly dividing ones if there are too many."""
    rows, size = bits.sum(axis=1), bits.shape[1]
    usable = np.flatnonzero((rows >= MIN_MATCHES) & (rows <= MAX_SHARE * size))
    if len(usable) > MAX_SELECTORS:
        unevenness = np.abs(rows[usable] / size - 0.5)
        usable = np.sort(usable[np.argsort(unevenness, kind="stable")[:MAX_SELECTORS]])
    return [int(i) for i in usable]
