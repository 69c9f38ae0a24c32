"""Excel workbooks: every cell as text, dates as ISO 8601."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import polars as pl

from tasks.warehouse.errors import BadFileError

MOST_BYTES = 256 << 20  # a workbook is unpacked in memory, ten times its size and more


def sheet_names(path: Path, opener: Callable[[], IO[bytes]]) -> list[str]:
    """The workbook's sheets, in order."""
    return list(_workbook(path, opener).sheet_names)


def read_sheet(path: Path, opener: Callable[[], IO[bytes]], sheet: str) -> pl.DataFrame:
    """All cells of a sheet as text, columns by their place."""
    import fastexcel

    try:
        cells = _workbook(path, opener).load_sheet(sheet, header_row=None, dtypes="string").to_polars()
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise BadFileError(path, f"sheet '{sheet}' cannot be read ({str(error).splitlines()[0][:120]})") from error
    return pl.DataFrame({f"c{place}": column.cast(pl.String) for place, column in enumerate(cells.iter_columns())})


def _workbook(path: Path, opener: Callable[[], IO[bytes]]) -> Any:
    import fastexcel

    if path.stat().st_size > MOST_BYTES:
        raise BadFileError(path, f"is an Excel workbook of more than {MOST_BYTES >> 20} MiB; save it as CSV")
    try:
        with opener() as stream:
            return fastexcel.read_excel(stream.read())
    except (fastexcel.FastExcelError, OSError, ValueError) as error:
        raise BadFileError(path, "is not an Excel file, was cut short, or is protected by a password") from error
