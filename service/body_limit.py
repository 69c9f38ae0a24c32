"""No request is longer than 4 MB: a body is refused by what it says of itself, or as soon as too much of it came."""

from __future__ import annotations

from service.problems import ProblemError
from service.security_headers import App, Message, Receive, Scope, Send, for_requests

MOST_BYTES = 4 * 10**6
TOO_LONG = "a request is at most 4 MB; send it in parts"


class BodyLimit:
    """ASGI middleware, inside of what answers problems."""

    def __init__(self, app: App) -> None:
        self._app = app

    @for_requests
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what is short enough."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > MOST_BYTES:
            await ProblemError(413, TOO_LONG, headers={"Connection": "close"}).response()(scope, receive, send)
            return
        came = 0

        async def counting() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST_BYTES:
                raise ProblemError(413, TOO_LONG, headers={"Connection": "close"})
            return message

        await self._app(scope, counting, send)
