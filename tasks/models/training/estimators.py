"""scikit-learn estimators for each kind a spec may name. All of them survive skops with the types we trust."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.models.specs import ModelSpec
from tasks.models.training.dataset import TEXT, Examples
from tasks.statistics.one_thread import one_thread

if TYPE_CHECKING:
    import pandas as pd

SEED = 20260101
ONE_THREAD_ROWS = 20_000  # below this, a second thread costs more than it brings
HASHING_ROWS = 100_000
CALIBRATION_SHARE = 0.2
MIN_CALIBRATION_ROWS = 10  # of each class
PROBABILITY_FLOOR = 1e-4
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
        inner = estimator
        while hasattr(inner, "estimator"):  # calibration around a frozen pipeline
            inner = inner.estimator
        columns = {name: names for name, _, names in inner.named_steps["columns"].transformers_}
        classes = getattr(estimator, "classes_", None)
        return cls(
            estimator,
            tuple(columns.get("numbers", ())),
            tuple(columns.get("labels", ())),
            "words" in columns,
            None if classes is None else tuple(str(name) for name in classes),
        )

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

    def predict(self, features: pl.DataFrame) -> Floats:
        """(n,) expected values for regression, (n, classes) probabilities for classification."""
        table = self.frame(features)
        with sklearn_turn(len(table)):
            if self.classes is None:
                return np.asarray(self.estimator.predict(table), dtype=np.float64)
            return np.asarray(self.estimator.predict_proba(table), dtype=np.float64)

    def losses(self, examples: Examples) -> Floats:
        """(n,) squared errors for regression, negative log probabilities of the true class for classification."""
        return losses(self.predict(examples.features), examples.target, self.classes)


def losses(predicted: Floats, target: pl.Series, classes: Sequence[str] | None) -> Floats:
    """(n,) loss of predictions as `FittedModel.predict` gives them; a class never seen costs the floor's log."""
    if classes is None:
        errors: Floats = (predicted - target.to_numpy()) ** 2
        return errors
    position = {name: i for i, name in enumerate(classes)}
    column = np.array([position.get(label, -1) for label in target.to_list()], dtype=np.int64)
    chosen = np.where(column >= 0, predicted[np.arange(len(column)), column], 0.0)
    result: Floats = -np.log(np.clip(chosen, PROBABILITY_FLOOR, 1.0))
    return result


def fit(spec: ModelSpec, examples: Examples) -> FittedModel:
    """Fit the spec's estimator on examples in time order."""
    names = examples.features.columns
    numeric = [name for name in names if examples.features.schema[name] == pl.Float64]
    # Boosting cannot split a column of which it sees no value; a classifier is fitted on the rows before calibration.
    seen = examples.features if spec.task == "regression" else examples.features.head(_calibration_start(examples.n))
    numbers = tuple(name for name in numeric if seen[name].is_not_nan().any())
    text = TEXT in names
    labels = tuple(name for name in names if name not in numeric and name != TEXT)
    blank = FittedModel(None, numbers, labels, text, None)
    table, target = blank.frame(examples.features), examples.target.to_numpy()
    with sklearn_turn(len(table)):
        if spec.task == "regression":
            return FittedModel.of(_regressor(spec, blank).fit(table, target))
        return FittedModel.of(_classifier(spec, blank, table, target.astype(str)))


def _regressor(spec: ModelSpec, columns: FittedModel) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import Pipeline

    boosting = HistGradientBoostingRegressor(random_state=SEED, **spec.estimator.parameters)
    return Pipeline([("columns", _columns(spec, columns)), ("model", boosting)])


def _classifier(spec: ModelSpec, columns: FittedModel, table: pd.DataFrame, target: NDArray[Any]) -> Any:
    if spec.estimator.kind == "text_classifier":
        return _with_plain_numbers(_text_classifier(spec, table[TEXT]).fit(table, target))
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    boosting = HistGradientBoostingClassifier(random_state=SEED, **spec.estimator.parameters)
    pipeline = Pipeline([("columns", _columns(spec, columns)), ("model", boosting)])
    return _calibrated(pipeline, table, target)


def _calibrated(pipeline: Any, table: pd.DataFrame, target: NDArray[Any]) -> Any:
    """Fit on the earlier rows and calibrate on the latest, whose base rate is tomorrow's best guess."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    cut = _calibration_start(len(target))
    _, early = np.unique(target[:cut], return_counts=True)
    _, late = np.unique(target[cut:], return_counts=True)
    if len(early) < 2 or len(late) < len(early) or late.min() < MIN_CALIBRATION_ROWS:
        return pipeline.fit(table, target)
    fitted = pipeline.fit(table.iloc[:cut], target[:cut])
    return CalibratedClassifierCV(FrozenEstimator(fitted), method="sigmoid").fit(table.iloc[cut:], target[cut:])


def _calibration_start(n: int) -> int:
    """The first of n rows that calibration takes."""
    return int(n * (1 - CALIBRATION_SHARE))


def _columns(spec: ModelSpec, columns: FittedModel) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import OrdinalEncoder

    parts: list[Any] = [("numbers", "passthrough", list(columns.numbers))]
    if columns.labels:
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        parts.append(("labels", codes, list(columns.labels)))
    if columns.text:
        words = HashingVectorizer(n_features=spec.features.text_hashes, alternate_sign=False, norm=None)
        parts.append(("words", words, TEXT))
    return ColumnTransformer(parts, sparse_threshold=0.0)


def _text_classifier(spec: ModelSpec, texts: pd.Series[str]) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import Pipeline

    hashed: Any = HashingVectorizer(n_features=2**18, ngram_range=(1, 2), alternate_sign=False)
    if len(texts) > HASHING_ROWS:
        model: Any = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=SEED)
        return Pipeline([("columns", ColumnTransformer([("words", hashed, TEXT)])), ("model", model)])
    least = 2 if len(texts) >= 1000 else 1
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=least, max_features=50_000)
    model = LogisticRegression(max_iter=300, **spec.estimator.parameters)
    chosen = words if _has_vocabulary(words, texts, least) else hashed  # without any word the first raises
    return Pipeline([("columns", ColumnTransformer([("words", chosen, TEXT)])), ("model", model)])


def _has_vocabulary(words: Any, texts: pd.Series[str], least: int) -> bool:
    """Whether any word stands in so many of the texts; most often the first few tell."""
    analyze, counts = words.build_analyzer(), Counter[str]()
    for text in texts:
        counts.update(set(analyze(text)))
        if counts and counts.most_common(1)[0][1] >= least:
            return True
    return False


def _with_plain_numbers(fitted: Any) -> Any:
    """The places of words as Python's integers: skops writes each of NumPy's to a file of its own."""
    words = fitted.named_steps["columns"].named_transformers_["words"]
    if hasattr(words, "vocabulary_"):
        words.vocabulary_ = {word: int(place) for word, place in words.vocabulary_.items()}
    return fitted


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
