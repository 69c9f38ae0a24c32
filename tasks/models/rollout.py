"""When a challenger's share of the predictions grows, waits, or ends: 5 → 25 → 50 → 100 %. Pure.

Two kinds of evidence, each under bounds that hold at every look: what both arms lost as served, in an experiment; and
the gate, which pairs both models on the same newer rows and so knows sooner. Either stops a rollout, either sets its
pace; only the gate, or held-out rows at training, lets a challenger take over at the end.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tasks.models.gate import GateResult
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
    share: int, seen: ServedEvidence, paired: GateResult | None, age_days: float, rule: Gate, *, is_proven: bool
) -> StageDecision:
    """Decide about one stage.

    Small workspaces, where nothing can be proven for months, move on by age: the whole rollout takes them the spec's
    minimum age. Nobody moves on against the evidence, and only the gate lets the last stage end.

    Args:
        share: per cent of the predictions the challenger gives now.
        seen: losses of both arms as served.
        paired: the gate's look at both on the same rows newer than both; None while those are too few.
        age_days: since the stage began.
        rule: margin and minimum age.
        is_proven: it was surely better on held-out rows when it was trained.
    """
    against = _contradiction(seen, paired)
    if against is not None:
        return StageDecision(STOP, against)
    is_not_worse = seen.is_not_worse(rule.non_inferiority_margin)
    passes = paired is not None and paired.passes
    hurries = passes or is_not_worse or (is_proven and paired is not None)
    needed = LEAST_DAYS if hurries else max(rule.minimum_age_days / len(SHARES), LEAST_DAYS)
    if age_days < needed:
        return StageDecision(WAIT, f"{age_days:.1f} of {needed:.1f} days, nothing speaks against it so far")
    if share == SHARES[-1] and not (is_proven or passes):
        return StageDecision(WAIT, "newer rows do not prove yet that it may take over")
    why = "what it serves is not worse" if is_not_worse else "nothing speaks against it"
    return StageDecision(ADVANCE, f"{why} ({seen.n_challenger} labelled rows served, {age_days:.1f} days)")


def _contradiction(seen: ServedEvidence, paired: GateResult | None) -> str | None:
    if seen.is_worse:
        counted = f"{seen.n_challenger} rows it served, against {seen.n_champion} of the champion"
        return f"it loses {-(seen.gain or 0.0):.3g} a row more than the champion on {counted}"
    if paired is not None and paired.is_worse:
        return f"it loses {-paired.gain:.3g} a row more than the champion on the same {paired.n} newer rows"
    return None


def next_share(share: int) -> int:
    """The stage after this one."""
    return (*SHARES, ALL)[SHARES.index(share) + 1]
