"""Which hash ranges of a layer are held by which experiment: no two that run in one layer share a unit."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from tasks.experiments.layers import Ranges, free_ranges, require_room
from tasks.experiments.store.rows import Row
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Experiment, ExperimentRange, Workspace


class Layers:
    """Layers of one warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def claim(self, experiment: Row, layer: str, share: float) -> None:
        """Hold a share of a layer until it is released; holding one already changes nothing.

        Raises:
            InvalidDesignError: if less of the layer is free; nothing is written.
        """
        workspace_id, experiment_id = experiment["workspace_id"], experiment["experiment_id"]
        with self.warehouse.begin() as connection:
            # One claim at a time, whichever database: two at once would both see the same free range.
            mine = Workspace.workspace_id == workspace_id
            connection.execute(select(Workspace.workspace_id).where(mine).with_for_update())
            held = self._held(connection, workspace_id, layer)
            if any(row["experiment_id"] == experiment_id for row in held):
                return
            free = free_ranges([tuple(part) for row in held for part in row["ranges"]])
            ranges = require_room(layer, free, share, [f"'{row['name']}'" for row in held])
            row = {"experiment_id": experiment_id, "workspace_id": workspace_id, "layer": layer}
            self.warehouse.upsert(connection, ExperimentRange, [row | {"ranges": [list(part) for part in ranges]}])

    def _held(self, connection: Connection, workspace_id: str, layer: str) -> list[Row]:
        """By experiments that have not ended: one that was killed as it ended had no time to give its ranges back."""
        r, e = ExperimentRange, Experiment
        columns = select(r.experiment_id, r.ranges, e.name).join(e, e.experiment_id == r.experiment_id)
        rows = columns.where(r.workspace_id == workspace_id, r.layer == layer, e.status != "completed").order_by(
            r.experiment_id
        )
        return [dict(row) for row in connection.execute(rows).mappings()]

    def release(self, experiment_id: str) -> None:
        """Give its ranges back."""
        with self.warehouse.begin() as connection:
            connection.execute(delete(ExperimentRange).where(ExperimentRange.experiment_id == experiment_id))

    def ranges(self, experiment_id: str) -> Ranges:
        """What an experiment holds; nothing where it is in no layer."""
        mine = select(ExperimentRange.ranges).where(ExperimentRange.experiment_id == experiment_id)
        return tuple((float(low), float(high)) for row in self.warehouse.rows(mine) for low, high in row["ranges"])
