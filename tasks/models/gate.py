"""May a challenger take over? Looked at every night, so the bound has to hold at every look.

Challenger and champion are compared on rows newer than both, the same rows, one difference a row. The lower end of a
confidence sequence (Waudby-Smith et al. 2021) covers all looks at once: ten peeks at an equal challenger promote it no
more often than one.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tasks.models.estimators import Floats
from tasks.models.specs import Gate
from tasks.statistics.confidence_sequences import lower_half_width

BETTER, NOT_WORSE, OPEN = "better", "not_worse_and_fresher", "open"
MIN_ROWS = 30


@dataclass(frozen=True, slots=True)
class GateResult:
    """One look.

    Attributes:
        answer: `better`, `not_worse_and_fresher`, or `open`.
        gain: mean loss of the champion − mean loss of the challenger; `gain_lower` and `gain_upper` each hold over
            all looks.
        champion_loss: the champion's mean loss on the same rows.
    """

    answer: str
    gain: float
    gain_lower: float | None
    champion_loss: float
    n: int
    gain_upper: float | None = None

    @property
    def is_worse(self) -> bool:
        """Whether the challenger surely loses more."""
        return self.gain_upper is not None and self.gain_upper < 0.0

    @property
    def passes(self) -> bool:
        """Whether the challenger may take over."""
        return self.answer != OPEN

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        return asdict(self)


def judge(champion: Floats, challenger: Floats, age_days: float, rule: Gate) -> GateResult:
    """Compare losses (n,) of both on the same n rows, newer than both.

    A challenger passes when it is surely better; or, as small workspaces may never prove that, when it is surely not
    worse by more than a margin and has waited long enough.

    Args:
        champion: losses of the champion.
        challenger: losses of the challenger.
        age_days: days of newer rows it has been watched for.
        rule: confidence, margin (a share of the champion's loss), minimum age, and where the bound is narrowest.
    """
    differences, n = champion - challenger, len(champion)
    loss = float(champion.mean()) if n else 0.0
    if n < MIN_ROWS:
        return GateResult(OPEN, float(differences.mean()) if n else 0.0, None, loss, n)
    gain, lower = float(differences.mean()), lower_bound(differences, rule)
    answer = OPEN
    if lower > 0.0:
        answer = BETTER
    elif lower > -rule.non_inferiority_margin * loss and age_days >= rule.minimum_age_days:
        answer = NOT_WORSE
    return GateResult(answer, gain, lower, loss, n, 2 * gain - lower)


def lower_bound(differences: Floats, rule: Gate) -> float:
    """Lower end for the mean difference, valid at all n at once."""
    n = len(differences)
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    reach = lower_half_width(error, float(n), 1.0 - rule.confidence, float(rule.narrowest_at))
    return float(np.mean(differences) - reach)
