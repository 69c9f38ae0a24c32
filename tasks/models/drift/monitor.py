"""One drift check of a champion: its losses, its outputs and its inputs, and whether retraining would help. Pure.

Tier 1 (labels) compares losses, and how far what it predicts comes true, and alone may be critical. Tier 2 (the
model's outputs) and tier 3 (its inputs) need no labels and are a warning at most: inputs move often without harm.

Like is compared with like. The losses and outputs stored at registration are those of a model trained on fewer rows
and calibrated on others than the champion; so where they may have moved, that model is trained once more, and others
like it, and what they do on rows they did not learn from, before and now, decides.

A champion is looked at every week on rows that are mostly the same, so the levels below are for a year of looks: at
most 1 in 10 without drift sees a false alarm, and far fewer than 1 in 20 looks. A minimum effect keeps large samples
from alarming about nothing. Of the three tests with labels the one of what comes true has most of the error: others
find next to nothing that it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np

from tasks.errors import OutOfRangeError, require_between
from tasks.models.drift.labels import unseen_labels
from tasks.models.drift.shifts import (
    ColumnShift,
    OutputSummary,
    column_shifts,
    expected_loss_change,
    expected_performance,
    output_shift,
    summarize_outputs,
)
from tasks.models.records import (
    CONTINUE,
    CRITICAL,
    INSUFFICIENT_DATA,
    NO_DRIFT,
    NOW,
    SOON,
    WARNING,
    DriftReport,
    ModelKey,
    Version,
)
from tasks.models.serving.predictions import Outputs, losses_as_served
from tasks.models.specs import ModelSpec
from tasks.models.training.dataset import TEXT, Examples
from tasks.models.training.estimators import FittedModel, Floats, losses
from tasks.models.training.evaluation import (
    HeldOut,
    RetrainGain,
    baseline_losses,
    held_out_again,
    noise_share,
    retrain_gain,
)
from tasks.statistics.multiplicity import holm
from tasks.statistics.paired_bound import Bound, paired_lower_bound
from tasks.statistics.welch import MeanChange, change_from_known, mean_change

METHOD = 6  # another one measures again what was measured before
NOISE_LEVEL, LOSS_LEVEL, BASELINE_LEVEL = 0.0125, 0.001, 0.001  # of a look's tests with labels
# With two classes, one of them mostly rare, the noise share is skewed: at .0125 .12 ± .04 of years saw a false alarm.
NOISE_LEVEL_OF_TWO_CLASSES = 0.005
LABELED_LEVEL, LEVEL = NOISE_LEVEL + LOSS_LEVEL + BASELINE_LEVEL, 0.003  # of all of them, and of all those without
SUSPECT = 0.15  # level from which the losses of the champion itself are reason enough to train others like it
REFERENCE_ROWS = 50_000
READABLE_SHARE, READABLE_MULTIPLE = 5.0, 1_000.0  # of what a loss was: above, people read multiples, or its new size
# So much of the share that retraining has to save must be measured: on few rows, where a gain that is missed costs more
# than a candidate that is trained for nothing.
MEASURED = 0.75


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
        new_labels: a line on labels the champion never saw; None where there are none.
    """

    verdict: DriftVerdict
    change: LossChange | None
    estimated: dict[str, float]
    gain: RetrainGain | None
    samples: int
    new_labels: str | None = None


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
    if TEXT in labeled.features.columns and labeled.after(champion.train_to).n >= thresholds.min_samples:
        labeled.count_words()
    verdict, change = judge_drift(spec, champion, model, labeled, everything, thresholds, served)
    predicted, gain = model.predict_rows(everything.after(champion.train_to)), None
    if change is not None:
        worth = 0.0 if verdict.status != NO_DRIFT else thresholds.warning
        gain = retrain_gain(spec, labeled, model, champion.train_to, worth)
    is_binary = predicted.ndim == 2 and predicted.shape[1] == 2
    estimated = expected_performance(predicted[:, 1], predicted[:, 1] >= 0.5) if is_binary else {}
    new_labels = None
    if model.classes is not None:
        new_labels = unseen_labels(model.classes, labeled.after(champion.train_to).target.to_list())
    return DriftMeasurement(verdict, change, estimated, gain, len(predicted), new_labels)


