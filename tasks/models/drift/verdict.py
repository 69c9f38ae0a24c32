"""The verdict over all tiers: one family of tests, one score, one recommendation. Pure.

Tier 1 (labels) compares losses and alone may be critical. Tier 2 (the model's outputs) and tier 3 (its inputs) need no
labels and are a warning at most: inputs move all the time without harm. One Holm correction over all of them keeps the
false alarms of the whole verdict below 5 %, and a minimum effect keeps large samples from alarming about nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks.models.drift.input_shifts import ColumnShift
from tasks.models.training.estimators import Floats
from tasks.models.training.retrain_gain import RetrainGain
from tasks.statistics.familywise import holm
from tasks.statistics.paired_bound import Bound, paired_lower_bound
from tasks.statistics.welch import MeanChange, mean_change

LEVEL = 0.05
NO_DRIFT, WARNING, CRITICAL = "no_drift", "warning", "critical"
INSUFFICIENT_DATA = "insufficient_data"
CONTINUE, SOON, NOW = "continue_monitoring", "schedule_retrain_soon", "immediate_retrain_required"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Status, score and reasons; whether retraining helps is another question, see `recommend`."""

    status: str
    score: float
    p_value: float
    reasons: tuple[str, ...]
    columns: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """One test: its p-value, how much it matters (0–1), and the reason to give where it is significant."""

    p_value: float
    score: float
    reason: str
    is_labeled: bool


@dataclass(frozen=True, slots=True)
class LossChange:
    """The model's loss now against its loss when registered, and against today's baseline row by row.

    Attributes:
        n_served: rows whose loss is of what was really served; the others were scored again.
    """

    change: MeanChange
    behind_baseline: Bound
    n_served: int = 0

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
) -> Verdict:
    """Judge a change of the loss (None without labels), of the expected one (None for regression), and of columns."""
    findings = [*_losses(change), *_expected_loss(expected), *(_shift(shift) for shift in shifts)]
    adjusted = holm([finding.p_value for finding in findings] or [1.0])
    significant = [f for f, p in zip(findings, adjusted, strict=False) if p <= LEVEL and f.score >= warning_at]
    significant.sort(key=_strongest_first)
    losses = max((finding.score for finding in significant if finding.is_labeled), default=0.0)
    others = max((finding.score for finding in significant if not finding.is_labeled), default=0.0)
    status = CRITICAL if losses >= critical_at and losses > 0 else WARNING if significant else NO_DRIFT
    columns = [
        asdict(shift) | {"score": input_score(shift), "p_adjusted": float(p)}
        for shift, p in zip(shifts, adjusted[len(findings) - len(shifts) :], strict=False)
    ]
    score = losses if status == CRITICAL else max(losses, min(others, critical_at))
    return Verdict(status, score, float(adjusted.min()), tuple(one.reason for one in significant), tuple(columns))


def _strongest_first(finding: DriftFinding) -> tuple[bool, float]:
    return not finding.is_labeled, -finding.score


def input_score(shift: ColumnShift) -> float:
    """Half the shift in standard deviations, at most 1: a column two deviations away has nothing left in common."""
    return min(shift.shift / 2.0, 1.0)


def recommend(status: str, gain: RetrainGain | None, worth: float) -> tuple[str, str | None]:
    """What to do, and why: retraining is proposed only where it helps on held-out rows.

    `worth` is the share of the champion's loss it has to save, the same unit as a drift score's.
    """
    if status not in (WARNING, CRITICAL):
        return CONTINUE, None
    if gain is None:
        return CONTINUE, "too few labeled rows to measure whether retraining helps"
    if not gain.is_worthwhile(worth):
        measured = f"from {gain.champion_loss:.3g} by {gain.gain:.3g} on {gain.n} held-out rows"
        return CONTINUE, f"retraining lowers the loss {measured}: too little, or its lower bound is not above zero"
    why = f"retraining lowers the loss by {gain.gain:.3g} (at least {gain.gain_lower:.3g}) on {gain.n} held-out rows"
    return (NOW if status == CRITICAL else SOON), why


def _losses(change: LossChange | None) -> list[DriftFinding]:
    if change is None:
        return []
    rise, behind = change.change, change.behind_baseline
    rose = f"loss rose by {rise.relative:.0%} (at least {rise.relative_lower:.0%}) on {change.basis}"
    worse = f"the baseline's mean loss is now lower, by {behind.mean:.3g}"
    return [
        DriftFinding(rise.p_value, min(max(rise.relative, 0.0), 1.0), rose, True),
        DriftFinding(behind.p_value, 1.0, worse, True),
    ]


def _expected_loss(change: MeanChange | None) -> list[DriftFinding]:
    if change is None:
        return []
    reason = f"the loss expected from its own probabilities rose by {change.relative:.0%} on {change.n} rows"
    return [DriftFinding(change.p_value, min(max(change.relative, 0.0), 1.0), reason, False)]


def _shift(shift: ColumnShift) -> DriftFinding:
    what = "share of missing values in " if shift.kind == "missing" else ""
    reason = f"{what}{shift.name} moved by {shift.shift:.2f} sd (p = {shift.p_value:.2g})"
    return DriftFinding(shift.p_value, input_score(shift), reason, False)
