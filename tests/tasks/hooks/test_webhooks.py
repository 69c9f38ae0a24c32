"""Webhooks: told with what happens, signed, tried again, never sent inside, and of one workspace alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from sqlalchemy import select, update

from tasks.errors import InputError, UnknownNameError
from tasks.experiments.service import ExperimentService
from tasks.hooks import HookService, sending, service, targets
from tasks.hooks.errors import HookRequestError, HookUnheardError
from tasks.hooks.service import KEPT, WAITS
from tasks.models.records import PROMOTION, ROLLBACK, Deployment, DriftReport, ModelKey, ModelType
from tasks.models.store import ABANDONED, DONE, PENDING, ModelStore
from tasks.patterns import store as pattern_store
from tasks.patterns.records import ContentAnalysis, PatternQuery, SearchThresholds
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.outbox import HookEvent, tell_hooks
from tasks.warehouse.schema import WebhookMessage, Workspace
from tests.factories import START, store, workspace_row
from tests.generators.agencies import pattern_of

ARMS: list[dict[str, Any]] = [{"name": "control", "is_control": True}, {"name": "short"}]
PUBLIC = "https://hooks.example.com/in"
ENGAGEMENT = ModelKey("acme", ModelType.ENGAGEMENT_PREDICTOR)


@dataclass
class Receiver:
    """A customer's server: what it was sent, and what it answers."""

    url: str = ""
    status: int = 204
    drips: bool = False
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Keeps what comes."""

    def __init__(self, receiver: Receiver, *given: Any) -> None:
        self.receiver = receiver
        super().__init__(*given)

    def do_POST(self) -> None:
        """Answer as the receiver is told to."""
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.got.append((self.path, headers, body))
        try:
            while self.receiver.drips:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(0.05)
        except OSError:
            return
        self.send_response(self.receiver.status)
        self.send_header("location", f"{self.receiver.url}/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A server on this machine, which a setting allows."""
    monkeypatch.setenv("RAPTORFLOW_HOOK_NETWORKS", "127.0.0.0/8")
    get_settings.cache_clear()
    one = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, one))
    one.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield one
    one.drips = False
    server.shutdown()
    server.server_close()


def with_customers(warehouse: Warehouse) -> HookService:
    store(warehouse, Workspace, [workspace_row(workspace_id=name) for name in ("acme", "umbrella")])
    return HookService(warehouse)


def happened(warehouse: Warehouse, what: str = "1", workspace: str = "acme") -> None:
    with warehouse.begin() as connection:
        tell_hooks(warehouse, connection, HookEvent.DRIFT_DETECTED, workspace, ("model", what), {"what": what})


def messages(warehouse: Warehouse) -> list[dict[str, Any]]:
    table = WebhookMessage.__table__
    return warehouse.rows(select(table).order_by(table.c.occurred_at, table.c.message_id))


def test_what_happens_is_told_once_in_the_transaction_that_makes_it_true(warehouse: Warehouse) -> None:
    hooks = with_customers(warehouse)
    hooks.create("acme", PUBLIC)
    hooks.create("umbrella", PUBLIC)
    engine, models = ExperimentService(warehouse=warehouse), ModelStore(warehouse)
    identifier = engine.create_experiment("titles", "acme", ARMS, "clicks", metric_kind="binary").experiment_id
    engine.start_experiment(identifier)
    engine.complete_experiment(identifier, None)
    for generation, kind, outcome in ((1, PROMOTION, DONE), (2, ROLLBACK, DONE), (3, PROMOTION, ABANDONED)):
        move = Deployment(generation, kind, PENDING, f"v{generation}", None, "why", "Ann", datetime.now(UTC))
        for _ in range(2):
            models.close_deployment(ENGAGEMENT, move, outcome, "run")
    for status, rows in (("warning", "a"), ("warning", "a"), ("no_drift", "b")):
        report: dict[str, Any] = dict.fromkeys(DriftReport.__annotations__, 0) | {
            "model_version": "v2",
            "drift_status": status,
        }
        report |= {"recommendation": "retrain", "reasons": [], "performance": {}, "columns": []}
        models.add_drift_check(ENGAGEMENT, cast("DriftReport", report), rows, "run")
    found = [pattern_of(k, START, np.random.default_rng(k)) for k in (0, 1)]
    analysis = ContentAnalysis(PatternQuery("acme", "social", START, 365, SearchThresholds()), "x", "", tuple(found))
    for _ in range(2):
        pattern_store.save(warehouse, analysis, "run")
    told_of = messages(warehouse)
    assert sorted(row["event"] for row in told_of) == sorted(event.value for event in HookEvent)
    assert {row["workspace_id"] for row in told_of} == {"acme"}
    by_event = {row["event"]: row["data"] for row in told_of}
    assert by_event["raptorflow.experiment.decided"]["name"] == "titles"
    assert by_event["raptorflow.model.rolled-back"]["version_name"] == "v2"
    assert by_event["raptorflow.patterns.found"]["new"] == 1, "what is no news is not told"


