"""Runs that wait for a person stand on the first page, with a link; where Prefect is silent, the page says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.pages import approvals
from service.pages.approvals import Approvals, SharedApprovals
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.generators.agencies import HOSTILE

Pages = Callable[[Warehouse], TestClient]
RUN = "0198c0de-0000-7000-8000-000000000000"


def paused(**changes: Any) -> dict[str, Any]:
    """A run as Prefect answers it."""
    state = {"type": "PAUSED", "name": "Paused", "timestamp": "2026-11-29T10:00:00Z"}
    options = {"workspace_id": "acme", "model_type": "TONE_CLASSIFIER"}
    return {"id": RUN, "name": "acme · TONE_CLASSIFIER", "state": state, "parameters": {"options": options}} | changes


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.pages.home.APPROVALS", SharedApprovals())


def test_a_run_that_waits_stands_on_the_first_page_and_leads_to_its_form(
    sqlite_warehouse: Warehouse, pages: Pages, prefect: list[dict[str, Any]]
) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    odd = paused(id="javascript:alert(1)", name=HOSTILE, parameters=None, state={"type": "PAUSED"})
    prefect += [paused(), odd, paused(state={"type": "RUNNING"}, name="goes on")]
    text = pages(sqlite_warehouse).get("/").text
    assert "Waiting for an approval" in text
    assert f"/runs/flow-run/{RUN}" in text
    assert "acme · TONE_CLASSIFIER" in text
    assert "paused since 29 Nov 2026, 10:00 UTC" in text
    assert "goes on</a>" not in text
    assert 'href="javascript:' not in text
    assert "<script>alert" not in text
    assert '<span class="tag approval">' in text


@pytest.mark.parametrize(("address", "why"), [("", "no Prefect server is known"), ("http://127.0.0.1:9/api", "answer")])
def test_where_prefect_does_not_answer_the_page_says_so(
    address: str, why: str, sqlite_warehouse: Warehouse, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    store(sqlite_warehouse, Workspace, [workspace_row()])
    answer = pages(sqlite_warehouse).get("/")
    assert answer.status_code == 200
    assert "Whether a run waits for an approval is not known" in answer.text
    assert why in answer.text


def test_nobody_waits_for_a_prefect_that_is_slow_but_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, let_go = [], threading.Event()

    def slow() -> Approvals:
        asked.append(1)
        if len(asked) > 1:
            let_go.wait(30)
        return Approvals((), f"answer {len(asked)}")

    monkeypatch.setattr(approvals, "waiting_approvals", slow)
    monkeypatch.setattr(approvals, "SECONDS_SHARED", 0.0)
    shared = SharedApprovals()
    assert shared.known().problem == "answer 1"
    asking = threading.Thread(target=shared.known)
    asking.start()
    while len(asked) < 2:
        time.sleep(0.001)
    assert shared.known().problem == "answer 1", "what was known before, at once"
    let_go.set()
    asking.join()
