"""Most important inputs: permutation importance of columns, or the linear weights of words. Pure.

Both describe what the model uses, not what causes the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.models.training.dataset import TEXT, Examples
from tasks.models.training.estimators import FittedModel, Floats, losses
from tasks.models.training.evaluation import HeldOut

SEED = 20260101
ROWS = 200  # each column needs a copy of them
WORDS, TEXTS = 15, 500


@dataclass(frozen=True, slots=True)
class Importance:
    """The k most important inputs, strongest first.

    Attributes:
        names: (k,) columns, or words with the label they indicate.
        values: (k,) rise of the mean loss when shuffled, or mean contribution of a word to the score of its label.
        errors: (k,) standard errors; zeros for words.
        method: permutation importance, or mean contribution of a word.
        unit: what the values are, in words.
    """

    names: tuple[str, ...]
    values: Floats
    errors: Floats
    method: str
    unit: str


def importance(held_out: HeldOut) -> Importance | None:
    """Importance of columns, or of words for a text classifier; None where there was nothing to tell apart."""
    model, rows = held_out.model, held_out.rows
    if model is None or not rows.n:
        return None
    if model.columns == [TEXT]:
        return word_weights(model, rows.slice(max(rows.n - TEXTS, 0), rows.n))
    return shuffled_losses(held_out, model)


def shuffled_losses(held_out: HeldOut, model: FittedModel, seed: int = SEED) -> Importance:
    """Permutation importance (Breiman 2001) of each column on the latest 200 held-out rows, in one prediction."""
    n, random = min(ROWS, held_out.rows.n), np.random.default_rng(seed)
    rows = held_out.rows.slice(held_out.rows.n - n, held_out.rows.n)
    orders = [random.permutation(n) for _ in model.columns]
    predicted = _shuffled_predictions(held_out, model, n, orders)
    before = held_out.losses[-n:]
    rises = np.array([losses(one, rows.target, model.classes) - before for one in predicted])
    values, errors = rises.mean(axis=1), rises.std(axis=1) / np.sqrt(n)
    used = [i for i in np.argsort(-values, kind="stable") if values[i] > 0]
    names = tuple(model.columns[i] for i in used)
    unit = "rise of the mean loss when the column is shuffled"
    return Importance(names, values[used], errors[used], "permutation importance", unit)


def _shuffled_predictions(held_out: HeldOut, model: FittedModel, n: int, orders: Sequence[NDArray[np.int64]]) -> Floats:
    """(k, n) or (k, n, classes) predictions of the latest n rows with one of k columns in its order, the rest as is."""
    rows = held_out.rows.slice(held_out.rows.n - n, held_out.rows.n)
    features, in_place = rows.features.select(model.columns), np.arange(n)
    named = list(zip(model.columns, orders, strict=True))
    copies = pl.concat([features.with_columns(features[name].gather(order)) for name, order in named])
    counts = None
    if model.text and not model.is_earlier:  # words take long to count: once is enough
        counts = rows.counts.repeated([order if name == TEXT else in_place for name, order in named])
    predicted = model.predict(copies, counts)
    by_column: Floats = predicted.reshape(len(orders), n, *predicted.shape[1:])
    return by_column


def word_weights(model: FittedModel, rows: Examples) -> Importance:
    """Words by their mean contribution to the score of the label they indicate, over the texts of some rows."""
    words, weights = model.estimator.word_contributions(rows.features[TEXT].to_list(), rows.counts)
    label = weights.argmax(axis=0)
    strongest = weights.max(axis=0)
    order = np.argsort(-strongest, kind="stable")[:WORDS]
    names = tuple(f"{words[i]} → {(model.classes or ())[label[i]]}" for i in order)
    unit = "mean contribution of the word to its label's score"
    return Importance(names, strongest[order], np.zeros(len(order)), "word contributions", unit)
