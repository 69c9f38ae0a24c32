"""The verdict over all tiers: one family of tests, one score, one recommendation.

Tier 1 (labels) compares losses and alone may say critical. Tier 2 (the model's outputs) and tier 3 (its inputs) need no
labels and say warning at most: inputs move all the time without harm. One Holm correction over all of them keeps false
alarms of the whole verdict below 5 %, and a minimum effect keeps large samples from alarming about nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks.models.input_drift import ColumnShift
from tasks.models.performance import LossChange
from tasks.models.refresh import RetrainGain
from tasks.statistics.multiplicity import holm
from tasks.statistics.welch import MeanChange

LEVEL = 0.05
NO_DRIFT, WARNING, CRITICAL = "no_drift", "warning", "critical"
INSUFFICIENT_DATA = "insufficient_data"
CONTINUE, SOON, NOW = "continue_monitoring", "schedule_retrain_soon", "immediate_retrain_required"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Status, score and reasons, before anybody asked whether retraining helps."""

    status: str
    score: float
    p_value: float
    reasons: tuple[str, ...]
    columns: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One test: how likely without drift, how much it matters (0–1), and what to say if it holds."""

    p_value: float
    score: float
    reason: str
    labelled: bool


def verdict(
    change: LossChange | None,
    announced: MeanChange | None,
    shifts: Sequence[ColumnShift],
    warning_at: float,
    critical_at: float,
) -> Verdict:
    """Judge a loss change (None without labels), an announced one (None for regression) and shifts of columns."""
    findings = [*_losses(change), *_announced(announced), *(_shift(shift) for shift in shifts)]
    adjusted = holm([found.p_value for found in findings] or [1.0])
    real = [f for f, p in zip(findings, adjusted, strict=False) if p <= LEVEL and f.score >= warning_at]
    real.sort(key=lambda found: (not found.labelled, -found.score))
    losses = max((found.score for found in real if found.labelled), default=0.0)
    others = max((found.score for found in real if not found.labelled), default=0.0)
    status = CRITICAL if losses >= critical_at and losses > 0 else WARNING if real else NO_DRIFT
    columns = [
        asdict(shift) | {"score": input_score(shift), "p_adjusted": float(p)}
        for shift, p in zip(shifts, adjusted[len(findings) - len(shifts) :], strict=False)
    ]
    score = losses if status == CRITICAL else max(losses, min(others, critical_at))
    return Verdict(status, score, float(adjusted.min()), tuple(found.reason for found in real), tuple(columns))


def input_score(shift: ColumnShift) -> float:
    """Half the shift in standard deviations, at most 1: a column two deviations away has nothing left in common."""
    return min(shift.shift / 2.0, 1.0)


def recommend(status: str, gain: RetrainGain | None, worth: float) -> tuple[str, str | None]:
    """What to do, and why: retraining is proposed only where it was seen to help on held-out rows.

    `worth` is the share of the champion's loss it has to save, the same unit as a drift score's.
    """
    if status not in (WARNING, CRITICAL):
        return CONTINUE, None
    if gain is None:
        return CONTINUE, "too few labelled rows to see whether retraining helps"
    if not gain.is_worthwhile(worth):
        found = f"{gain.gain:.3g} off a loss of {gain.champion_loss:.3g} on {gain.n} held-out rows"
        return CONTINUE, f"retraining takes {found}: too little, or not surely above zero"
    why = f"retraining lowers the loss by {gain.gain:.3g} (at least {gain.gain_lower:.3g}) on {gain.n} held-out rows"
    return (NOW if status == CRITICAL else SOON), why


def _losses(change: LossChange | None) -> list[Finding]:
    if change is None:
        return []
    rise, behind = change.change, change.behind_baseline
    rose = f"loss rose by {rise.relative:.0%} (at least {rise.relative_lower:.0%}) on {change.basis}"
    worse = f"a trivial predictor now does better, by {behind.mean:.3g} a row"
    return [
        Finding(rise.p_value, min(max(rise.relative, 0.0), 1.0), rose, True),
        Finding(behind.p_value, 1.0, worse, True),
    ]


def _announced(change: MeanChange | None) -> list[Finding]:
    if change is None:
        return []
    reason = f"the model announces {change.relative:.0%} more loss for itself on {change.n} rows"
    return [Finding(change.p_value, min(max(change.relative, 0.0), 1.0), reason, False)]


def _shift(shift: ColumnShift) -> Finding:
    what = "share of missing values in " if shift.kind == "missing" else ""
    reason = f"{what}{shift.name} moved by {shift.shift:.2f} sd (p = {shift.p_value:.2g})"
    return Finding(shift.p_value, input_score(shift), reason, False)
