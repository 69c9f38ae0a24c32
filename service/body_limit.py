"""No request is longer than 4 MB: a body is refused by what it says of itself, or as soon as too much of it came.

Most clients send all of a body before they read: one that meets a closed connection meanwhile is told "connection
reset", and never why. So what they still send is taken and thrown away, as long as that costs little.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from service.problems import ProblemError
from service.security_headers import App, Message, Receive, Scope, Send, for_requests

MOST_BYTES = 4 * 10**6
TOO_LONG = "a request is at most 4 MB; send it in parts"
MOST_THROWN_AWAY = 64 * 10**6
SECONDS_TO_SEND = 10.0


class BodyLimit:
    """ASGI middleware, inside of what answers problems."""

    def __init__(self, app: App) -> None:
        self._app = app

    @for_requests
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what is short enough."""
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > MOST_BYTES:
            if b"expect" not in headers:  # else it asks before it sends
                await _thrown_away(receive)
            await ProblemError(413, TOO_LONG, headers={"Connection": "close"}).response()(scope, receive, send)
            return
        came = 0

        async def counting() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST_BYTES:
                if message.get("more_body", False):
                    await _thrown_away(receive)
                raise ProblemError(413, TOO_LONG, headers={"Connection": "close"})
            return message

        await self._app(scope, counting, send)


async def _thrown_away(receive: Receive) -> None:
    came = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS_TO_SEND):
            while came < MOST_THROWN_AWAY:
                message = await receive()
                came += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
