"""What an organization's experiments say of slope and spread of bias, as a few numbers small enough to be hidden.

Of one organization (or workspace that has none): r = effect − ½·association is regressed through the origin on the
association, by precision. What comes out is how far its slope lies from ½, d, with its sampling variance v; and from
the residuals, by moments (DerSimonian and Laird 1986), t, the variance of bias. Each enters sums over organizations
with a weight in [0, 1] that depends on precision alone, never on what was found: choosing by results would bias every
mean. d is clipped at ±1 (slopes of −½ to 1½) and t at ±.02 (a spread of .14), so that no organization moves any number
by more than 1 of its unit; an organization enters each row at most once, however many experiments it has.

Rows are fixed and public: slopes over all outcomes and over each kind of outcome, and the spread. What experiments
count is a name that people give, so kinds are told by a closed list of words; a name never becomes a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.effects.records import CalibratingPair

Three = tuple[float, float, float]

CENTER = 0.5  # what slopes are measured from
CLIP_SLOPE = 1.0
CLIP_SPREAD = 0.02  # τ², squared log units
USUAL_SPREAD = 0.03  # τ that weights are made for
SLOPE_VARIANCE = 0.25  # of a slope that counts half
SPREAD_ERROR = 0.01  # of a τ² that counts half
VAGUEST = 0.3  # an effect with a larger error (log ratio) takes no part
LEAST_PAIRS = 2  # from which on there are residuals

KINDS: dict[str, tuple[str, ...]] = {
    "conversions": ("conversion", "purchase", "order", "signup", "sign_up", "revenue", "sale", "lead", "subscri"),
    "clicks": ("click", "ctr", "open", "visit"),
    "engagement": ("engage", "like", "share", "comment", "reaction", "repl", "view", "watch"),
}
OTHER = "other"
ANY = "slope:any"
SPREAD = "spread:any"
ROWS: tuple[str, ...] = (ANY, *(f"slope:{kind}" for kind in (*KINDS, OTHER)), SPREAD)
# Of slopes: Σω, Σωd, Σωd². Of the spread: Σω, Σωt, and Σ(1 − ω) of the slopes, which is Σωv in its unit.
PARTS = ("weight", "mean", "third")
# What the noise of each number is multiplied by. Means decide the error of what is learned; their weights matter by how
# far the mean lies from nothing, which is little.
FACTORS: dict[str, Three] = {
    ANY: (1.0, 0.5, 1.0),
    SPREAD: (1.0, 0.5, 2.0),
    **{f"slope:{kind}": (2.0, 1.0, 2.0) for kind in (*KINDS, OTHER)},
}
MOST_ROWS = 3  # of one organization: all outcomes, its own kind, the spread


@dataclass(frozen=True, slots=True)
class OneSlope:
    """An organization's own regression: d, its sampling variance, and the sum of a² by precision."""

    from_center: float
    variance: float


def kind_of_outcome(metric: str) -> str:
    """conversions, clicks, engagement or other: by words in a metric's name."""
    name = metric.lower().replace("-", "_").replace(" ", "_")
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), OTHER)


def shared_numbers(pairs: Sequence[CalibratingPair]) -> dict[str, Three]:
    """Three numbers in [−1, 1] for each row that an organization enters, at most three rows.

    Args:
        pairs: of all its workspaces that share.
    """
    usable = [pair for pair in pairs if _is_usable(pair)]
    every = _slope(usable)
    if every is None:
        return {}
    rows = {ANY: _row(every)}
    kinds = Counter(kind_of_outcome(pair.outcome) for pair in usable)
    kind = min(kinds, key=lambda name: (-kinds[name], name))
    own = _slope([pair for pair in usable if kind_of_outcome(pair.outcome) == kind])
    if own is not None:
        rows[f"slope:{kind}"] = _row(own)
    rows[SPREAD] = (*_spread(usable, every), 1.0 - _weight(every))
    return rows


def _is_usable(pair: CalibratingPair) -> bool:
    about = pair.association
    numbers = (about.log_lift, about.standard_error, pair.effect, pair.effect_error)
    return bool(np.isfinite(numbers).all()) and 0.0 < pair.effect_error <= VAGUEST and about.log_lift != 0.0


def _slope(pairs: Sequence[CalibratingPair]) -> OneSlope | None:
    association, error, effect, noise = _columns(pairs)
    weight = 1.0 / (noise**2 + (CENTER * error) ** 2 + USUAL_SPREAD**2)
    information = float(weight @ association**2)
    if information <= 0.0:
        return None
    total = float((weight * association) @ (effect - CENTER * association))
    return OneSlope(float(np.clip(total / information, -CLIP_SLOPE, CLIP_SLOPE)), 1.0 / information)


def _row(slope: OneSlope) -> Three:
    weight, d = _weight(slope), slope.from_center / CLIP_SLOPE
    return weight, weight * d, weight * d**2


def _weight(slope: OneSlope) -> float:
    return SLOPE_VARIANCE / (SLOPE_VARIANCE + slope.variance)


def _spread(pairs: Sequence[CalibratingPair], slope: OneSlope) -> tuple[float, float]:
    """Weight of what residuals say of τ², and that times τ², in its unit."""
    if len(pairs) < LEAST_PAIRS:
        return 0.0, 0.0
    association, error, effect, noise = _columns(pairs)
    beta = CENTER + slope.from_center
    weight = 1.0 / (noise**2 + (CENTER * error) ** 2 + USUAL_SPREAD**2)
    free = weight * (1.0 - weight * association**2 * slope.variance)  # less what the fitted slope took
    scale = float(free.sum())
    excess = float(weight @ (effect - beta * association) ** 2 - free @ (noise**2 + (beta * error) ** 2))
    usual = (len(pairs) - 1) / scale
    chance = 2.0 * usual**2 / (len(pairs) - 1)
    share = SPREAD_ERROR**2 / (SPREAD_ERROR**2 + chance)
    return share, share * float(np.clip(excess / scale / CLIP_SPREAD, -1.0, 1.0))


def _columns(pairs: Sequence[CalibratingPair]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Associations, their errors, effects and theirs: (K,) each."""
    rows = [
        (pair.association.log_lift, pair.association.standard_error, pair.effect, pair.effect_error) for pair in pairs
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return columns[0], columns[1], columns[2], columns[3]


def most_squared() -> float:
    """Squared length of the most that an organization moves all numbers by, each in units of its noise."""
    of_rows = {row: sum(factor**-2 for factor in factors) for row, factors in FACTORS.items()}
    kinds = max(of_rows[f"slope:{kind}"] for kind in (*KINDS, OTHER))
    return of_rows[ANY] + of_rows[SPREAD] + kinds
