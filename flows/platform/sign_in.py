"""The page that asks a browser who it is, and the two ways past it: a link that works once, or user and password."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from flows.platform.login import SESSION_SECONDS, SIGN_IN, Login, redeem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BYTES = 4096
SECONDS_AFTER_A_WRONG_ONE = 1.0
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>RaptorFlow · sign in</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; padding: 0 1rem; color: #1f2937 }}
h1 {{ font-size: 1.25rem }} label {{ display: block; margin: .75rem 0 }}
input {{ font: inherit; width: 100%; box-sizing: border-box; padding: .4rem .6rem; border: 1px solid #6b7280;
border-radius: .3rem }}
button {{ font: inherit; padding: .4rem 1rem; border: 0; border-radius: .3rem; background: #1d4ed8; color: #fff }}
code {{ background: #f3f4f6; padding: .1rem .3rem }} [role=alert] {{ color: #b91c1c }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111827; color: #e5e7eb }} code {{ background: #374151 }}
input {{ background: #1f2937; color: inherit }} [role=alert] {{ color: #fca5a5 }} }}
</style>
<h1>RaptorFlow</h1>
{said}
<p>On the machine it runs on, <code>raptorflow status</code> prints a link that signs this browser in.</p>
<form method="post" action="{action}">
<label>User <input name="user" value="raptorflow" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required autofocus></label>
<input type="hidden" name="next" value="{wants}">
<button>Sign in</button>
</form>
<p>The password is what <code>RAPTORFLOW_AUTH</code> says after the colon, or else the file <code>secret</code> in
<code>RAPTORFLOW_HOME</code>.</p>
"""


async def show(send: Send, wants: str = "/", said: str = "") -> None:
    """The page, with where the person wanted to go."""
    alert = f'<p role="alert">{html.escape(said)}</p>' if said else ""
    body = PAGE.format(action=SIGN_IN, wants=html.escape(_own_path(wants)), said=alert).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"content-security-policy", POLICY.encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer(login: Login, scope: Scope, receive: Receive, send: Send) -> None:
    """Take a link's ticket or a filled-in form; the front door has seen that it is no other page's."""
    if scope["method"] == "GET":
        query = _fields(scope.get("query_string", b""))
        if redeem(query.get("ticket", "")):
            await _welcome(login, scope, send, "/")
        else:
            await show(send, said="This link was used before, or is older than a day." if "ticket" in query else "")
        return
    given = _fields(await _body(receive)) if scope["method"] == "POST" else {}
    if login.is_given(given.get("user", ""), given.get("password", "")):
        await _welcome(login, scope, send, given.get("next", "/"))
        return
    await asyncio.sleep(SECONDS_AFTER_A_WRONG_ONE)
    await show(send, given.get("next", "/"), "User and password do not fit.")


async def _welcome(login: Login, scope: Scope, send: Send, wants: str) -> None:
    """A session for this browser, and on to where the person wanted to go."""
    headers = dict(scope["headers"])
    is_secure = headers.get(b"x-forwarded-proto", b"") == b"https" or headers.get(b"origin", b"").startswith(b"https:")
    cookie = f"{login.cookie}={login.session()}; Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Lax"
    cookie += "; Secure" if is_secure else ""
    answer_headers = [
        (b"location", _own_path(wants).encode("latin-1", "replace")),
        (b"set-cookie", cookie.encode()),
        (b"content-length", b"0"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    ]
    await send({"type": "http.response.start", "status": 303, "headers": answer_headers})
    await send({"type": "http.response.body", "body": b""})


def _own_path(wants: str) -> str:
    """A path of this server; whoever makes up another goes to its first page."""
    is_path = wants.startswith("/") and not wants.startswith(("//", "/\\", SIGN_IN)) and wants.isprintable()
    return wants if is_path else "/"


def _fields(text: bytes) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text.decode("utf-8", "replace")).items()}


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        body += chunk
        if not message.get("more_body") or len(body) > MOST_BYTES:
            return body[:MOST_BYTES]
