"""VADER's rules on what a charged word's neighbours make of it, over all charged words at once.

Words are numbers of tasks/content/lexicon.py. `near[k]` holds, for each charged word, the word k places on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tasks.content.lexicon import OUTSIDE, Lexicon

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]
Flags = NDArray[np.bool_]

_NEGATION, _CAPITALS, _NEVER_SO = -0.74, 0.733, 1.25
_DAMPING = {1: 1.0, 2: 0.95, 3: 0.9}  # of a booster so many words ahead


def valence_sums(number: Ints, row: Ints, shouts: Flags, texts: int, lexicon: Lexicon) -> Floats:
    """Sum over each text's charged words of their valence.

    Args:
        number: each word's number, texts one after the other.
        row: the text each word stands in, ascending.
        shouts: whether a word is in capitals in a text that is not.
        texts: how many texts there are.
        lexicon: what the numbers mean.
    """
    charged = np.flatnonzero(lexicon.valence[number])
    near = {place: _at(number, row, charged, place) for place in (-3, -2, -1, 0, 1)}
    valence = _own(near, lexicon)
    valence += np.where(shouts[charged], np.where(valence > 0, _CAPITALS, -_CAPITALS), 0.0)
    for distance in (1, 2, 3):
        loud = shouts[np.maximum(charged - distance, 0)]
        changed = _negated(_boosted(valence, near[-distance], loud, distance, lexicon), near, distance, lexicon)
        valence = np.where(lexicon.listed[near[-distance]] | (near[-distance] == OUTSIDE), valence, changed)
    valence = np.where(_under_least(near, lexicon.rule), _NEGATION * valence, valence)
    weight = _around_but(number, row, charged, texts, lexicon.rule["but"])
    return np.bincount(row[charged], weights=valence * weight, minlength=texts).astype(np.float64)


def _at(number: Ints, row: Ints, charged: Ints, place: int) -> Ints:
    there = np.clip(charged + place, 0, max(len(number) - 1, 0))
    inside = (there == charged + place) & (row[there] == row[charged])
    return np.where(inside, number[there], OUTSIDE)


def _own(near: Mapping[int, Ints], lexicon: Lexicon) -> Floats:
    """The rated valence; 'no' turns a rated word after it, and 'kind of' rates nothing."""
    no, rule = lexicon.rule["no"], lexicon.rule
    rated = lexicon.valence[near[0]]
    one_of_two = (near[-3] == no) & ((near[-1] == rule["or"]) | (near[-1] == rule["nor"]))
    turned = (near[-1] == no) | (near[-2] == no) | one_of_two
    silent = (near[0] == no) & lexicon.listed[near[1]]
    valence = np.where(turned, _NEGATION * rated, np.where(silent, 0.0, rated))
    return np.where((near[0] == rule["kind"]) & (near[1] == rule["of"]), 0.0, valence)


def _boosted(valence: Floats, ahead: Ints, loud: Flags, distance: int, lexicon: Lexicon) -> Floats:
    boost = lexicon.boost[ahead] * np.where(valence < 0, -1.0, 1.0)
    boost += np.where(loud & (boost != 0), np.where(valence > 0, _CAPITALS, -_CAPITALS), 0.0)
    return np.asarray(valence + boost * _DAMPING[distance])


def _negated(valence: Floats, near: Mapping[int, Ints], distance: int, lexicon: Lexicon) -> Floats:
    """Turned by a negation so far ahead; 'never so' strengthens instead, 'without doubt' leaves alone."""
    rule, ahead = lexicon.rule, near[-distance]
    so = {place: (near[place] == rule["so"]) | (near[place] == rule["this"]) for place in (-2, -1)}
    doubt = {place: near[place] == rule["doubt"] for place in (-2, -1)}
    none = np.zeros(len(valence), dtype=bool)
    # At distance 3 the package lets a bare 'so' or 'this' before the word strengthen it, too.
    never_so = {1: none, 2: (ahead == rule["never"]) & so[-1], 3: ((ahead == rule["never"]) & so[-2]) | so[-1]}
    sure = {1: none, 2: doubt[-1], 3: doubt[-2] | doubt[-1]}
    turned = lexicon.negates[ahead] & ~((ahead == rule["without"]) & sure[distance])
    return np.where(never_so[distance], _NEVER_SO, np.where(turned, _NEGATION, 1.0)) * valence


def _under_least(near: Mapping[int, Ints], rule: Mapping[str, int]) -> Flags:
    """'least' turns a word, but for 'at least' and 'very least'."""
    return np.asarray((near[-1] == rule["least"]) & (near[-2] != rule["at"]) & (near[-2] != rule["very"]))


def _around_but(number: Ints, row: Ints, charged: Ints, texts: int, but: int) -> Floats:
    """Half before a text's first 'but', half as much again after it."""
    found = np.flatnonzero(number == but)[::-1]
    first = np.full(texts, len(number))
    first[row[found]] = found  # in reverse, so that the first one of a text is written last
    place = first[row[charged]]
    return np.where(place == len(number), 1.0, np.where(charged < place, 0.5, 1.5))
