"""Engagement: the level of the posts before, plus what words, features and trees expect beside that level. Pure.

The level does most of it, and follows the page by itself; what is learned is the residual. A ridge on words, pieces of
words and features and boosted trees on the features alone are mixed by what they predicted on later rows, and shrunk by
how much of that came true. The interval is split conformal (Lei et al. 2018): the width that held nine in ten of the
latest rows which the model had not learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.specs import ModelSpec
from tasks.models.training.origins import origin
from tasks.models.training.text_columns import TextCounts, TextWeights

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
LEVEL = "recent_level"
PENALTIES = (1.0, 3.0, 10.0)
COVERAGE = 0.9
LATEST_RESIDUALS = 500
SEED = 20260101
FARTHEST = 4.0  # standard deviations: one absurd number must not decide a prediction
NUMBER_SCALE, LABEL_SCALE = 0.15, 0.5  # beside words, whose rows have length one
OWN_PRIOR, PRIOR_ROWS = 0.8, 30.0  # share of the residual that is kept where few rows say how much comes true
MOST_LABELS = 50


@dataclass
class FeatureColumns:
    """Numbers and labels as columns of the same scale as words.

    Attributes:
        numbers, labels: columns read; `by_value` are numbers each of whose values counts for itself, such as the hour.
        means, deviations: (numbers,) of the training rows.
        values: the values of each label and of each number by value, with a column each.
    """

    numbers: list[str]
    labels: list[str]
    by_value: list[str]
    means: Floats
    deviations: Floats
    values: dict[str, list[Any]]

    @classmethod
    def of(cls, table: pd.DataFrame, numbers: list[str], labels: list[str], by_value: list[str]) -> FeatureColumns:
        """Learned from training rows (n)."""
        plain = table[numbers].to_numpy(dtype=np.float64) if numbers else np.zeros((len(table), 0))
        known = np.isfinite(plain)
        count = np.maximum(known.sum(axis=0), 1)
        means = np.where(known, plain, 0.0).sum(axis=0) / count
        deviations = np.sqrt((np.where(known, plain - means, 0.0) ** 2).sum(axis=0) / count)
        named = [*labels, *by_value]
        values = {name: table[name].value_counts().index[:MOST_LABELS].tolist() for name in named}
        return cls(numbers, labels, by_value, means, np.where(deviations > 0, deviations, 1.0), values)

    def columns(self, table: pd.DataFrame) -> Floats:
        """(n, numbers + values); what is missing lies in the middle, or is none of the values."""
        plain = table[self.numbers].to_numpy(dtype=np.float64) if self.numbers else np.zeros((len(table), 0))
        scaled = np.nan_to_num((plain - self.means) / self.deviations, nan=0.0, posinf=FARTHEST, neginf=-FARTHEST)
        parts = [np.clip(scaled, -FARTHEST, FARTHEST) * NUMBER_SCALE]
        for name, values in self.values.items():
            given = table[name].to_numpy()
            parts += [((given == value) * LABEL_SCALE)[:, None] for value in values]
        return np.hstack(parts)

    def coded(self, table: pd.DataFrame) -> Floats:
        """(n, numbers + labels) as trees read them: numbers as they are, labels by their place, −1 for a new one."""
        plain = table[self.numbers].to_numpy(dtype=np.float64) if self.numbers else np.zeros((len(table), 0))
        codes = [
            table[name].map({value: place for place, value in enumerate(self.values[name])}).fillna(-1).to_numpy()
            for name in self.labels
        ]
        return np.column_stack([np.where(np.isinf(plain), np.nan, plain), *codes])


@dataclass
class LevelModel:
    """A fitted model of engagement.

    Attributes:
        inputs: `numbers`, `labels` and whether it reads `text`.
        middle: what stands for the level where none is known.
        words: weights of words; None where the spec reads no text, or no text has any.
        coefficients: (words + features,) of the ridge, with `intercept`.
        trees: of the residual, from `FeatureColumns.coded`; their part is `tree_share`.
        shrinkage: share of the predicted residual that is kept.
        half_width: of the 90 % interval.
        recipe: what was chosen, for people.
    """

    inputs: dict[str, Any]
    middle: float
    features: FeatureColumns
    words: TextWeights | None
    coefficients: Floats
    intercept: float
    trees: Any
    tree_share: float
    shrinkage: float
    half_width: float
    recipe: dict[str, Any]

    def predict(self, table: pd.DataFrame, counts: TextCounts | None = None) -> Floats:
        """(n,) expected values."""
        expected: Floats = levels(table, self.middle) + self.residual(table, counts)
        return expected

    def residual(self, table: pd.DataFrame, counts: TextCounts | None = None) -> Floats:
        """(n,) what is expected beside the level."""
        mixed = _design(self.features, self.words, table, counts) @ self.coefficients + self.intercept
        if self.tree_share > 0:
            mixed = (1 - self.tree_share) * mixed + self.tree_share * self.trees.predict(self.features.coded(table))
        residual: Floats = self.shrinkage * mixed
        return residual


def known_numbers(table: pd.DataFrame, numbers: list[str]) -> list[str]:
    """Those of which a value is known: trees cannot split a column without any."""
    return [name for name in numbers if np.isfinite(table[name].to_numpy(dtype=np.float64)).any()]


def levels(table: pd.DataFrame, middle: float) -> Floats:
    """(n,) level of the posts before each row; the middle where it is unknown or the model has none."""
    if LEVEL not in table:
        return np.full(len(table), middle)
    level = table[LEVEL].to_numpy(dtype=np.float64)
    return np.where(np.isfinite(level), level, middle)


def _design(features: FeatureColumns, words: TextWeights | None, table: pd.DataFrame, counts: TextCounts | None) -> Any:
    from scipy.sparse import csr_matrix

    of_features = csr_matrix(features.columns(table))
    if words is None:
        return of_features
    assert counts is not None, "a model of words is given the counts of its texts"
    return words.weighed(counts, of_features)


class LevelPart:
    """What is learned from the first rows, each piece when it is first needed.

    Args:
        spec: which columns count by value, and the trees' parameters.
        table: (n,) rows as a frame of the model's inputs.
        target: (n,).
        counts: of their texts; None without text.
        inputs: `numbers` and `labels` that are read.
    """

    def __init__(
        self, spec: ModelSpec, table: pd.DataFrame, target: Floats, counts: TextCounts | None, inputs: dict[str, Any]
    ) -> None:
        numbers = known_numbers(table, inputs["numbers"])
        self.inputs = inputs | {"numbers": numbers, "text": counts is not None}
        by_value = [name for name in spec.features.by_value if name in numbers]
        self.features = FeatureColumns.of(table, numbers, inputs["labels"], by_value)
        self.words = None if counts is None else TextWeights.of(counts)
        self.middle = float(target.mean())
        self._parameters, self._table, self._counts = spec.estimator.parameters, table, counts
        self._residual = target - levels(table, self.middle)
        self._ridges: dict[float, tuple[Floats, float]] = {}

    def ridges(self, penalties: Sequence[float]) -> Mapping[float, tuple[Floats, float]]:
        """Coefficients and intercept by penalty. The rows as numbers are the largest there is, and are not kept."""
        if missing := [penalty for penalty in penalties if penalty not in self._ridges]:
            from sklearn.linear_model import Ridge

            rows = _design(self.features, self.words, self._table, self._counts)
            for penalty in missing:  # none of which changes sparse rows, so none needs a copy
                fitted = Ridge(alpha=penalty, solver="sparse_cg", tol=1e-3, copy_X=False).fit(rows, self._residual)
                self._ridges[penalty] = np.asarray(fitted.coef_, dtype=np.float64), float(fitted.intercept_)
        return {penalty: self._ridges[penalty] for penalty in penalties}

    @cached_property
    def trees(self) -> Any:
        """Boosted trees of the residual on the features."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        boosting = HistGradientBoostingRegressor(random_state=SEED, early_stopping=False, **self._parameters)
        return boosting.fit(self.features.coded(self._table), self._residual)

    def residuals(self, table: pd.DataFrame, counts: TextCounts | None) -> tuple[Mapping[float, Floats], Floats]:
        """Residuals (m,) that the ridges expect on other rows, by penalty, and those that the trees do."""
        fitted = self.ridges(PENALTIES)
        rows = _design(self.features, self.words, table, counts)
        ridges = {penalty: rows @ coefficients + intercept for penalty, (coefficients, intercept) in fitted.items()}
        return ridges, self.trees.predict(self.features.coded(table))


