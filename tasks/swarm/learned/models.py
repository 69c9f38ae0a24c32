"""What single experts know: models of which text does better, each from another side of the texts.

All compare texts within their comparison alone. How much they count together is learned in `stacking`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg

from tasks.swarm.learned.comparisons import Comparisons
from tasks.swarm.posterior import OWN_SD

FOLDS = 5
# Spread of the effects of columns (log ratios; a usual row of columns has length 1). Between .03 and .25 it makes no
# difference to which texts of the development parts of two archives were told right; smaller and larger ones do worse.
SPREAD_OF_EFFECTS = 0.06
LIKE_NOTHING = 0.5  # usual texts that a text is drawn to the middle by, where few are like it
TOLERANCE, MOST_STEPS = 1e-3, 60

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Columns = csr_array | Floats


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned from: comparisons, with each text's weight and the fold that holds it out."""

    of: Comparisons
    weight: Floats
    fold: Codes

    @classmethod
    def by(cls, compared: Comparisons) -> Lesson:
        """Texts by the precision of their outcome; what was asked is dealt out to five folds."""
        return cls(compared, 1.0 / (OWN_SD**2 + compared.variance), compared.subject % FOLDS)

    def centered(self, values: Floats, weight: Floats) -> Floats:
        """(n,) values less their comparison's weighted mean; 0 where nothing of a comparison counts."""
        total = np.bincount(self.of.group, weight)
        mean = np.bincount(self.of.group, weight * values) / np.where(total > 0.0, total, 1.0)
        off: Floats = np.where(weight > 0.0, values - mean[self.of.group], 0.0)
        return off


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of n texts in comparisons, each held out when it was said, and of m others; log ratios."""

    held_out: Floats
    others: Floats


Fit = Callable[[Lesson, Columns, Columns, Floats], Floats]


def predicted(fit: Fit, lesson: Lesson, columns: Columns) -> Predicted:
    """What a kind of model says.

    Args:
        columns: (U + m, F) of the comparisons' texts and of others.
    """
    u = len(lesson.of.texts)
    known, others = columns[:u], columns[u:]
    held_out = np.zeros(len(lesson.weight))
    for fold in range(FOLDS):
        out = lesson.fold == fold
        if out.any():
            held_out[out] = fit(lesson, known, known, np.where(out, 0.0, lesson.weight))[lesson.of.text[out]]
    return Predicted(held_out, fit(lesson, known, others, lesson.weight))


def by_ridge(lesson: Lesson, known: Columns, asked: Columns, weight: Floats) -> Floats:
    """Effects of columns by ridge regression, solved by conjugate gradients."""
    u, text, size = len(lesson.of.texts), lesson.of.text, known.shape[1]
    if not size:
        return np.zeros(asked.shape[0])

    def spread_out(values: Floats) -> Floats:
        return np.asarray(known.T @ np.bincount(text, weight * values, minlength=u))

    def normal(effects: Floats) -> Floats:
        fitted = lesson.centered(np.asarray(known @ effects)[text], weight)
        return spread_out(fitted) + effects / SPREAD_OF_EFFECTS**2

    pull = spread_out(lesson.centered(lesson.of.outcome, weight))
    operator = LinearOperator((size, size), matvec=normal, dtype=np.float64)
    effects, _ = cg(operator, pull, rtol=TOLERANCE, maxiter=MOST_STEPS)
    return np.asarray(asked @ effects)


def by_likeness(lesson: Lesson, known: Columns, asked: Columns, weight: Floats) -> Floats:
    """How texts did beside what they were compared with, the more like the one asked about the more they count."""
    u = len(lesson.of.texts)
    off = lesson.centered(lesson.of.outcome, weight)
    pull, mass = (np.bincount(lesson.of.text, values, minlength=u) for values in (weight * off, weight))
    usual = LIKE_NOTHING * float(np.median(lesson.weight))
    likely: Floats = (asked @ (known.T @ pull)) / (asked @ (known.T @ mass) + usual)
    return likely
