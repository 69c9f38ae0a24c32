"""Answers of a server that are changed on their way to a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from flows.platform.sign_in import Message, Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def rewritten(
    app: App, scope: Scope, receive: Receive, send: Send, change: Callable[[bytes], Awaitable[bytes]]
) -> None:
    """Let `app` answer, and send its answer with another body where that is a success.

    Args:
        change: from the body to the new one.
    """
    scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() != b"accept-encoding"]
    began: list[Message] = []
    body = b""

    async def keeping(message: Message) -> None:
        nonlocal body
        if message["type"] == "http.response.start":
            began.append(message)
        else:
            body += message.get("body", b"")

    await app(scope, receive, keeping)
    for start in began:
        if start["status"] == 200:
            body = await change(body)
        kept = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        await send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})
