"""A condition on one feature of a post, such as "media type is video": its words, its key, and which posts meet it.

Whether a condition holds has three answers. Where the feature is missing, is not a finite number, or is text where a
number is asked for, the answer is unknown: such a post neither meets the condition nor is one of the others. The same
comparison says so of one row (`met_by`), of a frame (`expression`) and of arrays (`matching` where it is `known`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.content.catalogue import BY_NAME
from tasks.content.words import COMMA, is_about, mentions, tokens

Operator = Literal["==", ">=", "<", "between", "mentions", "is_about"]
Value = bool | int | float | str | tuple[float, float]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TEXTS = {"title": pl.String, "body": pl.String}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {"==": operator.eq, ">=": operator.ge, "<": operator.lt}

# What conditions on words are about. No column and no attribute has this name: it stands for two columns together.
TITLE_AND_BODY = "title_and_body"
OF_WORDS = ("mentions", "is_about")
WORDS_OF_A_NAME = 3
AND, OR = " and ", " or "
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LABEL_WORDS = {"channel": "is on", "tone": "has the tone", "sentiment": "has the sentiment", "topic": "is about"}
VALUE_WORDS = {
    "channel": {
        **{
            name.lower(): f"is on {name}"
            for name in ("Facebook", "Instagram", "LinkedIn", "TikTok", "YouTube", "Pinterest")
        },
        **{"twitter": "is on Twitter", "x": "is on X", "threads": "is on Threads", "email": "goes out by e-mail"},
        **{"blog": "is on the blog", "website": "is on the website", "newsletter": "is in the newsletter"},
    },
    "media_type": {
        **{"text": "is text only", "audio": "is audio", "animation": "is an animation", "event": "is an event"},
    },
}
# What is counted where a count's own words only say whether there is any.
COUNTED = {
    **{"emoji_count": "emojis", "hashtag_count": "hashtags", "mention_count": "mentions", "link_count": "links"},
    **{"exclamation_count": "exclamation marks", "question_count": "questions", "number_count": "numbers"},
}
# What the bound of a length is in, and what the bound of a score is of.
UNITS = COUNTED | {
    **{"title_words": "words", "body_words": "words", "word_count": "words", "character_count": "characters"},
}
SCALES = {"readability": "reading ease", "sentiment_score": "score"}
NEUTRAL_SCALES = {
    **{"readability": "a reading ease of", "sentiment_score": "a sentiment score of", "capitals_share": ""},
}
# Under which a text is short, hard to read or negative, and from which on it is long, easy or positive: a workspace's
# own quartiles lie anywhere, and two words are no long title.
FAR: dict[str, tuple[float, float]] = {
    **{"title_words": (5, 10), "body_words": (15, 100), "word_count": (20, 100), "character_count": (100, 500)},
    **{"readability": (50.0, 65.0), "sentiment_score": (-0.05, 0.05), "capitals_share": (0.03, 0.10)},
}
PARTS = {"title_words": " in the title", "body_words": " in the body"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one feature. Equal conditions are equal keys.

    Attributes:
        feature: a column of the content table, or the name of an attribute.
        op: `==`, `>=`, `<`, `between` (low inclusive, high exclusive), or, of title and body alone, `mentions` or
            `is_about`.
        value: what to compare with; a pair for `between`; for `mentions` a word or two in lower case;
            for `is_about` the words that tell a topic, divided by commas, of which a text must hold two.
        level: the part of the feature's range that is meant, such as `present` or `top_quarter`. It names the
            condition across nights, while the value follows the workspace's own quartiles. Empty for a fixed value.
    """

    feature: str
    op: Operator
    value: Value
    level: str = ""

    @property
    def expression(self) -> pl.Expr:
        """True where a row of a frame meets it, false where it does not, null where that is unknown."""
        if self.op in OF_WORDS:
            return self.of_tokens(tokens(pl.col("title"), pl.col("body")))
        column = pl.col(self.feature)
        if isinstance(self.value, str):
            return column == self.value
        numbers = column.cast(pl.Float64, strict=False)
        return pl.when(numbers.is_finite()).then(self._compared(numbers, self.value))

    def met_by(self, row: Mapping[str, Any]) -> bool | None:
        """Whether one row, values by feature, meets it; None where that is unknown."""
        if self.op in OF_WORDS:
            held = {"title": row.get("title"), "body": row.get("body", row.get(TITLE_AND_BODY))}
            texts = pl.DataFrame({name: [value] for name, value in held.items()}, _TEXTS, strict=False)
            meets: bool | None = texts.select(self.expression).item()
            return meets
        observed = row.get(self.feature)
        if isinstance(self.value, str):
            return observed == self.value if isinstance(observed, str) else None
        if not isinstance(observed, int | float) or not math.isfinite(observed):
            return None
        return bool(self._compared(observed, self.value))

    def matching(self, numbers: Floats, labels: Sequence[str] = ()) -> Mask:
        """Which posts (n,) meet it; false both for the others and where that is unknown, see `known`.

        Args:
            numbers: (n,) values of the feature; NaN where missing.
            labels: of a feature in words, whose numbers are indices into them.
        """
        value: Any = self.value
        if isinstance(value, str):
            value = labels.index(value) if value in labels else -1
        met: Mask = self._compared(numbers, value)
        return met

    def of_tokens(self, token_texts: pl.Expr) -> pl.Expr:
        """Whether texts, given as their tokens, mention the word or are about the topic; null where there is none."""
        return (mentions if self.op == "mentions" else is_about)(token_texts, str(self.value))

    def _compared(self, values: Any, value: Any) -> Any:
        """The comparison itself, of a number, an array or an expression."""
        if self.op == "between":
            return (values >= value[0]) & (values < value[1])
        return _COMPARISONS[self.op](values, value)

    @property
    def words(self) -> str:
        """Completes 'content that …'."""
        if self.op == "mentions":
            return f"mentions “{self.value}”"
        if self.op == "is_about":
            return f"is about “{topic_name(str(self.value))}”"
        if self.feature == "local_hour" and isinstance(self.value, tuple):
            return f"is posted between {self.value[0]:g} and {self.value[1]:g} h"
        if self.feature == "local_hour" and self.op == "==":
            return f"is posted between {int(str(self.value))} and {int(str(self.value)) + 1} h"
        if self.feature == "local_weekday":
            return f"is posted on {WEEKDAYS[int(str(self.value))]}"
        if self.op == "==" and not isinstance(self.value, bool):
            return _label_in_words(self.feature, str(self.value))
        if isinstance(self.value, tuple):
            return _range_in_words(self.feature, *self.value)
        return self._level_in_words()

    @property
    def opposite_words(self) -> str | None:
        """Completes 'content that …' for what does not meet it; None but where the feature is there or not."""
        return _there_or_not(self.feature, not self._is_high) if self._is_there_or_not else None

    @property
    def _is_high(self) -> bool:
        return self.op == ">=" or self.value is True

    @property
    def _is_there_or_not(self) -> bool:
        return self.level in ("true", "false", "present", "absent") or isinstance(self.value, bool)

    def _level_in_words(self) -> str:
        """A feature that is true, present, high or low, with its bound where there is one."""
        described = BY_NAME.get(self.feature)
        high = self._is_high
        if self._is_there_or_not:
            return _there_or_not(self.feature, high)
        bound = f"{'at least' if high else 'under'} {_amount(self.feature, self.value)}"
        if described is None:
            return f"has {_spaced(self.feature)} {bound}"
        words = described.words if high else described.absent_words
        if self.feature in COUNTED:
            return words if self.value == 1 else f"has {bound} {COUNTED[self.feature]}"
        if not _is_far(self.feature, self.value, high=high):
            return _neutral(self.feature, float(str(self.value)), bound, high=high)
        unit = UNITS.get(self.feature, "")
        parts = (SCALES.get(self.feature, ""), bound, "" if unit in words else unit)
        return f"{words} ({' '.join(part for part in parts if part)})"

    def as_dict(self) -> dict[str, Any]:
        """Machine-readable: {feature, op, value} and the level."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"feature": self.feature, "op": self.op, "value": value, "level": self.level}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Condition:
        """The condition that `as_dict` wrote."""
        value = tuple(stored["value"]) if isinstance(stored["value"], list) else stored["value"]
        return cls(stored["feature"], stored["op"], value, stored["level"])


Rule = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """n posts by whether they meet a condition, or all conditions of a rule.

    Attributes:
        matching: (n,) those that do.
        known: (n,) those of which it is known; the rest belong to neither side.
    """

    matching: Mask
    known: Mask

    @property
    def others(self) -> Mask:
        """Posts (n,) that are known not to meet it: what the matching ones may be compared with."""
        return self.known & ~self.matching


def known(numbers: Floats) -> Mask:
    """Posts (n,) of which conditions on a feature with these values can be answered."""
    there: Mask = ~np.isnan(numbers)
    return there


def topic_name(words: str) -> str:
    """The three most telling words of a topic."""
    return COMMA.join(words.split(COMMA)[:WORDS_OF_A_NAME])


def rule_in_words(rule: Iterable[Condition]) -> str:
    """Completes 'content that …'."""
    return ", ".join(condition.words for condition in rule)


def in_a_sentence(rule: Iterable[Condition]) -> str:
    """Completes 'content that …' where the sentence goes on, or lists more than one rule."""
    return AND.join(condition.words for condition in rule)


def leaving_off(content: str, rule: Sequence[Condition]) -> str:
    """What to do where 'content that …' loses: its opposite, where that has words of its own.

    Of several conditions that are met together, one that is not is enough.
    """
    opposites = [condition.opposite_words for condition in rule]
    if all(opposites):
        return f"{content} that {OR.join(map(str, opposites))}"
    return f"avoiding {content} that {in_a_sentence(rule)}"


def value_in_words(feature: str, value: bool | float | str) -> str:
    """Completes 'content that …' for content whose feature is set to a value."""
    if isinstance(value, bool | str):
        return Condition(feature, "==", value).words
    is_whole = float(value).is_integer()
    if is_whole and (feature == "local_hour" or (feature == "local_weekday" and 0 <= value < len(WEEKDAYS))):
        return Condition(feature, "==", int(value)).words
    described = BY_NAME.get(feature)
    if described is None or described.kind != "count":
        return f"has {_spaced(feature)} {_amount(feature, value)}"
    if feature in UNITS and feature not in COUNTED and value > 1:  # a length is aimed at, and hardly ever met
        return f"has about {value:g} {UNITS[feature]}{PARTS.get(feature, '')}"
    return described.absent_words if feature in COUNTED and value == 0 else _range_in_words(feature, value, value + 1)


def _label_in_words(feature: str, value: str) -> str:
    special = VALUE_WORDS.get(feature, {}).get(value.lower())
    if special is not None:
        return special
    described = BY_NAME.get(feature)
    words = described.words if described else LABEL_WORDS.get(feature, f"has {_spaced(feature)}")
    return f"{words} {_spaced(value)}"


def _range_in_words(feature: str, low: float, high: float) -> str:
    described = BY_NAME.get(feature)
    if described is None or described.kind != "count":
        between = f"between {_amount(feature, low)} and {_amount(feature, high)}"
        if feature == "capitals_share":
            return f"has {between} capital letters"
        return f"has {NEUTRAL_SCALES.get(feature, _spaced(feature)).removesuffix(' of')} {between}"
    most = high - 1  # a count: the upper end is exclusive
    unit = UNITS.get(feature, _spaced(feature))
    unit = (unit.removesuffix("s") if low == most == 1 else unit) + PARTS.get(feature, "")
    if most == low:
        return f"has {low:g} {unit}"
    return f"has {low:g} {'or' if most == low + 1 else 'to'} {most:g} {unit}"


def _is_far(feature: str, bound: Value, *, high: bool) -> bool:
    """Whether a bound is so far from the middle that 'long' or 'short' is true of what lies beyond it."""
    assert isinstance(bound, int | float)
    if feature not in FAR:
        return True
    low_end, high_end = FAR[feature]
    return bound >= high_end if high else bound <= low_end


def _neutral(feature: str, value: float, bound: str, *, high: bool) -> str:
    """The measure and the bound, without a judgment."""
    if feature == "sentiment_score":
        return _not_so(value, bound, high=high)
    if feature in NEUTRAL_SCALES:
        scale = f"{NEUTRAL_SCALES[feature]} {bound}".strip()
        return f"has {scale}{' capital letters' if feature == 'capitals_share' else ''}"
    return f"has {bound} {UNITS[feature]}{PARTS.get(feature, '')}"


def _not_so(value: float, bound: str, *, high: bool) -> str:
    """A bound of sentiment that leaves out one end: 'does not sound positive (score under 0)'."""
    low_end, high_end = FAR["sentiment_score"]
    extreme = value < low_end if high else value > high_end
    return f"does not sound {'very ' if extreme else ''}{'negative' if high else 'positive'} (score {bound})"


def _there_or_not(feature: str, high: bool) -> str:
    """A feature that is true or present, or is not."""
    described = BY_NAME.get(feature)
    if described is None:
        return _yes_or_no(feature, high)
    return described.words if high else described.absent_words


def _yes_or_no(feature: str, high: bool) -> str:
    """An attribute that is true or false, by its name: 'has_face', 'is_paid' or just 'discount'."""
    verb, _, rest = feature.partition("_")
    if verb == "is" and rest:
        return f"is {_spaced(rest)}" if high else f"is not {_spaced(rest)}"
    return f"has {'' if high else 'no '}{_spaced(rest if verb == 'has' and rest else feature)}"


def _amount(feature: str, value: Value) -> str:
    described = BY_NAME.get(feature)
    assert isinstance(value, int | float)
    return f"{100 * value:g} %" if described is not None and described.kind == "share" else f"{value:g}"


def _spaced(name: str) -> str:
    return name.replace("_", " ")
