"""Whose rows may be read together where they are somebody's secret.

`workspace`: those of one workspace, named, or the only one there is. `organisation`: nobody named a workspace, and all
there are belong to one organization, whose own they are. `shared`: nobody named one and the warehouse holds several
organizations, so only what may cross them: the private release, and what the caller brings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select

from tasks.errors import UnknownNameError
from tasks.warehouse.database import Warehouse
from tasks.warehouse.schema import Workspace

Kind = Literal["workspace", "organisation", "shared"]


@dataclass(frozen=True, slots=True)
class EvidenceScope:
    """The workspaces whose findings may be used; none of them where `kind` is `shared`."""

    kind: Kind
    workspace_ids: tuple[str, ...] = ()

    @property
    def workspace_id(self) -> str | None:
        """The one workspace it is about."""
        return self.workspace_ids[0] if self.kind == "workspace" else None


def scope_of(workspaces: Sequence[Mapping[str, Any]], workspace_id: str | None) -> EvidenceScope:
    """The widest scope that holds no other organization's findings.

    Args:
        workspaces: `workspace_id` and `organisation_id` (None: its own organization) of every workspace there is.

    Raises:
        UnknownNameError: if the named workspace is not among them.
    """
    known = tuple(row["workspace_id"] for row in workspaces)
    if workspace_id is not None:
        if workspace_id not in known:
            raise UnknownNameError.for_workspace(workspace_id)
        return EvidenceScope("workspace", (workspace_id,))
    if len(known) == 1:
        return EvidenceScope("workspace", known)
    owners = {(row["organisation_id"], None if row["organisation_id"] else row["workspace_id"]) for row in workspaces}
    return EvidenceScope("organisation", known) if len(owners) <= 1 else EvidenceScope("shared")


def workspace_owners(
    warehouse: Warehouse, workspace_id: str | None = None, within: Connection | None = None
) -> list[dict[str, Any]]:
    """Who has data here: `workspace_id` and `organisation_id`, by id; of one workspace where it is named."""
    statement = select(Workspace.workspace_id, Workspace.organisation_id).order_by(Workspace.workspace_id)
    if workspace_id is not None:
        statement = statement.where(Workspace.workspace_id == workspace_id)
    return warehouse.rows(statement, within)
