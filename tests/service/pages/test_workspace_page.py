"""A workspace's page shows what works with intervals, and says of an unknown one nothing but that."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tasks.warehouse import Warehouse
from tests.generators.agencies import HOSTILE_ID, write_agency

Pages = Callable[[Warehouse], TestClient]


def test_patterns_come_with_intervals_in_words_and_as_pictures(warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 5)
    text = pages(warehouse).get("/workspace?id=client-0003").text
    assert "asks a question" in text
    assert "90 % interval" in text
    assert text.count('<svg class="interval"') == 4
    assert "association, not cause" in text.lower()
    assert "Analysis of" in text


def test_too_little_data_says_how_much_would_be_enough(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    write_agency(sqlite_warehouse, 5)
    text = pages(sqlite_warehouse).get("/workspace?id=client-0004").text
    assert "31 posts with engagement, needs 200" in text
    assert "too little" in text
    assert "other workspaces of the organization, or" in text


def test_ids_hold_any_sign(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    write_agency(sqlite_warehouse, 2, hostile=True)
    browser = pages(sqlite_warehouse)
    home = browser.get("/").text
    href = home[home.index('href="/workspace?id=..') + 6 :].split('"')[0].replace("&amp;", "&")
    assert browser.get(href).status_code == 200
    assert browser.get("/workspace", params={"id": HOSTILE_ID}).text.count("<b>") == 0


@pytest.mark.parametrize("workspace_id", ["nobody", "\0", "a\0b", "client-0001 ", "%", "\ud800", "x" * 600, ""])
def test_an_unknown_workspace_is_a_page_that_names_nobody(
    workspace_id: str, warehouse: Warehouse, pages: Pages
) -> None:
    write_agency(warehouse, 3, nights=1)
    encoded = workspace_id.encode("utf-8", "surrogatepass")
    answer = pages(warehouse).get("/workspace", params={"id": encoded})
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"].startswith("text/html")
    assert "client-0000" not in answer.text
    assert "Traceback" not in answer.text
