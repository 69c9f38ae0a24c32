"""Which rows of a batch are read at all: what a mapping leaves out, and what makes it the wrong file. Pure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from tasks.warehouse.batches import ROW, Batch
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.mapping import Mapping, holds
from tasks.warehouse.reading.totals import totals


def select_rows(batch: Batch, mapping: Mapping, path: Path) -> tuple[Batch, int]:
    """The rows to be read, what stands for nothing made null; and how many were left out.

    Raises:
        BadFileError: if a row says that this is the wrong file.
    """
    rows = batch.rows
    columns = [name for name in rows.columns if name != ROW]
    for refusal in mapping.refuse:
        wrong = rows.filter(holds(refusal.where, columns))
        if wrong.height:
            raise BadFileError(path, f"row {wrong[ROW][0]}: {refusal.because}")
    kept = pl.lit(True)
    if mapping.where:
        kept &= holds(mapping.where, columns)
    for condition in mapping.drop:
        kept &= ~holds(condition, columns)
    schema = rows.schema
    texts = [name for name in columns if schema[name] == pl.String]
    if mapping.totals is not None and texts:
        kept &= ~totals(texts)
    before = rows.height
    if mapping.where or mapping.drop or mapping.totals is not None:
        rows = rows.filter(kept)
    if mapping.missing:
        nothing = [text.strip() for text in mapping.missing]
        rows = rows.with_columns(
            pl.when(~pl.col(name).str.strip_chars().is_in(nothing)).then(pl.col(name)).alias(name) for name in texts
        )
    return replace(batch, rows=rows), before - rows.height + batch.totals
