"""Rows that sum up the others: `Total`, `Gesamt`, `Total: Account`, `Grand total` in one field too many. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

# What a first cell begins with, in lower case; a name may go on after a colon or a dash only.
WORDS = (
    *("total", "totals", "grand total", "sum", "overall", "subtotal", "summary"),
    *("gesamt", "gesamtsumme", "gesamtergebnis", "summe", "insgesamt", "ergebnis"),
    *("total général", "total general", "totaux", "total geral", "suma", "suma total", "totale", "totaal", "totalt"),
    *(
        "razem",
        "suma końcowa",
        "итого",
        "всего",
        "общий итог",
        "toplam",
        "genel toplam",
        "celkem",
        "összesen",
        "yhteensä",
    ),
    *("合計", "総計", "总计", "總計", "合计", "합계", "총계", "المجموع"),
)
FORM = rf"(?i)^\s*({'|'.join(WORDS)})\s*($|[:：–—\-])"


def is_total(cells: Sequence[str]) -> bool:
    """Whether the first or the last filled cell of a row says that it sums up others."""
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and bool(pl.Series([filled[0], filled[-1]]).str.contains(FORM).any())


def totals(columns: Sequence[str]) -> pl.Expr:
    """A condition: the first of these columns that is filled says that the row sums up others."""
    first = pl.coalesce(pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)) for name in columns)
    return first.str.contains(FORM).fill_null(False)