@dataclass(frozen=True)
class Tuned:
    """What was chosen on the latest m rows by what was learned from those before.

    Attributes:
        truth: (m,) residuals beside the level, and `mixed` (m,) what the ridge and the trees expected of them.
    """

    penalty: float
    tree_share: float
    truth: Floats
    mixed: Floats


def tune(part_of: Callable[[int], LevelPart], table: pd.DataFrame, target: Floats, counts: TextCounts | None) -> Tuned:
    """Choose on the latest of rows (n) in time order.

    Args:
        part_of: what is learned from so many of the first rows.
        table, target, counts: as `LevelPart` takes them.
    """
    n, start = len(target), origin(len(target))
    before, held_out = part_of(start), table.iloc[start:]
    truth = target[start:] - levels(held_out, before.middle)
    ridges, trees = before.residuals(held_out, None if counts is None else counts[slice(start, n)])
    penalty = min(PENALTIES, key=lambda one: float(((truth - ridges[one]) ** 2).mean()))
    tree_share = _between_zero_and_one(truth - ridges[penalty], trees - ridges[penalty])
    return Tuned(penalty, tree_share, truth, (1 - tree_share) * ridges[penalty] + tree_share * trees)


def level_model(whole: LevelPart, tuned: Tuned, shrinkage: float) -> LevelModel:
    """What was learned from all rows, mixed as it was tuned; `shrinkage` is the share of it that is kept."""
    coefficients, intercept = whole.ridges([tuned.penalty])[tuned.penalty]
    recipe = {"recipe": "level + ridge + trees", "ridge_penalty": tuned.penalty, "tree_share": tuned.tree_share}
    return LevelModel(
        inputs=whole.inputs,
        middle=whole.middle,
        features=whole.features,
        words=whole.words,
        coefficients=coefficients,
        intercept=intercept,
        trees=whole.trees if tuned.tree_share > 0 else None,
        tree_share=tuned.tree_share,
        shrinkage=shrinkage,
        half_width=conformal_half_width(tuned.truth - shrinkage * tuned.mixed),
        recipe=recipe | {"shrinkage": shrinkage},
    )


