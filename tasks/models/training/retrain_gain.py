"""Would retraining help? Train on what came before, compare with the champion on the rows that came last. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tasks.models.specs import ModelSpec
from tasks.models.training.dataset import Examples
from tasks.models.training.estimators import FittedModel, fit
from tasks.statistics.paired_bound import paired_lower_bound

HELD_OUT_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class RetrainGain:
    """What retraining gains on held-out rows that neither model has seen.

    Attributes:
        gain: mean loss of the champion − mean loss of the candidate, with its one-sided lower bound.
        window: `all` rows or only those `recent` to the champion, whichever did better before the held-out rows.
    """

    gain: float
    gain_lower: float
    p_value: float
    n: int
    window: str
    champion_loss: float

    @property
    def helps(self) -> bool:
        """Whether the whole bound lies above zero."""
        return self.gain_lower > 0.0

    def proves(self, confidence: float) -> bool:
        """Whether it helps at a level that makes newer rows unnecessary.

        Newer rows are the other way to be promoted by chance, so that each has half of the error.
        """
        return self.p_value <= (1.0 - confidence) / 2

    def is_worthwhile(self, share: float) -> bool:
        """Whether it helps, and saves at least this share of the champion's loss.

        More data alone brings a few per cent, drift or not: no reason to disturb those who rely on the champion.
        """
        return self.helps and self.gain >= share * self.champion_loss

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse; a bound that says nothing is None."""
        bound = self.gain_lower if math.isfinite(self.gain_lower) else None
        return asdict(self) | {"gain_lower": bound, "helps": self.helps}


def retrain_gain(spec: ModelSpec, rows: Examples, champion: FittedModel, champion_to: datetime) -> RetrainGain:
    """Bound what retraining gains over the champion on the last third of the rows newer than it, at most 1,000.

    So many suffice, and what lies further back is of another time: after a rollback, the rows newer than the champion
    may be years of them. The training window is chosen on as many rows before: the last are used once.
    """
    first_new = len(rows) - len(rows.after(champion_to))
    third = min((len(rows) - first_new) // 3, HELD_OUT_ROWS)
    middle, last = len(rows) - 2 * third, len(rows) - third
    window = choose_window(spec, rows, first_new, middle, last)
    retrained = _train(spec, rows, first_new if window == "recent" else 0, last)
    held_out = rows.slice(last, len(rows))
    if retrained is None:
        return RetrainGain(0.0, -math.inf, 1.0, len(held_out), window, 0.0)
    lost = champion.losses(held_out)
    bound = paired_lower_bound(lost - retrained.losses(held_out), spec.gate.confidence)
    return RetrainGain(bound.mean, bound.lower, bound.p_value, bound.n, window, float(lost.mean()))


def choose_window(spec: ModelSpec, rows: Examples, first_new: int, middle: int, last: int) -> str:
    """`recent` where training on the newest rows alone predicts rows middle…last better than training on all."""
    recent, everything = _train(spec, rows, first_new, middle), _train(spec, rows, 0, middle)
    if recent is None or everything is None or first_new == 0:
        return "all"
    judge = rows.slice(middle, last)
    return "recent" if recent.losses(judge).mean() < everything.losses(judge).mean() else "all"


def _train(spec: ModelSpec, rows: Examples, start: int, stop: int) -> FittedModel | None:
    part = rows.slice(start, stop)
    if len(part) < spec.minimum_rows // 2 or part.has_one_class:
        return None
    return fit(spec, part)
