"""Who is let through to Prefect and MLflow: the rules alone, without either."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flows.platform.front_door import FrontDoor
from flows.platform.login import SIGN_IN, TICKET_SECONDS, Login, login, new_link
from flows.platform.prefect_server import WithoutOwnLogin
from tasks.settings import get_settings

HOST, ORIGIN = "127.0.0.1:4200", "http://127.0.0.1:4200"
EVIL = "http://evil.example"
KNOWN = Login("admin:a-long-password")
PAGE = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


async def server(scope: Any, _receive: Any, send: Any) -> None:
    """Says who the server thinks is there."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    who = dict(scope["headers"]).get(b"authorization", b"nobody")
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(who)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": who})


def door(**options: Any) -> FrontDoor:
    return FrontDoor(server, options.pop("login", KNOWN), open_paths=["/api/health"], **options)


class Answer:
    def __init__(self, messages: list[Any]) -> None:
        self.first = messages[0]
        self.body = b"".join(message.get("body", b"") for message in messages).decode()

    @property
    def status(self) -> int:
        return int(self.first.get("status", 0))

    def header(self, name: str) -> str | None:
        return next((value.decode() for key, value in self.first["headers"] if key.decode().lower() == name), None)


def ask(
    app: Any, method: str = "GET", path: str = "/api/x", *, body: bytes = b"", kind: str = "http", **headers: str
) -> Answer:
    """One request; header names have underscores for dashes, and a Host unless it is given."""
    named = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
    path, _, query = path.partition("?")
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in named.items() if value]
    scope = {"type": kind, "method": method, "path": path, "query_string": query.encode(), "headers": pairs}
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        messages.append(message)

    run(app(scope, receive, send))
    return Answer(messages)


def run(work: Any) -> None:
    """In a thread of its own: the browser of other tests holds this one's event loop."""
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, work).result()


def signed_in(known: Login = KNOWN) -> str:
    return f"other=1; {known.cookie}={known.session()}"


def page(**headers: str) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in (PAGE | headers).items()}


@pytest.mark.parametrize("host", [HOST, "localhost:4200", "[::1]:4200", "raptorflow.localhost", "192.168.1.5", "HOST"])
def test_names_of_this_machine_and_declared_ones_are_answered(host: str) -> None:
    assert ask(door(names=["host"]), host=host, authorization=KNOWN.header).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4200", "127.0.0.1.evil.example", "localhost.evil.example", "a@127.0.0.1", ""]
)
def test_a_foreign_name_that_points_here_is_not_answered(host: str) -> None:
    for path in ("/api/x", "/api/health", SIGN_IN, "/"):
        answer = ask(door(), path=path, host=host, authorization=KNOWN.header, cookie=signed_in())
        assert answer.status == 403
        assert answer.header("access-control-allow-origin") is None


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://127.0.0.1:9999", "http://localhost:4200", "https://127.0.0.1"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_pages_are_refused_whatever_they_bring(origin: str, method: str) -> None:
    answer = ask(door(), method, origin=origin, cookie=signed_in(), authorization=KNOWN.header)
    assert answer.status == 403
    assert not [name for name, _ in answer.first["headers"] if name.startswith(b"access-control")]
    assert ask(door(), method, SIGN_IN, origin=origin).status == 403


def test_other_pages_open_no_web_socket() -> None:
    app = door(sockets_ask=True)
    assert ask(app, kind="websocket", origin=EVIL, cookie=signed_in()).first["type"] == "websocket.close"
    assert ask(app, kind="websocket").first["type"] == "websocket.accept", "Prefect asks for the login itself"
    assert ask(door(), kind="websocket").first["type"] == "websocket.close"
    assert ask(door(), kind="websocket", authorization=KNOWN.header).first["type"] == "websocket.accept"


