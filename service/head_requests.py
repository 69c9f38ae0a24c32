"""HEAD, as monitors and `curl -I` ask: what GET would answer, without its body."""

from __future__ import annotations

from service.security_headers import App, Message, Receive, Scope, Send, for_requests


class HeadRequests:
    """ASGI middleware; routes know of GET alone. A stream that never ends is left once its head is known."""

    def __init__(self, app: App) -> None:
        self._app = app

    @for_requests
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, a HEAD as a GET."""
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        is_answered = False

        async def head_alone(message: Message) -> None:
            nonlocal is_answered
            if not is_answered:
                await send(message)
                await send({"type": "http.response.body", "body": b""})
            is_answered = True

        async def asked_until_answered() -> Message:
            return {"type": "http.disconnect"} if is_answered else await receive()

        await self._app({**scope, "method": "GET"}, asked_until_answered, head_alone)
