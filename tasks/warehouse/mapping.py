"""Mapping files: how somebody else's columns become the canonical ones.

```yaml
kind: content                    # optional: refuses to be used for another kind
encoding: [utf-8, windows-1252]  # the first that fits; a byte order mark goes before; default UTF-8
table: All posts                 # sheet or member of an archive, * matches anything; default the one that fits
skip_rows: 2                     # lines that stand above the header
skip_until_header: true          # the header is the first row that holds all columns named here
where: {is_published: ["true"]}  # rows to keep; texts without case, ~ is empty, /…/ a regular expression
drop: [{Campaign: "/^Total/"}]   # rows to leave out: not rejected, not read
totals: drop                     # rows that sum up others, in the words of many languages
refuse: [{where: {Date: "/^[0-9]/"}, because: one row a day}]  # rows that make it the wrong file
missing: ["-", " --", N/A]       # what stands for nothing
number: {thousands: ",", decimal: ".", percent: true, suffixes: true}  # suffixes: 1.2K; or `auto`: as columns show
timezone: UTC                    # zone of instants that name none; `workspace` is the workspace's own
datetime_format: "%d/%m/%Y %H:%M"  # only if they are not ISO 8601; see `format`
pages: post_id                   # pages of the archive by this column's values: their words are `text of the page`
grain: day                       # one row a post and day: counts are summed
id: derived                      # no id in the file: a hash of channel, instant, title and body
columns:                         # canonical column: where it comes from
  content_id: {column: Link, extract: "/video/([0-9]+)"}   # a part of a column
  published_at: {column: Day, format: "%m/%d/%Y", precision: day}  # formats: words, epoch, or strptime's; one or a list
  measured_at: {preamble: "End date: ([0-9]{8})", format: "%Y%m%d"}  # from the text above the table
  impressions: [Views, Impressions]                        # the first that the file has
  engagements: {sum: [num_reactions, num_comments]}        # missing parts count as 0, unless all are missing
  body: {concat: [headline, text], separator: "\\n"}        # missing parts are left out
  title: {coalesce: [link_name, headline]}                 # the first that is filled
  media_type: {column: status_type, values: {photo: image}, default: other}  # default: all others and the missing
  clicks: {column: Clicks, optional: true}                 # may be absent
  channel: {constant: facebook}
features: [Duration]             # further columns known before publication: what patterns and models may learn from
labels: [Campaign]               # the same, as names even where they are digits
results: [Likes]                 # kept, never a feature; so are further columns that are named nowhere
ignore: [num_likes]              # columns to leave out, or `all` that are not used above
```

`published_at` may come from an id that holds its instant: `{column: Post id, instant_from_id: x, else: {column: Date,
format: words, precision: day}}`; where the two disagree by more than a day the date stands. Canonical columns that the
file already has by name need no entry. For the `metrics:` of experiments, and `grain: unit`, see `experiment_metrics`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from tasks.errors import UnknownNameError
from tasks.warehouse.coercion import Clock
from tasks.warehouse.contract import Contract
from tasks.warehouse.errors import MappingError
from tasks.warehouse.experiment_metrics import UNIT, Metrics, as_metrics, what_is_wrong
from tasks.warehouse.origins import NumberStyle, Origin, Scalar, checked_regex, number_rule, origin_of
from tasks.warehouse.reading.header import key
from tasks.warehouse.reading.numbers import NumberRule
from tasks.warehouse.reading.yaml_text import YamlError, YamlText
from tasks.warehouse.reading.zones import known_zone

BESIDE_THE_FILE = ("workspace_id", "experiment_name")  # what the command may say in place of a column
Condition = dict[str, Scalar | list[Scalar | None] | None]


class Refusal(BaseModel):
    """Rows that make a file the wrong one, and the reason."""

    model_config = ConfigDict(extra="forbid")

    where: Condition
    because: str


class Signature(BaseModel):
    """How a preset is recognized by the columns of a file: those it has all of, those it has none of."""

    model_config = ConfigDict(extra="forbid")

    needs: list[str | list[str]]
    without: list[str] = []
    values: dict[str, str] = {}

    @field_validator("values")
    @classmethod
    def _are_regexes(cls, given: dict[str, str]) -> dict[str, str]:
        return {name: checked_regex(text) for name, text in given.items()}


class Mapping(BaseModel):
    """One mapping file; an empty one changes nothing."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: str | None = None
    about: str | None = None
    verified: str | bool = True
    signature: Signature | None = None
    names: dict[str, list[str]] = {}
    encoding: list[str] = []
    table: list[str] = Field(default=[], alias="sheet")
    skip_rows: int = Field(default=0, ge=0, le=10_000)
    skip_until_header: bool = False
    where: Condition = {}
    drop: list[Condition] = []
    totals: Literal["drop"] | None = None
    refuse: list[Refusal] = []
    missing: list[str] = []
    number: NumberStyle | Literal["auto"] | None = None
    timezone: str | None = None
    datetime_format: str | None = None
    pages: str | None = None
    grain: Literal["day", "unit"] | None = None
    id: Literal["derived"] | None = None
    columns: dict[str, Origin] = {}
    features: list[str] = []
    labels: list[str] = []
    results: list[str] = []
    ignore: Literal["all"] | list[str] = []
    metrics: Metrics = {}
    control: str | None = None
    shares: dict[str, float] = {}
    _canonical: list[str | list[str]] = PrivateAttr(default_factory=list)

    @field_validator("columns", mode="before")
    @classmethod
    def _names_are_renames(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            raise ValueError("expected canonical column: its origin, one a line")
        return {name: origin_of(origin) for name, origin in given.items()}

    @field_validator("metrics", mode="before")
    @classmethod
    def _words_are_kinds(cls, given: Any) -> Any:
        return as_metrics(given)

    @model_validator(mode="after")
    def _metrics_fit_the_grain(self) -> Mapping:
        if self.grain == "unit" and not self.metrics:
            raise ValueError("`grain: unit` needs `metrics:`, such as `converted: binary`, one a line")
        problem = what_is_wrong(self.metrics, is_per_unit=self.grain == "unit")
        if problem is not None:
            raise ValueError(problem)
        if self.shares and not all(share > 0 for share in self.shares.values()):
            raise ValueError("shares: expected a number above 0 for each arm")
        return self

    @field_validator("encoding", "table", "missing", "features", "labels", "results", mode="before")
    @classmethod
    def _one_is_a_list(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("drop", mode="before")
    @classmethod
    def _one_condition_is_a_list(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict) else given

    @field_validator("encoding")
    @classmethod
    def _known_encodings(cls, given: list[str]) -> list[str]:
        for name in given:
            try:
                "".encode(name)
            except LookupError as error:
                raise ValueError(
                    f"unknown encoding '{name}', expected such as utf-8, utf-16-le, windows-1252"
                ) from error
        return given

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        return known_zone(zone)

    @field_validator("where", "drop", "refuse")
    @classmethod
    def _conditions_have_regexes(cls, given: Any) -> Any:
        for condition in given if isinstance(given, list) else [given]:
            for wanted in (condition.where if isinstance(condition, Refusal) else condition).values():
                for text in wanted if isinstance(wanted, list) else [wanted]:
                    if is_regex(text):
                        checked_regex(str(text)[1:-1])
        return given

    @property
    def is_preset(self) -> bool:
        """Whether it is for files of one kind that differ in detail: names of absent columns are no mistakes."""
        return self.signature is not None

    @property
    def clock(self) -> Clock:
        """How the file writes instants."""
        return Clock(self.timezone, (self.datetime_format,) if self.datetime_format else ())

    def clock_of(self, name: str) -> Clock:
        """How one canonical column writes instants."""
        origin = self.columns.get(name)
        return self.clock if origin is None else self.clock_from(origin)

    def clock_from(self, origin: Origin) -> Clock:
        """How the values of an origin write instants."""
        formats = tuple(origin.format or ()) or ((self.datetime_format,) if self.datetime_format else ())
        return Clock(origin.timezone or self.timezone, formats, origin.precision == "day")

    def number_of(self, name: str) -> NumberRule:
        """How one canonical column writes numbers."""
        origin = self.columns.get(name)
        return number_rule(origin.number if origin is not None and origin.number is not None else self.number)

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Key of a name in the file → the name used here: other languages, and other cases of a preset's names."""
        known = {key(theirs): ours for ours, names in self.names.items() for theirs in names}
        if self.is_preset:
            known |= {key(ours): ours for ours in self.every_name}
        return known

    @cached_property
    def every_name(self) -> list[str]:
        """All columns that are named anywhere here."""
        signature = [] if self.signature is None else flat(self.signature.needs)
        conditions = [self.where, *self.drop, *(one.where for one in self.refuse)]
        named = [*signature, *self.names, *sorted(self.used), *(name for one in conditions for name in one)]
        return list(dict.fromkeys([*named, *self.features, *self.labels, *self.results]))

    @classmethod
    def of_canonical(cls, contract: Contract) -> Mapping:
        """The mapping that changes nothing, which knows by which columns the header row of a file of ours is found."""
        mapping = cls()
        needed = [name for name in contract.required if name not in BESIDE_THE_FILE]
        mapping._canonical = [[name, *contract.aliases.get(name, ())] for name in needed]
        return mapping

    @property
    def wanted(self) -> Sequence[str | list[str]]:
        """Columns by which the header row is found; of a list of names, one is."""
        if self.signature is not None:
            return self.signature.needs
        named = sorted({name for origin in self.columns.values() for name in origin.needed})
        return named or self._canonical

    @property
    def used(self) -> set[str]:
        """The file's columns that canonical ones are made of."""
        return {name for origin in self.columns.values() for name in origin.sources}

    def names_column(self, name: str) -> bool:
        """Whether one of the file's columns is spoken of anywhere here, if only to leave it out."""
        return name in self.every_name or (self.ignore == "all" or name in self.ignore)

    def attributes(self, available: Iterable[str], canonical: Iterable[str]) -> list[str]:
        """The file's columns that are neither canonical, used nor ignored, in the order of their names."""
        taken = self.used | set(canonical)
        named = {*self.features, *self.labels, *self.results}
        if self.ignore == "all":
            return sorted(name for name in available if name in named - taken)
        return sorted(name for name in available if name not in taken | set(self.ignore))

    def roles(self, attributes: Iterable[str]) -> dict[str, str]:
        """What each attribute may be used for, where that was said."""
        roles = dict.fromkeys(self.results, "result") | dict.fromkeys(self.labels, "label")
        roles |= dict.fromkeys(self.features, "feature")
        return {name: roles[name] for name in attributes if name in roles}

    def bound(self, available: Collection[str], zone: str | None = None, preamble: str = "") -> Mapping:
        """The same for one file: alternatives decided, absent optional columns left out.

        Args:
            available: the file's columns.
            zone: the workspace's, where instants are written by its clock.
            preamble: the text above the table.
        """
        columns = {name: one for name, origin in self.columns.items() if (one := origin.bound(available, preamble))}
        if zone is not None:
            columns = {name: _in_zone(origin, zone) for name, origin in columns.items()}
        there = set(available)
        update: dict[str, Any] = {"columns": columns}
        if zone is not None and self.timezone == "workspace":
            update["timezone"] = zone
        if self.is_preset:
            update |= {name: [one for one in getattr(self, name) if one in there] for name in ROLES}
            update["drop"] = [condition for condition in self.drop if set(condition) <= there]
            update["refuse"] = [one for one in self.refuse if set(one.where) <= there]
            update["where"] = {name: wanted for name, wanted in self.where.items() if name in there}
            update["ignore"] = self.ignore if self.ignore == "all" else [one for one in self.ignore if one in there]
        bound = self.model_copy(update=update)
        for name in ("aliases", "every_name"):
            bound.__dict__.pop(name, None)
        return bound

    def with_constants(self, **constants: str) -> Mapping:
        """The same with some canonical columns set, unless it says itself where they come from."""
        added = {name: Origin(constant=value) for name, value in constants.items() if name not in self.columns}
        return self.model_copy(update={"columns": self.columns | added})

    def in_zone(self, zone: str | None) -> Mapping:
        """The same, with the zone that a person names where it names none; a preset without one needs none."""
        is_open = zone is not None and self.timezone is None and not self.is_preset
        return self.model_copy(update={"timezone": zone}) if is_open else self

    @property
    def needs_workspace_zone(self) -> bool:
        """Whether instants are written by the clock of the workspace, which the file does not name."""
        return self.timezone == "workspace" or any(_zones(origin) for origin in self.columns.values())


ROLES = ("features", "labels", "results")


def _zones(origin: Origin) -> bool:
    nested = [*(origin.first_of or []), *([origin.otherwise] if origin.otherwise is not None else [])]
    return origin.timezone == "workspace" or any(_zones(one) for one in nested)


def _in_zone(origin: Origin, zone: str) -> Origin:
    otherwise = None if origin.otherwise is None else _in_zone(origin.otherwise, zone)
    return origin.model_copy(
        update={"timezone": zone if origin.timezone == "workspace" else origin.timezone, "otherwise": otherwise}
    )


def flat(names: Iterable[str | list[str]]) -> list[str]:
    """Names and lists of alternative names as one list."""
    return [one for name in names for one in ([name] if isinstance(name, str) else name)]


def is_regex(wanted: Any) -> bool:
    """Whether a condition's value is a regular expression: it stands between slashes."""
    return isinstance(wanted, str) and len(wanted) > 1 and wanted.startswith("/") and wanted.endswith("/")


def holds(condition: Condition, columns: Collection[str]) -> pl.Expr:
    """Whether a row meets a condition: for each column one of the values; a column that is not there is empty."""
    return pl.all_horizontal(
        pl.any_horizontal(_is(name, one, name in columns) for one in (wanted if isinstance(wanted, list) else [wanted]))
        for name, wanted in condition.items()
    )


def _is(name: str, wanted: Scalar | None, is_there: bool) -> pl.Expr:
    if not is_there:
        return pl.lit(wanted is None)
    text = pl.col(name).cast(pl.String).str.strip_chars()
    if wanted is None:
        return (text.is_null()) | (text == "")
    if is_regex(wanted):
        return text.str.contains(f"(?i){str(wanted)[1:-1]}").fill_null(False)
    plain = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    return (text.str.to_lowercase() == plain.casefold()).fill_null(False)


def load_mapping(path: Path | None, contract: Contract) -> Mapping:
    """Read a mapping file for a kind; None is the mapping that changes nothing.

    Raises:
        MappingError: if it cannot be read, is no YAML, or is not such a mapping; the message names line and key.
    """
    if path is None:
        return Mapping.of_canonical(contract)
    mapping, text = parsed(path)
    if mapping.kind not in (None, contract.kind):
        raise MappingError(path, f"it is for kind '{mapping.kind}', not '{contract.kind}'")
    if mapping.metrics and contract.kind != "experiments":
        raise MappingError(path, f"`metrics:` is for experiments, not for {contract.kind}")
    known = [*contract.columns, *([UNIT] if mapping.grain == "unit" else [])]
    for name in mapping.columns:
        if name not in known:
            unknown = UnknownNameError(f"column of {contract.kind}", name, known)
            raise MappingError(path, f"{_place(text, ('columns', name))}{unknown}")
    return mapping


def require_columns(mapping: Mapping, mapping_path: Path | None, file: Path, available: Iterable[str]) -> None:
    """Raise `MappingError` if the mapping names a column that the file does not have."""
    there = list(available)
    if mapping.is_preset:
        return
    needed = {name for origin in mapping.columns.values() for name in origin.needed}
    needed |= {*mapping.features, *mapping.labels, *mapping.results, *mapping.where}
    needed |= {name for condition in mapping.drop for name in condition}
    needed |= set() if mapping.ignore == "all" else set(mapping.ignore)
    needed |= set() if mapping.pages is None else {mapping.pages}
    for name in sorted(needed):
        if name not in there:
            assert mapping_path is not None, "only a mapping file names columns"
            raise MappingError(mapping_path, str(UnknownNameError(f"column of {file}", name, there)))


def parsed(path: Path) -> tuple[Mapping, YamlText]:
    """The mapping in a file, and its text for messages.

    Raises:
        MappingError: if it cannot be read, is no YAML, or is not such a mapping; the message names line and key.
    """
    try:
        text = YamlText(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise MappingError(path, "is not UTF-8; expected `columns:` and below it `canonical: theirs`") from error
    except YamlError as error:
        known = str(error).startswith("is not YAML")
        hint = "; expected `columns:` and below it `canonical: theirs`" if known else ""
        raise MappingError(path, f"{error}{hint}") from error
    if not isinstance(text.value, dict):
        raise MappingError(path, "expected `columns:` and below it `canonical: theirs`, one a line")
    try:
        return Mapping.model_validate(text.value), text
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: len(one["loc"]))
        place = [part for part in first["loc"] if part not in ("function-before", "list[str]")]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            keys = [field.alias or name for name, field in Mapping.model_fields.items()]
            message = str(UnknownNameError("key", where, keys))
            raise MappingError(path, f"{_place(text, place)}{message}") from error
        raise MappingError(path, f"{_place(text, place)}{where}: {message}") from error


def _place(text: YamlText, place: Iterable[int | str]) -> str:
    line = text.line_of(list(place))
    return "" if line is None else f"line {line}: "
