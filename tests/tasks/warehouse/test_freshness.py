"""Input that stopped arriving is told of once, by each workspace's own habit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from tasks.warehouse import Warehouse
from tasks.warehouse.freshness import StoppedInput, silent, stopped_inputs
from tasks.warehouse.outcomes import DONE, Outcome, record
from tests.factories import content_row, store_content, store_touches, touch_row

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)


def published(workspace_id: str, every: int, silent_for: int, times: int = 30) -> pl.DataFrame:
    last = NOW.date() - timedelta(days=silent_for)
    days = [(last - timedelta(days=every * back)).isoformat() for back in range(times)]
    return pl.DataFrame({"workspace_id": [workspace_id] * times, "day": days})


@pytest.mark.parametrize(
    ("every", "silent_for", "is_told"),
    [(1, 2, False), (1, 3, True), (7, 14, False), (7, 15, True), (30, 60, False), (30, 61, True)],
)
def test_each_is_measured_by_its_own_habit(every: int, silent_for: int, is_told: bool) -> None:
    found = silent(published("acme", every, silent_for), "posts", NOW)
    assert [one.workspace_id for one in found] == (["acme"] if is_told else [])


def test_too_few_days_make_no_habit() -> None:
    assert silent(published("new", 1, 50, times=8), "posts", NOW) == []
    assert len(silent(published("known", 1, 50, times=9), "posts", NOW)) == 1


def test_a_habit_forgets_a_gap_of_long_ago_and_keeps_a_recent_one() -> None:
    steady = published("acme", 1, 5, times=61)
    before = published("acme", 1, 5 + 60 + 40, times=5)
    assert len(silent(pl.concat([before, steady]), "posts", NOW)) == 1, "forty days off, more than sixty gaps ago"
    recent = pl.concat([published("acme", 1, 5, times=10), published("acme", 1, 5 + 30, times=30)])
    assert silent(recent, "posts", NOW) == []


def test_it_is_told_once_and_what_stopped_long_ago_is_no_news(warehouse: Warehouse) -> None:
    def posted(workspace_id: str, last: datetime) -> list[dict[str, object]]:
        times = [last - timedelta(days=back) for back in range(20)]
        return [
            content_row(i, workspace_id=workspace_id, content_id=f"{workspace_id}-{i}", published_at=at)
            for i, at in enumerate(times)
        ]

    rows = posted("stopped", NOW - timedelta(days=4)) + posted("fresh", NOW - timedelta(hours=5))
    store_content(warehouse, rows + posted("left-years-ago", NOW - timedelta(days=400)))
    expected = StoppedInput("stopped", "posts", date(2026, 5, 28), 1, datetime(2026, 5, 31, tzinfo=UTC))
    assert stopped_inputs(warehouse, "tonight", NOW) == [expected]
    assert str(expected) == "stopped: no posts since 2026-05-28, never more than 1 days before"


def test_the_last_look_is_that_of_the_run_before(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    rows = [content_row(i, content_id=str(i), published_at=now - timedelta(days=4 + i)) for i in range(20)]
    store_content(warehouse, rows)
    assert len(stopped_inputs(warehouse, "tonight", now)) == 1
    record(warehouse, "tonight", "patterns", [Outcome("acme", DONE)])
    assert len(stopped_inputs(warehouse, "tonight", now)) == 1, "a run that is tried again tells again"
    assert stopped_inputs(warehouse, "tomorrow", now + timedelta(days=1)) == []


def test_visits_are_an_input_of_their_own(warehouse: Warehouse) -> None:
    days = [NOW - timedelta(days=back) for back in range(20)]
    store_touches(warehouse, [touch_row(i, occurred_at=day) for i, day in enumerate(days)])
    found = stopped_inputs(warehouse, "tonight", NOW + timedelta(days=3, hours=12))
    assert [(one.kind, one.last_day) for one in found] == [("visits", NOW.date())]
