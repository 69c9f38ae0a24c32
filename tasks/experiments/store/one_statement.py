"""Assignments stored and counted in one statement of PostgreSQL, for who sends it from an event loop.

It does what `Assignments.assign` does in one transaction, for units without a covariate: those that are new are
inserted, and counted by arm, epoch and segment. What comes back says which were; of the others the stored rows win.
Rows are written in the order of their keys, so that two such statements wait for each other and never deadlock.

Rows are lists of values, not arrays by column: of one unit they cost server and client half of what arrays do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from tasks.experiments.store.rows import Row
from tasks.warehouse.schema import ExperimentArrival, ExperimentAssignment

STORED = [column.name for column in ExperimentAssignment.__table__.columns if column.name != "covariate"]
CELL = [column.name for column in ExperimentArrival.__table__.primary_key]
READ = ["experiment_id", "unit_id", "variant_id", "propensity", "epoch"]

_in_order, _cell = itemgetter("experiment_id", "unit_id"), itemgetter(*CELL)


def storing(rows: Sequence[Row]) -> tuple[bytes, list[Any]]:
    """The statement that stores these rows, and its parameters; it returns the new ones' experiments and units.

    Args:
        rows: as `AssignmentPlan.row` makes them, of any experiments, no unit of one twice.
    """
    share_cells = len({_cell(row) for row in rows}) < len(rows)
    given = [row.get(name) for row in sorted(rows, key=_in_order) for name in STORED]
    return _storing(len(rows), share_cells), given


def reading(pairs: Sequence[tuple[str, str]]) -> tuple[bytes, list[Any]]:
    """The statement that reads assignments by experiment and unit, and its parameters; it returns `READ`."""
    table = ExperimentAssignment.__tablename__
    wanted = ", ".join(["(%s, %s)"] * len(pairs))
    statement = f"SELECT {', '.join(READ)} FROM {table} WHERE (experiment_id, unit_id) IN ({wanted})"
    return statement.encode(), [name for pair in pairs for name in pair]


@lru_cache(maxsize=64)
def _storing(rows: int, share_cells: bool) -> bytes:
    row = ", ".join(["%s"] * len(STORED))
    columns, cell = ", ".join(STORED), ", ".join(CELL)
    counted = f"count(*) FROM new GROUP BY {cell}" if share_cells else "1 FROM new"
    return f"""
        WITH new AS (
            INSERT INTO {ExperimentAssignment.__tablename__} ({columns}) VALUES {", ".join([f"({row})"] * rows)}
            ON CONFLICT DO NOTHING RETURNING unit_id, {cell}
        ), counted AS (
            INSERT INTO {ExperimentArrival.__tablename__} AS known ({cell}, n)
            SELECT {cell}, {counted} ORDER BY {cell}
            ON CONFLICT ({cell}) DO UPDATE SET n = known.n + excluded.n
        )
        SELECT experiment_id, unit_id FROM new""".encode()
