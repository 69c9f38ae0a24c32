"""Effects in plain words, and the cheapest experiment that would tell what is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.effects.calibration import LEVEL, PRIOR_NAME
from tasks.effects.records import CalibratedEffect

NOT_ENOUGH = "not enough experiments to say what doing it would bring"
Z_POWER = 1.6449 + 0.8416  # one-sided at 5 %, with power .8: the direction is known beforehand
LEAST_EFFECT = 0.01  # log ratio: no experiment is planned for less
LEAST_UNITS, MOST_UNITS = 20, 10_000_000
MOST_LOG = 5.0


@dataclass(frozen=True, slots=True)
class SeenPattern:
    """What is said of a pattern beside its effect.

    Attributes:
        words: completes 'content that …'.
        lift_pct: what was seen.
        wins: whether it is better to have it.
        baseline: rate of the other posts; above 1 where it is a count.
        posts_spread: standard deviation of log engagement within channel and season.
    """

    words: str
    lift_pct: float
    wins: bool
    baseline: float
    posts_spread: float


@dataclass(frozen=True, slots=True)
class AboutCalibration:
    """What is said of an effect beside its numbers.

    Attributes:
        outcome: the metric that experiments count.
        from_others: in words what was taken from other organizations' experiments, or why nothing was.
        robustness: share in [0, 1] of who does it and of how it fares that a hidden cause must explain to take the
            whole association away (Cinelli and Hazlett 2020).
    """

    outcome: str
    from_others: str
    robustness: float


def as_effect(effect: CalibratedEffect, pattern: SeenPattern, about: AboutCalibration) -> dict[str, Any]:
    """An effect as patterns and recommendations carry it: numbers in per cent, and in words."""
    known = effect.source != "public_prior"
    low, high = (_per_cent(end) for end in effect.interval)
    based_on = {
        "own_experiments": effect.based_on.own,
        "organization_experiments": effect.based_on.organization,
        "experiments_of_this": effect.based_on.of_this,
        "other_organizations_at_least": effect.based_on.others_at_least,
        "other_organizations": about.from_others,
        "public_prior": PRIOR_NAME,
    }
    words = _in_words(effect, pattern, experiments_behind(based_on)) if known else _unknown(effect, pattern)
    return {
        "status": "calibrated" if known else "not_enough_experiments",
        "estimate_pct": _per_cent(effect.estimate),
        "interval_pct": [low, high],
        "interval_level": LEVEL,
        **effect.as_dict(),
        "outcome": about.outcome,
        "based_on": based_on,
        "robustness": about.robustness,
        "words": words,
        "cheapest_experiment": None if effect.is_claim else cheapest_experiment(effect, pattern),
    }


def cheapest_experiment(effect: CalibratedEffect, pattern: SeenPattern) -> str:
    """The smallest experiment with power .8 for the effect that is expected, in words.

    Two versions of one post where engagement is a rate of views, whose luck is all that stands between them; else posts
    by the toss of a coin, which differ in much more.
    """
    size = max(abs(effect.estimate), LEAST_EFFECT)
    if 0.0 < pattern.baseline < 1.0:
        people = 2.0 * (Z_POWER / size) ** 2 * (1.0 - pattern.baseline) / pattern.baseline
        return f"two versions of one post that differ in this alone, shown to {_units(people)} people each"
    posts = 2.0 * (Z_POWER * pattern.posts_spread / size) ** 2
    return f"{_units(posts)} posts with it and as many without, by the toss of a coin"


def experiments_behind(based_on: Mapping[str, Any]) -> str:
    """Such as '3 experiments of yours and 2 of your organization'; empty where there are none.

    Args:
        based_on: of an effect, as `as_effect` writes it; older versions knew of no other organizations.
    """
    own, organization = based_on.get("own_experiments", 0), based_on.get("organization_experiments", 0)
    others = based_on.get("other_organizations_at_least", 0)
    where = [f"{own} experiment{'s' * (own != 1)} of yours"] if own else []
    where += [f"{organization} {'' if own else 'experiments '}of your organization"] if organization else []
    of_others = (
        f"{'' if where else 'experiments '}of at least {others} other organization{'s' * (others != 1)} (private)"
    )
    where += [of_others] if others else []
    return " and ".join(part for part in (", ".join(where[:-1]), *where[-1:]) if part)


def _in_words(effect: CalibratedEffect, pattern: SeenPattern, behind: str) -> str:
    """'Content that asks a question did 57 % better; if you do it, expect +9 % (−2 … +21). …'."""
    low, high = (_signed(_per_cent(end)) for end in effect.interval)
    same = f"{100 * min(max(effect.same_sign, 0.01), 0.99):.0f} %"
    return (
        f"{_seen(pattern)}; if you do it, expect {_signed(_per_cent(effect.estimate))} % ({low} … {high}). "
        f"An experiment would agree in its direction with probability {same}; learned from {behind}"
    )


def _unknown(effect: CalibratedEffect, pattern: SeenPattern) -> str:
    low, high = (_signed(_per_cent(end)) for end in effect.interval)
    return (
        f"{_seen(pattern)}; {NOT_ENOUGH}: by public archives anything from {low} to {high} %. "
        f"The cheapest one that would tell: {cheapest_experiment(effect, pattern)}"
    )


def _seen(pattern: SeenPattern) -> str:
    direction = "better" if pattern.lift_pct >= 0 else "worse"
    return f"Content that {pattern.words} did {_rounded(abs(pattern.lift_pct))} % {direction}"


def _per_cent(log_ratio: float) -> float:
    return 100.0 * math.expm1(min(max(log_ratio, -MOST_LOG), MOST_LOG))


def _signed(value: float) -> str:
    text = _rounded(abs(value))
    return text if text == "0" else f"{'+' if value > 0 else '−'}{text}"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 2.0 else f"{value:.1f}".removesuffix(".0")


def _units(count: float) -> str:
    """A count with two digits; beyond ten million nobody has them."""
    if count > MOST_UNITS:
        return "more than 10 million"
    whole = max(math.ceil(count), LEAST_UNITS)
    digits = 10 ** max(len(str(whole)) - 2, 0)
    return f"{math.ceil(whole / digits) * digits:,}"
