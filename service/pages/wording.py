"""Numbers and instants as people read them on a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def count(value: float | None) -> str:
    """Such as 12,400; a dash where nothing is known."""
    return "–" if value is None else f"{value:,.0f}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """Such as '1 workspace' or '12 workspaces'."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def per_cent_of_one(value: float | None, digits: int = 0) -> str:
    """A share of one in per cent; never a bare 0 or 100 for what is neither."""
    if value is None:
        return "–"
    shown = f"{100 * value:.{digits}f}"
    if value not in (0, 1) and float(shown) in (0.0, 100.0):
        return "< 1 %" if value < 0.5 else "> 99 %"
    return f"{shown} %"


def sentence(text: str) -> str:
    """Text with a capital first letter; names in it keep theirs."""
    return text[:1].upper() + text[1:]


def words(name: object) -> str:
    """A name of ours as words: 'no_difference' is 'no difference', 'TONE_CLASSIFIER' is 'tone classifier'."""
    text = str(name)
    return "A/B test" if text == "ab_test" else (text.lower() if text.isupper() else text).replace("_", " ")


def instant(value: datetime | None) -> str:
    """Such as '29 Nov 2026, 15:20 UTC'."""
    return "–" if value is None else f"{day(value)}, {value.astimezone(UTC):%H:%M} UTC"


def day(value: datetime | None) -> str:
    """Such as '29 Nov 2026'."""
    if value is None:
        return "–"
    utc = value.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y}"


def machine_instant(value: datetime) -> str:
    """For programs that read the page."""
    return value.astimezone(UTC).isoformat(timespec="seconds")


def age(value: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that says something; of what is still to come, the day."""
    if value is None:
        return "never"
    passed = now - value
    if passed < timedelta(0):
        return day(value)
    for size, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if passed >= size:
            return f"{plural(passed // size, name)} ago"
    return "just now"
