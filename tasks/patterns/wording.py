"""Results in plain words; the words of conditions are in tasks/conditions.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tasks.conditions import OF_WORDS, Rule, rule_in_words


def describe(rule: Rule, lift_pct: float, interval_pct: tuple[float, float], posts: int) -> str:
    """'Content performs 45.2% better when: includes emojis, has a clear call to action'.

    Of words: 'Posts that mention “curry” do 120 % better (30 … 270 %), 61 posts', or 'Posts that are about “…”'.
    """
    direction = "better" if lift_pct >= 0 else "worse"
    if rule[0].op in OF_WORDS:
        ends = sorted(interval_pct) if lift_pct >= 0 else sorted(-end for end in interval_pct)
        low, high = (format_lift(end, interval_pct) for end in ends)
        lift = format_lift(abs(lift_pct), interval_pct)
        what = rule_in_words(rule).replace("mentions", "mention", 1).replace("is about", "are about", 1)
        return f"Posts that {what} do {lift} % {direction} ({low} … {high} %), {posts} posts"
    return f"Content performs {format_lift(abs(lift_pct), interval_pct)}% {direction} when: {rule_in_words(rule)}"


def per_cent(log_lift: float) -> float:
    """100 · (eˣ − 1)."""
    return 100.0 * math.expm1(log_lift)


def format_lift(lift_pct: float, interval_pct: tuple[float, float], sign: str = "") -> str:
    """A lift with as many digits as its interval bears: 45.2 within ±10, 45 within ±100, else tens; nothing is 0."""
    low, high = interval_pct
    reach = (high - low) / 2
    shown = lift_pct if reach < 100 else 10 * round(lift_pct / 10)
    text = f"{shown:{sign},.{1 if reach < 10 else 0}f}"
    return text if any(digit in text for digit in "123456789") else "0"


def format_effect(effect: Mapping[str, Any] | None) -> str:
    """'+9 % (−2 … +21)': what doing it is expected to bring; where no experiment says so, that it does not."""
    if effect is None or effect["status"] != "calibrated":
        return "not enough experiments"
    estimate, low, high = (
        format_lift(value, effect["interval_pct"], "+") for value in (effect["estimate_pct"], *effect["interval_pct"])
    )
    return f"{estimate} % ({low} … {high})"


def format_probability(confidence: float) -> str:
    """A probability, as people read it; never certainty."""
    return "> 99.9 %" if confidence > 0.999 else f"{100 * confidence:.1f} %"
