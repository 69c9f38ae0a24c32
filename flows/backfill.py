"""Which nights a form of the nightly chain asks for, oldest first: each reads what it would have read then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flows.parameters import MetaLearning
from tasks.warehouse.steps import newest_row, plan_nights

NIGHT = time(2, tzinfo=UTC)  # when the nightly chain starts (deployments/prefect.yaml)
DAY = timedelta(days=1)


def planned_nights(options: MetaLearning) -> list[dict[str, Any]]:
    """The nights asked for that have rows, with their windows; one, without an instant, where no range is given."""
    nights: list[datetime | None] = [options.as_of]
    if options.backfill_from is not None:
        last = options.backfill_until or _first_night_after(newest_row(options.workspace_ids))
        nights = [*nights_between(options.backfill_from, last, options.backfill_every_days)]
    return plan_nights(options.workspace_ids, options.lookback_days, nights)


def nights_between(first: date, last: date, every_days: int) -> list[datetime]:
    """Every so many days from the first night on; the last night always belongs to them."""
    days = range(0, (last - first).days + 1, every_days)
    dates = sorted({first + timedelta(days=day) for day in days} | ({last} if last >= first else set()))
    return [datetime.combine(night, NIGHT) for night in dates]


def form_of_night(options: MetaLearning, night: Mapping[str, Any]) -> MetaLearning:
    """The form of one night of a backfill."""
    cleared = {"backfill_from": None, "backfill_until": None, "dry_run": False}
    return options.model_copy(update=cleared | {"as_of": night["night"]})


def plan_rows(nights: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The plan as people read it."""
    return [{name: _shown(name, value) for name, value in night.items()} for night in nights]


def _first_night_after(newest: datetime | None) -> date:
    instant = newest or datetime.now(UTC)
    return instant.date() if instant.timetz() < NIGHT else instant.date() + DAY


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return "tonight"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}" if name == "night" else f"{value:%Y-%m-%d}"  # more would be cut by the page
    return value
