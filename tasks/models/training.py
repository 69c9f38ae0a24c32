"""Fit, and score on later rows beside a trivial baseline; a model that does not beat it is not worth serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.models.dataset import RECENT_ROWS, Examples
from tasks.models.estimators import FittedModel, Floats, fit, losses
from tasks.models.held_out import HeldOut
from tasks.models.output_drift import OutputSummary, summarise_outputs
from tasks.models.specs import ModelSpec
from tasks.statistics.paired_bound import paired_lower_bound

FOLD_EDGES = (0.5, 0.75, 1.0)  # learn on the first half, score the third quarter; learn on that too, score the last
MANY_ROWS, LAST_THIRD = 1_000, (2 / 3, 1.0)  # so many rows need no first fold: their last third says enough
GOLDEN_ROWS = 3
GOLDEN_TEXT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out performance on later rows.

    Attributes:
        loss: mean loss of the model; `loss_variance` and `n` belong to it.
        baseline_loss: mean loss of the better of the two trivial baselines.
        gain: mean paired difference baseline − model; `gain_lower` its one-sided bound.
        metrics: figures people know (r2, auc, brier, accuracy, macro_f1) of the latest fold, where defined.
        outputs: the latest fold's predictions, against which later ones are compared.
    """

    loss: float
    loss_variance: float
    n: int
    baseline_loss: float
    gain: float
    gain_lower: float
    p_value: float
    metrics: dict[str, float]
    outputs: OutputSummary

    @property
    def beats_baseline(self) -> bool:
        """Whether the whole bound lies above zero."""
        return self.gain_lower > 0.0

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse and the registry."""
        return asdict(self) | {"beats_baseline": self.beats_baseline}


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model fitted on all examples, with what a forward-in-time evaluation says of its recipe.

    Attributes:
        held_out: the latest fold of that evaluation.
    """

    model: FittedModel
    evaluation: Evaluation
    golden: dict[str, Any]
    held_out: HeldOut


def train(spec: ModelSpec, examples: Examples) -> TrainedModel:
    """Evaluate the spec on later rows, then fit it on all of them."""
    shares = FOLD_EDGES if len(examples) < MANY_ROWS else LAST_THIRD
    edges = [int(len(examples) * share) for share in shares]
    folds = [_held_out(spec, examples, start, stop) for start, stop in pairwise(edges)]
    model = fit(spec, examples)
    return TrainedModel(model, evaluate(folds, spec.gate.confidence), golden(model, examples), folds[-1])


def evaluate(folds: Sequence[HeldOut], confidence: float) -> Evaluation:
    """Performance over all folds, beside the best trivial baseline; figures people know of the latest one."""
    mine = np.concatenate([fold.losses for fold in folds])
    trivial = np.concatenate([fold.baseline_losses for fold in folds])
    bound = paired_lower_bound(trivial - mine, confidence)
    spread = float(mine.var(ddof=1)) if len(mine) > 1 else 0.0
    figures = (float(mine.mean()), spread, len(mine), float(trivial.mean()), bound.mean, bound.lower, bound.p_value)
    latest = folds[-1]
    known = metrics(latest.predicted, latest.rows.target, latest.classes)
    return Evaluation(*figures, known, summarise_outputs(latest.predicted))


def _held_out(spec: ModelSpec, examples: Examples, start: int, stop: int) -> HeldOut:
    """Rows start…stop, predicted by what was learnt from the rows before."""
    past, future = examples.slice(0, start), examples.slice(start, stop)
    trivial = baseline_losses(past.target, future.target)
    if has_one_class(past):
        return HeldOut(future, None, np.ones((len(future), 1)), trivial, trivial, (str(past.target[0]),))
    model = fit(spec, past)
    predicted = model.predict(future.features)
    mine = losses(predicted, future.target, model.classes)
    return HeldOut(future, model, predicted, mine, trivial, model.classes)


def baseline_losses(past: pl.Series, future: pl.Series) -> Floats:
    """Losses (n,) of the better of two trivial predictors: everything so far, and no change from the latest rows."""
    options = [_constant_losses(past, future), _constant_losses(past.tail(RECENT_ROWS), future)]
    return min(options, key=lambda found: float(found.mean()))


def _constant_losses(past: pl.Series, future: pl.Series) -> Floats:
    if past.dtype == pl.Float64:
        return losses(np.full(len(future), past.mean(), dtype=np.float64), future, None)
    classes = sorted(set(past.to_list()) | set(future.to_list()))
    counts = np.array([(past == name).sum() for name in classes]) + 0.5
    return losses(np.tile(counts / counts.sum(), (len(future), 1)), future, classes)


def has_one_class(examples: Examples) -> bool:
    """Whether a classifier would have nothing to tell apart."""
    return examples.target.dtype == pl.String and examples.target.n_unique() < 2


def metrics(predicted: Floats, target: pl.Series, classes: tuple[str, ...] | None) -> dict[str, float]:
    """The figures people know. An undefined one (a single class, no variance) is left out."""
    if classes is None:
        total = float(target.to_numpy().var()) * len(target)
        return {"r2": 1.0 - float(((predicted - target.to_numpy()) ** 2).sum()) / total} if total > 0 else {}
    from sklearn.metrics import f1_score

    truth = target.to_numpy().astype(str)
    labels = np.array(classes)[predicted.argmax(axis=1)]
    found = {"accuracy": float((labels == truth).mean())}
    found["macro_f1"] = float(f1_score(truth, labels, average="macro", zero_division=0.0))
    return found | (_binary_metrics(predicted[:, 1], truth == classes[1]) if len(classes) == 2 else {})


def _binary_metrics(probability: Floats, happened: NDArray[np.bool_]) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    found = {
        "brier": float(((probability - happened) ** 2).mean()),
        "calibration_error": calibration(probability, happened),
    }
    return found | ({"auc": float(roc_auc_score(happened, probability))} if 0 < happened.sum() < len(happened) else {})


def calibration(probability: Floats, happened: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error: mean |predicted − observed| over `bins` groups of equal size."""
    groups = np.array_split(np.argsort(probability, kind="stable"), min(bins, max(len(probability), 1)))
    gaps = [len(rows) * abs(float(probability[rows].mean() - happened[rows].mean())) for rows in groups if len(rows)]
    return sum(gaps) / max(len(probability), 1)


def golden(model: FittedModel, examples: Examples) -> dict[str, Any]:
    """A few inputs with the predictions they must give, for ever."""
    shorten = [pl.col(name).str.slice(0, GOLDEN_TEXT_CHARACTERS) for name in model.columns if name not in model.numbers]
    rows = examples.features.select(model.columns).tail(GOLDEN_ROWS).with_columns(shorten)
    return {"inputs": rows.to_dicts(), "outputs": model.predict(rows).tolist()}


def golden_holds(model: FittedModel, expected: dict[str, Any]) -> bool:
    """Whether a loaded model predicts what it predicted when it was registered."""
    rows = pl.DataFrame(expected["inputs"], infer_schema_length=None)
    return bool(np.allclose(model.predict(rows), np.asarray(expected["outputs"]), rtol=1e-6, atol=1e-9))
