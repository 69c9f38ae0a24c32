"""One batch against its contract: the rows that may be written, typed, and the others with their reasons. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandera.errors
import polars as pl

from tasks.warehouse.batches import ROW, SHOWN, Batch
from tasks.warehouse.coercion import coerce
from tasks.warehouse.contract import LONGEST_TEXT_BYTES, Contract
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.rejects import SCHEMA

ATTRIBUTE = "attribute:"
UNKNOWN_WORKSPACE = "unknown workspace, ingest it first with `raptorflow ingest workspaces FILE`"


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows that passed (canonical columns typed, attributes as `attribute:<name>`, `ROW`), and those that did not."""

    passed: pl.DataFrame
    rejects: pl.DataFrame


def check(batch: Batch, contract: Contract, mapping: Mapping, workspaces: Collection[str] | None) -> Checked:
    """Judge the rows of a batch; `workspaces` are those that content may belong to, None when any id will do."""
    written = _mapped(batch.rows, contract, mapping)
    typed, problems = _typed(written, contract, mapping)
    problems += [_missing(typed, contract), _judged(typed, contract), *_broken_rules(typed, contract)]
    problems += [_too_long(typed)]
    if workspaces is not None:
        known = pl.col("workspace_id").is_in(list(workspaces))
        problems.append(_problem(typed, "workspace_id", ~known, UNKNOWN_WORKSPACE))
    found = pl.concat(problems).unique(["row", "column"], keep="first", maintain_order=True).sort("row")
    rejects = pl.concat([_with_values(found, written), _no_rows(batch)]).sort("row")
    return Checked(typed.filter(~pl.col(ROW).is_in(found["row"].implode())), rejects)


def _mapped(rows: pl.DataFrame, contract: Contract, mapping: Mapping) -> pl.DataFrame:
    absent = [name for name in mapping.used if name not in rows.columns]  # a later batch of JSON Lines
    rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
    canonical = [
        mapping.columns[name].expression().alias(name)
        if name in mapping.columns
        else (pl.col(name) if name in rows.columns else pl.lit(None, pl.String).alias(name))
        for name in contract.columns
    ]
    others = mapping.attributes((name for name in rows.columns if name != ROW), contract.columns)
    return rows.select(ROW, *canonical, *(pl.col(name).alias(ATTRIBUTE + name) for name in others))


def _typed(written: pl.DataFrame, contract: Contract, mapping: Mapping) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    typed, problems = {}, []
    for name, column in contract.columns.items():
        typed[name], lost, expected = coerce(written[name], column, mapping.clock)
        problems.append(_rejects(written.filter(lost)[ROW], name, expected))
    return written.with_columns(**typed), problems


def _missing(typed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    return pl.concat(_problem(typed, name, pl.col(name).is_null(), "missing") for name in contract.required)


def _judged(typed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    try:
        contract.schema.validate(typed.select(*contract.columns), lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        rows = typed[ROW].gather(cases["index"].cast(pl.Int64))
        return pl.DataFrame({"row": rows, "column": cases["column"], "reason": cases["check"]})
    return _rejects(typed[ROW].clear(), "", "")


def _broken_rules(typed: pl.DataFrame, contract: Contract) -> list[pl.DataFrame]:
    return [_problem(typed, rule.column, rule.broken, rule.reason) for rule in contract.row_rules]


def _too_long(typed: pl.DataFrame) -> pl.DataFrame:
    names = [n for n in typed.columns if n.startswith(ATTRIBUTE) and typed.schema[n] == pl.String]
    if not names:
        return _rejects(typed[ROW].clear(), "", "")
    too_long = pl.any_horizontal(pl.col(name).str.len_bytes() > LONGEST_TEXT_BYTES for name in names)
    return _problem(typed, "attributes", too_long, "longer than 1 MiB")


def _problem(typed: pl.DataFrame, column: str, broken: pl.Expr, reason: str) -> pl.DataFrame:
    return _rejects(typed.filter(broken.fill_null(False))[ROW], column, reason)


def _rejects(rows: pl.Series, column: str, reason: str) -> pl.DataFrame:
    return rows.alias("row").to_frame().with_columns(pl.lit(column).alias("column"), pl.lit(reason).alias("reason"))


def _with_values(found: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    """Beside each reason the value as it stood in the file, shortened, control characters made visible."""
    concerned = written.filter(pl.col(ROW).is_in(found["row"].implode()))
    parts = [
        part.join(concerned.select(pl.col(ROW).alias("row"), _shown(column).alias("value")), on="row", how="left")
        if (column := part["column"][0]) in concerned.columns
        else part.with_columns(pl.lit(None, pl.String).alias("value"))
        for part in found.partition_by("column")
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *(part.select(*SCHEMA) for part in parts)])


def _shown(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String, strict=False)
    return text.str.slice(0, SHOWN).str.replace_all(r"[\p{Cc}\u{2028}-\u{202E}\u{2066}-\u{2069}]", "\ufffd")


def _no_rows(batch: Batch) -> pl.DataFrame:
    lines = [{"row": line.row, "column": "(row)", "reason": line.reason, "value": line.text} for line in batch.broken]
    return pl.DataFrame(lines, schema=SCHEMA)