def test_a_session_counts_for_the_platforms_own_pages() -> None:
    known = {"cookie": signed_in()}
    for asks in ({"origin": ORIGIN}, {"sec_fetch_site": "same-origin"}):
        assert ask(door(), "POST", **known, **asks).body == KNOWN.header
    assert ask(door(), **known, **page(**{"sec-fetch-site": "cross-site"})).status == 200, "a link in a mail"
    assert ask(door(), **known).status == 200, "a browser that does not tell sends an Origin with what changes"


@pytest.mark.parametrize(
    "asks",
    [
        {"method": "POST"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
        {
            "sec_fetch_site": "same-site",
            "sec_fetch_mode": "navigate",
            "sec_fetch_dest": "iframe",
            "accept": "text/html",
        },
        {"method": "POST", "sec_fetch_site": "cross-site", **page()},
    ],
)
def test_a_session_counts_for_nobody_else_though_their_pages_send_it(asks: dict[str, str]) -> None:
    assert ask(door(), cookie=signed_in(), **asks).status == 401  # type: ignore[arg-type]


def test_sessions_end_with_time_and_with_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    old = signed_in()
    assert ask(door(login=Login("admin:another-password")), cookie=old).status == 401
    until, signature = KNOWN.session().split(".")
    for made_up in (f"{int(until) + 1}.{signature}", f"{until}.", "", "x.y", f"{until}.é", "9" * 5000):
        assert not KNOWN.knows(made_up)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31 * 24 * 3600)
    assert ask(door(), cookie=old).status == 401


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Basic YWRtaW46eA==", "Bearer x", "Basic " + "é", f"Digest {KNOWN.header[6:]}"]
)
def test_a_wrong_header_opens_nothing(header: str) -> None:
    assert ask(door(), authorization=header).status == 401


def test_two_headers_of_a_kind_open_nothing() -> None:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/api/x", "query_string": b""}
    scope["headers"] = [(b"host", b"evil.example"), (b"host", HOST.encode()), (b"authorization", KNOWN.header.encode())]
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    run(door()(scope, lambda: asyncio.sleep(0), send))
    assert said[0]["status"] == 403


def test_health_is_open_and_nothing_that_looks_like_it() -> None:
    assert ask(door(), path="/api/health").body == "nobody"
    for path in ("/api/health/", "//api/health", "/api/health/x", "/api/x?/api/health"):
        assert ask(door(), path=path).status == 401
    assert ask(door(), "POST", "/api/health").status == 401


def test_declared_names_are_the_platforms_own_behind_a_proxy() -> None:
    app = door(names=["flows.example.org"])
    assert (
        ask(app, "POST", host="flows.example.org", origin="https://flows.example.org", cookie=signed_in()).status == 200
    )
    rewritten = ask(app, "POST", origin="https://flows.example.org", cookie=signed_in())
    assert rewritten.status == 200, "a proxy that puts its own address into Host"
    plain = {"origin": "http://flows.example.org", "x_forwarded_proto": "https"}
    assert ask(app, "POST", host="flows.example.org", cookie=signed_in(), **plain).status == 403


def test_declared_foreign_pages_bring_the_login_themselves() -> None:
    for origins in (["https://board.example.org"], ["*"]):
        app = door(origins=origins)
        assert ask(app, "POST", origin="https://board.example.org", cookie=signed_in()).status == 401
        assert ask(app, "POST", origin="https://board.example.org", authorization=KNOWN.header).status == 200


def test_a_server_with_a_login_of_its_own_is_guarded_against_pages_alone() -> None:
    app = door(login=None)
    assert ask(app).status == 200
    assert ask(app, "POST", origin=EVIL).status == 403


def test_no_answer_can_be_framed_or_sniffed() -> None:
    for answer in (ask(door(), authorization=KNOWN.header), ask(door()), ask(door(), path="/", **page())):
        assert answer.header("x-frame-options") == "SAMEORIGIN"
        assert answer.header("x-content-type-options") == "nosniff"


