"""When a challenger's share of the predictions grows, waits, or ends: 5 → 25 → 50 → 100 %. Pure.

What is served decides the pace and can stop it: unpaired losses of two arms, under a confidence sequence that holds at
every look. Whether the challenger may take over at the end is the gate's question: it pairs both on the same rows, and
so knows sooner.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tasks.models.specs import Gate

SHARES = (5, 25, 50)
ALL, STOPPED = 100, 0
LEAST_DAYS = 0.9  # in every stage; a nightly run is never quite a day after the last
ADVANCE, WAIT, STOP = "advance", "wait", "stop"


@dataclass(frozen=True, slots=True)
class ServedEvidence:
    """What the two arms lost so far.

    Attributes:
        n_challenger: labelled rows the challenger served; likewise `n_champion`.
        champion_loss: mean of the champion's arm; None while it has none.
        gain: loss of the champion − loss of the challenger, with bounds that hold at every look; None while too few.
    """

    n_challenger: int
    n_champion: int
    champion_loss: float | None = None
    gain: float | None = None
    gain_lower: float | None = None
    gain_upper: float | None = None

    @property
    def is_worse(self) -> bool:
        """Whether the challenger was seen to lose more than the champion."""
        return self.gain_upper is not None and self.gain_upper < 0.0

    def is_not_worse(self, margin: float) -> bool:
        """Whether it was seen not to lose more by the margin, a share of the champion's loss."""
        return self.gain_lower is not None and self.gain_lower > -margin * abs(self.champion_loss or 0.0)

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StageDecision:
    """What to do with a stage, and why."""

    action: str
    reason: str


def judge_stage(
    share: int, seen: ServedEvidence, age_days: float, rule: Gate, *, is_proven: bool, may_take_over: bool
) -> StageDecision:
    """Decide about one stage.

    Small workspaces, where served losses cannot prove anything for months, move on by age: the whole rollout takes
    them the spec's minimum age. Nobody moves on against the evidence, and only the gate lets the last stage end.

    Args:
        share: per cent of the predictions the challenger gives now.
        seen: losses of both arms as served.
        age_days: since the stage began.
        rule: margin and minimum age.
        is_proven: it was surely better on held-out rows when it was trained.
        may_take_over: the gate passes it on rows newer than both models.
    """
    if seen.is_worse:
        by = -(seen.gain or 0.0)
        counted = f"{seen.n_challenger} rows it served, against {seen.n_champion} of the champion"
        return StageDecision(STOP, f"it loses {by:.3g} a row more than the champion on {counted}")
    is_not_worse = seen.is_not_worse(rule.non_inferiority_margin)
    hurry = is_proven or may_take_over or is_not_worse
    needed = LEAST_DAYS if hurry else max(rule.minimum_age_days / len(SHARES), LEAST_DAYS)
    if age_days < needed:
        return StageDecision(WAIT, f"{age_days:.1f} of {needed:.1f} days at {share} %, nothing speaks against it")
    if share == SHARES[-1] and not (is_proven or may_take_over):
        return StageDecision(WAIT, f"stays at {share} %: newer rows do not prove yet that it may take over")
    why = "served losses are not worse" if is_not_worse else "nothing served speaks against it"
    return StageDecision(ADVANCE, f"{why} ({seen.n_challenger} labelled rows served in {age_days:.1f} days)")


def next_share(share: int) -> int:
    """The stage after this one."""
    return (*SHARES, ALL)[SHARES.index(share) + 1]
