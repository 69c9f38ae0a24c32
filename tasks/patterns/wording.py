"""Rules and results in plain words."""

from __future__ import annotations

from tasks.content.catalogue import BY_NAME
from tasks.patterns.records import Pattern, Rule, Selector, Value

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LABEL_WORDS = {"channel": "is on", "tone": "has the tone", "sentiment": "has the sentiment", "topic": "is about"}
CHANNEL_WORDS = {
    **{
        name.lower(): f"is on {name}"
        for name in ("Facebook", "Instagram", "LinkedIn", "TikTok", "YouTube", "Pinterest")
    },
    **{"twitter": "is on Twitter", "x": "is on X", "threads": "is on Threads", "email": "goes out by e-mail"},
    **{"blog": "is on the blog", "website": "is on the website", "newsletter": "is in the newsletter"},
}
# What a count or a score counts, so that a bound is said in a word or two.
UNITS = {
    **{"title_words": "words", "body_words": "words", "word_count": "words", "character_count": "characters"},
    **{"emoji_count": "emojis", "hashtag_count": "hashtags", "mention_count": "mentions", "link_count": "links"},
    **{"exclamation_count": "exclamation marks", "question_count": "questions", "number_count": "numbers"},
    **{"readability": "reading ease", "sentiment_score": "score"},
}


def describe(rule: Rule, lift_pct: float, interval_pct: tuple[float, float]) -> str:
    """'Content performs 45.2% better when: includes emojis, has clear CTA'."""
    direction = "better" if lift_pct >= 0 else "worse"
    return f"Content performs {lift_said(abs(lift_pct), interval_pct)}% {direction} when: {rule_in_words(rule)}"


def lift_said(lift_pct: float, interval_pct: tuple[float, float], sign: str = "") -> str:
    """A lift with as many digits as its interval bears: 45.2 within ±10, 45 within ±100, else tens."""
    low, high = interval_pct
    reach = (high - low) / 2
    if reach < 10:
        return f"{lift_pct:{sign}.1f}"
    return f"{lift_pct if reach < 100 else 10 * round(lift_pct / 10):{sign},.0f}"


def sure_said(confidence: float) -> str:
    """A probability, as people read it; never certainty."""
    return "> 99.9 %" if confidence > 0.999 else f"{100 * confidence:.1f} %"


def rule_in_words(rule: Rule) -> str:
    """Completes 'content that …'."""
    return ", ".join(in_words(selector) for selector in rule)


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
    if selector.feature == "channel" and str(selector.value).lower() in CHANNEL_WORDS:
        return CHANNEL_WORDS[str(selector.value).lower()]
    known = BY_NAME.get(selector.feature)
    words = known.words if known else LABEL_WORDS.get(selector.feature, f"has {_plain(selector.feature)}")
    return f"{words} {_plain(str(selector.value))}"


def _level(selector: Selector) -> str:
    """A feature that is true, present, high or low, with its cut point where there is one."""
    known = BY_NAME.get(selector.feature)
    if selector.op == "between" and isinstance(selector.value, tuple):
        return _between(selector.feature, *selector.value)
    high = selector.op == ">=" or selector.value is True
    if selector.level in ("true", "false", "present", "absent"):
        return (known.words if high else known.absent_words) if known else _yes_no(selector.feature, high)
    if not known:
        return f"has {_plain(selector.feature)} {'at least' if high else 'under'} {selector.value:g}"
    bound = f"{'at least' if high else 'under'} {_amount(selector.feature, selector.value)}"
    words = known.words if high else known.absent_words
    unit = UNITS.get(selector.feature, "")
    return f"{words} ({bound})" if not unit or unit in words else f"{words} ({bound} {unit})"


def _between(feature: str, low: float, high: float) -> str:
    known = BY_NAME.get(feature)
    if known is None or known.kind != "count":
        return f"has {_plain(feature)} between {_amount(feature, low)} and {_amount(feature, high)}"
    most = high - 1  # a count: the upper end is exclusive
    unit = UNITS.get(feature, _plain(feature)) + {"title_words": " in the title", "body_words": " in the body"}.get(
        feature, ""
    )
    return f"has {low:g} to {most:g} {unit}" if most > low else f"has {low:g} {unit}"


def _amount(feature: str, value: Value) -> str:
    known = BY_NAME.get(feature)
    assert isinstance(value, int | float)
    return f"{100 * value:g} %" if known is not None and known.kind == "share" else f"{value:g}"


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
