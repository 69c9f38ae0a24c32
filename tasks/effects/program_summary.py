"""One workspace's program of experiments: how each ended, what winners claim, and what is expected to hold of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from tasks.effects.program import LEVEL, DeclaredEffect, ProgramArms, Z, declared_effects, learned_prior

Row = Mapping[str, Any]
Ending = Literal["winner", "kept", "neutral", "inconclusive", "running"]

Z_ALONE = 1.96  # of what others ran: how often they looked is unknown, so that this is a fixed test at 5 %
NEUTRAL_WITHIN = 0.02  # log ratio: an interval that lies within it says that nothing worth having is there
MOST_LOG = 5.0
MOST_TOGETHER_LOG = 300.0  # of hundreds of winners, one upon the other: a number still
READ_TOGETHER = 200.0  # per cent: a larger product of gains tells nobody anything, and is said a winner


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """One experiment of a workspace, as the warehouse holds it.

    Attributes:
        name: of the experiment.
        status: `draft`, `running` or `completed`; None of one that others ran.
        conclusion: how it was concluded; None where nobody said.
        winner: the arm that was chosen then.
        is_holdout: whether it compares the holdout group with everybody else.
        ended_at: when it ended, or began where that is all that is known.
        arms: of one metric: variant, is_control, n, mean, variance, sign, metric, changes.
    """

    name: str
    status: str | None
    conclusion: str | None
    winner: str | None
    is_holdout: bool
    ended_at: datetime | None
    arms: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class ExperimentEffect:
    """What one experiment came to.

    Attributes:
        name, metric, ended_at: of the experiment.
        ending: `winner`: an arm beat what it was compared with; `kept`: the control beat the others; `neutral`: what
            difference there is, is too small to want; `inconclusive`; `running`.
        arm: the winner, or the best arm beside the control.
        claimed_pct: its lift as seen.
        expected_pct, interval_pct: what is expected to hold of it, 90 % interval.
        replicated: whether a later experiment on the same declared change agrees in its sign; None where there is none.
    """

    name: str
    metric: str
    ended_at: datetime | None
    ending: Ending
    arm: str
    claimed_pct: float
    expected_pct: float
    interval_pct: tuple[float, float]
    replicated: bool | None = None


@dataclass(frozen=True, slots=True)
class NotCounted:
    """An experiment that ended and is in none of a program's figures, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ProgramSummary:
    """A program so far.

    Attributes:
        workspace_id: whose it is.
        counts: experiments by how they ended.
        win_rate: winners among those that ended; None before any has.
        claimed_pct, expected_pct, interval_pct: all winners one upon the other.
        each_pct: the same a winner, on average: claimed, expected to hold, and the ends of its interval.
        holdout_pct, holdout_interval_pct: everybody against the holdout group, where one is kept; None elsewhere.
        experiments: oldest first.
        not_counted: those that are in none of these figures.
    """

    workspace_id: str
    counts: dict[str, int]
    win_rate: float | None
    claimed_pct: float
    expected_pct: float
    interval_pct: tuple[float, float]
    each_pct: tuple[float, float, float, float]
    holdout_pct: float | None
    holdout_interval_pct: tuple[float, float] | None
    experiments: tuple[ExperimentEffect, ...]
    not_counted: tuple[NotCounted, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain, but for instants."""
        return asdict(self) | {"interval_level": LEVEL, "words": self.words}

    @property
    def words(self) -> str:
        """One sentence for a person."""
        left = len(self.not_counted)
        return self._counted + (f"; {left:,} more cannot be counted" if left else "")

    @property
    def _counted(self) -> str:
        ended = sum(count for ending, count in self.counts.items() if ending != "running")
        if not ended:
            begin = "two arms of which one is the control, and an outcome, are enough to begin"
            return f"no experiment has ended yet{' that can be counted' * bool(self.not_counted)}: {begin}"
        winners = self.counts.get("winner", 0)
        of_how_many = f"{ended:,} experiment{'s' * (ended != 1)} ended"
        if not winners:
            return f"{of_how_many}, none with a winner: nothing is claimed"
        claimed, expected = self.gains
        who = "together they claim" if self.is_read_together else "on average each of these claims"
        who = "it claims" if winners == 1 else who
        return f"{winners:,} of {of_how_many} with a winner; {who} {claimed}, and {expected} is expected to hold"

    @property
    def is_read_together(self) -> bool:
        """Whether what winners claim one upon the other is still a gain that somebody can picture."""
        return self.claimed_pct <= READ_TOGETHER

    @property
    def gains(self) -> tuple[str, str]:
        """What winners claim and what is expected to hold, in words: together, or a winner where that says more."""
        together = (self.claimed_pct, self.expected_pct, *self.interval_pct)
        claimed, expected, low, high = together if self.is_read_together else self.each_pct
        return f"{claimed:+.1f} %", f"{expected:+.1f} % ({low:+.1f} … {high:+.1f})"


def summarize(
    workspace_id: str,
    own: Sequence[StoredExperiment],
    others: Sequence[StoredExperiment] = (),
    left_out: Sequence[NotCounted] = (),
) -> ProgramSummary:
    """The program of a workspace, shrunk over its own experiments and those of its organization's others.

    Args:
        workspace_id: whose it is.
        own: with outcomes, oldest first.
        others: of the organization's other workspaces.
        left_out: of its own, those that ended and are not among `own`.
    """
    ended_own = [one for one in own if one.status not in ("draft", "running")]
    faults = [NotCounted(one.name, why) for one in ended_own if (why := _fault(one))]
    usable = [one for one in own if _is_usable(one) and not one.is_holdout]
    made = _effects(usable, [one for one in others if _is_usable(one)])
    pairs = list(zip(usable, made, strict=True))
    ends = [_ending(one, effect) for one, effect in pairs]
    again = _replicated(pairs, ends)
    effects = [
        ExperimentEffect(
            name=one.name,
            metric=str(one.arms[0]["metric"]),
            ended_at=one.ended_at,
            ending=ending,
            arm=str(one.arms[_best(one)]["variant"]),
            claimed_pct=_per_cent(effect.claimed),
            expected_pct=_per_cent(effect.expected),
            interval_pct=_interval(effect.expected, effect.deviation),
            replicated=again[k],
        )
        for k, ((one, effect), ending) in enumerate(zip(pairs, ends, strict=True))
    ]
    winners = [effect for (_, effect), ending in zip(pairs, ends, strict=True) if ending == "winner"]
    ended = sum(ending != "running" for ending in ends)
    claimed, expected = sum(one.claimed for one in winners), sum(one.expected for one in winners)
    deviation, count = math.hypot(*(one.deviation for one in winners)), max(1, len(winners))
    holdout = against_holdout(own)
    return ProgramSummary(
        workspace_id=workspace_id,
        counts={ending: ends.count(ending) for ending in sorted(set(ends))},
        win_rate=len(winners) / ended if ended else None,
        claimed_pct=_per_cent(claimed, MOST_TOGETHER_LOG),
        expected_pct=_per_cent(expected, MOST_TOGETHER_LOG),
        interval_pct=_interval(expected, deviation, MOST_TOGETHER_LOG),
        each_pct=(
            _per_cent(claimed / count),
            _per_cent(expected / count),
            *_interval(expected / count, deviation / count),
        ),
        holdout_pct=None if holdout is None else _per_cent(holdout[0]),
        holdout_interval_pct=None if holdout is None else _interval(*holdout),
        experiments=tuple(effects),
        not_counted=(*faults, *left_out),
    )


def _is_usable(one: StoredExperiment) -> bool:
    return one.status != "draft" and _fault(one) is None


def _fault(one: StoredExperiment) -> str | None:
    """Why its arms cannot be compared by a ratio, for whoever ran it; None where they can."""
    if len(one.arms) < 2:
        return "only one of its arms has outcomes: nothing to compare them with"
    for arm in one.arms:
        if arm["n"] < 2:
            return f"arm '{arm['variant']}' has outcomes of fewer than two units"
        if not arm["mean"] > 0:
            return f"the outcomes of arm '{arm['variant']}' come to {arm['mean']:g}: no ratio can be told to it"
        if not arm["variance"] > 0:
            return f"all outcomes of arm '{arm['variant']}' are the same"
    return None


def _effects(own: Sequence[StoredExperiment], others: Sequence[StoredExperiment]) -> list[DeclaredEffect]:
    if not own:
        return []
    arms = _program_arms(own)
    prior = learned_prior(arms, _program_arms(others) if others else None)
    starts = np.cumsum([0, *(len(one.arms) for one in own)])
    chosen = [int(start) + _best(one) for start, one in zip(starts, own, strict=False)]
    against = [[int(start) + k for k in _compared(one)] for start, one in zip(starts, own, strict=False)]
    return declared_effects(arms, chosen, against, prior)


def _program_arms(experiments: Sequence[StoredExperiment]) -> ProgramArms:
    rows = [arm for one in experiments for arm in one.arms]
    codes = np.repeat(np.arange(len(experiments)), [len(one.arms) for one in experiments])
    units, mean, variance, sign = (
        np.array([row[name] for row in rows], dtype=np.float64) for name in ("n", "mean", "variance", "sign")
    )
    total = np.bincount(codes, units)
    pooled = (np.bincount(codes, units * mean) / total)[codes]
    spread = (np.bincount(codes, units * variance) / total)[codes]
    return ProgramArms(codes, units, sign * np.log(mean), spread / (units * pooled**2))


def _log_mean(arm: Row) -> float:
    return float(arm["sign"] * math.log(arm["mean"]))


def _best(one: StoredExperiment) -> int:
    """The arm that was declared, or the best beside the control."""
    places = [k for k, arm in enumerate(one.arms) if not arm["is_control"]] or list(range(len(one.arms)))
    declared = [k for k in places if arm_is(one, k)]
    logs = [_log_mean(one.arms[k]) for k in places]
    return declared[0] if declared else places[int(np.argmax(logs))]


def arm_is(one: StoredExperiment, place: int) -> bool:
    """Whether the arm in this place is the one that was chosen at the end."""
    return one.winner is not None and one.arms[place]["variant"] == one.winner


def _compared(one: StoredExperiment) -> list[int]:
    """The control; where there is none, all other arms."""
    best = _best(one)
    controls = [k for k, arm in enumerate(one.arms) if arm["is_control"] and k != best]
    return controls or [k for k in range(len(one.arms)) if k != best]


def _ending(one: StoredExperiment, effect: DeclaredEffect) -> Ending:
    if one.status == "running":
        return "running"
    if one.status == "completed":
        return _concluded(one)
    arms = [one.arms[_best(one)], *(one.arms[k] for k in _compared(one))]
    error = math.sqrt(sum(arm["variance"] / (arm["n"] * arm["mean"] ** 2) for arm in arms[:2]))
    if abs(effect.claimed) > Z_ALONE * error:
        return "winner" if effect.claimed > 0 else "kept"
    return "neutral" if max(map(abs, effect.interval)) <= NEUTRAL_WITHIN else "inconclusive"


def _concluded(one: StoredExperiment) -> Ending:
    if one.winner is not None and one.conclusion in ("winner", "chosen"):
        control = next((arm["variant"] for arm in one.arms if arm["is_control"]), None)
        return "kept" if one.winner == control else "winner"
    return "neutral" if one.conclusion == "no_difference" else "inconclusive"


def _replicated(pairs: Sequence[tuple[StoredExperiment, DeclaredEffect]], ends: Sequence[Ending]) -> list[bool | None]:
    """Of each winner that declares its change: whether later experiments on the same change agree in sign."""
    signatures = [json.dumps(one.arms[_best(one)].get("changes") or "", sort_keys=True) for one, _ in pairs]
    answers: list[bool | None] = []
    for k, ((_, effect), ending) in enumerate(zip(pairs, ends, strict=True)):
        later = [pairs[j][1] for j in range(k + 1, len(pairs)) if signatures[j] == signatures[k] != '""']
        claims = ending == "winner" and bool(later)
        answers.append(all(one.claimed * effect.claimed > 0 for one in later) if claims else None)
    return answers


def against_holdout(experiments: Sequence[StoredExperiment]) -> tuple[float, float] | None:
    """Log ratio of everybody else to the holdout group, which is the control, and its error; of the newest one."""
    sound = [one for one in experiments if one.is_holdout and _is_usable(one)]
    if not sound:
        return None
    one = sound[-1]
    control = next((arm for arm in one.arms if arm["is_control"]), one.arms[0])
    other = next(arm for arm in one.arms if arm is not control)
    noise = sum(arm["variance"] / (arm["n"] * arm["mean"] ** 2) for arm in (control, other))
    return _log_mean(other) - _log_mean(control), math.sqrt(noise)


def _interval(middle: float, deviation: float, most: float = MOST_LOG) -> tuple[float, float]:
    return _per_cent(middle - Z * deviation, most), _per_cent(middle + Z * deviation, most)


def _per_cent(log_ratio: float, most: float = MOST_LOG) -> float:
    return 100.0 * math.expm1(min(max(log_ratio, -most), most))
