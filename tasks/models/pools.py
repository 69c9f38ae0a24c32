"""The pools of organizations: whose rows teach whom, read from the warehouse when they are first needed.

A workspace learns from its own organization alone, and only where it shares its insights: then so do its siblings with
it. Nothing crosses organizations here; what may is the private release, see `tasks/transfer`.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from threading import Lock

from polars.exceptions import PanicException

from tasks.models.specs import ModelSpec
from tasks.models.store.state import pool_basis, pool_counts
from tasks.models.training.dataset import Examples, examples
from tasks.models.training.pool import OrganizationPool, Siblings, rows_of_a_member
from tasks.plain_text import visible
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame, sharing_siblings, touch_frame

logger = logging.getLogger("raptorflow")
KEPT = 5  # pools: one organization's, of every model type; each may hold some 100 MB of counted words
Window = tuple[datetime | None, datetime | None]


class Pools:
    """The pools last used of one warehouse, so that the workspaces of an organization share one; safe to share."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._pools: OrderedDict[tuple[object, ...], OrganizationPool] = OrderedDict()
        self._turn = Lock()

    def siblings(self, workspace_id: str, spec: ModelSpec, window: Window) -> Siblings | None:
        """A workspace's place in its organization's pool of rows in a window; None where it has none to learn from.

        Args:
            workspace_id: whose.
            spec: of the model.
            window: from when (inclusive) until when (exclusive); None for open.
        """
        known = sharing_siblings(self.warehouse, workspace_id)
        if len(known) < 2:
            return None
        counts = pool_counts(self.warehouse, known)
        name = (tuple(known), spec.sha256, window, counts)
        with self._turn:
            if name not in self._pools:
                read = partial(_labeled_rows, self.warehouse, known, spec, window)
                self._pools[name] = OrganizationPool(spec, known, read)
            self._pools.move_to_end(name)
            while len(self._pools) > KEPT:
                self._pools.popitem(last=False)
            return Siblings(self._pools[name], workspace_id, pool_basis(known, counts))


def _labeled_rows(
    warehouse: Warehouse, workspace_ids: Sequence[str], spec: ModelSpec, window: Window
) -> Mapping[str, Examples]:
    """The latest labeled rows of each of these workspaces.

    One whose rows cannot be read is left out: its own refresh says why, and its siblings do not fail with it.
    """
    read = content_frame if spec.rows == "content" else touch_frame
    (since, until), most, known = window, rows_of_a_member(len(workspace_ids)), dict[str, Examples]()
    for name in workspace_ids:
        try:
            rows = examples(read(warehouse, name, since=since, until=until), spec)
        except (Exception, PanicException) as error:  # noqa: BLE001 - polars panics at instants that no calendar holds
            logger.warning("%s teaches its organization nothing tonight: %s", visible(name), visible(error))
            continue
        known[name] = rows.slice(max(rows.n - most, 0), rows.n)
    return known
