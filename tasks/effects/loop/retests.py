"""Defaults in doubt: what is believed of each today, what contradicts it, and the experiment that would tell.

What an experiment proved is expected to hold by `program.LATER`, with an interval that widens with every half year
since it was last compared: its drift is taken as a walk, as lifts between stretches of weeks differ. Two things may
contradict it besides, and are weighed by their precision: what the posts of its own pattern now let expect, where that
has the other sign, and the holdout group, where it does better than everybody else, which is laid to all defaults of
that metric by how unsure each is. None of it retires a default: an experiment does, by the rules of `defaults`, and
counts among those that the program's false discovery rate is kept over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tasks.conditions import Condition
from tasks.effects.arms import PATTERN, UsualMetric
from tasks.effects.loop.backlog import Candidate
from tasks.effects.loop.candidates import HALF_OF_THE_POSTS, SHARE_ASSUMED, Z_90, Z_95, Traffic
from tasks.effects.loop.defaults import DecidedExperiment, Default, Values, compares
from tasks.effects.loop.worth import HORIZON_WEEKS
from tasks.effects.program import LATER
from tasks.plain_text import digest

Row = Mapping[str, Any]
SOURCE = "default"
DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class DefaultInDoubt:
    """A default that stands and is due for another test.

    Attributes:
        default: itself.
        mean, error: log ratio of doing it, as it is believed today: above 0 it is better than what was before.
        reasons: why it is due, in words.
        newest: the experiment that compared it last; its own where none has since.
        share_of_posts: that do it now; None where that is not known.
    """

    default: Default
    mean: float
    error: float
    reasons: tuple[str, ...]
    newest: DecidedExperiment
    share_of_posts: float | None = None

    @property
    def words(self) -> str:
        """All reasons in one line."""
        return "; ".join(self.reasons)


def in_doubt(
    defaults: Sequence[Default],
    decided: Sequence[DecidedExperiment],
    patterns: Sequence[Row],
    holdouts: Mapping[str, tuple[float, float]],
    now: datetime,
) -> list[DefaultInDoubt]:
    """Defaults that stand and are due, in their order.

    Args:
        defaults: of a workspace; retired ones, and those whose size nobody knows, are none of them.
        decided: its experiments that ended.
        patterns: `pattern_key` and `details` of what its posts show now.
        holdouts: by metric, log ratio of everybody else to the holdout group, and its standard error.
        now: the instant that ages are counted to.
    """
    aged = [_aged(one, decided, now) for one in defaults if one.retired_at is None and one.experiment.effect]
    seen = [_after_posts(one, patterns) for one in aged]
    return [one for one in _after_holdouts(seen, holdouts) if one.reasons]


def _aged(default: Default, decided: Sequence[DecidedExperiment], now: datetime) -> DefaultInDoubt:
    assert default.experiment.effect is not None
    middle, low, high = (math.log1p(max(value, -0.99)) for value in default.experiment.effect)
    compared = [one for one in decided if one.experiment_id != default.experiment.experiment_id]
    newest = max(
        [default.experiment, *(one for one in compared if compares(default, one))],
        key=_ended,
    )
    mean = LATER.share * abs(middle)
    weeks = (now - newest.completed_at).days // DAYS_A_WEEK
    drift = LATER.spread * mean * math.sqrt(max(weeks / HORIZON_WEEKS, 1.0))
    error = math.hypot(LATER.share * (high - low) / (2.0 * Z_95), drift)
    reasons = (f"last tested {weeks} weeks ago",) if weeks >= HORIZON_WEEKS else ()
    return DefaultInDoubt(default, mean, error, reasons, newest)


def _ended(one: DecidedExperiment) -> tuple[datetime, str]:
    return one.completed_at, one.experiment_id


def _after_posts(one: DefaultInDoubt, patterns: Sequence[Row]) -> DefaultInDoubt:
    """The same beside what posts of its own pattern let expect now, where that contradicts it."""
    row, sign = next(((row, sign) for row in patterns if (sign := _sign(one.default, row))), (None, 0))
    effect = row["details"].get("effect") if row is not None else None
    if row is None or not effect:
        return one
    share = row["details"].get("share_of_posts")
    one = replace(one, share_of_posts=share if share is None or sign > 0 else 1.0 - share)
    low, high = effect["log_interval"]
    mean, error = sign * effect["log_estimate"], (high - low) / (2.0 * Z_90)
    if mean >= 0.0 or error <= 0.0:
        return one
    own, theirs = one.error**-2, error**-2
    middle = (own * one.mean + theirs * mean) / (own + theirs)
    reason = f"what posts show now lets expect {100 * math.expm1(mean):+.0f} % of it"
    return replace(one, mean=middle, error=(own + theirs) ** -0.5, reasons=(*one.reasons, reason))


def _sign(default: Default, row: Row) -> int:
    """1 where a default does what a pattern says, -1 where it leaves it off, 0 where it is about something else."""
    named = default.does.get(f"{PATTERN}:{row['pattern_key']}")
    if named is not None and len(default.does) == 1:
        return 1 if named else -1
    rule = [Condition.from_dict(condition) for condition in row["details"]["rule"]]
    if len(rule) != 1 or list(default.does) != [rule[0].feature]:
        return 0
    does, before = (rule[0].met_by(values) or False for values in (default.does, default.instead_of))
    return int(does) - int(before)


def _after_holdouts(
    defaults: Sequence[DefaultInDoubt], holdouts: Mapping[str, tuple[float, float]]
) -> list[DefaultInDoubt]:
    """The same where everybody else does worse than the holdout group, by the unsureness of each."""
    answer = []
    for one in defaults:
        metric = one.default.experiment.metric_name
        lift, error = holdouts.get(metric, (0.0, math.inf))
        if lift + Z_90 * error < 0.0:
            together = [other for other in defaults if other.default.experiment.metric_name == metric]
            surprise = lift - sum(other.mean for other in together)
            kept = one.error**2 / (error**2 + sum(other.error**2 for other in together))
            reason = f"everybody else does {100 * math.expm1(lift):+.0f} % beside the holdout group"
            moved, left = one.mean + kept * surprise, one.error * math.sqrt(1.0 - kept)
            answer.append(replace(one, mean=moved, error=left, reasons=(*one.reasons, reason)))
        else:
            answer.append(one)
    return answer


def retest(one: DefaultInDoubt, traffic: Traffic, metric: UsualMetric) -> Candidate:
    """The experiment that holds a default against what it took the place of."""
    share = SHARE_ASSUMED if one.share_of_posts is None else one.share_of_posts
    prospect, unit = traffic.prospect(-one.mean, one.error, share)
    spread = (metric.deviation / metric.mean) ** 2
    return Candidate(
        key=f"again_{digest(one.default.experiment.experiment_id, one.newest.experiment_id)}",
        source=SOURCE,
        change=f"no longer {one.default.statement}",
        is_doing=False,
        prospect=replace(prospect, rate=metric.mean, unit_variance=spread),
        unit=unit,
        assumed=HALF_OF_THE_POSTS if one.share_of_posts is None else "",
        changes=(_declared(one.default.does), _declared(one.default.instead_of)),
        metric=metric,
        why=one.words,
    )


def _declared(values: Values) -> dict[str, Any]:
    """What an arm declares that has these values, as `defaults` reads them."""
    declared: dict[str, Any] = {}
    for name, value in values.items():
        about, _, key = name.partition(":")
        if about == PATTERN and key:
            declared |= {PATTERN: key} if value else {}
        elif value is not None:
            declared[name] = value
    return declared
