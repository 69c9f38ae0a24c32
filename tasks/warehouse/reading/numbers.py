"""How a column writes numbers: one rule a column, declared or settled by all of its values, never by one. Pure.

`1,730` is a number to an American spreadsheet, `1.730` is the same one to a German spreadsheet, and `12.000` is twelve
or twelve thousand. A value that is a number under another rule than its column's is never a row to reject: the rows
lost would be those of the largest outcomes. It stops the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from tasks.warehouse.reading.header import UNSEEN_OR_BLANK

SPACES = r"[\s\u{00A0}\u{2007}\u{202F}\u{2009}]"
SUFFIXES: dict[str, int] = {
    **dict.fromkeys(("k", "tsd.", "tsd", "tys.", "тыс.", "тыс", "mil", "b", "rb", "ezer", "천", "千"), 1_000),
    **dict.fromkeys(("m", "mio.", "mio", "mln", "mln.", "млн", "mn", "mi", "jt", "百万"), 1_000_000),
    **dict.fromkeys(("万", "萬", "만"), 10_000),
    **dict.fromkeys(("億", "亿", "억"), 100_000_000),
    **dict.fromkeys(("bn", "mrd.", "mrd", "md"), 1_000_000_000),
}
SUFFIXES["b"] = 1_000_000_000
_WORDS = "|".join(re.escape(word) for word in sorted(SUFFIXES, key=len, reverse=True))
NUMBER_LIKE = rf"^[+\-−]?[$€£¥]? ?\d[\d.,'’ ]*( ?%| ?(?i:{_WORDS}))?$"
GROUPS = (",", ".", "'", "’", " ")


@dataclass(frozen=True, slots=True)
class NumberRule:
    """How numbers are written.

    Attributes:
        thousands: what stands between groups of digits; None for nothing.
        decimal: what stands before the fraction.
        percent: whether a value may carry `%`, which is taken off (6.5 % is 6.5).
        suffixes: what letters after a number multiply it by (K: 1000); empty for none.
        settled: False where the column as a whole may still say what divides its thousands.
        fractions_declared: whether somebody said that a fraction may have three digits; else `12.000` among whole
            numbers may be twelve or twelve thousand.
    """

    thousands: str | None = None
    decimal: str = "."
    percent: bool = False
    suffixes: Mapping[str, int] = field(default_factory=dict)
    settled: bool = True
    fractions_declared: bool = False

    @property
    def words(self) -> str:
        """The rule as a mapping file says it."""
        thousands = f'thousands: "{self.thousands}", ' if self.thousands else ""
        return f'{{{thousands}decimal: "{self.decimal}"}}'


PLAIN = NumberRule()
AUTO = NumberRule(settled=False)


@dataclass(frozen=True, slots=True)
class NumbersRead:
    """The values of a column as floats, which of them are numbers written in another way, and which were rounded."""

    numbers: pl.Series
    other_ways: pl.Series
    rounded: pl.Series


def read_numbers(values: pl.Series, rule: NumberRule) -> NumbersRead:
    """Read a column of text; a value that is no number under the rule is null.

    Signs, spaces at both ends and, where the rule has them, percent signs and suffixes are taken off first.
    """
    text = values.str.strip_chars(UNSEEN_OR_BLANK).str.replace_all(SPACES, " ").str.strip_chars()
    bare, factor = _without_marks(text, rule)
    matching = bare.str.contains(_form(rule)).fill_null(False)
    digits = bare
    if rule.thousands:
        marks = ["'", "’"] if rule.thousands in "'’" else [rule.thousands]
        for mark in marks:
            digits = digits.str.replace_all(mark, "", literal=True)
    if rule.decimal != ".":
        digits = digits.str.replace_all(rule.decimal, ".", literal=True)
    numbers = digits.set(~matching, None).cast(pl.Float64, strict=False)
    rounded = pl.Series(values.name, [False]).new_from_index(0, len(values))
    if factor is not None:
        rounded = (factor != 1) & numbers.is_not_null()
        numbers = (numbers * factor).round(6)
    other_ways = numbers.is_null() & text.str.contains(NUMBER_LIKE).fill_null(False)
    return NumbersRead(numbers, other_ways, rounded.fill_null(False))


def ambiguous(values: pl.Series, rule: NumberRule) -> pl.Series:
    """Which of the values of a column of whole numbers nobody has said how to read: twelve or twelve thousand."""
    if rule.fractions_declared:
        return pl.Series(values.name, [False]).new_from_index(0, len(values))
    form = rf"^[+\-]?[1-9]\d{{0,2}}{re.escape(rule.decimal)}\d{{3}}$"
    return values.str.strip_chars().str.contains(form).fill_null(False)


def settle(values: pl.Series, rule: NumberRule) -> NumberRule:
    """The rule of a column of whole numbers whose values say what divides their thousands; the same where none does.

    `1.234` beside `2.345` can only be whole numbers with a dot for thousands; `12.000` alone is not settled by that.
    """
    text = values.drop_nulls().str.strip_chars(UNSEEN_OR_BLANK).str.replace_all(SPACES, " ").str.strip_chars()
    bare, factor = _without_marks(text, rule)
    if factor is not None:
        # A fraction of a thousand says which mark stands before fractions: `1,2 Tsd.` is no English number.
        comma = bare.filter((factor != 1) & bare.str.contains(r"^[+\-−]?\d{1,3},\d{1,2}$"))
        german = NumberRule(".", ",", rule.percent, rule.suffixes, settled=False)
        if len(comma) and not read_numbers(values, german).other_ways.any():
            return german
    for mark in GROUPS:
        other = "." if mark == "," else ","
        grouped = bare.str.contains(rf"^[+\-−]?\d{{1,3}}({re.escape(mark)}\d{{2,3}})*{re.escape(mark)}\d{{3}}"
                                    rf"({re.escape(other)}\d+)?$")  # fmt: skip
        if not grouped.any():
            continue
        candidate = NumberRule(mark, other, rule.percent, rule.suffixes, settled=False)
        read = read_numbers(values, candidate)
        if read.other_ways.any() or not _cannot_be_fractions(bare.filter(grouped), mark):
            continue
        return candidate
    return rule


def _cannot_be_fractions(grouped: pl.Series, mark: str) -> bool:
    """Whether some value would be no whole number if the mark stood before a fraction, or has two marks, or a comma."""
    if mark not in ".":
        return True
    twice = grouped.str.count_matches(".", literal=True) > 1
    thousand = grouped.str.ends_with("000")
    return bool(twice.any() or (~thousand).any())


def _without_marks(text: pl.Series, rule: NumberRule) -> tuple[pl.Series, pl.Series | None]:
    """The values without percent signs and suffixes, and what the suffixes multiply by."""
    bare = text.str.replace("−", "-", literal=True)
    if rule.percent:
        bare = bare.str.replace(r" ?%$", "").str.replace(r"^[<>≤≥~] ?", "")
    if not rule.suffixes:
        return bare, None
    parts = bare.str.extract_groups(r"^([+\-]?[\d.,'’ ]*\d) ?(\p{L}+\.?)$")
    suffix = parts.struct.field("2").str.to_lowercase()
    known = {name.lower(): factor for name, factor in rule.suffixes.items()}
    factor = suffix.replace_strict(known, default=None, return_dtype=pl.Int64)
    whole = parts.struct.field("1")
    return bare.zip_with(factor.is_null(), whole), factor.fill_null(1)


def _form(rule: NumberRule) -> str:
    """The regular expression of a number without marks."""
    decimal = re.escape(rule.decimal)
    fraction = rf"({decimal}\d*)?([eE][+\-]?\d{{1,3}})?"
    if not rule.thousands:
        return rf"^[+\-]?(\d+{fraction}|{decimal}\d+)$"
    marks = "['’]" if rule.thousands in "'’" else re.escape(rule.thousands)
    return rf"^[+\-]?(\d+|\d{{1,3}}({marks}\d{{2,3}})*{marks}\d{{3}}){fraction}$"
