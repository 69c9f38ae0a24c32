"""A workspace that comes to be with its first file: held to the same rules as one from a file of workspaces. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.warehouse.batches import ROW, Batch
from tasks.warehouse.checking import check
from tasks.warehouse.contract import WORKSPACES
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.reading.header import UNSEEN
from tasks.warehouse.records import NewWorkspace

# Letters of Greek and Cyrillic that look like Latin ones, lower case.
LOOKS = str.maketrans("аеорсухіјѕԁһԛԝкмнтвαειοκνρτυχ", "aeopcyxijsdhqwkmhtbaeiokvptux")


def twin_of(workspace_id: str, known: Iterable[str]) -> str | None:
    """A workspace whose id an eye takes for this one: case, blanks, unseen marks and letters that look alike apart."""
    looks = _looks(workspace_id)
    return next((one for one in sorted(known) if one != workspace_id and _looks(one) == looks), None)


def _looks(workspace_id: str) -> str:
    plain = unicodedata.normalize("NFKC", UNSEEN.sub("", workspace_id)).casefold()
    return "".join(plain.split()).translate(LOOKS)


def workspace_row(workspace_id: str, new: NewWorkspace, timezone: str) -> dict[str, Any]:
    """The row to write.

    Raises:
        InputError: if a value is none that a workspace can have.
    """
    given = {"workspace_id": workspace_id, "name": new.name or workspace_id, "industry": new.industry}
    rows = pl.DataFrame([given | {"size": new.size, "timezone": timezone}]).with_columns(pl.lit(1, pl.Int64).alias(ROW))
    checked = check(Batch(rows), WORKSPACES, Mapping(), None)
    for _, column, reason, value in checked.rejects.iter_rows():
        raise InputError(f"workspace '{workspace_id}': {column} '{value}', {reason}")
    row: dict[str, Any] = checked.passed.select(*WORKSPACES.columns).row(0, named=True)
    return row
