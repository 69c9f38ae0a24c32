"""The calendar, the backlog and the defaults: what runs until when, what to test next and why, and what was proven."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from service.pages.calendar import WIDTH, WantedWeeks, calendar_of
from tasks.experiments.headline import advice_of
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import WorkspaceDefault
from tests.generators.agencies import HOSTILE, HOSTILE_ID, write_agency
from tests.service.pages.conftest import Agency

Pages = Callable[[Warehouse], TestClient]
DEFAULTS = select(WorkspaceDefault.__table__)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def listed(
    number: int, began: float | None, ended: float | None = None, expected: float | None = None
) -> dict[str, Any]:
    """An experiment as lists have it; days before or after now."""
    started, completed, by = (None if day is None else NOW + timedelta(days=day) for day in (began, ended, expected))
    status = "draft" if started is None else "running" if completed is None else "completed"
    row = {"experiment_id": f"e{number}", "workspace_id": "acme", "name": f"test {number}", "metric_name": "clicks"}
    return row | {"status": status, "started_at": started, "completed_at": completed, "expected_at": by}


def test_bars_end_where_they_ended_or_are_expected_to() -> None:
    rows = [listed(1, -20, expected=10), listed(2, -30, -3), listed(3, None), listed(4, -400, -300), listed(5, -9)]
    rows += [listed(6, -9, expected=-2)]
    calendar = calendar_of(rows, NOW, NOW)
    assert [row.experiment_id for row in calendar.rows] == ["e6", "e1", "e5", "e3", "e2"], (
        "what ended long ago is left out"
    )
    by_id = {row.experiment_id: row for row in calendar.rows}
    assert calendar.now is not None
    ahead, ended, open_end = (by_id[name].bar for name in ("e1", "e2", "e5"))
    assert ahead is not None and ended is not None and open_end is not None  # noqa: PT018
    assert 0 < ahead.start < ahead.known == calendar.now < ahead.end < WIDTH
    assert ended.known == ended.end < calendar.now
    assert open_end.known == open_end.end == calendar.now
    assert (by_id["e6"].ends, by_id["e5"].ends, by_id["e3"].bar) == ("overdue", "not foreseen", None)
    assert calendar_of(rows, NOW - timedelta(days=365), NOW).now is None


@pytest.mark.parametrize("week", ["", "nonsense", "0001-01-01", "9999-12-31", "2026-11-25T99", "\ud800", "2026-02-30"])
def test_a_week_that_is_none_is_this_one(week: str) -> None:
    around = WantedWeeks("", "", week, 1).around(NOW)
    assert around == NOW or around.date() == NOW.date()


def test_the_calendar_shows_weeks_and_leads_on(warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 8, nights=1, hostile=True)
    browser = pages(warehouse)
    text = browser.get("/calendar").text
    assert text.count('<rect class="bar running"') >= 5
    assert '<rect class="bar ahead"' in text
    assert "not started yet" in text
    assert "overdue" in text
    assert "<script>alert" not in text
    assert 'href="/backlog?id=client-0005"' in text
    only = browser.get("/calendar?status=completed").text
    assert 'class="bar completed"' in only
    assert 'class="bar running"' not in only
    long_ago = browser.get("/calendar?week=2020-01-06").text
    assert "No experiment falls into these weeks" in long_ago
    assert "Now</a>" in long_ago
    assert browser.get("/calendar", params={"q": HOSTILE, "week": HOSTILE}).status_code == 200


def test_the_backlog_says_what_to_test_next_and_why(warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 6, nights=1, hostile=True)
    browser = pages(warehouse)
    text = browser.get("/backlog?id=client-0005").text
    assert "Social content that is a video" in text
    assert "a pattern of its posts: the change may bring +9 % (-2 … +21 %)" in text
    assert "impressions an arm" in text
    assert '<span class="id">for 10,000 impressions</span>' in text, "what the order is by"
    assert "Client 0005 &amp; Sons to come" in text
    nothing = browser.get("/backlog?id=client-0004").text
    assert "Nothing pays yet" in nothing
    hostile = browser.get("/backlog", params={"id": HOSTILE_ID}).text
    assert "<script>alert" not in hostile
    assert browser.get("/backlog?id=nobody").status_code == 404


def test_a_workspace_shows_its_defaults_and_reading_writes_none(warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 6, nights=1)
    before = warehouse.rows(DEFAULTS)
    text = pages(warehouse).get("/workspace?id=client-0005").text
    defaults = text.split('id="defaults"')[1].split("</table>")[0]
    assert "content that has about 40 words" in defaults
    assert "+20% (+5% … +35%) on clicked" in defaults
    assert ">yes<" in defaults
    assert warehouse.rows(DEFAULTS) == before == []
    assert "becomes the default once" in pages(warehouse).get("/workspace?id=client-0001").text


def test_what_ended_is_told_as_ended_and_never_as_running(agency: Agency) -> None:
    browser = agency.browser
    for address in ("/workspace?id=client-0005", "/experiments?q=client-0005"):
        rows = browser.get(address).text.split('data-label="Sta')[1:]
        ended = next(row for row in rows if "completed" in row.split("</td>")[0])
        assert "running" not in ended.split("</td>")[0]
        assert "Ended: short title was chosen" in ended
    row = listed(1, -9, -1) | {"winner": None, "conclusion": "no_difference"}
    assert advice_of(row) == "Ended without a winner: no difference"
    assert advice_of(listed(1, None)) == "not started yet"


def test_too_few_workspaces_are_a_sentence(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    write_agency(sqlite_warehouse, 2, nights=1)
    text = pages(sqlite_warehouse).get("/workspace?id=client-0001").text
    assert "Too few similar workspaces take part" in text
    assert "nsufficient" not in text
