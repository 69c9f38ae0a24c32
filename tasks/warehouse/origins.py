"""Where a canonical column comes from: the file's columns, a constant, the text above the table. Pure."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.warehouse.reading.numbers import AUTO, PLAIN, SUFFIXES, NumberRule
from tasks.warehouse.reading.zones import known_zone

Scalar = str | int | float | bool
Names = Annotated[list[str], Field(min_length=1)]
Formats = Annotated[list[str], Field(min_length=1)]
WAYS = ("column", "sum", "concat", "coalesce", "constant", "first_of", "preamble")
LONGEST_REGEX = 500


def checked_regex(text: str) -> str:
    """A regular expression of the Rust kind, which takes linear time whatever the text."""
    if len(text) > LONGEST_REGEX:
        raise ValueError(f"longer than {LONGEST_REGEX} characters")
    try:
        pl.Series([""]).str.contains(text)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"no regular expression: {text}") from error
    return text


class NumberStyle(BaseModel):
    """How numbers are written, as a mapping file says it."""

    model_config = ConfigDict(extra="forbid")

    thousands: Literal[",", ".", "'", " ", "", None] = None
    decimal: Literal[".", ","] | None = None
    percent: bool = False
    suffixes: bool | dict[str, int] = False
    style: Literal["column"] | None = None

    @model_validator(mode="after")
    def _two_marks(self) -> NumberStyle:
        if self.thousands and self.thousands == self.decimal:
            raise ValueError("thousands and decimal must differ")
        return self

    @property
    def rule(self) -> NumberRule:
        """What reads such numbers."""
        suffixes = SUFFIXES if self.suffixes is True else (self.suffixes or {})
        decimal = self.decimal or ("," if self.thousands == "." else ".")
        fractions = self.decimal is not None and not self.thousands
        return NumberRule(self.thousands or None, decimal, self.percent, suffixes, self.style is None, fractions)


def number_rule(style: NumberStyle | Literal["auto"] | None) -> NumberRule:
    """The rule that a mapping declares; `auto` lets each column's values settle what divides its thousands."""
    if style is None:
        return PLAIN
    return AUTO if style == "auto" else style.rule


