"""Ids as addresses hold them: any text that a database can hold, no longer than a key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query

from service.first_imports import ONE_AT_A_TIME
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
    with ONE_AT_A_TIME:
        from tasks.warehouse.frames import find_workspace

    try:
        return find_workspace(warehouse, workspace_id)
    except UnknownNameError:
        raise unknown("workspace") from None


def require_storable_id(value: str, what: str) -> None:
    """Raise 404 for text that no database holds, so that none is asked."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise unknown(what)


def instant_of(text: str) -> datetime | None:
    """The instant that a field holds, in UTC where it names no zone; None where it is empty.

    Raises:
        ProblemError: 422 for text that is no instant.
    """
    if not text.strip():
        return None
    try:
        instant = datetime.fromisoformat(text.strip())
        return (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ProblemError(422, "as_of is an instant such as 2026-11-29T20:15, in UTC.") from None


def unknown(what: str) -> ProblemError:
    """There is nothing of this id."""
    return ProblemError(404, f"There is no {what} of this id. It may have been removed; the first page lists what is.")
