"""TransferPublisher: the write side of transfer, an async face of `PublisherService`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from tasks.transfer.privacy import Noise, PrivacyBudget
from tasks.transfer.records import Released
from tasks.transfer.service import PublisherService
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import Source
from tasks.warehouse.outcomes import Outcome


class TransferPublisher:
    """Writes what TransferLearner reads: nightly each workspace's own estimates, once a period one release.

    Log lines carry counts only: whoever reads a platform's log must not learn from it whose number was odd.

    Args:
        budget: privacy budget of each unit and period.
        noise: for tests; OpenDP's discrete Gaussian in production.
        clock: for tests; the wall clock in production, because a period that could be chosen could be chosen twice.
        warehouse: where to work; the settings' warehouse unless given.
    """

    def __init__(
        self,
        budget: PrivacyBudget | None = None,
        *,
        noise: Noise | None = None,
        clock: Callable[[], datetime] | None = None,
        warehouse: Warehouse | None = None,
    ) -> None:
        self._service = PublisherService(budget, noise=noise, clock=clock, warehouse=warehouse)

    async def contribute(
        self, workspace_ids: Sequence[str], *, source: Source | None = None, as_of: datetime | None = None, run_id: str
    ) -> list[Outcome]:
        """Estimate every pattern for each of these workspaces and store it as that workspace's own.

        A workspace that fails keeps what it had, is recorded, and the rest goes on; one that does not share leaves
        nothing behind.

        Args:
            workspace_ids: whose turn it is.
            source: a snapshot to read content from; the warehouse unless given.
            as_of: posts younger than a week by then are left out; now unless given.
            run_id: the run it belongs to.
        """
        return await asyncio.to_thread(
            self._service.contribute, workspace_ids, source=source, as_of=as_of, run_id=run_id
        )

    async def release(self, *, run_id: str) -> Released:
        """Publish the period's release unless it is there. Killed anywhere and run again: charged once, seen once.

        Raises:
            BudgetSpentError: if the period was charged and its release is gone, or withheld after a restore.
            BrokenChainError: if a release or its ledger was changed after it was written.
            NobodySharesError: if there is no workspace to learn from.
            PrivacyInvariantError: if a contribution is larger than the noise was made for.
        """
        return await asyncio.to_thread(self._service.release, run_id=run_id)
