"""Fit a model as its spec says, and predict with it; each family stands in a module of its own.

All of them survive skops with the types we trust, and so do the pipelines of scikit-learn that earlier releases saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.models.specs import ModelSpec
from tasks.models.training.blended_classifier import blended_classifier
from tasks.models.training.blending import blended_level_model
from tasks.models.training.conversion_model import ConversionPart, fit_conversion_model
from tasks.models.training.dataset import TEXT, Examples
from tasks.models.training.level_model import LevelPart, fit_level_model
from tasks.models.training.organization import PooledModels
from tasks.models.training.origins import origin
from tasks.models.training.text_columns import TextCounts, count
from tasks.models.training.text_model import TextPart, fit_text_model
from tasks.statistics.one_thread import one_thread

if TYPE_CHECKING:
    import pandas as pd

ONE_THREAD_ROWS = 20_000  # below this, a second thread costs more than it brings
PROBABILITY_FLOOR = 1e-4
LEAST_OF_OWN = 10  # rows, before anything is mixed
Floats = NDArray[np.float64]
_TURN = RLock()


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A fitted estimator and the columns it reads.

    Attributes:
        classes: labels in the order of the probability columns; None for regression.
        columns: all input columns, in order.
    """

    estimator: Any
    numbers: tuple[str, ...]
    labels: tuple[str, ...]
    text: bool
    classes: tuple[str, ...] | None
    columns: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", [*self.numbers, *self.labels, *([TEXT] if self.text else [])])

    @classmethod
    def of(cls, estimator: Any) -> FittedModel:
        """From an estimator, fitted or loaded: it knows its own columns and classes."""
        classes = getattr(estimator, "classes_", None)
        named = None if classes is None else tuple(str(name) for name in classes)
        if hasattr(estimator, "inputs"):
            inputs = estimator.inputs
            return cls(estimator, tuple(inputs["numbers"]), tuple(inputs["labels"]), bool(inputs.get("text")), named)
        inner = estimator  # of an earlier release
        while hasattr(inner, "estimator"):  # calibration around a frozen pipeline
            inner = inner.estimator
        columns = {name: names for name, _, names in inner.named_steps["columns"].transformers_}
        numbers, labels = tuple(columns.get("numbers", ())), tuple(columns.get("labels", ()))
        return cls(estimator, numbers, labels, "words" in columns, named)

    @property
    def is_earlier(self) -> bool:
        """Whether it is a pipeline of an earlier release, which counts words itself."""
        return not hasattr(self.estimator, "inputs")

    @property
    def recipe(self) -> dict[str, Any]:
        """What was chosen when it was fitted, for people."""
        return dict(getattr(self.estimator, "recipe", {}))

    @property
    def half_width(self) -> float | None:
        """Half width of the 90 % interval around an expected value; None where there is none."""
        return getattr(self.estimator, "half_width", None)

    def chosen(self, probabilities: Floats) -> NDArray[np.int64]:
        """(n,) position of the label that is said: the likeliest, but for a rare one that is nearly as likely."""
        return np.asarray((probabilities * getattr(self.estimator, "label_weights", 1.0)).argmax(axis=1), np.int64)

    def frame(self, features: pl.DataFrame) -> pd.DataFrame:
        """The input as the estimator reads it; a column the rows lack is missing everywhere."""
        lacking = [pl.lit(None, pl.Float64).alias(name) for name in self.numbers if name not in features.columns]
        lacking += [pl.lit("").alias(name) for name in (*self.labels, TEXT) if name not in features.columns]
        full = features.with_columns(lacking)
        typed = [pl.col(name).cast(pl.Float64, strict=False) for name in self.numbers]
        typed += [pl.col(name).cast(pl.String).fill_null("") for name in self.columns if name not in self.numbers]
        columns = full.select(typed)
        import pandas as pd

        return pd.DataFrame(
            {
                name: columns[name].to_numpy() if name in self.numbers else columns[name].to_numpy().astype(object)
                for name in columns.columns
            }
        )

    def predict(self, features: pl.DataFrame, counts: TextCounts | None = None) -> Floats:
        """(n,) expected values for regression, (n, classes) probabilities for classification.

        Args:
            features: (n, …) the columns read; further ones are left alone.
            counts: of the texts, where they were counted before; counting takes longest.
        """
        return self.predict_table(self.frame(features), counts)

    def predict_table(self, table: pd.DataFrame, counts: TextCounts | None = None) -> Floats:
        """Likewise, from the input as the estimator reads it."""
        with sklearn_turn(len(table)):
            given: list[Any] = [table] if self.columns != [TEXT] or self.is_earlier else []
            given += [self._counts(table, counts)] if self.text and not self.is_earlier else []
            predict = self.estimator.predict if self.classes is None else self.estimator.predict_proba
            return np.asarray(predict(*given), dtype=np.float64)

    def _counts(self, table: pd.DataFrame, counts: TextCounts | None) -> TextCounts:
        has_pieces = self.estimator.words.pieces is not None
        if counts is not None and (counts.pieces is not None or not has_pieces):
            return counts
        return count(table[TEXT].tolist(), pieces=has_pieces)

    def predict_rows(self, examples: Examples) -> Floats:
        """Predictions of examples, whose texts are counted once however many models predict them."""
        return self.predict(examples.features, examples.counts if self.text and not self.is_earlier else None)

    def losses(self, examples: Examples) -> Floats:
        """(n,) squared errors for regression, negative log probabilities of the true class for classification."""
        return losses(self.predict_rows(examples), examples.target, self.classes)


