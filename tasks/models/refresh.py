"""Would retraining help? Learn on what came before, compare with the champion on the rows that came last."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tasks.models.dataset import Examples
from tasks.models.estimators import FittedModel, fit
from tasks.models.specs import ModelSpec
from tasks.models.training import has_one_class
from tasks.statistics.paired_bound import Bound, paired_lower_bound


@dataclass(frozen=True, slots=True)
class RetrainGain:
    """What retraining brings on held-out rows neither model has seen.

    Attributes:
        gain: mean loss of the champion − mean loss of the candidate, with its one-sided lower bound.
        window: `all` rows or only those `recent` to the champion, whichever did better before the held-out rows.
    """

    gain: float
    gain_lower: float
    p_value: float
    n: int
    window: str

    @property
    def helps(self) -> bool:
        """Whether the whole bound lies above zero."""
        return self.gain_lower > 0.0

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        return asdict(self) | {"helps": self.helps}


def retrain_gain(spec: ModelSpec, rows: Examples, champion: FittedModel, champion_to: datetime) -> RetrainGain:
    """Bound what retraining gains over the champion on the last third of the rows newer than it.

    The window to learn from is chosen on the middle third, so that the last third is looked at once.
    """
    first_new = len(rows) - len(rows.after(champion_to))
    third = (len(rows) - first_new) // 3
    middle, last = len(rows) - 2 * third, len(rows) - third
    window = choose_window(spec, rows, first_new, middle, last)
    learnt = _learn(spec, rows, first_new if window == "recent" else 0, last)
    held_out = rows.slice(last, len(rows))
    if learnt is None:
        return RetrainGain(0.0, float("-inf"), 1.0, len(held_out), window)
    bound = gain(champion, learnt, held_out, spec.gate.confidence)
    return RetrainGain(bound.mean, bound.lower, bound.p_value, bound.n, window)


def choose_window(spec: ModelSpec, rows: Examples, first_new: int, middle: int, last: int) -> str:
    """`recent` where learning from the newest rows alone predicts rows middle…last better than learning from all."""
    recent, everything = _learn(spec, rows, first_new, middle), _learn(spec, rows, 0, middle)
    if recent is None or everything is None or first_new == 0:
        return "all"
    judge = rows.slice(middle, last)
    return "recent" if recent.losses(judge).mean() < everything.losses(judge).mean() else "all"


def gain(champion: FittedModel, challenger: FittedModel, held_out: Examples, confidence: float) -> Bound:
    """One-sided bound on champion's loss − challenger's loss, row by row on the same held-out rows."""
    return paired_lower_bound(champion.losses(held_out) - challenger.losses(held_out), confidence)


def _learn(spec: ModelSpec, rows: Examples, start: int, stop: int) -> FittedModel | None:
    part = rows.slice(start, stop)
    if len(part) < spec.minimum_rows // 2 or has_one_class(part):
        return None
    return fit(spec, part)
