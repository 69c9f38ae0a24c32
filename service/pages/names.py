"""Ids as addresses hold them: any text that a database can hold, no longer than a key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from service.problems import ProblemError
from tasks.errors import UnknownNameError
from tasks.warehouse import Warehouse

LONGEST_ID = 512
Identifier = Annotated[str, Query(alias="id", min_length=1, max_length=LONGEST_ID)]


def known_workspace(warehouse: Warehouse, workspace_id: str) -> dict[str, Any]:
    """The workspace's row.

    Raises:
        ProblemError: 404 if there is none; nobody else's name is told.
    """
    require_storable_id(workspace_id, "workspace")
    from tasks.warehouse.frames import find_workspace

    try:
        return find_workspace(warehouse, workspace_id)
    except UnknownNameError:
        raise unknown("workspace") from None


def require_storable_id(value: str, what: str) -> None:
    """Raise 404 for text that no database holds, so that none is asked."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise unknown(what)


def unknown(what: str) -> ProblemError:
    """There is nothing of this id."""
    return ProblemError(404, f"There is no {what} of this id. It may have been removed; the first page lists what is.")