def test_a_link_signs_in_once() -> None:
    known = login()
    app = FrontDoor(server, known)
    path = new_link("").removeprefix("http://")
    first = ask(app, path=path)
    assert (first.status, first.header("location")) == (303, "/")
    cookie = str(first.header("set-cookie"))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ask(app, path="/api/x", cookie=cookie.partition(";")[0]).body == known.header
    again = ask(app, path=path)
    assert again.status == 401
    assert "used before" in again.body
    for made_up in ("?ticket=", "?ticket=..%2F..%2Fsecret", ""):
        assert ask(app, path=SIGN_IN + made_up).header("set-cookie") is None


def test_an_old_link_signs_nobody_in() -> None:
    path = new_link("")
    tickets = get_settings().home.resolve() / "tickets"
    for ticket in tickets.iterdir():
        os.utime(ticket, (0, time.time() - TICKET_SECONDS - 60))
    assert ask(FrontDoor(server, login()), path=path).status == 401
    new_link("")
    assert len(list(tickets.iterdir())) == 1, "old ones are cleared away"


@pytest.mark.parametrize(
    ("wants", "goes"),
    [("/runs?x=1", "/runs?x=1"), ("//evil.example", "/"), ("/\\evil", "/"), ("https://e", "/"), ("/a\r\nb", "/")],
)
def test_a_form_signs_in_and_goes_on_within_the_platform(wants: str, goes: str) -> None:
    form = urlencode({"user": "admin", "password": "a-long-password", "next": wants}).encode()
    answer = ask(door(), "POST", SIGN_IN, body=form, origin=ORIGIN)
    assert (answer.status, answer.header("location")) == (303, goes)


def test_a_wrong_password_waits_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.platform.sign_in.SECONDS_AFTER_A_WRONG_ONE", 0.2)
    for form in ({"user": "admin", "password": "x"}, {"user": "admin"}, {"password": "a-long-password"}):
        started = time.monotonic()
        answer = ask(door(), "POST", SIGN_IN, body=urlencode(form).encode(), origin=ORIGIN)
        assert (answer.status, answer.header("set-cookie")) == (401, None)
        assert time.monotonic() - started >= 0.2
    assert ask(door(), "POST", SIGN_IN, body=b"user=" + b"a" * 100_000, origin=ORIGIN).status == 401


def test_a_page_is_asked_for_who_comes_and_a_program_is_told_no() -> None:
    shown = ask(door(), path="/runs?<script>", **page())
    assert shown.status == 401
    assert "raptorflow status" in shown.body
    assert "<script>" not in shown.body
    told = ask(door(), path="/api/x")
    assert (told.status, told.header("content-type")) == (401, "application/json")


def test_prefects_pages_ask_for_no_password_of_their_own() -> None:
    async def settings(_scope: Any, _receive: Any, send: Any) -> None:
        body = b'{"api_url": "/api", "auth": "BASIC"}'
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"36")]})
        await send({"type": "http.response.body", "body": body})

    answer = ask(WithoutOwnLogin(settings), path="/ui-settings")
    assert answer.body == '{"api_url": "/api", "auth": null}'
    assert answer.header("content-length") == str(len(answer.body))


def test_the_secret_is_made_once_and_is_its_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    path = get_settings().home.resolve() / "secret"
    first = login()
    assert login() == first
    assert len(first.password) >= 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700 or path.parent.exists()
    assert first.password not in repr(first)
    assert first.password not in str(first)
    path.unlink()
    assert login() != first, "rotated: delete it and start again"


def test_a_persons_own_password_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "prefect:own")
    assert login() == Login("prefect:own")
    monkeypatch.setenv("RAPTORFLOW_AUTH", "admin:p%a$s@w/o:rd")
    get_settings.cache_clear()
    assert login().password == "p%a$s@w/o:rd"
    assert Login("bare").opens(Login("bare").header)
    assert not (get_settings().home / "secret").exists()


def test_an_empty_secret_lets_nobody_in(tmp_path: Path) -> None:
    from flows.platform.errors import EmptySecretError

    home = get_settings().home
    home.mkdir(parents=True, exist_ok=True)
    (home / "secret").write_text("\n")
    with pytest.raises(EmptySecretError, match="delete it"):
        login()
