"""Labels of texts: a linear support vector machine on words and pieces of words, calibrated on later rows. Pure.

All labels count alike while it learns, or the rare ones would never be said; the calibration then gives each its real
share. How strictly it is held back, `C`, is chosen where later rows show which is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.training.calibration import Calibration, calibrated
from tasks.models.training.origins import origin
from tasks.models.training.text_columns import PIECES_ROWS, TextCounts, TextWeights, common_words

Floats = NDArray[np.float64]
STRENGTHS = (0.1, 0.3)
CHOICE_ROWS = 10_000  # beyond, the first strength: a second one costs seconds and brings nothing
SEED = 20260101
TOWARD_RARE = 0.25  # power of a label's share by which its probability counts less when one label is said
# At .25 accuracy stays and macro F1 gains .01 (seven emotions, four sentiments); at .5 accuracy falls by .01.


@dataclass
class TextModel:
    """A fitted classifier of texts.

    Attributes:
        inputs: that it reads `text` and no more.
        coefficients: (classes, words + pieces), with `intercepts` (classes,).
        label_weights: (classes,) by which probabilities are multiplied before one label is said.
        recipe: what was chosen, for people.
    """

    inputs: dict[str, Any]
    words: TextWeights
    coefficients: Floats
    intercepts: Floats
    calibration: Calibration
    classes_: list[str]
    label_weights: Floats
    recipe: dict[str, Any]

    def predict_proba(self, counts: TextCounts) -> Floats:
        """(n, classes) probabilities."""
        decisions = self.words.weighed(counts) @ self.coefficients.T + self.intercepts
        return self.calibration.probabilities(decisions)

    def word_contributions(self, texts: list[str], counts: TextCounts) -> tuple[list[str], Floats]:
        """The most common words (w,) of texts, and their mean contributions (classes, w) to each label's score."""
        words, columns = common_words(texts)
        places = np.searchsorted(self.words.words.places, columns)
        places = np.minimum(places, len(self.words.words.places) - 1)
        kept = np.flatnonzero(self.words.words.places[places] == columns) if len(columns) else np.zeros(0, dtype=int)
        mean = np.asarray(self.words.weighed(counts).mean(axis=0)).ravel()[places[kept]]
        weights = self.coefficients - self.coefficients.mean(axis=0)
        contributions: Floats = weights[:, places[kept]] * mean * self.calibration.slope
        return [words[i] for i in kept], contributions


class TextPart:
    """What is learned from the first texts (n,) with their classes, each piece when it is first needed."""

    def __init__(self, counts: TextCounts, target: NDArray[Any]) -> None:
        self.words = TextWeights.of(counts)
        self.classes = np.unique(target)
        self._counts, self._target = counts, target
        self._fitted: dict[float, tuple[Floats, Floats]] = {}

    @cached_property
    def _rows(self) -> Any:
        return self.words.weighed(self._counts)

    def linear(self, strength: float) -> tuple[Floats, Floats]:
        """Coefficients (classes, words + pieces) and intercepts (classes,)."""
        if strength not in self._fitted:
            fitted = _machine(strength, len(self._target)).fit(self._rows, self._target)
            rows, middle = np.asarray(fitted.coef_, dtype=np.float64), np.asarray(fitted.intercept_, dtype=np.float64)
            if len(self.classes) == 2:  # one row for both: half of the distance each
                rows, middle = np.vstack([-rows, rows]) / 2, np.concatenate([-middle, middle]) / 2
            self._fitted[strength] = rows, middle
        return self._fitted[strength]

    def decisions(self, counts: TextCounts, strength: float) -> Floats:
        """(m, classes) of other texts."""
        rows, middle = self.linear(strength)
        values: Floats = self.words.weighed(counts) @ rows.T + middle
        return values


def _machine(strength: float, n: int) -> Any:
    from sklearn.linear_model import SGDClassifier
    from sklearn.svm import LinearSVC

    if n > PIECES_ROWS:
        return SGDClassifier(loss="hinge", alpha=1e-6, class_weight="balanced", random_state=SEED)
    return LinearSVC(C=strength, class_weight="balanced", tol=1e-2, random_state=SEED)


def fit_text_model(part_of: Callable[[int], TextPart], counts: TextCounts, target: NDArray[Any]) -> TextModel:
    """Fit on texts (n,) in time order, tuned and calibrated on the latest of them by those before.

    Args:
        part_of: what is learned from so many of the first rows.
        counts: of all of them.
        target: (n,) labels.
    """
    n, start = len(target), origin(len(target))
    whole = part_of(n)
    classes = whole.classes
    truth = np.searchsorted(classes, target[start:])
    known = np.isin(classes, np.unique(target[:start]))
    options = STRENGTHS if n <= CHOICE_ROWS else STRENGTHS[:1]
    tried = []
    for strength in options:
        decisions = np.zeros((n - start, len(classes)))
        if known.sum() > 1:
            decisions[:, known] = part_of(start).decisions(counts[slice(start, n)], strength)
        calibration = calibrated(decisions, truth, known)
        p = calibration.probabilities(decisions)[np.arange(len(truth)), truth]
        tried.append((float(-np.log(np.clip(p[known[truth]], 1e-12, 1.0)).mean()), strength, calibration))
    _, strength, calibration = min(tried, key=lambda one: one[0])
    coefficients, intercepts = whole.linear(strength)
    recipe = {"recipe": "linear SVM on words and characters, calibrated", "C": strength, "slope": calibration.slope}
    weights = (np.unique(target, return_counts=True)[1] / n) ** -TOWARD_RARE
    inputs = {"numbers": [], "labels": [], "text": True}
    return TextModel(inputs, whole.words, coefficients, intercepts, calibration, classes.tolist(), weights, recipe)
