"""Assignments stored from an event loop: one statement of PostgreSQL, over a connection that no thread waits for."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.experiments.records import Assignment
from tasks.experiments.store import Row
from tasks.experiments.store.one_statement import READ, reading, storing
from tasks.warehouse import Warehouse
from tasks.warehouse.loop_connection import LoopConnection


class LoopStore:
    """Of one event loop, and one task at a time."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._connection = LoopConnection(warehouse)

    async def assign(self, rows: Sequence[Row]) -> list[Assignment]:
        """Store assignments, and say what is stored, in their order: a unit that has an arm keeps it.

        Args:
            rows: as `ExperimentService.row_to_store` makes them, of any experiments.

        Raises:
            OperationalError: where somebody else holds a row for longer than the warehouse's patience.
            ConnectionError: where the connection was cut; whether they are stored is not known.
            psycopg.Error: for what the database refuses; nothing is stored.
        """
        wanted = {(row["experiment_id"], row["unit_id"]): row for row in rows}
        new = {(experiment, unit) for experiment, unit in await self._connection.rows(*storing(list(wanted.values())))}
        before = [pair for pair in wanted if pair not in new]
        if before:
            stored = [dict(zip(READ, one, strict=True)) for one in await self._connection.rows(*reading(before))]
            wanted |= {(row["experiment_id"], row["unit_id"]): row for row in stored}
        kept = [wanted[row["experiment_id"], row["unit_id"]] for row in rows]
        return [Assignment(row["variant_id"], row["unit_id"], row["propensity"], row["epoch"]) for row in kept]

    async def close(self) -> None:
        """Let go of the connection."""
        await self._connection.close()
