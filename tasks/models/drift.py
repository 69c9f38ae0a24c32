"""The verdict over all tiers: one family of tests, one score, one recommendation.

Tier 1 (labels) compares losses and alone may say critical. Tier 3 (inputs) needs no labels and says warning at most:
inputs move all the time without harm. One Holm correction over both keeps false alarms of the whole verdict below 5 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tasks.models.input_drift import ColumnShift
from tasks.models.performance import LossChange
from tasks.models.refresh import RetrainGain
from tasks.statistics.family_wise import holm

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


def verdict(change: LossChange | None, shifts: list[ColumnShift], warning_at: float, critical_at: float) -> Verdict:
    """Judge a loss change (None without labels) and column shifts against the two thresholds."""
    tests = [] if change is None else [change.p_value, change.behind_p_value]
    adjusted = holm(tests + [shift.p_value for shift in shifts]) if tests or shifts else holm([1.0])
    loss_score, loss_reasons = _loss(change, adjusted[: len(tests)].tolist())
    columns = [
        asdict(shift) | {"score": input_score(shift), "p_adjusted": float(p)}
        for shift, p in zip(shifts, adjusted[len(tests) :], strict=True)
    ]
    drifted = [c for c in columns if c["p_adjusted"] <= LEVEL and c["score"] >= warning_at]
    drifted.sort(key=lambda column: -column["score"])
    input_reasons = tuple(_describe(column) for column in drifted)
    status = NO_DRIFT
    if loss_reasons and loss_score >= critical_at:
        status = CRITICAL
    elif drifted or (loss_reasons and loss_score >= warning_at):
        status = WARNING
    inputs = max((column["score"] for column in drifted), default=0.0)
    score = loss_score if status == CRITICAL else max(loss_score, min(inputs, critical_at))
    return Verdict(status, min(score, 1.0), float(adjusted.min()), loss_reasons + input_reasons, tuple(columns))


def input_score(shift: ColumnShift) -> float:
    """Half the shift in standard deviations, at most 1: a column two deviations away has nothing left in common."""
    return min(shift.shift / 2.0, 1.0)


def recommend(status: str, gain: RetrainGain | None) -> tuple[str, str | None]:
    """What to do, and why: retraining is proposed only where it was seen to help on held-out rows."""
    if status not in (WARNING, CRITICAL):
        return CONTINUE, None
    if gain is None:
        return CONTINUE, "too few labelled rows to see whether retraining helps"
    if not gain.helps:
        return CONTINUE, f"retraining brings {gain.gain:.3g} on {gain.n} held-out rows, not surely above zero"
    why = f"retraining lowers the loss by {gain.gain:.3g} (at least {gain.gain_lower:.3g}) on {gain.n} held-out rows"
    return (NOW if status == CRITICAL else SOON), why


def _loss(change: LossChange | None, adjusted: list[float]) -> tuple[float, tuple[str, ...]]:
    if change is None:
        return 0.0, ()
    reasons = []
    score = 0.0
    if adjusted[0] <= LEVEL:
        score = max(change.relative, 0.0)
        reasons.append(
            f"loss rose by {change.relative:.0%} (at least {change.relative_lower:.0%}) on {change.n} labelled rows"
        )
    if adjusted[1] <= LEVEL and change.behind_baseline > 0:
        score = 1.0
        reasons.append(f"a trivial predictor now does better, by {change.behind_baseline:.3g} a row")
    return min(score, 1.0), tuple(reasons)


def _describe(column: dict[str, Any]) -> str:
    what = "share of missing values in " if column["kind"] == "missing" else ""
    return f"{what}{column['name']} moved by {column['shift']:.2f} sd (adjusted p = {column['p_adjusted']:.2g})"
