"""What every answer says to browsers: run no script of a page's own text, be framed by nobody, guess no types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import wraps
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Method = Callable[[Any, Scope, Receive, Send], Awaitable[None]]

# Scripts and styles are files of ours: an attribute such as onclick, or text that becomes markup, runs nothing.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def for_requests(method: Method) -> Method:
    """A middleware's method that is called for HTTP alone: what else there is, such as the start, is handed on."""

    @wraps(method)
    async def called(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        await (method(self, scope, receive, send) if scope["type"] == "http" else self._app(scope, receive, send))

    return called


class SecurityHeaders:
    """ASGI middleware; what an answer says itself stays as it is."""

    def __init__(self, app: App) -> None:
        self._app = app

    @for_requests
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and add to the answer's headers."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", []))
                there = {name.lower() for name, _ in own}
                message["headers"] = own + [pair for pair in HEADERS if pair[0] not in there]
            await send(message)

        await self._app(scope, receive, sending)
