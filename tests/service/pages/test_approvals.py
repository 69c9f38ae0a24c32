"""Runs that wait for a person stand on the first page, with a link; where Prefect is silent, the page says so."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.pages import approvals
from service.pages.approvals import Approvals, SharedApprovals, waiting_approvals
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


@contextmanager
def answering(answer: bytes, drips_until: threading.Event | None = None) -> Iterator[str]:
    """The address of something that answers a request with these bytes, and hangs up or adds another now and then."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                with suppress(OSError):  # it was left
                    while drips_until is not None and not drips_until.wait(0.1):
                        connection.sendall(b"x")

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api"


def sound_answer(body: bytes, more: str = "", length: int | None = None) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-length: {length or len(body)}\r\n{more}\r\n".encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        sound_answer(b"<html>Sign in</html>"),
        sound_answer(b'[{"id":', length=5000),
        sound_answer(b"xxxx", "content-encoding: gzip\r\n"),
        sound_answer(b"[" * 100_000),
        b"HTTP/1.1 302 Found\r\nlocation: /sign-in\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
    ],
    ids=["no JSON", "cut", "packed otherwise", "deep", "elsewhere", "no HTTP"],
)
def test_what_is_no_answer_of_prefects_is_a_sentence(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(answer) as address:
        monkeypatch.setenv("PREFECT_API_URL", address)
        assert "is not known: " in waiting_approvals().problem


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nx-slow: ", b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"])
def test_a_prefect_that_drips_holds_nobody_longer_than_one_that_is_silent(
    start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "PATIENCE_SECONDS", 0.5)
    is_over = threading.Event()
    with answering(start, is_over) as address:
        monkeypatch.setenv("PREFECT_API_URL", address)
        began = time.monotonic()
        assert "does not answer now" in waiting_approvals().problem
        assert time.monotonic() - began < 3
        is_over.set()


def test_an_address_that_is_none_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://[::1")
    assert "PREFECT_API_URL is no address" in waiting_approvals().problem


def test_odd_instants_and_text_of_prefects_are_shown(
    sqlite_warehouse: Warehouse, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    odd = paused(name="\ud800", id="\ud800", parameters={"options": {"workspace_id": "\ud800"}})
    for instant in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        odd["state"]["timestamp"] = instant
        with answering(sound_answer(json.dumps([odd]).encode())) as address:
            monkeypatch.setenv("PREFECT_API_URL", address)
            monkeypatch.setattr("service.pages.home.APPROVALS", SharedApprovals())
            answer = pages(sqlite_warehouse).get("/")
        assert (answer.status_code, "paused: it goes on" in answer.text) == (200, True)
