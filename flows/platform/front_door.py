"""What stands before both servers: only the platform's own pages, and programs that know the login, get through.

Prefect and MLflow were made for networks where everybody may do everything. On a person's own machine every page of
every tab is in that network. Three things keep them out, each alone enough against its attack:

- the Host header names this machine or a declared name, so no foreign name that was pointed here is answered;
- an Origin header is the platform's own, so no other page asks anything, with or without asking first;
- whoever asks has signed in. A browser's session counts for the platform's own pages alone: cookies know no ports, so
  pages of other programs on this machine send it too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from flows.platform import sign_in
from flows.platform.login import SIGN_IN, Login
from flows.platform.sign_in import Message, Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

SAFE_METHODS = ("GET", "HEAD")
DEFAULT_PORTS = {"http": 80, "https": 443}
ON_EVERY_ANSWER: Headers = [
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
WRONG_HOST = "This name is not one of this platform's: RAPTORFLOW_ALLOWED_HOSTS declares those of a proxy.\n"
WRONG_ORIGIN = "Pages of other addresses may not ask this platform.\n"


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """The headers of one request that decide about it."""

    method: str
    path: str
    headers: dict[str, list[str]]

    @classmethod
    def of(cls, scope: Scope) -> IncomingRequest:
        """The request of an ASGI scope."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        return cls(scope.get("method", "GET"), scope["path"], headers)

    def header(self, name: str) -> str | None:
        """The header's value; None where it is absent or there are two, which nobody honest sends."""
        values = self.headers.get(name, [])
        return values[0] if len(values) == 1 else None

    @property
    def is_navigation(self) -> bool:
        """Whether a person goes to this address, in a tab of its own."""
        mode, destination = self.header("sec-fetch-mode"), self.header("sec-fetch-dest")
        wants_page = "text/html" in (self.header("accept") or "")
        return self.method == "GET" and wants_page and mode in (None, "navigate") and destination in (None, "document")

    def cookie(self, name: str) -> str:
        """A cookie's value, empty where it is not there."""
        for line in self.headers.get("cookie", []):
            try:
                morsel = SimpleCookie(line).get(name)
            except CookieError:
                continue
            if morsel is not None:
                return str(morsel.value)
        return ""


class FrontDoor:
    """ASGI middleware around one server.

    Args:
        app: the server.
        login: who may use it; None where it asks for a login of its own.
        names: names beside this machine's own under which it is reached.
        origins: foreign pages that may ask, if they bring the login themselves; `*` for all.
        open_paths: what anybody may read, such as `/health`.
        sockets_ask: whether the server's web sockets ask for the login themselves.
        with_keys: beginnings of paths that ask for a key themselves; a browser's session is nothing to them.
    """

    def __init__(
        self,
        app: App,
        login: Login | None,
        *,
        names: Iterable[str] = (),
        origins: Iterable[str] = (),
        open_paths: Iterable[str] = (),
        sockets_ask: bool = False,
        with_keys: Iterable[str] = (),
    ) -> None:
        self._app, self._login, self._sockets_ask = app, login, sockets_ask
        self._with_keys = tuple(with_keys)
        self._names = frozenset(name.lower() for name in names)
        self._origins, self._open_paths = frozenset(origins), frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = IncomingRequest.of(scope)
        if scope["type"] == "http":
            send = _with_headers(send)
        refusal = self._refusal(request)
        if refusal is not None:
            await refuse(scope, send, 403, refusal)
        elif scope["type"] == "http" and request.path == SIGN_IN and self._login is not None:
            await sign_in.answer(self._login, scope, receive, send)
        elif self._may_pass(scope, request):
            await self._app(scope, receive, send)
        elif request.is_navigation and scope["type"] == "http":
            await sign_in.show(send, wants=_address(scope))
        else:
            await refuse(scope, send, 401, '{"exception_message": "Unauthorized"}', "application/json")

    def _refusal(self, request: IncomingRequest) -> str | None:
        """Why nobody who asks like this is answered."""
        host = request.header("host")
        if host is None or not self._is_ours(_name_of(host)):
            return WRONG_HOST
        if "origin" in request.headers and not (self._is_own_page(request) or self._may_ask(request.header("origin"))):
            return WRONG_ORIGIN
        return None

    def _may_pass(self, scope: Scope, request: IncomingRequest) -> bool:
        if self._login is None or (scope["type"] == "websocket" and self._sockets_ask):
            return True
        if request.method in SAFE_METHODS and request.path in self._open_paths:
            return True
        if request.path.startswith(self._with_keys):
            return True
        if self._login.opens(request.header("authorization") or ""):
            return True
        if self._counts_session(request) and self._login.knows(request.cookie(self._login.cookie)):
            others = [pair for pair in scope["headers"] if pair[0].lower() != b"authorization"]
            scope["headers"] = [*others, (b"authorization", self._login.header.encode())]
            return True
        return False

    def _counts_session(self, request: IncomingRequest) -> bool:
        """Whether the platform's own page asks, or a person who goes to an address."""
        if "origin" in request.headers:
            return self._is_own_page(request)
        site = request.header("sec-fetch-site")
        if site is None:  # a browser that does not tell: it sends an Origin with all that changes something
            return request.method in SAFE_METHODS
        return site == "same-origin" or request.is_navigation

    def _is_ours(self, name: str) -> bool:
        """Names that no foreign name server can have pointed here; an address is no name."""
        if name in self._names or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    def _is_own_page(self, request: IncomingRequest) -> bool:
        """Whether the Origin is where the request goes to, or a declared name of the platform."""
        origin, host = request.header("origin"), request.header("host")
        if origin is None or host is None:
            return False
        scheme, name, port = _parts(origin)
        forwarded = request.header("x-forwarded-proto")
        if scheme not in DEFAULT_PORTS or (forwarded is not None and forwarded != scheme):
            return False
        return name in self._names or (scheme, name, port) == _parts(f"{scheme}://{host}")

    def _may_ask(self, origin: str | None) -> bool:
        return "*" in self._origins or origin in self._origins


async def refuse(scope: Scope, send: Send, status: int, why: str, kind: str = "text/plain; charset=utf-8") -> None:
    """Answer no, without a word that would let another page read it."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why[:100]})
        return
    body = why.encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            there = {name.lower() for name, _ in own}
            message["headers"] = own + [pair for pair in ON_EVERY_ANSWER if pair[0] not in there]
        await send(message)

    return sending


def _address(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    return f"{path}?{query}" if query else str(path)


def _name_of(host: str) -> str:
    return _parts(f"http://{host}")[1]


def _parts(origin: str) -> tuple[str, str, int | None]:
    """Scheme, name and port; empty where it is no origin."""
    try:
        split = urlsplit(origin)
        port = split.port
    except ValueError:
        return "", "", None
    if split.username is not None or split.path or split.query or split.fragment:
        return "", "", None
    return split.scheme, (split.hostname or "").rstrip("."), port or DEFAULT_PORTS.get(split.scheme)
