"""The order in which candidate experiments are run: by what they are worth, and one place in ten by lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tasks.effects.arms import UsualMetric
from tasks.effects.loop.worth import HORIZON_WEEKS, Prospect, Worth, worth_of
from tasks.plain_text import digest

BLOCK = 10  # places, one of which is drawn by lot


@dataclass(frozen=True, slots=True)
class Candidate:
    """An experiment that could be run.

    Attributes:
        key: of what it would settle: a pattern, an early signal, a debate, or whether a default still holds.
        source: pattern, early_signal, debate or default.
        change: what the treatment does, in words.
        is_doing: whether the treatment does it, or leaves it off.
        prospect: what that may bring.
        unit: what takes part: impressions or posts.
        assumed: what is assumed and not measured, in words; empty where nothing is.
        design: of a debate, the experiment that it asked for; empty of all others.
        changes: of a default, what control and treatment declare; None of all others.
        metric: of a default, what it was proven on; None of all others.
        why: what makes it due, in words; empty where only its worth does.
    """

    key: str
    source: str
    change: str
    is_doing: bool
    prospect: Prospect
    unit: str
    assumed: str = ""
    design: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
    metric: UsualMetric | None = None
    why: str = ""

    @property
    def earned(self) -> str:
        """What its worth is counted in: engagements, but for a default that was proven on another metric."""
        return "engagements" if self.metric is None else self.metric.name


@dataclass(frozen=True, slots=True)
class RankedExperiment:
    """A candidate with its worth; `by_lot` where a hash of the week chose it and not its worth."""

    candidate: Candidate
    worth: Worth
    by_lot: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For machines; effects are log ratios, worth is in outcomes over half a year."""
        one, prospect = self.candidate, self.candidate.prospect
        return {
            "source": one.source,
            "key": one.key,
            "change": one.change,
            "log_effect": prospect.mean,
            "log_effect_error": prospect.error,
            "units_a_week": prospect.units_a_week,
            "unit": one.unit,
            "units_per_arm": self.worth.units_per_arm,
            "weeks": self.worth.weeks,
            "expected_gain": self.worth.gain,
            "cost_of_looking": self.worth.cost,
            "net_worth": self.worth.net,
            "net_worth_per_10_000_units": self.worth.per_10_000,
            "horizon_weeks": HORIZON_WEEKS,
            "by_lot": self.by_lot,
            "assumed": one.assumed,
            "why": one.why,
            "variants": self.variants(),
        }

    def variants(self) -> list[dict[str, Any]]:
        """The two arms, the control first; the one that does it declares so, by the key of what it settles."""
        one, does = self.candidate, {"pattern": self.candidate.key}
        arms = one.changes or (({}, does) if one.is_doing else (does, {}))
        names = ("control", "treatment")
        return [
            {"name": name} | ({"changes": dict(sets)} if sets else {}) for name, sets in zip(names, arms, strict=True)
        ]


def ranked(candidates: Sequence[Candidate], workspace_id: str, day: date) -> list[RankedExperiment]:
    """Those that end in time and pay, the most worth for 10,000 units first; one place in ten is drawn by lot.

    The lot falls among all that end in time, whether they pay or not: experiments that are run only where much is
    expected would teach the calibration of these alone. It falls the same way all week.
    """
    made = [RankedExperiment(one, worth_of(one.prospect)) for one in candidates]
    feasible = [one for one in made if one.worth.is_feasible]
    left = sorted(feasible, key=_worth_first)
    week = f"{day.isocalendar().year}-{day.isocalendar().week}"
    order: list[RankedExperiment] = []
    while any(one.worth.net > 0.0 for one in left):
        block = len(order) // BLOCK
        if len(order) % BLOCK == _drawn(BLOCK, workspace_id, week, str(block), "place"):
            lots = sorted(left, key=lambda one: digest(workspace_id, week, str(block), one.candidate.key))
            order.append(RankedExperiment(lots[0].candidate, lots[0].worth, by_lot=True))
            left.remove(lots[0])
        else:
            order.append(left.pop(0))
    return order


def _worth_first(proposal: RankedExperiment) -> tuple[float, str]:
    return -proposal.worth.per_10_000, proposal.candidate.key


def _drawn(count: int, *about: str) -> int:
    return int(digest(*about), 16) % count
