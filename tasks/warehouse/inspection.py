"""What a file is and how it would be read, from its beginning alone; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.warehouse.batches import ROW, Batch, another_header, rows_of_data
from tasks.warehouse.checking import DAY_ONLY, check
from tasks.warehouse.coercion import NO_ZONE
from tasks.warehouse.contract import Contract, contract_of
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.experiment_design import contract_for, design_of, settled, with_metrics
from tasks.warehouse.grain import summed
from tasks.warehouse.mapping import Mapping, load_mapping
from tasks.warehouse.mapping_suggestions import Suggestion, suggestions
from tasks.warehouse.presets import Fit, best_fits, fit, nearest, preset_named, presets
from tasks.warehouse.reading.containers import Container, chosen, containers, likeliest_encoding
from tasks.warehouse.reading.excel_rows import read_sheet
from tasks.warehouse.reading.header import Header, Heads, looks_like_values, our_names, unique_names
from tasks.warehouse.reading.json_rows import first_json_rows
from tasks.warehouse.reading.number_columns import NumberColumns
from tasks.warehouse.reading.pages import has_pages, with_pages
from tasks.warehouse.reading.selection import select_rows
from tasks.warehouse.reading.text_rows import head_of
from tasks.warehouse.reading.zones import require_zone
from tasks.warehouse.sources import Head, Located, located_in, sheet_head
from tasks.warehouse.staging import number_columns

HEAD_ROWS, SHOWN_ROWS = 200, 5
DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
INSTANTS = ("published_at", "occurred_at", "started_at")


@dataclass(frozen=True)
class ColumnUse:
    """One column of a file: what becomes of it, and why."""

    column: str
    role: str
    becomes: str


@dataclass(frozen=True)
class Inspection:
    """What was seen at the beginning of a file.

    Attributes:
        path: the file.
        container: how it is packed and written.
        encoding: of its text.
        table: which of its tables; the others are in `left_out`.
        header_line: line of the header, from 1; None where the kind of file has none.
        columns: how many there are.
        preset: the one that fits, or was asked for; None where none or several do.
        why: why it fits, or what the nearest lack.
        zone: by whose clock its times are.
        rows: the first rows as they would be read.
        uses: what becomes of each column.
        left_out: what is not read, and why.
        problems: what would stop it.
        suggestions: where no preset fits, which of its columns could be which of ours.
        next_command: how to go on.
    """

    path: Path
    container: str
    encoding: str
    table: str
    header_line: int | None
    columns: int
    preset: str | None
    why: list[str]
    zone: str
    rows: list[dict[str, Any]]
    uses: list[ColumnUse]
    left_out: list[str]
    problems: list[str]
    next_command: str
    suggestions: dict[str, Suggestion]
    mapping: Mapping = field(repr=False, default_factory=Mapping)


def inspect_file(
    path: Path,
    kind: str = "content",
    *,
    mapping: Path | None = None,
    preset: str | None = None,
    timezone: str | None = None,
) -> Inspection:
    """Look at the beginning of a file.

    Args:
        path: the file.
        kind: what its rows are.
        mapping: a mapping file to try; None looks for a preset.
        preset: a preset to try.
        timezone: zone of the account that exported it.

    Raises:
        InputError: if it is no table, or the mapping is wrong.
    """
    require_zone(timezone)
    contract = contract_of(kind)
    heads = _heads(path, load_mapping(mapping, contract).encoding if mapping else ())
    fits = fits_of(heads, kind)
    name = preset
    if mapping is None and preset is None and not _is_canonical(heads, contract):
        best = best_fits(fits)
        name = best[0].preset.name if len(best) == 1 else None
    used = load_mapping(preset_named(name).path if name else mapping, contract)
    located, others = _chosen(heads, used)
    return _seen(path, contract, located, others, used, name, fits, timezone)


def matching_preset(path: Path, kind: str) -> str | None:
    """The one preset that fits a file whose own columns are not the canonical ones; None where none or several do."""
    heads = _heads(path, ())
    if _is_canonical(heads, contract_of(kind)):
        return None
    best = best_fits(fits_of(heads, kind))
    return best[0].preset.name if len(best) == 1 else None


def require_fit(path: Path, kind: str, preset: str) -> None:
    """Raise `BadFileError` where a file is not the named preset's but another's alone: it would be read wrong."""
    named = preset_named(preset)
    if named.mapping.kind not in (None, kind) or named.mapping.signature is None:
        return
    heads = _heads(path, named.mapping.encoding)
    fits = fits_of(heads, kind)
    named_fit = next((one for one in fits if one.preset.name == preset), None)
    best = best_fits(fits)
    if named_fit is None or named_fit.fits or len(best) != 1:
        return
    if best[0].preset.mapping.grain == "day" and named.mapping.refuse:
        return  # a daily breakdown is refused by the preset itself, in its own words
    other = best[0].preset.name
    problem = f"is no export that preset '{preset}' reads ({named_fit.difference}), but one of '{other}'"
    raise BadFileError(path, f"{problem}; say --preset {other}")


def _heads(path: Path, encodings: Sequence[str]) -> list[Head]:
    try:
        tables = containers(path, encodings or ["utf-8"])
    except BadFileError:
        if not path.is_file():
            raise
        guess = likeliest_encoding(path.open("rb").read(1 << 16))
        if encodings or guess is None:
            raise
        tables = containers(path, ["utf-8", guess])
    return [_head(table) for table in tables]


def _head(table: Container) -> Head:
    if table.kind == "text":
        return Head(table, Heads.of(head_of(table)))
    if table.kind == "excel":
        cells = read_sheet(table.path, table.opener, table.name)
        return Head(table, sheet_head(cells), cells)
    rows = first_json_rows(table, HEAD_ROWS) if table.kind == "json" else _first_parquet_rows(table)
    return Head(table, Heads({}), rows)


def _first_parquet_rows(table: Container) -> pl.DataFrame:
    try:
        return pl.read_parquet(table.opener().read() if table.packing else table.path, n_rows=HEAD_ROWS)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadFileError(table.path, "is not a Parquet file, or was cut short") from error


def fits_of(heads: Sequence[Head], kind: str) -> list[Fit]:
    """How well each preset fits the file, by the table that it fits best."""
    return [
        min((_fit(head, preset) for head in heads), key=lambda one: (len(one.missing), len(one.unwelcome), -one.known))
        for preset in presets(kind)
    ]


def _fit(head: Head, preset: Any) -> Fit:
    located = located_in(head, preset.mapping) if head.heads.rows else Located(head.table, None, head.cells)
    rows = _rows_of(head, located.header)
    return fit(preset, [name for name in rows.columns if name != ROW], rows)


def _rows_of(head: Head, header: Header | None) -> pl.DataFrame:
    """The first rows below a header, with their numbers."""
    if header is None:
        assert head.cells is not None
        rows = head.cells.head(HEAD_ROWS)
        return rows if ROW in rows.columns else rows.with_row_index(ROW, 1).with_columns(pl.col(ROW).cast(pl.Int64))
    width = len(header.names)
    below = [row for row in head.heads.rows.get(header.delimiter, []) if row.line >= header.row.end]
    cells = [row.cells for row in below if any(row.cells)][:HEAD_ROWS]
    whole = [(place, row) for place, row in enumerate(cells, 1) if len(row) == width]
    columns = {name: [row[i] or None for _, row in whole] for i, name in enumerate(header.names)}
    rows = pl.DataFrame(columns, schema=dict.fromkeys(header.names, pl.String))
    numbered = rows.with_columns(pl.Series(ROW, [place for place, _ in whole], dtype=pl.Int64))
    return rows_of_data(numbered, header.names, header.row.cells)


def _is_canonical(heads: Sequence[Head], contract: Contract) -> bool:
    """Whether the file has the columns it needs by their canonical names."""
    needed = set(contract.required) - {"workspace_id"}
    ours = Mapping.of_canonical(contract)
    headers = [located_in(head, ours).header if head.heads.rows else None for head in heads]
    return any(needed <= {*_rows_of(head, header).columns} for head, header in zip(heads, headers, strict=True))


def _chosen(heads: Sequence[Head], mapping: Mapping) -> tuple[tuple[Head, Located], list[str]]:
    """The table that the mapping is about, the largest where none fits, and the names of the others."""
    kept = chosen(heads[0].table.path, [head.table for head in heads], mapping.table)
    pairs = [(head, located_in(head, mapping) if head.heads.rows else Located(head.table, None, head.cells))
             for head in heads if head.table in kept]  # fmt: skip
    best = max(pairs, key=lambda pair: (pair[1].fits, len(pair[1].header.names) if pair[1].header else 0))
    return best, [head.table.name for head in heads if head.table is not best[0].table]


def _seen(
    path: Path,
    contract: Contract,
    place: tuple[Head, Located],
    others: list[str],
    mapping: Mapping,
    preset: str | None,
    fits: Sequence[Fit],
    timezone: str | None,
) -> Inspection:
    head, located = place
    rows, header = _rows_of(head, located.header), located.header
    other = None if header is None else another_header(rows, header.names, header.row.cells)
    names, _ = unique_names(our_names([name for name in rows.columns if name != ROW], mapping.aliases))
    rows = rows.rename(dict(zip([name for name in rows.columns if name != ROW], names, strict=True)))
    if mapping.pages in rows.columns and has_pages(located.table):
        rows = next(with_pages(iter([Batch(rows)]), located.table, mapping.pages)).rows
    columns = [name for name in rows.columns if name != ROW]
    preamble = "\n".join(header.preamble) if header is not None else ""
    mapping = mapping.in_zone(timezone)
    bound = mapping.with_constants(workspace_id="(your workspace)").bound(columns, timezone or "UTC", preamble)
    if mapping.metrics:
        design = design_of(mapping) or settled(bound, rows)
        contract, bound = contract_for(design), with_metrics(bound, design)
    read, left_out, problems = _as_read(path, contract, rows, bound)
    left_out = [*_left_out_tables(header, others), *left_out]
    could_be = {} if preset is not None or mapping.columns else suggestions(rows, contract)
    problems += [] if other is None else [BadFileError.from_another_header(path, other).problem]
    problems = [*_missing(contract, bound, columns, header, could_be), *problems]
    return Inspection(
        path=path,
        container=_container(located),
        encoding=located.table.encoding,
        table=located.table.name,
        header_line=None if header is None else header.row.line + 1,
        columns=len(columns),
        preset=preset,
        why=_why(preset, fits),
        zone=_zone(contract, mapping, bound, timezone, any(NO_ZONE in problem for problem in problems)),
        rows=read,
        uses=list(_uses(contract, bound, columns)),
        left_out=left_out,
        problems=problems,
        next_command=_next(path, contract, preset, mapping, bound, bool(read)),
        suggestions=could_be,
        mapping=mapping,
    )


def _as_read(
    path: Path, contract: Contract, rows: pl.DataFrame, bound: Mapping
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """The first rows as ingestion would read them, how many are left out, and what would be refused."""
    try:
        batch, left = select_rows(Batch(rows), bound, path)
        plain, _ = NumberColumns(path, number_columns(contract, bound, rows.columns)).plain(batch.rows)
        checked = check(Batch(plain), contract, bound, None)
    except InputError as error:
        return [], [], [str(error)]
    notes = (
        [f"{left} of the first {rows.height} rows: the mapping leaves them out (sums, drafts, explanations)"]
        if left
        else []
    )
    reasons = checked.rejects.group_by("column", "reason", maintain_order=True).agg(pl.len(), pl.col("value").first())
    refused = [
        f"{count} of the first {rows.height} rows: {column}: {reason}" + (f", not '{value}'" if value else "")
        for column, reason, count, value in reasons.iter_rows()
        if column in bound.columns or column in rows.columns
    ]
    passed = summed(checked.passed, contract) if bound.grain == "day" else checked.passed
    shown = passed.head(SHOWN_ROWS)
    canonical = [name for name in contract.columns if shown[name].null_count() < len(shown) and name != "workspace_id"]
    shown = shown.select(*canonical, *([DAY_ONLY] if DAY_ONLY in shown.columns else []))
    return [_readable(row) for row in shown.iter_rows(named=True)], notes, refused


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """A row for a person: a day without an hour as a day."""
    day_only = row.pop(DAY_ONLY, False)
    for name, value in row.items():
        if isinstance(value, datetime):
            is_day = day_only and name == "published_at"
            row[name] = f"{value:%Y-%m-%d} (day)" if is_day else f"{value:%Y-%m-%d %H:%M}Z"
    return row


def _container(located: Located) -> str:
    table, header = located.table, located.header
    packed = {"gzip": "gzip-compressed ", "zip": "zipped "}.get(table.packing, "")
    if table.kind == "text" and header is not None:
        return f"{packed}text divided by {DELIMITER_NAMES.get(header.delimiter, repr(header.delimiter))}"
    return packed + {"excel": "Excel workbook", "json": "JSON Lines", "parquet": "Parquet"}.get(table.kind, "text")


def _left_out_tables(header: Header | None, others: Sequence[str]) -> Iterator[str]:
    if header is not None and header.preamble:
        lines = "; ".join(line[:60] for line in header.preamble[:3])
        yield f"what stands above the table, {len(header.preamble)} lines: {lines}"
        if header.table_above is not None:
            yield f"another table above it: {header.table_above}"
    if others:
        yield f"other tables of the file: {', '.join(others)}"


def _missing(
    contract: Contract,
    bound: Mapping,
    columns: Sequence[str],
    header: Header | None,
    could_be: dict[str, Suggestion],
) -> Iterator[str]:
    there = {*columns, *bound.columns, *(["content_id"] if bound.id else [])}
    missing = [name for name in contract.required if name not in there]
    if missing == ["published_at"] and bound.is_preset:
        yield "the file does not say when anything was published, only a period: give a list of dates with --dates FILE"
    elif missing == ["experiment_name"]:
        yield "the file does not name its experiment: say --experiment NAME"
    elif missing:
        yield f"nothing says where {', '.join(missing)} come from: a mapping file has to"
        if could_be:
            pairs = [f"{name} could be {' + '.join(one.columns)}" for name, one in could_be.items()]
            yield f"--write-mapping writes what it guesses, for you to judge: {', '.join(pairs)}"
    if header is not None and looks_like_values(header.names):
        yield "the first line looks like values, not like names of columns"


def _why(preset: str | None, fits: Sequence[Fit]) -> list[str]:
    best = best_fits(fits)
    if preset is not None:
        own = next((one for one in fits if one.preset.name == preset), None)
        if own is None or not own.fits:
            return [f"{preset}: {own.difference}" if own is not None else f"{preset} is for another kind of rows"]
        mapping = own.preset.mapping
        verified = "" if mapping.verified is True else f"; {mapping.verified}"
        return [f"{mapping.about}; names {own.known} of its columns{verified}"]
    if len(best) > 1:
        return [f"{one.preset.name} fits: {one.preset.mapping.about}" for one in best]
    return [f"{one.preset.name}: {one.difference}" for one in nearest(fits)]


def _zone(contract: Contract, mapping: Mapping, bound: Mapping, timezone: str | None, is_asked: bool) -> str:
    """By which clock the instants that matter for a kind are written."""
    name = next((one for one in INSTANTS if one in contract.columns), INSTANTS[0])
    origin = bound.columns.get(name)
    if origin is None and mapping.is_preset:
        is_content = contract.hours_of is not None
        return (
            "the report names a period, and no instants of publication" if is_content else "its rows have no instants"
        )
    if origin is not None and origin.instant_from_id is not None:
        return "instants come from the ids, which hold them in UTC"
    clock = bound.clock_of(name)
    if clock.day_only:
        return "days without an hour: no feature of the hour is made of them"
    if mapping.needs_workspace_zone:
        whose = timezone or "the workspace (shown here as UTC): --workspace ID or --timezone says which"
        return f"times are written by the clock of {whose}"
    if clock.timezone is not None:
        return f"times are written by the clock of {clock.timezone}"
    return "times name no zone, and nothing says which" if is_asked else "times name their zone themselves"


def _uses(contract: Contract, bound: Mapping, columns: Sequence[str]) -> Iterator[ColumnUse]:
    becomes: dict[str, list[str]] = {}
    for name, origin in bound.columns.items():
        for source in origin.sources:
            becomes.setdefault(source, []).append(name)
    kept = bound.attributes(columns, contract.columns)
    roles = bound.roles(kept)
    for column in columns:
        if column in becomes:
            yield ColumnUse(column, "canonical", ", ".join(becomes[column]))
        elif column in contract.columns and column not in bound.columns:
            yield ColumnUse(column, "canonical", column)
        elif column in roles:
            yield ColumnUse(
                column, roles[column], {"result": "kept, never a feature"}.get(roles[column], "may be learned from")
            )
        elif column in kept:
            yield ColumnUse(column, "kept", "no feature")
        else:
            yield ColumnUse(column, "left out", "")


def _next(
    path: Path, contract: Contract, preset: str | None, mapping: Mapping, bound: Mapping, is_readable: bool
) -> str:
    if (preset is None and not mapping.columns) or (preset is not None and not is_readable):
        return f"raptorflow inspect {path} --write-mapping MAP.yaml"
    how = f"--preset {preset}" if preset is not None else "--mapping MAP.yaml"
    named = " --experiment NAME" if mapping.metrics and "experiment_name" not in bound.columns else ""
    return f"raptorflow ingest {contract.kind} {path} {how} --workspace ID{named}"
