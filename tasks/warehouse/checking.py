"""One batch against its contract: the rows that may be written, typed, and the others with their reasons. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from tasks.plain_text import ACTING
from tasks.warehouse.batches import ATTRIBUTE, ROW, SHOWN, Batch
from tasks.warehouse.calendar_range import printable
from tasks.warehouse.coercion import Coerced, coerce
from tasks.warehouse.contract import LONGEST_TEXT_BYTES, Column, Contract, RowRule
from tasks.warehouse.keys import derived, hashed_addresses
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.origins import Origin
from tasks.warehouse.reading.instants import agreeing, from_ids, nothing
from tasks.warehouse.rejects import SCHEMA

DAY_ONLY = "day_only"
UNKNOWN_WORKSPACE = "unknown workspace, ingest it first with `raptorflow ingest workspaces FILE`"


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows that passed (canonical columns typed, attributes as `attribute:<name>`, `ROW`), and those that did not.

    `DAY_ONLY` says of which rows the day is known and not the hour, where a kind asks for it.
    """

    passed: pl.DataFrame
    rejects: pl.DataFrame


def check(batch: Batch, contract: Contract, mapping: Mapping, workspaces: Collection[str] | None) -> Checked:
    """Judge the rows of a batch; `workspaces` are those that content may belong to, None when any id will do."""
    rows = _with_absent(batch.rows, mapping)
    written = _mapped(rows, contract, mapping)
    typed, problems = _typed(written, rows, contract, mapping)
    problems += [_missing(typed, contract), *_broken(typed, [*contract.checks, *contract.row_rules])]
    problems += [_too_long(typed)]
    if workspaces is not None:
        known = pl.col("workspace_id").is_in(list(workspaces))
        problems.append(_problem(typed, "workspace_id", ~known, UNKNOWN_WORKSPACE))
    reasons = pl.concat(problems).unique(["row", "column"], keep="first", maintain_order=True).sort("row")
    rejects = pl.concat([_with_values(reasons, written), _no_rows(batch)]).sort("row")
    return Checked(typed.filter(~pl.col(ROW).is_in(reasons["row"].implode())), rejects)


def _with_absent(rows: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """The rows with all columns that the mapping uses: a later batch of JSON Lines may lack some."""
    absent = sorted(name for name in mapping.used if name not in rows.columns)
    return rows.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)


def _mapped(rows: pl.DataFrame, contract: Contract, mapping: Mapping) -> pl.DataFrame:
    there = set(rows.columns)
    canonical = [
        mapping.columns[name].expression().alias(name)
        if name in mapping.columns
        else (pl.col(name) if name in there else pl.lit(None, pl.String).alias(name))
        for name in contract.columns
    ]
    others = mapping.attributes((name for name in rows.columns if name != ROW), contract.columns)
    return rows.select(ROW, *canonical, *(pl.col(name).alias(ATTRIBUTE + name) for name in others))