class Origin(BaseModel):
    """Where one canonical column comes from: exactly one of `WAYS`, and how its values are read."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    column: str | None = None
    sum: Names | None = None
    concat: Names | None = None
    coalesce: Names | None = None
    constant: Scalar | None = None
    first_of: Annotated[list[Origin], Field(min_length=1)] | None = None
    preamble: str | None = None
    separator: str = " "
    values: dict[str, str] | None = None
    default: str | None = None
    extract: str | None = None
    html: bool = False
    optional: bool = False
    number: NumberStyle | Literal["auto"] | None = None
    format: Formats | None = None
    timezone: str | None = None
    precision: Literal["day"] | None = None
    instant_from_id: Literal["x", "tiktok", "linkedin"] | None = None
    otherwise: Origin | None = Field(default=None, alias="else")

    @field_validator("first_of", mode="before")
    @classmethod
    def _names_are_columns(cls, given: Any) -> Any:
        return [origin_of(one) for one in given] if isinstance(given, list) else given

    @field_validator("otherwise", mode="before")
    @classmethod
    def _name_is_a_column(cls, given: Any) -> Any:
        return origin_of(given)

    @field_validator("format", mode="before")
    @classmethod
    def _one_format_is_a_list(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        return known_zone(zone)

    @field_validator("extract", "preamble")
    @classmethod
    def _is_regex(cls, text: str | None) -> str | None:
        return text if text is None else checked_regex(text)

    @model_validator(mode="after")
    def _one_way(self) -> Origin:
        ways = [name for name in WAYS if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ValueError(f"expected exactly one of {', '.join(WAYS)}")
        if self.default is not None and self.values is None:
            raise ValueError("`default` needs `values`")
        return self

    @property
    def sources(self) -> list[str]:
        """The file's columns it is made of."""
        own = [self.column] if self.column is not None else self.sum or self.concat or self.coalesce or []
        nested = [name for origin in self.first_of or [] for name in origin.sources]
        return [*own, *nested, *(self.otherwise.sources if self.otherwise is not None else [])]

    @property
    def needed(self) -> list[str]:
        """Those of them without which it means nothing."""
        if self.optional or self.first_of is not None:
            return []
        return [self.column] if self.column is not None else self.sum or self.concat or self.coalesce or []

    def bound(self, available: Collection[str], preamble: str = "") -> Origin | None:
        """The same for a file with these columns: alternatives decided, absent optional columns left out.

        None where nothing it could be made of is there.
        """
        otherwise = self.otherwise.bound(available, preamble) if self.otherwise is not None else None
        if self.preamble is not None:
            match = pl.Series([preamble]).str.extract(self.preamble, 1)[0]
            return None if match is None else self.model_copy(update={"preamble": None, "constant": match})
        if self.first_of is not None:
            kept = next((one for each in self.first_of if (one := each.bound(available, preamble)) is not None), None)
            if kept is None:
                return otherwise
            own = {
                "values",
                "default",
                "extract",
                "html",
                "number",
                "format",
                "timezone",
                "precision",
                "instant_from_id",
            }
            declared = {name: getattr(self, name) for name in own & self.model_fields_set}
            return kept.model_copy(update=declared | {"otherwise": otherwise or kept.otherwise})
        missing = [name for name in self.sources_of_own if name not in available]
        if not missing:
            return self.model_copy(update={"otherwise": otherwise})
        some = [name for name in self.concat or self.coalesce or [] if name in available]
        if some and self.optional:
            way = "concat" if self.concat else "coalesce"
            return self.model_copy(update={way: some, "otherwise": otherwise})
        return otherwise

    @property
    def sources_of_own(self) -> list[str]:
        """The columns it names itself, without alternatives."""
        return [self.column] if self.column is not None else self.sum or self.concat or self.coalesce or []

    def expression(self) -> pl.Expr:
        """The column's values, of an origin that is bound."""
        if self.constant is not None:
            return pl.lit(str(self.constant))
        if self.sum is not None:
            return _sum(self.sum)
        if self.concat is not None:
            parts = [pl.col(name).cast(pl.String) for name in self.concat]
            known = pl.any_horizontal(part.is_not_null() for part in parts)
            joined = pl.when(known).then(pl.concat_str(parts, separator=self.separator, ignore_nulls=True))
            return _unescaped(joined) if self.html else joined
        value = pl.coalesce(self.sources_of_own)
        if self.extract is not None:
            value = value.cast(pl.String).str.extract(self.extract, 1)
        if self.html:
            value = _unescaped(value)
        if self.values is None:
            return value
        text = value.cast(pl.String).str.strip_chars()
        fallback = text if self.default is None else pl.lit(self.default)
        known_values = {key.casefold(): to for key, to in self.values.items()}
        return text.str.to_lowercase().replace_strict(known_values, default=fallback, return_dtype=pl.String)


def origin_of(given: Any) -> Any:
    """What a mapping file says of a column, written out: a name is that column, a list the first that is there."""
    if isinstance(given, str):
        return {"column": given}
    return {"first_of": given} if isinstance(given, list) else given


def _unescaped(value: pl.Expr) -> pl.Expr:
    """`&amp;` and its like as the characters they stand for."""
    return value.cast(pl.String).map_batches(_unescape, return_dtype=pl.String)


def _unescape(texts: pl.Series) -> pl.Series:
    concerned = texts.str.contains("&[#a-zA-Z0-9]+;").fill_null(False)
    if not concerned.any():
        return texts
    return texts.scatter(concerned.arg_true(), [html.unescape(text) for text in texts.filter(concerned).to_list()])


def _sum(names: Iterable[str]) -> pl.Expr:
    """The sum of the parts that are there; a part that is no number is passed on, so that the row is rejected."""
    parts = [pl.col(name).cast(pl.String).str.strip_chars() for name in names]
    parts = [pl.when(part != "").then(part) for part in parts]
    numbers = [part.cast(pl.Float64, strict=False) for part in parts]
    wrong = [pl.when(number.is_null()).then(part) for part, number in zip(parts, numbers, strict=True)]
    known = pl.any_horizontal(part.is_not_null() for part in parts)
    total = pl.when(known).then(pl.sum_horizontal(numbers))
    return pl.coalesce(*wrong, total.cast(pl.String))
