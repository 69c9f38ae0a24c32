"""Mapping files: how somebody else's columns become the canonical ones.

```yaml
kind: content                    # optional: refuses to be used for another kind
timezone: UTC                    # zone of instants that name none
datetime_format: "%d/%m/%Y %H:%M"  # only if they are not ISO 8601
columns:                         # canonical column: where it comes from
  content_id: status_id                                    # renamed
  engagements: {sum: [num_reactions, num_comments]}        # missing parts count as 0, unless all are missing
  body: {concat: [headline, text], separator: "\\n"}        # missing parts are left out
  title: {coalesce: [link_name, headline]}                 # the first that is there
  media_type: {column: status_type, values: {photo: image}, default: other}  # default: all others and the missing
  channel: {constant: facebook}
ignore: [num_likes]              # columns to leave out, or `all` that are not used above; the rest become attributes
```

Canonical columns that the file already has by name need no entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.errors import UnknownNameError
from tasks.warehouse.coercion import Clock
from tasks.warehouse.contract import Contract
from tasks.warehouse.errors import MappingError

Scalar = str | int | float | bool
Names = Annotated[list[str], Field(min_length=1)]


class Origin(BaseModel):
    """Where one canonical column comes from: exactly one of column, sum, concat, coalesce, constant."""

    model_config = ConfigDict(extra="forbid")

    column: str | None = None
    sum: Names | None = None
    concat: Names | None = None
    coalesce: Names | None = None
    constant: Scalar | None = None
    separator: str = " "
    values: dict[str, str] | None = None
    default: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Origin:
        ways = [name for name in ("column", "sum", "concat", "coalesce", "constant") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ValueError("expected exactly one of column, sum, concat, coalesce, constant")
        if self.default is not None and self.values is None:
            raise ValueError("`default` needs `values`")
        return self

    @property
    def sources(self) -> list[str]:
        """The file's columns it is made of."""
        return [self.column] if self.column is not None else self.sum or self.concat or self.coalesce or []

    def expression(self) -> pl.Expr:
        """The column's values."""
        if self.constant is not None:
            return pl.lit(str(self.constant))
        if self.sum is not None:
            return _sum(self.sum)
        if self.concat is not None:
            parts = [pl.col(name).cast(pl.String) for name in self.concat]
            known = pl.any_horizontal(part.is_not_null() for part in parts)
            return pl.when(known).then(pl.concat_str(parts, separator=self.separator, ignore_nulls=True))
        found = pl.coalesce(self.sources)
        if self.values is None:
            return found
        text = found.cast(pl.String)
        fallback = text if self.default is None else pl.lit(self.default)
        return text.replace_strict(self.values, default=fallback, return_dtype=pl.String)


class Mapping(BaseModel):
    """One mapping file; an empty one changes nothing."""

    model_config = ConfigDict(extra="forbid")

    kind: str | None = None
    timezone: str | None = None
    datetime_format: str | None = None
    columns: dict[str, Origin] = {}
    ignore: Literal["all"] | list[str] = []

    @field_validator("columns", mode="before")
    @classmethod
    def _names_are_renames(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            raise ValueError("expected canonical column: its origin, one a line")
        return {name: {"column": origin} if isinstance(origin, str) else origin for name, origin in given.items()}

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in available_timezones():
            raise ValueError(f"unknown timezone '{zone}', expected an IANA name (Europe/Berlin)")
        return zone

    @property
    def clock(self) -> Clock:
        """How the file writes instants."""
        return Clock(self.timezone, self.datetime_format)

    @property
    def used(self) -> set[str]:
        """The file's columns that canonical ones are made of."""
        return {name for origin in self.columns.values() for name in origin.sources}

    def attributes(self, available: Iterable[str], canonical: Iterable[str]) -> list[str]:
        """The file's columns that are neither canonical, used nor ignored, in the order of their names."""
        if self.ignore == "all":
            return []
        taken = self.used | set(self.ignore) | set(canonical)
        return sorted(name for name in available if name not in taken)


def load_mapping(path: Path | None, contract: Contract) -> Mapping:
    """Read a mapping file for a kind; None is the mapping that changes nothing.

    Raises:
        MappingError: if it cannot be read, is no YAML, or is not such a mapping.
    """
    if path is None:
        return Mapping()
    mapping = _parsed(path)
    if mapping.kind not in (None, contract.kind):
        raise MappingError(path, f"it is for kind '{mapping.kind}', not '{contract.kind}'")
    for name in mapping.columns:
        if name not in contract.columns:
            raise MappingError(path, str(UnknownNameError(f"column of {contract.kind}", name, contract.columns)))
    return mapping


def require_columns(mapping: Mapping, mapping_path: Path | None, file: Path, available: Iterable[str]) -> None:
    """Raise `MappingError` if the mapping names a column that the file does not have."""
    found = list(available)
    ignored = set() if mapping.ignore == "all" else set(mapping.ignore)
    for name in sorted(mapping.used | ignored):
        if name not in found:
            assert mapping_path is not None, "only a mapping file names columns"
            raise MappingError(mapping_path, str(UnknownNameError(f"column of {file}", name, found)))


def _parsed(path: Path) -> Mapping:
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(path, f"cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" (line {place.line + 1})" if place is not None else ""
        raise MappingError(path, f"is not YAML{where}; expected `columns:` and below it `canonical: theirs`") from error
    if not isinstance(given, dict):
        raise MappingError(path, "expected `columns:` and below it `canonical: theirs`, one a line")
    try:
        return Mapping.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MappingError(path, f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def _sum(names: list[str]) -> pl.Expr:
    """The sum of the parts that are there; a part that is no number is passed on, so that the row is rejected."""
    parts = [pl.col(name).cast(pl.String).str.strip_chars() for name in names]
    parts = [pl.when(part != "").then(part) for part in parts]
    numbers = [part.cast(pl.Float64, strict=False) for part in parts]
    wrong = [pl.when(number.is_null()).then(part) for part, number in zip(parts, numbers, strict=True)]
    known = pl.any_horizontal(part.is_not_null() for part in parts)
    total = pl.when(known).then(pl.sum_horizontal(numbers))
    return pl.coalesce(*wrong, total.cast(pl.String))
