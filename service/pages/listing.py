"""Long lists, a page at a time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ROWS_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class PageOfRows:
    """One page of a list.

    Attributes:
        rows: of this page.
        total: of all pages.
        number: of this page, from 1.
        pages: how many there are, at least one.
    """

    rows: Sequence[Mapping[str, Any]]
    total: int
    number: int
    pages: int


def paged(rows: Sequence[Mapping[str, Any]], number: int) -> PageOfRows:
    """A page of rows; beyond the last one, the last."""
    pages = max(1, -(-len(rows) // ROWS_A_PAGE))
    number = min(number, pages)
    return PageOfRows(rows[(number - 1) * ROWS_A_PAGE : number * ROWS_A_PAGE], len(rows), number, pages)
