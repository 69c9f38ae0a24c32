"""What each kind of file must hold, as data: its columns, what a value may be, and the reason given when it is not.

`coercion` gives values their types, then the checks judge them: polars expressions, whose masks are the rows refused.
Limits are those of `schema.py`'s columns, so that what passes here fits both databases; beyond them:

- ids: 1–128 characters, no control or direction-changing character, no `..` path segment
- texts: at most 1 MiB each (a longer one is a dump, not a post), no NUL (PostgreSQL cannot store it)
- instants: from 1990 on (what is older is an epoch of 0 or a spreadsheet's day 1) and at most a day ahead of this
  machine's clock: what is not yet published has no results
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import polars as pl

from tasks.errors import UnknownNameError
from tasks.plain_text import ACTING

if TYPE_CHECKING:
    from tasks.warehouse.schema import Base

LONGEST_TEXT_BYTES = 1 << 20
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LARGEST_COUNT = 10**15
LARGEST_VALUE = 1e70  # its fourth power, which errors of variances are made of, is still a number
LATEST_AHEAD = timedelta(days=1)
EXPECTED = f"expected an instant between {EARLIEST:%Y} and tomorrow"
SUM_TOLERANCE = 1e-9  # relative: sums of floats may have been added in another order

TEXT, COUNT, NUMBER, INSTANT, BOOLEAN = pl.String(), pl.Int64(), pl.Float64(), pl.Datetime("us", "UTC"), pl.Boolean()


@dataclass(frozen=True)
class Check:
    """A condition on the values of one column, and the reason given where it does not hold; nulls always pass."""

    holds: Callable[[pl.Expr], pl.Expr]
    reason: str


@dataclass(frozen=True)
class Column:
    """One canonical column: its type, whether a row needs it, and the checks a present value must pass."""

    dtype: pl.DataType
    required: bool = False
    checks: tuple[Check, ...] = ()
    trimmed: bool = False
    default: str | bool | None = None


@dataclass(frozen=True)
class RowRule:
    """A condition between columns that makes a row wrong, the column to blame, and the reason."""

    column: str
    broken: pl.Expr
    reason: str


@dataclass(frozen=True)
class Contract:
    """One kind of file.

    Attributes:
        kind: its name.
        table_name: of the class in `schema.py` whose rows they become; looking at a file needs no database.
        keys: columns that say which row it is.
        columns: canonical columns by name.
        keeps_attributes: whether other columns are kept (as `attributes`, features only where a mapping says so), or an
            error.
        row_rules: what must not be between the columns of one row.
        is_log: whether rows may repeat, as events do; they are counted once and not refused (`experiment_logs`).
        aliases: what a column is also called in files, where they have none of its own name.
        hours_of: the column whose hour is a feature, so that a day without one must be told.
    """

    kind: str
    table_name: str
    keys: list[str]
    columns: Mapping[str, Column]
    keeps_attributes: bool = False
    row_rules: tuple[RowRule, ...] = ()
    hours_of: str | None = None
    is_log: bool = False
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def table(self) -> type[Base]:
        """Where its rows go."""
        from tasks.warehouse import schema

        table: type[Base] = getattr(schema, self.table_name)
        return table

    @property
    def required(self) -> list[str]:
        """Columns a file must have."""
        return [name for name, column in self.columns.items() if column.required]

    @property
    def checks(self) -> list[RowRule]:
        """What must not be in each column; made anew for each batch, because "tomorrow" moves."""
        return [
            RowRule(name, ~check.holds(pl.col(name)), check.reason)
            for name, column in self.columns.items()
            for check in column.checks
        ]


def contract_of(kind: str) -> Contract:
    """The contract of a kind.

    Raises:
        UnknownNameError: if there is no such kind.
    """
    if kind not in CONTRACTS:
        raise UnknownNameError("kind", kind, CONTRACTS)
    return CONTRACTS[kind]


def _shorter_than(limit: int) -> Check:
    return Check(lambda value: value.str.len_chars() <= limit, f"longer than {limit} characters")


def _one_of(*choices: str) -> Check:
    return Check(lambda value: value.is_in(choices), f"expected one of {', '.join(choices)}")


NO_CONTROL = Check(
    lambda value: ~value.str.contains(ACTING),
    "holds a control character",
)
NO_PATH = Check(lambda value: ~value.str.contains(r"(^|[/\\])\.\.([/\\]|$)"), "holds the path segment '..'")
NOT_NEGATIVE = Check(lambda value: value >= 0, "negative, expected 0 or more")
POSITIVE = Check(lambda value: value > 0, "expected more than 0")
SHARE = Check(lambda value: (value > 0) & (value <= 1), "expected a share of the units, more than 0 and at most 1")
SQUARES_NEEDED = "needed for the variance: the sum of each unit's value times itself; or give one row a unit"
NO_ID = Check(lambda value: value <= LARGEST_COUNT, "more than 10^15, expected a count (this looks like an id)")
PLAUSIBLE = (
    Check(lambda value: value >= EARLIEST, f"before {EARLIEST:%Y}, {EXPECTED}"),
    Check(lambda value: value <= datetime.now(UTC) + LATEST_AHEAD, f"more than a day in the future, {EXPECTED}"),
)
STORABLE = (
    Check(lambda value: value.str.len_bytes() <= LONGEST_TEXT_BYTES, "longer than 1 MiB"),
    Check(lambda value: ~value.str.contains("\x00", literal=True), "holds a NUL character"),
)
DECLARED = Check(
    lambda value: value.str.contains(r"^\s*\w+\s*=\s*[^;=]+(;\s*\w+\s*=\s*[^;=]+)*;?\s*$"),
    "expected what the arm changes, such as 'media_type=video; emoji_count=1'",
)
ZONE = Check(
    lambda value: value.is_in(sorted(available_timezones())), "unknown timezone, expected an IANA name (Europe/Berlin)"
)

ID = Column(TEXT, True, (_shorter_than(128), NO_CONTROL, NO_PATH), trimmed=True)
LABEL = Column(TEXT, checks=(_shorter_than(64), NO_CONTROL), trimmed=True)
WORDS = Column(TEXT, checks=STORABLE)
COUNTED = Column(COUNT, checks=(NOT_NEGATIVE, NO_ID))
MEASURED = Column(INSTANT, checks=PLAUSIBLE)
YES_NO = Column(BOOLEAN, required=True)


def _required(column: Column) -> Column:
    return replace(column, required=True)


WORKSPACES = Contract(
    "workspaces",
    "Workspace",
    ["workspace_id"],
    {
        "workspace_id": ID,
        "name": Column(TEXT, True, (_shorter_than(256), NO_CONTROL), trimmed=True),
        "industry": _required(LABEL),
        "size": Column(TEXT, True, (_one_of("smb", "mid", "enterprise"),), trimmed=True),
        "timezone": Column(TEXT, checks=(ZONE,), trimmed=True, default="UTC"),
        "organisation_id": replace(ID, required=False),
        "shares_insights": Column(BOOLEAN, default=True),
    },
)

CONTENT = Contract(
    "content",
    "Content",
    ["workspace_id", "content_id"],
    {
        "workspace_id": ID,
        "content_id": ID,
        "content_type": _required(LABEL),
        "channel": _required(LABEL),
        "published_at": _required(MEASURED),
        "title": WORDS,
        "body": WORDS,
        "media_type": LABEL,
        "impressions": COUNTED,
        "engagements": COUNTED,
        "clicks": COUNTED,
        "conversions": Column(NUMBER, checks=(NOT_NEGATIVE,)),
        "audience_size": COUNTED,
        "tone": LABEL,
        "sentiment": LABEL,
        "topic": LABEL,
        "measured_at": MEASURED,
    },
    keeps_attributes=True,
    hours_of="published_at",
)

TOUCHES = Contract(
    "touches",
    "Touch",
    ["workspace_id", "touch_id"],
    {
        "workspace_id": ID,
        "touch_id": ID,
        "occurred_at": _required(MEASURED),
        "channel": _required(LABEL),
        "content_id": replace(ID, required=False),
        "converted": YES_NO,
    },
    keeps_attributes=True,
)

_N, _SUM, _SQUARES, _KIND = pl.col("n"), pl.col("sum"), pl.col("sum_of_squares"), pl.col("metric_kind")
_SMALLEST_SQUARES = _SUM**2 / _N * (1 - SUM_TOLERANCE)

EXPERIMENTS = Contract(
    "experiments",
    "ExperimentArm",
    ["workspace_id", "experiment_name", "variant_name", "metric_name"],
    {
        "workspace_id": ID,
        "experiment_name": ID,
        "variant_name": ID,
        "metric_name": _required(LABEL),
        "metric_kind": Column(TEXT, True, (_one_of("binary", "rate", "continuous", "count"),), trimmed=True),
        "n": _required(COUNTED),
        "sum": Column(NUMBER, required=True),
        "sum_of_squares": Column(NUMBER, checks=(NOT_NEGATIVE,)),
        "is_control": YES_NO,
        "started_at": MEASURED,
        "direction": Column(TEXT, checks=(_one_of("increase", "decrease"),), trimmed=True, default="increase"),
        "share": Column(NUMBER, checks=(SHARE,)),
        "title": WORDS,
        "body": WORDS,
        "changes": Column(TEXT, checks=(*STORABLE, DECLARED)),
    },
    row_rules=(
        RowRule("sum", (_KIND == "binary") & ((_SUM > _N) | (_SUM < 0)), "binary: expected 0 ≤ sum ≤ n"),
        RowRule("sum", (_KIND == "count") & (_SUM < 0), "count: negative, expected 0 or more"),
        RowRule("sum", (_N == 0) & (_SUM != 0), "n is 0, so sum must be 0"),
        RowRule("sum_of_squares", (_KIND == "binary") & _SQUARES.is_not_null(), "binary: sum says it all, leave empty"),
        RowRule("sum_of_squares", (_KIND == "continuous") & _SQUARES.is_null(), f"continuous: {SQUARES_NEEDED}"),
        RowRule("sum_of_squares", (_KIND == "count") & _SQUARES.is_null(), f"count: {SQUARES_NEEDED}"),
        RowRule("sum_of_squares", (_KIND == "rate") & _SQUARES.is_null(), f"rate: {SQUARES_NEEDED}"),
        RowRule("sum_of_squares", (_N > 0) & (_SQUARES < _SMALLEST_SQUARES), "less than sum² / n, which cannot be"),
    ),
)

UNIT_ID = Column(TEXT, True, (_shorter_than(256), NO_CONTROL), trimmed=True)
UNIT_NAMES = ("unit", "user", "user_id", "visitor_id", "anonymous_id")
SQUARABLE = Check(lambda value: value.abs() <= LARGEST_VALUE, "more than 10^70, expected an outcome")

EXPOSURES = Contract(
    "exposures",
    "Exposure",
    ["workspace_id", "experiment_name", "unit_id", "variant_name"],
    {
        "workspace_id": ID,
        "experiment_name": ID,
        "unit_id": UNIT_ID,
        "variant_name": ID,
        "exposed_at": _required(MEASURED),
    },
    is_log=True,
    aliases={
        "unit_id": UNIT_NAMES,
        "variant_name": ("variant", "variation", "variation_id", "arm", "group"),
        "exposed_at": ("time", "timestamp", "exposure_time", "first_exposure"),
    },
)

OUTCOMES = Contract(
    "outcomes",
    "LoggedOutcome",
    ["workspace_id", "experiment_name", "unit_id", "metric_name", "key"],
    {
        "workspace_id": ID,
        "experiment_name": ID,
        "unit_id": UNIT_ID,
        "metric_name": _required(LABEL),
        "key": replace(ID, required=False),
        "value": Column(NUMBER, True, (SQUARABLE,)),
        "denominator": Column(NUMBER, checks=(SQUARABLE, POSITIVE)),
        "occurred_at": _required(MEASURED),
    },
    is_log=True,
    aliases={
        "unit_id": UNIT_NAMES,
        "metric_name": ("metric", "event", "event_name"),
        "value": ("outcome",),
        "occurred_at": ("time", "timestamp", "event_time"),
    },
)

CONTRACTS = {contract.kind: contract for contract in (WORKSPACES, CONTENT, TOUCHES, EXPERIMENTS, EXPOSURES, OUTCOMES)}
