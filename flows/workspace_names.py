"""Which workspaces can be asked, for whoever has named none."""

from __future__ import annotations

from tasks.errors import InputError
from tasks.warehouse import Warehouse
from tasks.warehouse.scope import scope_of, workspace_owners

WORKSPACES_NAMED = 12


def workspaces_to_name(warehouse: Warehouse) -> str | None:
    """The workspaces to choose from; None where nobody need choose: there is one, or one organization's own.

    Raises:
        InputError: if there is none yet.
    """
    known = workspace_owners(warehouse)
    if not known:
        raise InputError("no workspace yet; start with `raptorflow ingest content FILE --workspace ID`")
    if scope_of(known, None).kind != "shared":
        return None
    names = [row["workspace_id"] for row in known]
    more = f" and {len(names) - WORKSPACES_NAMED} more" if len(names) > WORKSPACES_NAMED else ""
    return f"{', '.join(names[:WORKSPACES_NAMED])}{more}"
