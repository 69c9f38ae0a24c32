"""Tier 1, with labels: does the model still lose as little as when it was registered?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.models.estimators import Floats
from tasks.statistics.paired_bound import Bound, paired_lower_bound
from tasks.statistics.welch import MeanChange, mean_change


@dataclass(frozen=True, slots=True)
class LossChange:
    """The model's loss now against its loss when registered, and against today's trivial baseline row by row.

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
        return f"{self.change.n} labelled rows ({how if self.n_served else 'scored again, none was served'})"

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse; bounds that are not finite are left out."""
        found: dict[str, Any] = {"loss": self.change.now, "loss_at_registration": self.change.then}
        found |= {"n": self.change.n, "n_served": self.n_served}
        found |= {"relative_change": self.change.relative, "relative_change_lower": self.change.relative_lower}
        return found | {"behind_baseline": self.behind_baseline.mean}


def loss_change(
    now: Floats, baseline_now: Floats, mean: float, variance: float, n: int, n_served: int = 0
) -> LossChange:
    """Compare losses (m,) with the mean and variance of n held-out losses at registration, and with a baseline's (m,).

    One-sided: only getting worse is drift.
    """
    return LossChange(mean_change(now, mean, variance, n), paired_lower_bound(now - baseline_now), n_served)
