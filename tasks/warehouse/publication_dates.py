"""When posts appeared, from a second file: reports of pages and campaigns name a period, never a post's own instant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from tasks.warehouse.batches import Batch
from tasks.warehouse.coercion import Clock, coerce
from tasks.warehouse.contract import CONTENT
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.origins import Origin
from tasks.warehouse.sources import Source, open_source

KEY, INSTANT = "content_id", "published_at"
JOINED = "published_at (from the list of dates)"


class PublicationDates:
    """A file with `content_id` and `published_at`, ISO 8601; a date without a time is a day."""

    def __init__(self, path: Path) -> None:
        source = open_source(path)
        missing = [name for name in (KEY, INSTANT) if name not in source.columns]
        if missing:
            raise BadFileError(path, f"lacks the column '{missing[0]}', expected content_id and published_at")
        rows = pl.concat(batch.rows.select(KEY, INSTANT) for batch in source.batches)
        read = coerce(rows[INSTANT], CONTENT.columns[INSTANT], Clock("UTC"))
        if read.lost.any():
            place = read.lost.arg_true()[0]
            raise BadFileError(path, f"row {place + 1}: published_at '{rows[INSTANT][place]}', {read.expected}")
        keys = rows[KEY].cast(pl.String).str.strip_chars()
        self._dates = pl.DataFrame({KEY: keys, JOINED: rows[INSTANT]}).unique(KEY, keep="last")

    def joined(self, source: Source, mapping: Mapping) -> tuple[Source, Mapping]:
        """The source with one column more, and the mapping that takes `published_at` from it."""
        origin = mapping.columns.get(KEY) or Origin(column=KEY)
        columns = mapping.columns | {INSTANT: Origin(column=JOINED, format=["iso"], timezone="UTC")}
        added = mapping.model_copy(update={"columns": columns})
        batches = self._with_dates(source.batches, origin)
        return replace(source, batches=batches, columns=[*source.columns, JOINED]), added

    def _with_dates(self, batches: Iterator[Batch], origin: Origin) -> Iterator[Batch]:
        for batch in batches:
            keys = batch.rows.select(origin.expression().cast(pl.String).str.strip_chars().alias(KEY))
            dates = keys.join(self._dates, on=KEY, how="left", maintain_order="left")[JOINED]
            yield replace(batch, rows=batch.rows.with_columns(dates))
