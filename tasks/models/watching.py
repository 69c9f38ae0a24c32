"""One look at a champion: what its losses, its outputs and its inputs say, and whether retraining would help. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from tasks.models import drift
from tasks.models.dataset import Examples
from tasks.models.estimators import FittedModel
from tasks.models.input_drift import column_shifts
from tasks.models.output_drift import OutputSummary, announced_change, expected_performance, output_shift
from tasks.models.performance import LossChange, loss_change
from tasks.models.records import Version
from tasks.models.refresh import RetrainGain, retrain_gain
from tasks.models.served import Outputs, losses_as_served
from tasks.models.specs import ModelSpec
from tasks.models.training import baseline_losses

REFERENCE_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which score on to warn and to alarm, and how many new rows a look needs."""

    warning: float
    critical: float
    min_samples: int


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw.

    Attributes:
        change: Tier 1; None where too few labels are known.
        estimated: performance expected without labels, binary classifiers only.
        gain: what retraining brings; None unless something drifted and labels are known.
    """

    verdict: drift.Verdict
    change: LossChange | None
    estimated: dict[str, float]
    gain: RetrainGain | None
    samples: int


def look(
    spec: ModelSpec,
    champion: Version,
    model: FittedModel,
    labelled: Examples,
    everything: Examples,
    thresholds: Thresholds,
    served: Outputs = MappingProxyType({}),
) -> Look:
    """Compare the rows newer than the champion with what it learnt from.

    Args:
        spec: the champion's spec.
        champion: what is remembered of its registration.
        model: the champion itself.
        labelled: rows whose target is known, in time order.
        everything: all rows, in time order.
        thresholds: when to warn and to alarm.
        served: what the champion was logged to say of rows newer than it; the rest is scored again.
    """
    newer, older = everything.after(champion.train_to), everything.until(champion.train_to)
    change = _loss_change(labelled, champion, model, thresholds.min_samples, served)
    predicted, then = model.predict(newer.features), OutputSummary(**champion.evaluation["outputs"])
    reference = older.features.tail(min(champion.n_rows, REFERENCE_ROWS))
    shifts = [output_shift(then, predicted), *column_shifts(reference, newer.features, spec.not_watched)]
    # What a model announces for itself counts only until the truth is known.
    announced = announced_change(then, predicted) if change is None else None
    found = drift.verdict(change, announced, shifts, thresholds.warning, thresholds.critical)
    gain = None
    if found.status != drift.NO_DRIFT and change is not None:
        gain = retrain_gain(spec, labelled, model, champion.train_to)
    is_binary = predicted.ndim == 2 and predicted.shape[1] == 2
    estimated = expected_performance(predicted[:, 1], predicted[:, 1] >= 0.5) if is_binary else {}
    return Look(found, change, estimated, gain, len(newer))


def _loss_change(
    labelled: Examples, champion: Version, model: FittedModel, min_samples: int, served: Outputs
) -> LossChange | None:
    newer, older = labelled.after(champion.train_to), labelled.until(champion.train_to)
    if len(newer) < min_samples or not len(older):
        return None
    then = champion.evaluation
    trivial = baseline_losses(older.target, newer.target)
    now, n_served = losses_as_served(model, newer, served)
    return loss_change(now, trivial, then["loss"], then["loss_variance"], then["n"], n_served)
