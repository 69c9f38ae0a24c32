"""Rules and results in plain words."""

from __future__ import annotations

from tasks.content.catalogue import BY_NAME
from tasks.patterns.records import Pattern, Rule, Selector

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LABEL_WORDS = {"channel": "is on", "tone": "has the tone", "sentiment": "has the sentiment", "topic": "is about"}


def describe(rule: Rule, lift_pct: float) -> str:
    """'Content performs 45.2% better when: includes emojis, has clear CTA'."""
    direction = "better" if lift_pct >= 0 else "worse"
    return f"Content performs {abs(lift_pct):.1f}% {direction} when: {', '.join(in_words(s) for s in rule)}"


def in_words(selector: Selector) -> str:
    """Completes 'content that …'."""
    if selector.feature == "local_hour" and isinstance(selector.value, tuple):
        return f"is posted between {selector.value[0]:g} and {selector.value[1]:g} h"
    if selector.feature == "local_weekday":
        return f"is posted on {WEEKDAYS[int(str(selector.value))]}"
    if selector.op == "==" and not isinstance(selector.value, bool):
        return _label(selector)
    return _level(selector)


def _label(selector: Selector) -> str:
    known = BY_NAME.get(selector.feature)
    words = known.words if known else LABEL_WORDS.get(selector.feature, f"has {_plain(selector.feature)}")
    return f"{words} {selector.value}"


def _level(selector: Selector) -> str:
    """A feature that is true, present, high or low, with its cut point where there is one."""
    known = BY_NAME.get(selector.feature)
    if selector.op == "between" and isinstance(selector.value, tuple):
        return f"has {_plain(selector.feature)} between {selector.value[0]:g} and {selector.value[1]:g}"
    high = selector.op == ">=" or selector.value is True
    if selector.level in ("true", "false", "present", "absent"):
        return (known.words if high else known.absent_words) if known else _yes_no(selector.feature, high)
    bound = f"{_plain(selector.feature)} {'at least' if high else 'under'} {selector.value:g}"
    return f"{known.words if high else known.absent_words} ({bound})" if known else f"has {bound}"


def _yes_no(feature: str, high: bool) -> str:
    return f"has {_plain(feature)}" if high else f"has no {_plain(feature)}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def insights(patterns: tuple[Pattern, ...], reason: str) -> list[str]:
    """Sentences for a person, the guide's two first."""
    winning = [pattern for pattern in patterns if pattern.pattern_type == "winning"]
    losing = [pattern for pattern in patterns if pattern.pattern_type == "losing"]
    if not patterns:
        return [reason]
    lines = []
    if winning:
        average = sum(pattern.effect_size for pattern in winning) / len(winning)
        lines += [
            f"Identified {len(winning)} high-performing patterns with average {average:.2f} effect size",
            f"Top strategy: {winning[0].description} (confidence: {winning[0].confidence:.1%})",
        ]
    if losing:
        lines.append(f"Avoid: {losing[0].description} (confidence: {losing[0].confidence:.1%})")
    lines += [f"Losing strength lately: {pattern.description}" for pattern in patterns if pattern.fading]
    return [*lines, "These are associations adjusted for channel, season and timing, not causes; test one to be sure"]
