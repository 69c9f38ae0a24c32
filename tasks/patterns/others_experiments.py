"""What other organizations' experiments say of associations' worth: asked of transfer, handed to effects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tasks.effects.other_organizations import ReleasedExperiments
from tasks.transfer.service import TransferService
from tasks.warehouse import Warehouse


def experiments_of_others(warehouse: Warehouse, workspace_id: str, as_of: datetime | None) -> ReleasedExperiments:
    """What private releases say of them for a workspace, by an instant; by now unless given."""
    return TransferService(warehouse=warehouse).experiments_of_others(workspace_id, as_of or datetime.now(UTC))


def released_state(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str]:
    """A hash a workspace of the same; empty where they change nothing."""
    known = TransferService(warehouse=warehouse).state_of_experiments(workspace_ids)
    return {name: known.get(name, "") for name in workspace_ids}