def losses(predicted: Floats, target: pl.Series, classes: Sequence[str] | None) -> Floats:
    """(n,) loss of predictions as `FittedModel.predict` gives them; a class never seen costs the floor's log."""
    if classes is None:
        errors: Floats = (predicted - target.to_numpy()) ** 2
        return errors
    column = columns_of(target, classes)
    chosen = np.where(column >= 0, predicted[np.arange(len(column)), column], 0.0)
    result: Floats = -np.log(np.clip(chosen, PROBABILITY_FLOOR, 1.0))
    return result


def columns_of(target: pl.Series, classes: Sequence[str]) -> NDArray[np.int64]:
    """(n,) position of each label among the classes; −1 for one that is not among them."""
    position = {name: i for i, name in enumerate(classes)}
    return np.array([position.get(label, -1) for label in target.to_list()], dtype=np.int64)


class Parts:
    """What models learn from so many of the first rows of examples, each part made once.

    A model is tuned on its latest rows by what was learned from those before; the same part is the model whose held-out
    loss is reported.
    """

    def __init__(self, spec: ModelSpec, examples: Examples) -> None:
        self.spec, self._examples = spec, examples
        self._made: dict[int, Any] = {}

    @cached_property
    def table(self) -> pd.DataFrame:
        """All rows as estimators read them."""
        inputs = self._inputs
        return FittedModel(None, tuple(inputs["numbers"]), tuple(inputs["labels"]), False, None).frame(
            self._examples.features
        )

    @cached_property
    def target(self) -> NDArray[Any]:
        """(n,) numbers for regression, labels for classification."""
        values = self._examples.target.to_numpy()
        return values if self.spec.task == "regression" else values.astype(str)

    @property
    def counts(self) -> TextCounts | None:
        """Of the texts; None where the spec reads none."""
        return self._examples.counts if self._inputs["text"] else None

    @cached_property
    def _inputs(self) -> dict[str, Any]:
        schema = self._examples.features.schema
        numbers = [name for name, kind in schema.items() if kind == pl.Float64]
        labels = [name for name in schema if name not in numbers and name != TEXT]
        return {"numbers": numbers, "labels": labels, "text": TEXT in schema}

    def fitted(self, n: int, *, to_serve: bool = False) -> FittedModel:
        """The model of the first n rows; one to serve takes what its organization knows by now, later rows included."""
        table, target, counts = self.table.iloc[:n], self.target[:n], self.counts
        counts = None if counts is None else counts[slice(0, n)]
        siblings = self._siblings(n, to_serve=to_serve)
        with sklearn_turn(n):
            if self.spec.estimator.kind != "level_and_residual":
                return FittedModel.of(self._classifier(table, target, counts, siblings))
            if siblings is None:
                return FittedModel.of(fit_level_model(self._part, table, target, counts))
            return FittedModel.of(blended_level_model(self._part, table, target, counts, siblings))

    def _classifier(
        self, table: pd.DataFrame, target: NDArray[Any], counts: TextCounts | None, siblings: PooledModels | None
    ) -> Any:
        if self.spec.estimator.kind == "text_classifier":
            assert counts is not None, "a classifier of texts reads them"
            of_texts = fit_text_model(self._part, counts, target)
            return of_texts if siblings is None else blended_classifier(of_texts, self._part, counts, target, siblings)
        of_touches = fit_conversion_model(self._part, table, target)
        return of_touches if siblings is None else blended_classifier(of_touches, self._part, table, target, siblings)

    def _siblings(self, n: int, *, to_serve: bool) -> PooledModels | None:
        """What the organization's rows before the latest third or quarter of the first n teach, and those before n."""
        rows, times = self._examples, self._examples.times
        if rows.siblings is None or n < LEAST_OF_OWN:
            return None
        return rows.siblings.models(rows.slice(0, n), times[origin(n) - 1], None if to_serve else times[n - 1])

    def _part(self, n: int) -> Any:
        if n not in self._made:
            self._made[n] = self._learned_from(n)
        return self._made[n]

    def _learned_from(self, n: int) -> LevelPart | TextPart | ConversionPart:
        table, target, counts = self.table.iloc[:n], self.target[:n], self.counts
        counts = None if counts is None else counts[slice(0, n)]
        if self.spec.estimator.kind == "level_and_residual":
            return LevelPart(self.spec, table, target, counts, self._inputs)
        if self.spec.estimator.kind == "text_classifier":
            assert counts is not None, "a classifier of texts reads them"
            return TextPart(counts, target)
        return ConversionPart(self.spec, table, target, self._inputs)


def fit(spec: ModelSpec, examples: Examples) -> FittedModel:
    """Fit the spec's estimator on examples in time order."""
    return Parts(spec, examples).fitted(examples.n)


@contextmanager
def sklearn_turn(rows: int) -> Iterator[None]:
    """One after another and on one core for small work; large work gets all cores and does not wait.

    scikit-learn swaps the process's warning filters around every transformer: two threads take them from each other,
    and every call warns (thousands of lines a refresh).
    """
    if rows >= ONE_THREAD_ROWS:
        yield
        return
    with _TURN, one_thread():
        yield
