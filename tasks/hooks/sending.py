"""One message to one address: no redirect, no proxy, bounded in time whatever the other side does.

The standard library's client, since it takes a socket that is connected already, to the address that was checked; a
timer closes it at the deadline, which a client's own limits do not: they begin anew with each byte.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPConnection, HTTPException

from tasks.hooks.errors import HookUnheardError
from tasks.hooks.targets import HookTarget
from tasks.plain_text import visible

SECONDS = 10.0
GOOD = range(200, 300)


def send(target: HookTarget, address: str, headers: Mapping[str, str], body: bytes, seconds: float = SECONDS) -> None:
    """Leave a message; nothing of the answer is read but its status and headers, of which the library takes 100 lines.

    Args:
        address: numeric, already checked.

    Raises:
        HookUnheardError: if it was not taken in time, or with another status than 2xx.
    """
    try:
        connected = _connected(target, address, seconds)
    except OSError as problem:
        raise HookUnheardError(f"no connection to {target.authority} ({_words(problem)})") from None
    is_late = threading.Event()
    deadline = threading.Timer(seconds, _shut, [connected, is_late])
    deadline.daemon = True
    deadline.start()
    try:
        status = _status(target, connected, headers, body)
    except (OSError, HTTPException, ValueError) as problem:
        why = f"not within {seconds:g} s" if is_late.is_set() else _words(problem)
        raise HookUnheardError(f"no answer from {target.authority} ({why})") from None
    finally:
        deadline.cancel()
        connected.close()
    if status not in GOOD:
        hint = "; redirects are not followed" if status in range(300, 400) else ""
        raise HookUnheardError(f"{target.authority} answered {status}{hint}")


def _connected(target: HookTarget, address: str, seconds: float) -> socket.socket:
    """A connection; the handshake of TLS is still to come, since wrapping takes the descriptor from its first owner."""
    plain = socket.create_connection((address, target.port), timeout=seconds)
    if target.scheme != "https":
        return plain
    return _certificates().wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)


def _status(target: HookTarget, connected: socket.socket, headers: Mapping[str, str], body: bytes) -> int:
    if isinstance(connected, ssl.SSLSocket):
        connected.do_handshake()
    connection = HTTPConnection(target.host, target.port)
    connection.sock = connected
    try:
        connection.request("POST", target.path, body, {**headers, "Host": target.authority, "Connection": "close"})
        return connection.getresponse().status
    finally:
        connection.close()


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


def _shut(connected: socket.socket, is_late: threading.Event) -> None:
    """Wake whoever waits for it, below TLS, whose own state belongs to the thread that sends."""
    is_late.set()  # before it is woken: it asks at once
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _words(problem: Exception) -> str:
    return visible(str(problem) or type(problem).__name__)[:200]
