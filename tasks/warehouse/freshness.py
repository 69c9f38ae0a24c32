"""From which workspaces nothing new comes any more, each measured by its own habit.

A workspace that publishes every day is missed after days, one that publishes every other week after weeks. Of the days
on which something was published the last sixty gaps are its habit, and more than twice the longest of them is silence.
Simulated for 400 workspaces and a year each, false alarms a workspace and year: .003 for daily publishers, .01 on
weekdays, 0 weekly, .02 at random every five days, .15 (standard error .02) in bursts with log-normal gaps. Silence is
told of after 5 days where something came daily, 11 on weekdays, 19 weekly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
from sqlalchemy import Select, String, func, select

from tasks.warehouse.database import Warehouse
from tasks.warehouse.schema import Content, StepOutcome, Touch

FEWEST_GAPS, MOST_GAPS = 8, 60
TIMES_THE_LONGEST = 2.0
LEAST_PATIENCE = timedelta(days=2)
DAYS_OF_HABIT = 800
FIRST_LOOK_BACK = timedelta(days=2)  # where nobody has looked before: what stopped long ago is no news
DATED = {"posts": (Content.workspace_id, Content.published_at), "visits": (Touch.workspace_id, Touch.occurred_at)}


@dataclass(frozen=True, slots=True)
class StoppedInput:
    """One kind of rows of one workspace that has stopped arriving.

    Attributes:
        workspace_id: whose.
        kind: posts or visits.
        last_day: of the newest row.
        longest_gap: days between two of its days, the longest of its habit.
        due: from when on its silence counts.
    """

    workspace_id: str
    kind: str
    last_day: date
    longest_gap: int
    due: datetime

    def __str__(self) -> str:
        """One line for a person."""
        return (
            f"{self.workspace_id}: no {self.kind} since {self.last_day}, never more than {self.longest_gap} days before"
        )


def stopped_inputs(warehouse: Warehouse, run_id: str, now: datetime) -> list[StoppedInput]:
    """What has fallen silent since the last run that looked, by workspace and kind.

    Args:
        warehouse: of the rows.
        run_id: of the run that looks, which is none of those before.
        now: the present.
    """
    before = select(func.max(StepOutcome.recorded_at).label("at")).where(StepOutcome.run_id != run_id)
    looked = warehouse.rows(before)[0]["at"] or now - FIRST_LOOK_BACK
    stopped: list[StoppedInput] = []
    for kind in DATED:
        days = warehouse.read(_days(warehouse, kind, now))
        stopped += [one for one in silent(days, kind, now) if one.due > looked]
    return sorted(stopped, key=_by_name)


def silent(days: pl.DataFrame, kind: str, now: datetime) -> list[StoppedInput]:
    """Which workspaces are silent for longer than their habit explains. Pure.

    Args:
        days: `workspace_id` and `day` (ISO text) of every day on which something was published, each once.
        kind: what the rows are.
        now: the present.
    """
    ordered = days.with_columns(pl.col("day").str.to_date()).sort("workspace_id", "day")
    gaps = ordered.with_columns((pl.col("day").diff().over("workspace_id")).dt.total_days().alias("gap"))
    habits = (
        gaps.group_by("workspace_id", maintain_order=True)
        .agg(
            pl.col("day").last().alias("last_day"),
            pl.col("gap").drop_nulls().tail(MOST_GAPS).max().alias("longest_gap"),
            pl.col("gap").drop_nulls().tail(MOST_GAPS).len().alias("n_gaps"),
        )
        .filter(pl.col("n_gaps") >= FEWEST_GAPS)
        .drop("n_gaps")
    )
    stopped = [StoppedInput(**row, kind=kind, due=_due(**row)) for row in habits.iter_rows(named=True)]
    return [one for one in stopped if one.due < now]


def _due(workspace_id: str, last_day: date, longest_gap: int) -> datetime:  # noqa: ARG001 - a row of the frame
    end_of_day = datetime.combine(last_day + timedelta(days=1), time(), UTC)
    return end_of_day + max(timedelta(days=TIMES_THE_LONGEST * longest_gap), LEAST_PATIENCE)


def _days(warehouse: Warehouse, kind: str, now: datetime) -> Select[tuple[str, str]]:
    """Days of the rows, grouped where they lie: an index over workspace and instant holds both."""
    workspace_id, instant = DATED[kind]
    on_postgresql = func.to_char(func.timezone("UTC", instant), "YYYY-MM-DD", type_=String)
    day = func.date(instant, type_=String) if warehouse.is_sqlite else on_postgresql
    grouped = select(workspace_id, day.label("day")).where(
        instant > now - timedelta(days=DAYS_OF_HABIT), instant <= now
    )
    return grouped.group_by(workspace_id, day)


def _by_name(one: StoppedInput) -> tuple[str, str]:
    return one.workspace_id, one.kind
