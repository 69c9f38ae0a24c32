"""The first page: what needs a person stands first, and costs as many queries for a thousand workspaces as for one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from service.pages.files import FILES
from service.pages.home import SECONDS_SHARED, Wanted, home_context
from tasks.warehouse import Warehouse
from tasks.warehouse.outcomes import DONE, FAILED, Outcome, record
from tasks.warehouse.schema import StepOutcome, Workspace
from tests.factories import store, workspace_row
from tests.generators.agencies import HOSTILE, HOSTILE_ID, ids_in_need, write_agency
from tests.service.pages.conftest import Agency

Pages = Callable[[Warehouse], TestClient]
EVERYTHING = Wanted("", "", "", "", "need", 1)


def night(warehouse: Warehouse, run_id: str, outcomes: dict[str, str], days_ago: float) -> None:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    row = {"run_id": run_id, "step": "patterns", "reason": "why", "unchanged_since": None, "recorded_at": at}
    store(warehouse, StepOutcome, [row | {"workspace_id": name, "status": how} for name, how in outcomes.items()])


def workspaces(warehouse: Warehouse, *names: str) -> None:
    store(warehouse, Workspace, [workspace_row(workspace_id=name, name=name) for name in names])


def failed(warehouse: Warehouse) -> list[str]:
    groups = home_context(warehouse, EVERYTHING)["groups"]
    return [need.workspace_id for group in groups if group["kind"].name == "failed" for need in group["lines"]]


def test_an_empty_warehouse_says_how_to_begin(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    answer = pages(sqlite_warehouse).get("/")
    assert answer.status_code == 200
    assert "No workspace yet" in answer.text
    assert "raptorflow ingest workspaces FILE" in answer.text


def test_what_needs_a_person_stands_first_and_leads_to_the_place(warehouse: Warehouse, pages: Pages) -> None:
    names = write_agency(warehouse, 60)
    text = pages(warehouse).get("/").text
    assert text.index("Failed") < text.index("Experiments with an answer") < text.index("Changed in the last")
    assert text.index("Changed in the last") < text.index('id="all"')
    assert failed(warehouse) == ids_in_need(names)
    for name in ids_in_need(names):
        assert f'href="/workspace?id={name}"' in text


def test_a_run_over_one_workspace_hides_no_failure_of_another(warehouse: Warehouse) -> None:
    workspaces(warehouse, "a", "b", "c", "d")
    night(warehouse, "night", {"a": FAILED, "b": FAILED, "c": DONE, "d": DONE}, 0.5)
    for number in range(9):
        night(warehouse, f"hand-{number}", {"c": DONE}, 0.4 - number / 100)
    assert failed(warehouse) == ["a", "b"]


def test_a_failure_is_over_once_a_later_run_went_well(warehouse: Warehouse) -> None:
    workspaces(warehouse, "a", "b", "c", "d")
    night(warehouse, "night", {"a": FAILED, "b": FAILED, "c": DONE, "d": DONE}, 0.5)
    record(warehouse, "hand", "patterns", [Outcome("a", DONE)])
    assert failed(warehouse) == ["b"]


def test_filters_narrow_the_list(agency: Agency) -> None:
    browser = agency.browser
    fitting = {"q=client+0007": 1, "q=nobody": 0, "industry=saas": 15, "organization=org-3": 9, "need=failed": 2}
    fitting |= {"need=no-such-need": 60, "q=CLIENT&industry=saas&need=failed": 0}
    for query, fits in fitting.items():
        text = browser.get(f"/?{query}").text
        assert f"{fits} workspace" in text[text.index('role="status"') :], query


def test_the_list_comes_in_pages_that_keep_the_filter(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.pages.listing.ROWS_A_PAGE", 25)
    browser = agency.browser
    first, last = browser.get("/?q=client&order=name").text, browser.get("/?q=client&order=name&page=3").text
    assert "Page 1 of 3" in first
    assert 'href="/?q=client&amp;order=name&amp;page=2"' in first
    assert last.count('<th scope="row">') == 9  # the hostile one is called otherwise
    assert browser.get("/?page=99999").text.count('<th scope="row">') == 10


def test_queries_do_not_grow_with_workspaces(
    sqlite_warehouse: Warehouse, agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    rows = Warehouse.rows

    def counted(self: Warehouse, *arguments: object) -> object:
        counts[-1] += 1
        return rows(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Warehouse, "rows", counted)
    write_agency(sqlite_warehouse, 3, nights=1)
    for warehouse in (sqlite_warehouse, agency.warehouse):
        counts.append(0)
        home_context(warehouse, EVERYTHING)
    assert counts[1] == counts[0] <= 20


def test_markup_in_names_ids_and_addresses_stays_text(agency: Agency) -> None:
    browser = agency.browser
    pages_read = [browser.get("/?q=y%3D1"), browser.get("/", params={"q": HOSTILE, "industry": HOSTILE})]
    pages_read.append(browser.get("/workspace", params={"id": HOSTILE_ID}))
    for answer in pages_read:
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert "&lt;script&gt;alert" in answer.text
        assert "49" not in answer.text.split("7*7")[0][-20:]


@pytest.mark.benchmark
@pytest.mark.parametrize("n", [300, 1000])
def test_cost_of_the_first_page(n: int, sqlite_warehouse: Warehouse, pages: Pages) -> None:
    write_agency(sqlite_warehouse, n, nights=20)
    browser = pages(sqlite_warehouse)
    browser.get("/")
    first, others = [], []
    for _ in range(5):
        time.sleep(SECONDS_SHARED + 0.1)
        for spent in (first, others):
            began = time.process_time()
            answer = browser.get("/")
            spent.append(1000 * (time.process_time() - began))
    size = (len(answer.content) + sum(map(len, FILES.values()))) / 1000
    print(f"{n} workspaces: {min(first):.0f} ms CPU, {min(others):.0f} within a second, {size:.0f} kB with its files")