def fit_level_model(
    part_of: Callable[[int], LevelPart], table: pd.DataFrame, target: Floats, counts: TextCounts | None
) -> LevelModel:
    """Fit on rows (n) in time order, tuned on the latest of them by what was learned from those before.

    The arguments are those of `tune`.
    """
    tuned = tune(part_of, table, target, counts)
    return level_model(part_of(len(target)), tuned, _between_zero_and_one(tuned.truth, tuned.mixed, OWN_PRIOR))


def _between_zero_and_one(truth: Floats, along: Floats, prior: float = 0.0) -> float:
    """Least-squares share of a direction (n,) in the truth (n,), beside rows that have the prior's share."""
    length = float(along @ along)
    if length == 0.0:
        return 0.0
    more = length * PRIOR_ROWS / len(truth)
    return float(np.clip((along @ truth + more * prior) / (length + more), 0.0, 1.0))


def conformal_half_width(errors: Floats) -> float:
    """Half width of an interval that held 90 % of the latest errors (n,), with one more row that might lie outside."""
    latest = np.sort(np.abs(errors[-LATEST_RESIDUALS:]))
    if not len(latest):
        return 0.0
    place = int(np.ceil((len(latest) + 1) * COVERAGE)) - 1
    return float(latest[min(place, len(latest) - 1)])