def _typed(
    written: pl.DataFrame, rows: pl.DataFrame, contract: Contract, mapping: Mapping
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    typed, problems = dict[str, pl.Series](), []
    for name, column in contract.columns.items():
        origin = mapping.columns.get(name)
        if origin is not None and origin.instant_from_id is not None:
            read = _from_id(written[name], rows, origin, column, mapping)
        else:
            read = coerce(written[name], column, mapping.clock_of(name))
        typed[name] = read.values.alias(name)
        problems.append(_rejects(written.filter(read.lost)[ROW], name, read.expected))
        if name == contract.hours_of:
            days = read.days if read.days is not None else nothing(read.values, pl.Boolean())
            typed[DAY_ONLY] = days.fill_null(False).alias(DAY_ONLY)
    return _with_keys(written.with_columns(**typed), contract, mapping), problems


def _from_id(ids: pl.Series, rows: pl.DataFrame, origin: Origin, column: Column, mapping: Mapping) -> Coerced:
    """The moment an id holds where it agrees with the date beside it, else the date."""
    assert origin.instant_from_id is not None
    moments = from_ids(ids, origin.instant_from_id)
    if origin.otherwise is None:
        return Coerced(moments, ids.is_not_null() & moments.is_null(), "expected an id that holds its instant", None)
    other = rows.select(origin.otherwise.expression().alias(ids.name))[ids.name]
    date = coerce(other, column, mapping.clock_from(origin.otherwise))
    moments = agreeing(moments, date.values)
    days = (date.days if date.days is not None else nothing(moments, pl.Boolean())).fill_null(False)
    values = moments.fill_null(date.values)
    lost = (ids.is_not_null() | other.is_not_null()) & values.is_null()
    return Coerced(values, lost, f"expected an id that holds its instant, or {date.expected}", days & moments.is_null())


def _with_keys(typed: pl.DataFrame, contract: Contract, mapping: Mapping) -> pl.DataFrame:
    """Keys made where a file has none, and web addresses that are too long for one hashed and kept beside it."""
    if mapping.id == "derived" and "content_id" in contract.keys:
        typed = typed.with_columns(derived(typed))
    if not contract.keeps_attributes:
        return typed
    key = contract.keys[-1]
    hashed = hashed_addresses(typed[key])
    if hashed.null_count() == len(hashed):
        return typed
    name = f"{ATTRIBUTE}url" if f"{ATTRIBUTE}url" not in typed.columns else f"{ATTRIBUTE}{key} as written"
    address = pl.when(hashed.is_not_null()).then(pl.col(key)).alias(name)
    return typed.with_columns(address, hashed.fill_null(typed[key]).alias(key))


def _missing(typed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    return pl.concat(_problem(typed, name, pl.col(name).is_null(), "missing") for name in contract.required)


def _broken(typed: pl.DataFrame, rules: Sequence[RowRule]) -> list[pl.DataFrame]:
    """Rejects by rule; all masks are computed at once, most of them are empty."""
    masks = typed.select(rule.broken.fill_null(False).alias(str(place)) for place, rule in enumerate(rules))
    return [
        _rejects(typed.filter(mask)[ROW], rule.column, rule.reason)
        for mask, rule in zip(masks.iter_columns(), rules, strict=True)
        if mask.any()
    ]


def _too_long(typed: pl.DataFrame) -> pl.DataFrame:
    schema = typed.schema  # made anew whenever it is asked for, which takes long for thousands of columns
    names = [name for name in schema.names() if name.startswith(ATTRIBUTE) and schema[name] == pl.String]
    longest = typed.select(pl.col(names).str.len_bytes().max() > LONGEST_TEXT_BYTES)
    long = [name for name, is_long in zip(names, longest.row(0), strict=True) if is_long] if names else []
    if not long:
        return _rejects(typed[ROW].clear(), "", "")
    too_long = pl.any_horizontal(pl.col(name).str.len_bytes() > LONGEST_TEXT_BYTES for name in long)
    return _problem(typed, "attributes", too_long, "longer than 1 MiB")


def _problem(typed: pl.DataFrame, column: str, broken: pl.Expr, reason: str) -> pl.DataFrame:
    return _rejects(typed.filter(broken.fill_null(False))[ROW], column, reason)


def _rejects(rows: pl.Series, column: str, reason: str) -> pl.DataFrame:
    return rows.alias("row").to_frame().with_columns(pl.lit(column).alias("column"), pl.lit(reason).alias("reason"))


def _with_values(reasons: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    """Beside each reason the value as it stood in the file, shortened, control characters made visible."""
    concerned = written.filter(pl.col(ROW).is_in(reasons["row"].implode()))
    parts = [
        part.join(concerned.select(pl.col(ROW).alias("row"), _shown(concerned, column)), on="row", how="left")
        if (column := part["column"][0]) in concerned.columns
        else part.with_columns(pl.lit(None, pl.String).alias("value"))
        for part in reasons.partition_by("column")
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *(part.select(*SCHEMA) for part in parts)])


def _shown(concerned: pl.DataFrame, column: str) -> pl.Expr:
    text = printable(column, concerned.schema[column]).str.slice(0, SHOWN)
    return text.str.replace_all(ACTING, "\ufffd").alias("value")


def _no_rows(batch: Batch) -> pl.DataFrame:
    lines = [{"row": line.row, "column": "(row)", "reason": line.reason, "value": line.text} for line in batch.broken]
    return pl.DataFrame(lines, schema=SCHEMA)
