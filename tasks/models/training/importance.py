"""Most important inputs: permutation importance of columns, or the linear weights of words. Pure.

Both describe what the model uses, not what causes the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.models.training.dataset import TEXT
from tasks.models.training.estimators import SEED, FittedModel, Floats, losses, sklearn_turn
from tasks.models.training.evaluation import HeldOut

ROWS = 200  # each column needs a copy of them
WORDS, TEXTS = 15, 500
COMMON_WORDS = 2_000


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
        return word_weights(model, rows.features[TEXT].tail(TEXTS).to_list())
    return shuffled_losses(held_out, model)


def shuffled_losses(held_out: HeldOut, model: FittedModel, seed: int = SEED) -> Importance:
    """Permutation importance (Breiman 2001) of each column on the latest 200 held-out rows, in one prediction."""
    n, random = min(ROWS, held_out.rows.n), np.random.default_rng(seed)
    rows = held_out.rows.slice(held_out.rows.n - n, held_out.rows.n)
    orders = [random.permutation(n) for _ in model.columns]
    predicted = _shuffled_predictions(model, rows.features.select(model.columns), orders)
    before = held_out.losses[-n:]
    rises = np.array([losses(one, rows.target, model.classes) - before for one in predicted])
    values, errors = rises.mean(axis=1), rises.std(axis=1) / np.sqrt(n)
    used = [i for i in np.argsort(-values, kind="stable") if values[i] > 0]
    names = tuple(model.columns[i] for i in used)
    unit = "rise of the mean loss when the column is shuffled"
    return Importance(names, values[used], errors[used], "permutation importance", unit)


def _shuffled_predictions(model: FittedModel, features: pl.DataFrame, orders: Sequence[NDArray[np.int64]]) -> Floats:
    """(k, n) or (k, n, classes) predictions of n rows with one of k columns in its order, the others as they are."""
    if TEXT in model.columns and hasattr(model.estimator, "steps"):  # words take long to read: once is enough
        encoder, inner = (part for _, part in model.estimator.steps)
        table = encoder.transform(model.frame(features))
        places = [slice(i, i + 1) for i in range(len(orders) - 1)] + [slice(len(orders) - 1, None)]  # words come last
        copies = np.stack([table] * len(orders))
        for copy, place, order in zip(copies, places, orders, strict=True):
            copy[:, place] = table[order, place]
        predict = inner.predict if model.classes is None else inner.predict_proba
        with sklearn_turn(len(table)):
            predicted = predict(np.concatenate(copies))
    else:
        named = zip(model.columns, orders, strict=True)
        predicted = model.predict(pl.concat([features.with_columns(features[name].gather(o)) for name, o in named]))
    by_column: Floats = predicted.reshape(len(orders), len(features), *predicted.shape[1:])
    return by_column


def word_weights(model: FittedModel, texts: Sequence[str]) -> Importance:
    """Words by their mean contribution to the score of the label they indicate, over texts (n,)."""
    columns, classifier = (part for _, part in model.estimator.steps)
    vectorizer = columns.named_transformers_["words"]
    words, places = _words(vectorizer, texts)
    mean = np.asarray(vectorizer.transform(texts).mean(axis=0)).ravel()[places]
    weights = np.asarray(classifier.coef_)[:, places] * mean
    weights = np.vstack([-weights[0], weights[0]]) if len(weights) == 1 else weights
    label = weights.argmax(axis=0)
    strongest = weights.max(axis=0)
    order = np.argsort(-strongest, kind="stable")[:WORDS]
    names = tuple(f"{words[i]} → {(model.classes or ())[label[i]]}" for i in order)
    unit = "mean contribution of the word to its label's score"
    return Importance(names, strongest[order], np.zeros(len(order)), "word contributions", unit)


def _words(vectorizer: Any, texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Words of a vectorizer's vocabulary and their columns; a hashing one has none: common words stand in."""
    if hasattr(vectorizer, "vocabulary_"):
        words = list(vectorizer.vocabulary_)
        return words, np.array([vectorizer.vocabulary_[word] for word in words], dtype=np.int64)
    from sklearn.feature_extraction import FeatureHasher

    counted = pl.Series("word", [word for text in texts for word in vectorizer.build_analyzer()(text)], dtype=pl.String)
    words = counted.value_counts(sort=True)["word"].head(COMMON_WORDS).to_list()
    hasher = FeatureHasher(vectorizer.n_features, input_type="string", alternate_sign=False)
    return words, hasher.transform([[word] for word in words]).indices.astype(np.int64)
