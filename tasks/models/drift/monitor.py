"""One drift check of a champion: its losses, its outputs and its inputs, and whether retraining would help. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from tasks.errors import OutOfRangeError, require_between
from tasks.models.drift.input_shifts import column_shifts
from tasks.models.drift.output_shifts import OutputSummary, expected_loss_change, expected_performance, output_shift
from tasks.models.drift.verdict import NO_DRIFT, LossChange, Verdict, drift_verdict, loss_change
from tasks.models.records import Version
from tasks.models.serving.predictions import Outputs, losses_as_served
from tasks.models.specs import ModelSpec
from tasks.models.training.dataset import Examples
from tasks.models.training.estimators import FittedModel
from tasks.models.training.evaluation import baseline_losses
from tasks.models.training.retrain_gain import RetrainGain, retrain_gain

REFERENCE_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class DriftThresholds:
    """Drift scores (0–1) from which to warn and to alarm, and how many new rows a check needs.

    Raises:
        OutOfRangeError: if a number lies outside its bounds.
    """

    warning: float = 0.1
    critical: float = 0.2
    min_samples: int = 50

    def __post_init__(self) -> None:
        require_between("drift_critical_threshold", self.critical, 0.0, 1.0)
        require_between("drift_warning_threshold", self.warning, 0.0, self.critical)
        if isinstance(self.min_samples, bool) or not self.min_samples >= 20:
            raise OutOfRangeError("min_samples_for_drift", self.min_samples, "at least 20")


@dataclass(frozen=True, slots=True)
class DriftMeasurement:
    """What one check measured.

    Attributes:
        change: Tier 1; None where too few labels are known.
        estimated: performance expected without labels, binary classifiers only.
        gain: what retraining brings; None unless something drifted and labels are known.
    """

    verdict: Verdict
    change: LossChange | None
    estimated: dict[str, float]
    gain: RetrainGain | None
    samples: int


def measure_drift(
    spec: ModelSpec,
    champion: Version,
    model: FittedModel,
    labeled: Examples,
    everything: Examples,
    thresholds: DriftThresholds,
    served: Outputs = MappingProxyType({}),
) -> DriftMeasurement:
    """Compare the rows newer than the champion with its training data.

    Args:
        spec: the champion's spec.
        champion: what is stored of its registration.
        model: the champion itself.
        labeled: rows whose target is known, in time order.
        everything: all rows, in time order.
        thresholds: when to warn and to alarm.
        served: the champion's logged outputs for rows newer than it; the rest is scored again.
    """
    newer, older = everything.after(champion.train_to), everything.until(champion.train_to)
    change = _loss_change(labeled, champion, model, thresholds.min_samples, served)
    predicted, then = model.predict(newer.features), OutputSummary(**champion.evaluation["outputs"])
    reference = older.features.tail(min(champion.n_rows, REFERENCE_ROWS))
    shifts = [output_shift(then, predicted), *column_shifts(reference, newer.features, spec.not_watched)]
    # The loss a model's own probabilities promise counts only until labels are known.
    expected = expected_loss_change(then, predicted) if change is None else None
    verdict = drift_verdict(change, expected, shifts, thresholds.warning, thresholds.critical)
    gain = None
    if verdict.status != NO_DRIFT and change is not None:
        gain = retrain_gain(spec, labeled, model, champion.train_to)
    is_binary = predicted.ndim == 2 and predicted.shape[1] == 2
    estimated = expected_performance(predicted[:, 1], predicted[:, 1] >= 0.5) if is_binary else {}
    return DriftMeasurement(verdict, change, estimated, gain, len(newer))


def _loss_change(
    labeled: Examples, champion: Version, model: FittedModel, min_samples: int, served: Outputs
) -> LossChange | None:
    newer, older = labeled.after(champion.train_to), labeled.until(champion.train_to)
    if len(newer) < min_samples or not len(older):
        return None
    then = champion.evaluation
    baseline = baseline_losses(older.target, newer.target)
    now, n_served = losses_as_served(model, newer, served)
    return loss_change(now, baseline, then["loss"], then["loss_variance"], then["n"], n_served)