def test_what_lasts_is_not_told_again_though_what_was_delivered_is_forgotten(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    hooks = with_customers(warehouse)
    hooks.create("acme", receiver.url)
    days = [datetime.now(UTC) - timedelta(days=KEPT.days + 10), datetime.now(UTC) - timedelta(days=20)]
    for what in ("lasts", "is over"):
        happened(warehouse, what)
    assert hooks.deliver().delivered == 2
    for day in days:
        with warehouse.begin() as connection:
            connection.execute(update(WebhookMessage).values(delivered_at=day))
        happened(warehouse, "lasts")
        if day is days[0]:
            hooks.store.forget(datetime.now(UTC) - KEPT)
    assert [row["data"]["what"] for row in messages(warehouse)] == ["lasts"]
    assert hooks.deliver().delivered == 0


def test_what_is_undone_is_not_told(sqlite_warehouse: Warehouse) -> None:
    with_customers(sqlite_warehouse).create("acme", PUBLIC)
    with pytest.raises(ZeroDivisionError), sqlite_warehouse.begin() as connection:
        tell_hooks(sqlite_warehouse, connection, HookEvent.MODEL_PROMOTED, "acme", ("model",), {})
        _ = 1 / 0
    assert messages(sqlite_warehouse) == []


def test_a_message_is_signed_as_standard_webhooks_are_verified(sqlite_warehouse: Warehouse, receiver: Receiver) -> None:
    hooks = with_customers(sqlite_warehouse)
    _, secret = hooks.create("acme", f"{receiver.url}/in?for=acme")
    happened(sqlite_warehouse)
    assert hooks.deliver().as_dict() == {"delivered": 1, "later": 0, "failed": 0}
    assert hooks.deliver().delivered == 0
    ((path, headers, body),) = receiver.got
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
    assert path == "/in?for=acme"
    told_of = json.loads(body)
    assert (told_of["type"], told_of["workspace_id"]) == ("raptorflow.drift.detected", "acme")
    assert (told_of["about"], told_of["data"]) == ("model", {"what": "1"})


def test_what_is_not_taken_is_tried_ever_later_and_then_kept_where_it_is_seen(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    hooks = with_customers(warehouse)
    hook, _ = hooks.create("acme", receiver.url)
    happened(warehouse)
    receiver.status, now = 503, datetime.now(UTC) + timedelta(seconds=1)
    for wait in WAITS:
        assert hooks.deliver(now).later == 1
        assert hooks.deliver(now + wait - timedelta(seconds=1)).as_dict() == {"delivered": 0, "later": 0, "failed": 0}
        assert hooks.failed("acme") == []
        now += wait
    assert hooks.deliver(now).failed == 1
    assert hooks.deliver(now + timedelta(days=9)).as_dict() == {"delivered": 0, "later": 0, "failed": 0}
    assert len(receiver.got) == len(WAITS) + 1
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    (failed,) = hooks.failed("acme")
    assert (failed["attempts"], "answered 503" in failed["problem"]) == (len(WAITS) + 1, True)
    assert hooks.failed("umbrella") == []
    receiver.status = 200
    assert hooks.retry(hook.hook_id) == 1
    assert (hooks.deliver().delivered, hooks.failed()) == (1, [])


def test_a_redirect_is_not_followed_and_a_slow_answer_ends(
    sqlite_warehouse: Warehouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = with_customers(sqlite_warehouse)
    hooks.create("acme", receiver.url)
    happened(sqlite_warehouse)
    receiver.status = 307
    assert hooks.deliver().later == 1
    assert [path for path, _, _ in receiver.got] == ["/"]
    assert "redirects are not followed" in messages(sqlite_warehouse)[0]["problem"]
    receiver.drips = True
    target = targets.target_of(receiver.url)
    began = time.monotonic()
    with pytest.raises(HookUnheardError, match=r"not within 0\.3 s"):
        sending.send(target, "127.0.0.1", {}, b"{}", seconds=0.3)
    assert time.monotonic() - began < 5
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes a connection and says nothing, to TLS neither
        mute = targets.target_of(f"https://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(HookUnheardError):
            sending.send(mute, "127.0.0.1", {}, b"{}", seconds=0.3)


INNER = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[ff02::1]",
]  # fmt: skip


def test_an_inner_address_is_refused_when_a_hook_is_made(sqlite_warehouse: Warehouse) -> None:
    hooks = with_customers(sqlite_warehouse)
    for host in INNER:
        with pytest.raises(HookRequestError, match="RAPTORFLOW_HOOK_NETWORKS"):
            hooks.create("acme", f"https://{host}/")
    assert hooks.list_hooks() == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost", "inside.example.com"])
def test_a_name_that_leads_inside_is_refused_when_a_message_goes(
    sqlite_warehouse: Warehouse, receiver: Receiver, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAPTORFLOW_HOOK_NETWORKS")
    get_settings.cache_clear()
    if host.endswith(".com"):  # one answer is public, one is not
        answers = [(0, 0, 0, "", (address, 443)) for address in ("93.184.215.14", "10.0.0.7")]
        names = SimpleNamespace(getaddrinfo=lambda *_, **__: answers, SOCK_STREAM=socket.SOCK_STREAM)
        monkeypatch.setattr(targets, "socket", names)
    hooks = with_customers(sqlite_warehouse)
    hooks.create("acme", f"https://{host}:{receiver.url.rpartition(':')[2]}/")
    happened(sqlite_warehouse)
    assert hooks.deliver().later == 1
    assert receiver.got == []
    assert "no public address" in messages(sqlite_warehouse)[0]["problem"]


def refuse_names(look_up: Any) -> Any:
    """A look-up that knows numbers alone."""

    def numeric(host: str, *given: Any, **more: Any) -> Any:
        assert host[0].isdigit(), "a name was looked up again"
        return look_up(host, *given, **more)

    return numeric


def test_a_message_goes_to_the_address_that_was_checked(
    sqlite_warehouse: Warehouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers otherwise the second time is not asked a second time."""
    port = int(receiver.url.rpartition(":")[2])
    asked_for: list[Any] = []

    def once(host: str, port: int, **_: Any) -> list[Any]:
        asked_for.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host if host[0].isdigit() else "127.0.0.1", port))]

    hooks = with_customers(sqlite_warehouse)
    hooks.create("acme", f"http://shop.example.com:{port}/in")
    happened(sqlite_warehouse)
    names = SimpleNamespace(getaddrinfo=once, SOCK_STREAM=socket.SOCK_STREAM)
    monkeypatch.setattr(targets, "socket", names)
    monkeypatch.setattr(socket, "getaddrinfo", refuse_names(socket.getaddrinfo))
    assert hooks.deliver().delivered == 1
    assert asked_for == ["shop.example.com"]
    assert receiver.got[0][1]["host"] == f"shop.example.com:{port}"


NO_ADDRESSES = [
    "", "shop", "ftp://shop.example.com", "http://shop.example.com/", "https://", "https://a b.com", "https://a:x@b.com",
    "https://b.com\\@c.com", "https://b.com/\r\nHost: c.com", "https://b.com:0/", "https://b.com:99999/",
    "https://ü.de/", "https://[::1", f"https://b.com/{'x' * 2000}",
]  # fmt: skip


def test_what_is_no_address_is_refused_in_one_line(sqlite_warehouse: Warehouse) -> None:
    hooks = with_customers(sqlite_warehouse)
    for url in NO_ADDRESSES:
        with pytest.raises(InputError) as refused:
            hooks.create("acme", url)
        assert "\n" not in str(refused.value)
    assert hooks.list_hooks() == []


def test_a_hook_is_told_what_it_wants_of_its_own_workspace_until_it_is_revoked(
    sqlite_warehouse: Warehouse, receiver: Receiver
) -> None:
    warehouse = sqlite_warehouse
    hooks = with_customers(warehouse)
    with pytest.raises(UnknownNameError, match="unknown workspace"):
        hooks.create("nobody", receiver.url)
    with pytest.raises(UnknownNameError, match="did you mean"):
        hooks.create("acme", receiver.url, ["raptorflow.drift.detect"])
    own, _ = hooks.create("acme", receiver.url, ["raptorflow.drift.detected"])
    hooks.create("acme", f"{receiver.url}/promotions", [HookEvent.MODEL_PROMOTED.value])
    hooks.create("umbrella", f"{receiver.url}/umbrella")
    happened(warehouse)
    hooks.deliver()
    assert [path for path, _, _ in receiver.got] == ["/"]
    happened(warehouse, "2")
    hooks.revoke(own.hook_id)
    happened(warehouse, "3")
    assert hooks.revoke(own.hook_id).revoked_at is not None
    assert (hooks.deliver().delivered, len(receiver.got)) == (0, 1)
    assert hooks.list_hooks("acme")[0].hook_id == own.hook_id


def test_two_couriers_at_once_send_each_message_once(warehouse: Warehouse, receiver: Receiver) -> None:
    hooks = with_customers(warehouse)
    for k in range(3):
        hooks.create("acme", f"{receiver.url}/{k}")
    for k in range(4):
        happened(warehouse, str(k))
    with ThreadPoolExecutor(2) as couriers:
        rounds = [couriers.submit(HookService(warehouse).deliver) for _ in range(2)]
    assert sum(one.result().delivered for one in rounds) == 12
    sent = [(path, headers["webhook-id"]) for path, headers, _ in receiver.got]
    assert (len(sent), len(set(sent))) == (12, 12)


def test_one_hook_that_does_not_answer_delays_no_other(
    sqlite_warehouse: Warehouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_OF_A_HOOK", 2)
    hooks = with_customers(sqlite_warehouse)
    hooks.create("acme", "http://127.0.0.1:1/")
    hooks.create("umbrella", receiver.url)
    for k in range(4):
        happened(sqlite_warehouse, str(k))
    happened(sqlite_warehouse, workspace="umbrella")
    assert hooks.deliver().as_dict() == {"delivered": 1, "later": 1, "failed": 0}