def judge_drift(
    spec: ModelSpec,
    champion: Version,
    model: FittedModel,
    labeled: Examples,
    everything: Examples,
    thresholds: DriftThresholds,
    served: Outputs = MappingProxyType({}),
) -> tuple[DriftVerdict, LossChange | None]:
    """Whether anything drifted, and how losses changed; as `measure_drift`, but not what retraining brings."""
    older, newer = everything.split(champion.train_to)
    reference = older.features.tail(min(champion.n_rows, REFERENCE_ROWS))
    inputs = column_shifts(reference, newer.features, spec.not_watched)
    then = champion.evaluation
    change = _loss_change(labeled, champion.train_to, then, model, thresholds.min_samples, served)
    before = OutputSummary(**then["outputs"])
    verdict = _verdict(change, before, model.predict_rows(newer), inputs, thresholds)
    learned, later = labeled.split(champion.train_to)
    learned = learned.slice(max(learned.n - champion.n_rows, 0), learned.n)
    is_suspect = verdict.is_of_the_model or (change is not None and change.is_suspect)
    if not is_suspect or learned.n < spec.least_rows(pooled=labeled.siblings is not None):
        return verdict, change
    folds = held_out_again(spec, learned, crosswise=change is not None)
    if not folds:
        return verdict, change
    if change is not None:
        change = _change_crosswise(folds, later, change)
    latest = folds[0]
    assert latest.model is not None, "folds without a model were left out"
    before = summarize_outputs(latest.predicted)
    return _verdict(change, before, latest.model.predict_rows(newer), inputs, thresholds), change


def _change_crosswise(folds: Sequence[HeldOut], later: Examples, champions: LossChange) -> LossChange:
    """What models like the champion lose, and what comes true, on later rows (m,) and on those each had not seen."""
    models = [fold.model for fold in folds if fold.model is not None]
    predicted = [model.predict_rows(later) for model in models]
    both = list(zip(models, predicted, strict=True))
    lost = np.mean([losses(values, later.target, model.classes) for model, values in both], axis=0)
    before = np.concatenate([fold.losses for fold in folds])
    noise = [noise_share(values, later.target, model.classes) for model, values in both]
    noise_before = [noise_share(fold.predicted, fold.rows.target, fold.classes) for fold in folds]
    return LossChange(
        mean_change(lost, float(before.mean()), float(before.var(ddof=1)), len(before)),
        champions.behind_baseline,
        noise=change_from_known(noise, np.concatenate(noise_before)),
        noise_level=champions.noise_level,
    )


def _verdict(
    change: LossChange | None,
    before: OutputSummary,
    predicted: Floats,
    inputs: Sequence[ColumnShift],
    thresholds: DriftThresholds,
) -> DriftVerdict:
    """What losses, outputs (n,) and inputs say together, beside the outputs of the same model before."""
    # The loss a model's own probabilities promise counts only until labels are known.
    expected = expected_loss_change(before, predicted) if change is None else None
    shifts = [output_shift(before, predicted), *inputs]
    return drift_verdict(change, expected, shifts, thresholds.warning, thresholds.critical)


def _loss_change(
    labeled: Examples,
    learned_to: datetime,
    then: Mapping[str, Any],
    model: FittedModel,
    min_samples: int,
    served: Outputs,
) -> LossChange | None:
    older, newer = labeled.split(learned_to)
    if newer.n < min_samples or not older.n:
        return None
    baseline = baseline_losses(older.target, newer.target)
    now, n_served = losses_as_served(model, newer, served)
    level = NOISE_LEVEL_OF_TWO_CLASSES if model.classes is not None and len(model.classes) == 2 else NOISE_LEVEL
    change = loss_change(now, baseline, then["loss"], then["loss_variance"], then["n"], n_served)
    change = replace(change, noise_level=level)  # which models like it are held to, whatever was kept of this one
    if "noise_share" not in then:  # registered before it was kept
        return change
    noise = noise_share(model.predict_rows(newer), newer.target, model.classes)
    return replace(change, noise=mean_change(noise, then["noise_share"], then["noise_share_variance"], then["n"]))


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """Status, score and reasons; whether retraining helps is another question, see `recommend`.

    Attributes:
        is_of_the_model: whether any of it is about losses or outputs, which depend on the rows the model learned from.
    """

    status: str
    score: float
    p_value: float
    reasons: tuple[str, ...]
    columns: tuple[dict[str, Any], ...]
    is_of_the_model: bool = False


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """One test: its p-value, how much it matters (0–1), and the reason to give where it is significant.

    `level` is its own where it needs labels; the others share one.
    """

    p_value: float
    score: float
    reason: str
    level: float | None = None
    is_of_the_model: bool = True


