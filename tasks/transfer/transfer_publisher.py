"""TransferPublisher: the write side. Workspaces estimate nightly for themselves; once a period one release goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.transfer import store
from tasks.transfer.budget import Budget, period_of
from tasks.transfer.catalogue import CATALOGUE_VERSION
from tasks.transfer.contributions import SCALE, SENSITIVITY, select_contributions, with_units
from tasks.transfer.errors import BudgetSpentError, NobodySharesError
from tasks.transfer.estimates import only_finite, workspace_estimates
from tasks.transfer.noise import Noise
from tasks.transfer.records import Released
from tasks.transfer.release import private_sums, sum_rows
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import Source, content_frame
from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED, Outcome, record

logger = logging.getLogger("raptorflow")

STEP = "transfer"
NOT_SHARING = "shares_insights is false: nothing is taken from it"
UNKNOWN = "unknown workspace; add it with `raptorflow ingest workspaces FILE`"


class TransferPublisher:
    """Writes what TransferLearner reads.

    Log lines carry counts only: whoever reads a platform's log must not learn from it whose number was odd.

    Args:
        budget: privacy budget of each unit and period.
        noise: for tests; OpenDP's discrete Gaussian in production.
        clock: for tests; the wall clock in production, because a period that could be chosen could be chosen twice.
        warehouse: where to work; the settings' warehouse unless given.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        noise: Noise | None = None,
        clock: Callable[[], datetime] | None = None,
        warehouse: Warehouse | None = None,
    ) -> None:
        self.budget = budget or Budget()
        self._noise = noise
        self._clock = clock or (lambda: datetime.now(UTC))
        self._warehouse = warehouse

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
            run_id: the run that asks.
        """
        return await asyncio.to_thread(self._contribute, workspace_ids, source, as_of or self._clock(), run_id)

    async def release(self, *, run_id: str) -> Released:
        """Publish the period's release unless it is there. Killed anywhere and run again: charged once, seen once.

        Raises:
            BudgetSpentError: if the period was charged and its release is gone.
            NobodySharesError: if there is no workspace to learn from.
            PrivacyInvariantError: if a contribution is larger than the noise was made for.
        """
        return await asyncio.to_thread(self._release, self._clock(), run_id)

    def _contribute(
        self, workspace_ids: Sequence[str], source: Source | None, as_of: datetime, run_id: str
    ) -> list[Outcome]:
        warehouse = open_warehouse(self._warehouse)
        sharing = dict(store.workspaces_among(warehouse, workspace_ids).rows())
        rows: list[dict[str, Any]] = []
        outcomes = []
        for name in workspace_ids:
            outcome, found = _estimate(source or warehouse, name, sharing.get(name), as_of)
            outcomes.append(outcome)
            rows += [row | {"workspace_id": name, "as_of": as_of, "run_id": run_id} for row in found]
        settled = [outcome.workspace_id for outcome in outcomes if outcome.status != FAILED]
        store.replace_estimates(warehouse, settled, rows)
        record(warehouse, run_id, STEP, outcomes)
        return outcomes

    def _release(self, as_of: datetime, run_id: str) -> Released:
        warehouse = open_warehouse(self._warehouse)
        period = period_of(as_of)
        store.forget_leavers(warehouse)
        sharing = with_units(store.sharing_workspaces(warehouse))
        row = store.release_of(warehouse, period) or self._open(warehouse, sharing, period, as_of, run_id)
        if row["status"] == store.PENDING:
            # Who joined after the ledger was charged has not paid, and waits for the next period.
            paid = sharing.filter(pl.col("unit_id").is_in(store.charged_units(warehouse, period)))
            chosen = select_contributions(store.all_estimates(warehouse), paid, period)
            sums = private_sums(chosen, Budget(row["epsilon"], row["delta"]), self._noise)
            store.publish(warehouse, period, sum_rows(sums, period))
        return Released.from_row(row | {"status": store.PUBLISHED})

    def _open(
        self, warehouse: Warehouse, sharing: pl.DataFrame, period: str, as_of: datetime, run_id: str
    ) -> dict[str, Any]:
        """Charge every sharing unit and open the release: first the ledger, then the noise."""
        if sharing.is_empty():
            raise NobodySharesError(period)
        budget = self.budget
        row = {"period": period, "status": store.PENDING, "catalogue_version": CATALOGUE_VERSION}
        row |= {"epsilon": budget.epsilon, "delta": budget.delta, "rho": budget.rho, "as_of": as_of, "run_id": run_id}
        row["noise_scale"] = budget.noise_scale(SENSITIVITY) / SCALE
        units = sharing["unit_id"].unique(maintain_order=True).to_list()
        store.reserve(warehouse, row, store.charge_rows(units, period, budget, as_of, run_id))
        opened = store.release_of(warehouse, period)
        if opened is None:
            raise BudgetSpentError(period)
        return opened


def _estimate(
    source: Source, workspace_id: str, sharing: bool | None, as_of: datetime
) -> tuple[Outcome, list[dict[str, Any]]]:
    """One workspace's estimates, and how it went."""
    if sharing is None:
        return Outcome(workspace_id, FAILED, UNKNOWN), []
    if not sharing:
        return Outcome(workspace_id, SKIPPED, NOT_SHARING), []
    try:
        found = workspace_estimates(content_frame(source, workspace_id), as_of)
    except Exception as error:  # noqa: BLE001 - recorded for this workspace; the others must not wait for it
        logger.error("transfer: one workspace could not be estimated; see step_outcome")
        return Outcome(workspace_id, FAILED, f"{type(error).__name__}: {error}"), []
    kept, dropped = only_finite(found)
    if dropped:
        logger.warning("transfer: %d non-finite estimates of one workspace were dropped; see step_outcome", dropped)
    if kept.is_empty():
        return Outcome(workspace_id, SKIPPED, "too few posts older than a week to estimate anything"), []
    reason = f"{dropped} estimates were not finite and were dropped" if dropped else None
    return Outcome(workspace_id, DONE, reason, {"estimates": kept.height}), kept.to_dicts()
