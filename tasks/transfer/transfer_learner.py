"""TransferLearner: what similar workspaces know, without seeing any of them; an async face of `TransferService`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from tasks.transfer.catalogue import INSIGHT_TYPES
from tasks.transfer.records import TransferInsights, WorkspaceSimilarity
from tasks.transfer.service import TransferService
from tasks.warehouse import Warehouse


class TransferLearner:
    """Recommends what works for similar workspaces.

    Inside one organization, siblings' estimates are pooled exactly. Across organizations only the stored private
    release is read: reading it again costs nothing, and nothing here ever computes anything exact from another
    organization's rows. There the floor is 50 workspaces whatever `min_source_workspaces` says: of three, two that
    collude subtract themselves and read off the third. A workspace that does not share does not receive either.
    Whoever may ingest workspaces decides who shares an organization, and so whose exact effects are pooled for whom.

    Args:
        min_source_workspaces: workspaces of the same organization that must stand behind an insight.
        min_confidence: probability, 0…1, that the effect has the stated direction for the target.
        similarity_threshold: likeness, 0…1, from which a sibling or a segment counts as similar.
        warehouse: where to read; the settings' warehouse unless given.

    Raises:
        OutOfRangeError: if a number lies outside its bounds.
    """

    def __init__(
        self,
        min_source_workspaces: int = 3,
        min_confidence: float = 0.6,
        similarity_threshold: float = 0.7,
        *,
        warehouse: Warehouse | None = None,
    ) -> None:
        self._service = TransferService(min_source_workspaces, min_confidence, similarity_threshold, warehouse)

    async def get_transfer_insights(
        self,
        target_workspace_id: str,
        top_k: int = 5,
        insight_types: Sequence[str] = INSIGHT_TYPES,
        *,
        as_of: datetime | None = None,
    ) -> TransferInsights:
        """What works for workspaces like the target, combined with what the target's own posts say.

        Args:
            target_workspace_id: for whom.
            top_k: at most so many insights, strongest first.
            insight_types: among `strategy`, `content`, `timing`, `channel`.
            as_of: what was known at this instant; now unless given.

        Raises:
            UnknownNameError: for an unknown workspace or insight type.
            OutOfRangeError: if top_k is no whole number of at least 1.
        """
        return await asyncio.to_thread(
            self._service.get_transfer_insights, target_workspace_id, top_k, insight_types, as_of
        )

    async def compute_workspace_similarity(self, workspace_a: str, workspace_b: str) -> WorkspaceSimilarity:
        """Likeness of two workspaces in [0, 1].

        Exact within one organization. Across organizations it is the likeness of their segments: public metadata
        and the private release's prototypes, nothing of either workspace's own; `mode` says which it was. 0 and
        `not_sharing` where one of the two does not share its insights.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        return await asyncio.to_thread(self._service.compute_workspace_similarity, workspace_a, workspace_b)

    async def find_similar_workspaces(self, workspace_id: str, top_k: int = 10) -> list[tuple[str, float]]:
        """Workspaces of the same organization for which the same things work, with the cosine of their effects.

        Other organizations' workspaces are never named: for a workspace without an organization the list is empty.

        Raises:
            UnknownNameError: if there is no such workspace.
            OutOfRangeError: if top_k is no whole number of at least 1.
        """
        return await asyncio.to_thread(self._service.find_similar_workspaces, workspace_id, top_k)