@dataclass(frozen=True, slots=True)
class LossChange:
    """The model's loss now against its loss when registered, and against today's baseline row by row.

    Attributes:
        noise: `noise_share` now against before: seen before the loss, as rows hard for every model do not count. None
            for versions from before it was kept.
        noise_level: at which it counts.
        n_served: rows whose loss is of what was really served; the others were scored again.
    """

    change: MeanChange
    behind_baseline: Bound
    n_served: int = 0
    noise: MeanChange | None = None
    noise_level: float = NOISE_LEVEL

    @property
    def is_suspect(self) -> bool:
        """Whether models like this one are worth asking what they lose now and lost before."""
        return min(self.change.p_value, 1.0 if self.noise is None else self.noise.p_value) <= SUSPECT

    @property
    def basis(self) -> str:
        """Which rows, in words."""
        how = "as served" if self.n_served == self.change.n else f"{self.n_served} as served, the rest scored again"
        return f"{self.change.n} labeled rows ({how if self.n_served else 'scored again, none was served'})"

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        return {
            "loss": self.change.now,
            "loss_at_registration": self.change.then,
            "n": self.change.n,
            "n_served": self.n_served,
            "relative_change": self.change.relative,
            "relative_change_lower": self.change.relative_lower,
            "behind_baseline": self.behind_baseline.mean,
        }


def loss_change(
    now: Floats, baseline_now: Floats, mean: float, variance: float, n: int, n_served: int = 0
) -> LossChange:
    """Compare losses (m,) with the mean and variance of n held-out losses at registration, and with a baseline's (m,).

    One-sided: only getting worse is drift.
    """
    return LossChange(mean_change(now, mean, variance, n), paired_lower_bound(now - baseline_now), n_served)


def drift_verdict(
    change: LossChange | None,
    expected: MeanChange | None,
    shifts: Sequence[ColumnShift],
    warning_at: float,
    critical_at: float,
) -> DriftVerdict:
    """Judge a change of the loss (None without labels), of the expected one (None for regression), and of columns."""
    labeled = _losses(change)
    unlabeled = [*_expected_loss(expected), *(_shift(shift) for shift in shifts)]
    findings, levels = labeled + unlabeled, [LABELED_LEVEL] * len(labeled) + [LEVEL] * len(unlabeled)
    weighted = [min(one.p_value * LABELED_LEVEL / one.level, 1.0) for one in labeled if one.level is not None]
    adjusted = np.concatenate([weighted, holm([one.p_value for one in unlabeled])])
    judged = zip(findings, adjusted, levels, strict=True)
    significant = [f for f, p, level in judged if p <= level and f.score >= warning_at]
    significant.sort(key=_strongest_first)
    of_losses = max((finding.score for finding in significant if finding.level is not None), default=0.0)
    others = max((finding.score for finding in significant if finding.level is None), default=0.0)
    status = CRITICAL if of_losses >= critical_at and of_losses > 0 else WARNING if significant else NO_DRIFT
    columns = [
        asdict(shift) | {"score": input_score(shift), "p_adjusted": float(p)}
        for shift, p in zip(shifts, adjusted[len(findings) - len(shifts) :], strict=False)
    ]
    score = of_losses if status == CRITICAL else max(of_losses, min(others, critical_at))
    p_value = float(adjusted.min()) if len(adjusted) else 1.0
    of_model = any(one.is_of_the_model for one in significant)
    return DriftVerdict(status, score, p_value, tuple(one.reason for one in significant), tuple(columns), of_model)


def _strongest_first(finding: DriftFinding) -> tuple[bool, float]:
    return finding.level is None, -finding.score


def input_score(shift: ColumnShift) -> float:
    """Half the shift in standard deviations, at most 1: a column two deviations away has nothing left in common."""
    return min(shift.shift / 2.0, 1.0)


