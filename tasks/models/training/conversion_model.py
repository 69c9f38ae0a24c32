"""Does a contact convert? Boosted trees, calibrated on later rows. Pure.

Labels are ordered by how often they converted: for two outcomes the best split into two groups of labels is one of
that order (Fisher 1958), so that trees find it without knowing labels as such. How many trees is chosen where later
rows show which is better. They are small: by what changes slowly, such as an interest rate, large ones learn the month.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.specs import ModelSpec
from tasks.models.training.calibration import Calibration, calibrated
from tasks.models.training.level_model import known_numbers
from tasks.models.training.origins import origin

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
MOST_LABELS = 200  # the trees' own limit is 255
PRIOR_ROWS = 10.0  # of the mean share, beside a label's own
SEED = 20260101
STEP = 20  # trees


@dataclass
class ConversionModel:
    """A fitted classifier of touches.

    Attributes:
        inputs: `numbers` and `labels` that it reads.
        orders: the values of each label, those that convert least first.
        recipe: what was chosen, for people.
    """

    inputs: dict[str, Any]
    orders: dict[str, list[str]]
    trees: Any
    calibration: Calibration
    classes_: list[str]
    recipe: dict[str, Any]

    def predict_proba(self, table: pd.DataFrame) -> Floats:
        """(n, classes) probabilities."""
        return self.calibration.probabilities(_as_columns(self.trees.decision_function(_coded(self, table))))


class ConversionPart:
    """What is learned from the first rows, each piece when it is first needed."""

    def __init__(self, spec: ModelSpec, table: pd.DataFrame, target: NDArray[Any], inputs: dict[str, Any]) -> None:
        self.inputs = inputs | {"numbers": known_numbers(table, inputs["numbers"])}
        self.classes = np.unique(target)
        rare = target == self.classes[np.argmin(np.unique(target, return_counts=True)[1])]
        self.orders = {name: _order(table[name].to_numpy(), rare) for name in inputs["labels"]}
        self._parameters, self._table, self._target = dict(spec.estimator.parameters), table, target
        self._fitted: dict[int | None, Any] = {}

    def trees(self, count: int | None = None) -> Any:
        """Boosted trees; `count` of them, or as many as the spec says."""
        if count not in self._fitted:
            from sklearn.ensemble import HistGradientBoostingClassifier

            limits = self._parameters if count is None else self._parameters | {"max_iter": count}
            boosting = HistGradientBoostingClassifier(random_state=SEED, early_stopping=False, **limits)
            self._fitted[count] = boosting.fit(_coded(self, self._table), self._target)
        return self._fitted[count]

    def staged_decisions(self, table: pd.DataFrame) -> list[Floats]:
        """(m, classes) on other rows after every twentieth tree."""
        stages = list(self.trees().staged_decision_function(_coded(self, table)))
        return [_as_columns(stage) for stage in stages[STEP - 1 :: STEP]]


def decisions_after(part: ConversionPart, table: pd.DataFrame, trees: int | None) -> Floats:
    """(m, classes) on other rows after so many trees; None for as many as the spec says."""
    stages = part.staged_decisions(table)
    return stages[-1 if trees is None else trees // STEP - 1]


def _order(labels: NDArray[Any], happened: NDArray[np.bool_]) -> list[str]:
    """Values of a label (n,), those with the smallest share of what happened (n,) first; rare ones near the middle."""
    values, places = np.unique(labels.astype(str), return_inverse=True)
    counts, hits = np.bincount(places), np.bincount(places, weights=happened)
    shares = (hits + PRIOR_ROWS * happened.mean()) / (counts + PRIOR_ROWS)
    most = np.sort(np.argsort(-counts, kind="stable")[:MOST_LABELS])
    return [str(value) for value in values[most[np.argsort(shares[most], kind="stable")]]]


def _coded(model: ConversionModel | ConversionPart, table: pd.DataFrame) -> Floats:
    """(n, numbers + labels): labels by their place in the order, missing where a value is new."""
    numbers = model.inputs["numbers"]
    plain = table[numbers].to_numpy(dtype=np.float64) if numbers else np.zeros((len(table), 0))
    codes = [
        table[name].map({value: place for place, value in enumerate(order)}).to_numpy(dtype=np.float64)
        for name, order in model.orders.items()
    ]
    return np.column_stack([np.where(np.isinf(plain), np.nan, plain), *codes])


def _as_columns(decisions: Floats) -> Floats:
    """(n, 2) from the one column that two classes share."""
    return np.column_stack([-decisions, decisions]) / 2 if decisions.ndim == 1 else decisions


def fit_conversion_model(
    part_of: Callable[[int], ConversionPart], table: pd.DataFrame, target: NDArray[Any]
) -> ConversionModel:
    """Fit on rows (n) in time order, tuned and calibrated on the latest of them by those before."""
    n, start = len(target), origin(len(target))
    whole = part_of(n)
    classes, seen = whole.classes, np.unique(target[:start])
    known = np.isin(classes, seen)
    truth = np.searchsorted(classes, target[start:])
    count, calibration = None, calibrated(np.zeros((0, len(classes))), truth[:0], known)
    least = np.inf
    stages = part_of(start).staged_decisions(table.iloc[start:]) if len(seen) > 1 else []
    for stage, some in enumerate(stages, start=1):
        decisions = np.zeros((n - start, len(classes)))
        decisions[:, known] = some
        tried = calibrated(decisions, truth, known)
        p = tried.probabilities(decisions)[np.arange(len(truth)), truth]
        lost = float(-np.log(np.clip(p, 1e-12, 1.0)).mean())
        if lost < least:
            least, count, calibration = lost, stage * STEP, tried
    recipe = {"recipe": "boosted trees, calibrated", "trees": count, "slope": calibration.slope}
    trees = whole.trees(count)
    return ConversionModel(whole.inputs, whole.orders, trees, calibration, classes.tolist(), recipe)
