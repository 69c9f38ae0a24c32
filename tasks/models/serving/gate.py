"""May a challenger take over, and may a champion go on serving? Pure.

Both are asked every night, so the bounds have to hold at every look. Two versions are compared on rows newer than both,
the same rows, one difference a row. The lower end of a confidence sequence (Waudby-Smith et al. 2021) covers all looks
at once: ten peeks at an equal challenger promote it no more often than one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tasks.models.records import PredictionBatch
from tasks.models.specs import Gate, ServingLimits
from tasks.models.training.estimators import Floats
from tasks.statistics.confidence_sequences import lower_half_width

BETTER, NOT_WORSE, OPEN = "better", "not_worse_and_fresher", "open"
MIN_ROWS = 30
LATEST_BATCHES = 200
LEAST_FAILURES = 3  # one broken request is not a broken model
LEAST_BATCHES = 20  # for a 95th percentile
OF_THE_FILE = ("ArtifactRefusedError", "RegistryUnreachableError", "RegistryRefusedError", "RegistryFilesError")
ROWS = 1_000  # a batch may take its seconds for every thousand rows, or part of it


@dataclass(frozen=True, slots=True)
class GateResult:
    """One comparison of a challenger with its champion.

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
        """Whether the challenger's loss is higher, with confidence."""
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

    A challenger passes when it is better with confidence; or, as small workspaces may never prove that, when with
    confidence it is not worse by more than a margin, and has waited long enough.

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


def excess_loss(champion: Floats, previous: Floats, rule: Gate) -> float | None:
    """Lower bound on how much higher a champion's mean loss is than the previous one's; None within the margin.

    The bound holds at every look: one that looks each night is wrong no more often than one that looks once.

    Args:
        champion: losses (n,) as served; likewise `previous`, on the same rows.
        rule: confidence, and the margin as a share of the previous champion's loss.
    """
    if len(champion) < MIN_ROWS:
        return None
    least = lower_bound(champion - previous, rule)
    return least if least > rule.non_inferiority_margin * abs(float(previous.mean())) else None


def breached_limit(batches: Sequence[PredictionBatch], limits: ServingLimits) -> str | None:
    """Why the latest batches of one version break a limit: too many fail, or are slow; None where they do not.

    A file that could not be read, or a registry that was away, is no fault of the model: files are checked apart. And
    failures before the last twenty batches, all of which were answered, are of a time before a repair.

    Args:
        batches: newest first.
        limits: what is allowed.
    """
    batches = [batch for batch in batches if not (batch.error or "").startswith(OF_THE_FILE)]
    if all(batch.error is None for batch in batches[:LEAST_BATCHES]) and len(batches) >= LEAST_BATCHES:
        batches = batches[:LEAST_BATCHES]
    failures = [batch for batch in batches if batch.error is not None]
    if len(failures) >= LEAST_FAILURES and len(failures) > limits.maximum_error_share * len(batches):
        return f"{len(failures)} of its latest {len(batches)} batches failed, the last with: {failures[0].error}"
    answered = [batch.seconds / math.ceil(max(batch.n_rows, 1) / ROWS) for batch in batches if batch.error is None]
    if len(answered) < LEAST_BATCHES:
        return None
    slow = float(np.quantile(answered, 0.95))
    if slow <= limits.maximum_seconds:
        return None
    allowed = f"{limits.maximum_seconds:.2g} s allowed"
    return f"one batch in twenty takes longer than {slow:.2g} s per {ROWS:,} rows, {allowed}"