def recommend(status: str, gain: RetrainGain | None, worth: float) -> tuple[str, str | None]:
    """What to do, and why: retraining is proposed only where it helps on held-out rows, whether an alarm rang or not.

    `worth` is the share of the champion's loss it has to save, the same unit as a drift score's.
    """
    drifted = status in (WARNING, CRITICAL)
    if gain is None:
        return CONTINUE, "too few labeled rows to measure whether retraining helps" if drifted else None
    n = gain.tried_on or gain.n
    seen = f"{gain.measured_share:.0%} on the {n} newest labeled rows, which it did not learn from"
    saved = f"about {gain.share:.0%} of the loss ({seen}, before luck is allowed for)"
    if not gain.is_worthwhile(MEASURED * worth, drifted=drifted):
        return CONTINUE, f"retraining would save {saved}: too little to act on" if drifted else None
    return (NOW if status == CRITICAL else SOON), f"retraining would save {saved}"


def _losses(change: LossChange | None) -> list[DriftFinding]:
    if change is None:
        return []
    rise, behind = change.change, change.behind_baseline
    rose = f"loss rose {_by(rise)} on {change.basis}"
    worse = f"the baseline's mean loss is now lower, by {behind.mean:.3g}"
    findings = [
        DriftFinding(rise.p_value, min(max(rise.relative, 0.0), 1.0), rose, LOSS_LEVEL),
        DriftFinding(behind.p_value, 1.0, worse, BASELINE_LEVEL),
    ]
    if change.noise is not None:
        by = change.noise.now - change.noise.then
        less = (
            f"the differences it predicts come true less than when registered, by {min(by, 1):.0%}, on {change.basis}"
        )
        findings.append(DriftFinding(change.noise.p_value, min(max(by, 0.0), 1.0), less, change.noise_level))
    return findings


def _by(rise: MeanChange) -> str:
    """How far a loss rose, in words; of one that was next to nothing, no multiple says anything."""
    if rise.relative < READABLE_SHARE:
        return f"by {rise.relative:.0%} (at least {rise.relative_lower:.0%})"
    if rise.relative < READABLE_MULTIPLE:
        return f"to {1 + rise.relative:.0f} times what it was (at least {1 + rise.relative_lower:.0f} times)"
    return f"from next to nothing to {rise.now:.3g}"


def _expected_loss(change: MeanChange | None) -> list[DriftFinding]:
    if change is None:
        return []
    reason = f"the loss expected from its own probabilities rose {_by(change)} on {change.n} rows"
    return [DriftFinding(change.p_value, min(max(change.relative, 0.0), 1.0), reason)]


def _shift(shift: ColumnShift) -> DriftFinding:
    what = "share of missing values in " if shift.kind == "missing" else ""
    reason = f"{what}{shift.name} moved by {shift.shift:.2f} sd (p = {shift.p_value:.2g})"
    return DriftFinding(shift.p_value, input_score(shift), reason, is_of_the_model=shift.kind == "output")


def drift_report(key: ModelKey, version_name: str, measured: DriftMeasurement, worth: float) -> DriftReport:
    """What one drift check measured, with its recommendation."""
    recommendation, why = recommend(measured.verdict.status, measured.gain, worth)
    performance: dict[str, Any] = {} if measured.change is None else measured.change.as_dict()
    performance |= {"estimated": measured.estimated} if measured.estimated else {}
    performance |= {} if measured.gain is None else {"retrain": measured.gain.as_dict()}
    score = measured.verdict.score if measured.gain is None else measured.gain.share
    return DriftReport(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        model_version=version_name,
        drift_status=measured.verdict.status,
        drift_score=score,
        p_value=measured.verdict.p_value,
        recommendation=recommendation,
        reasons=[*measured.verdict.reasons, *(line for line in (measured.new_labels, why) if line)],
        samples=measured.samples,
        samples_needed=0,
        performance=performance,
        columns=list(measured.verdict.columns),
    )


def insufficient(key: ModelKey, version_name: str | None, samples: int, needed: int) -> DriftReport:
    """The report where nothing can be measured yet, and what would be enough."""
    reason = f"{samples} rows newer than the model, {needed} needed"
    if version_name is None:
        reason = "there is no champion yet; `check_and_update_models` trains one"
    return DriftReport(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        model_version=version_name,
        drift_status=INSUFFICIENT_DATA,
        drift_score=0.0,
        p_value=1.0,
        recommendation=CONTINUE,
        reasons=[reason],
        samples=samples,
        samples_needed=needed,
        performance={},
        columns=[],
    )
