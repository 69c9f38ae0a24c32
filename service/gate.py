"""Who a program is: its key, what the key may do, how often, and for which person it asks.

A key's text is verified by its slow hash once. After that this process knows it by a fast keyed digest, under a secret
of its own, for ten minutes; whether it still stands is asked every two seconds. What is no key is remembered too, for a
little while, so that sending it again costs nothing, and few slow hashes are computed at once: guessing is no way to
keep the service busy.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import ip_address
from typing import TypeVar

from anyio import to_thread
from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param

from service.problems import ProblemError, not_found
from service.warehouse_access import WarehouseAccess
from tasks.access import AccessService, Key, Scope
from tasks.access.records import Deed
from tasks.plain_text import visible
from tasks.settings import get_settings

KNOWN_SECONDS, UNKNOWN_SECONDS, STANDING_SECONDS = 600.0, 30.0, 2.0
MOST_KNOWN, MOST_UNKNOWN = 10_000, 4096
SLOW_AT_ONCE, MOST_WAITING = 2, 32
BURST_SECONDS = 10.0
SECONDS_BETWEEN_USES = 60.0
LONGEST_ACTOR = 128
COUNTED = "raptorflow.counted"  # in the scope of a request that is part of one which was counted
Value = TypeVar("Value")
HOW_TO_GET_ONE = (
    "send `Authorization: Bearer KEY`; `raptorflow keys create NAME --workspace ID --scope read` on the platform's "
    "machine makes a key"
)


@dataclass(slots=True)
class Admission:
    """What this process knows of a key that was verified.

    Attributes:
        tokens: requests that it may send now; they come back by the minute.
    """

    key: Key
    workspaces: frozenset[str]
    verified_until: float
    standing_until: float
    tokens: float
    counted_at: float
    used_noted: float = 0.0

    def take(self, now: float) -> float:
        """Count one request; 0, or the seconds until there is room for it."""
        rate = self.key.per_minute / 60
        room = max(1.0, rate * BURST_SECONDS)
        self.tokens = min(room, self.tokens + (now - self.counted_at) * rate)
        self.counted_at = now
        if self.tokens < 1:
            return (1 - self.tokens) / rate
        self.tokens -= 1
        return 0.0


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that was let in.

    Attributes:
        workspaces: that its key opens.
        actor: the person for whom it asks, as a trusted proxy named them.
    """

    key: Key
    workspaces: frozenset[str]
    actor: str | None
    action: str
    _access: AccessService = field(repr=False)

    def workspace(self, named: str | None) -> str:
        """The workspace that is asked about, which need not be named where the key opens one alone.

        Raises:
            ProblemError: if it is not there, or the key does not open it: the same answer to both.
        """
        if named is None:
            if len(self.workspaces) == 1:
                return next(iter(self.workspaces))
            raise ProblemError(
                422,
                "this key opens several workspaces: say which, `workspace`",
                errors=[{"field": "workspace", "problem": "name the workspace"}],
            )
        if named not in self.workspaces:
            raise not_found("workspace")
        return named

    def record(self, workspace_id: str, subject: str) -> None:
        """Log the write that was just done; a request is acknowledged only after this."""
        self._access.log([self.deed(workspace_id, subject)])

    def deed(self, workspace_id: str, subject: str, count: int = 1) -> Deed:
        """The entry of the audit log for what this request did."""
        return Deed(self.key.key_id, workspace_id, self.actor, self.action, visible(subject), count)


class KeyGate:
    """Lets programs in; one a process, used on its event loop."""

    def __init__(self, warehouse: WarehouseAccess) -> None:
        self._warehouse = warehouse
        self._secret = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, Admission] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._slow = asyncio.Semaphore(SLOW_AT_ONCE)
        self._verifying: dict[bytes, asyncio.Task[Admission]] = {}

    async def admit(self, request: Request, scope: Scope) -> Caller:
        """The caller of a request that needs a scope.

        Raises:
            ProblemError: 401 without a good key, 403 where it has not the scope, 429 where it asks too often.
        """
        admission = await self._admission(_presented(request))
        if not request.scope.get(COUNTED) and (wait := admission.take(time.monotonic())):
            raise ProblemError(
                429,
                f"this key may send {admission.key.per_minute} requests a minute; wait, or make one that may send more",
                headers={"Retry-After": str(max(1, round(wait)))},
            )
        if not admission.key.may(scope):
            raise ProblemError(
                403,
                f"this key may {', '.join(admission.key.scopes)}; this needs `{scope}`: "
                f"`raptorflow keys create NAME --scope {scope}` makes one that may",
            )
        route = request.scope.get("route")
        action = f"{request.method} {getattr(route, 'path', request.scope['path'])}"
        return Caller(admission.key, admission.workspaces, _actor(request), action[:128], self._service)

    async def _admission(self, text: str | None) -> Admission:
        if text is None:
            raise _unauthorized("no key came with the request")
        # No HMAC: OpenSSL lets go of the interpreter's lock, and a thread that has work to do keeps it for a while.
        now = time.monotonic()
        digest = hashlib.blake2b(text.encode("utf-8", "replace"), key=self._secret, digest_size=32).digest()
        if self._unknown.get(digest, 0.0) > now:
            raise _unauthorized("this is no key, or it was revoked")
        admission = self._known.get(digest)
        if admission is None or admission.verified_until < now:
            admission = await self._verified(text, digest, admission)
        elif admission.standing_until < now:
            await self._refresh(admission, digest)
        await self._note_use(admission)
        return admission

    async def _verified(self, text: str, digest: bytes, before: Admission | None) -> Admission:
        """What the slow hash says; requests that come with one key at once wait for one answer."""
        verifying = self._verifying.get(digest)
        if verifying is None:
            if len(self._verifying) >= MOST_WAITING:
                raise ProblemError(429, "too many keys are being checked; try again", headers={"Retry-After": "1"})
            verifying = asyncio.create_task(self._verified_slowly(text, digest, before))
            self._verifying[digest] = verifying
        return await asyncio.shield(verifying)  # who hangs up takes the answer from nobody else

    async def _verified_slowly(self, text: str, digest: bytes, before: Admission | None) -> Admission:
        try:
            async with self._slow:
                key = await to_thread.run_sync(self._verify, text)
        finally:
            self._verifying.pop(digest, None)
        now = time.monotonic()
        if key is None:
            _remember(self._unknown, digest, now + UNKNOWN_SECONDS, MOST_UNKNOWN)
            raise _unauthorized("this is no key, or it was revoked")
        opened = frozenset(await to_thread.run_sync(self._service.workspaces, key))
        tokens = key.per_minute / 60 * BURST_SECONDS if before is None else before.tokens
        admission = Admission(key, opened, now + KNOWN_SECONDS, now + STANDING_SECONDS, max(tokens, 1.0), now)
        _remember(self._known, digest, admission, MOST_KNOWN)
        return admission

    def _verify(self, text: str) -> Key | None:
        return self._service.verify(text)

    async def _refresh(self, admission: Admission, digest: bytes) -> None:
        """See whether the key still stands, and which workspaces it opens by now."""
        admission.standing_until = time.monotonic() + STANDING_SECONDS  # one request asks, the others go on meanwhile
        key = await to_thread.run_sync(self._service.standing, admission.key.key_id)
        if key is None:
            self._known.pop(digest, None)
            _remember(self._unknown, digest, time.monotonic() + UNKNOWN_SECONDS, MOST_UNKNOWN)
            raise _unauthorized("this is no key, or it was revoked")
        admission.key = key
        admission.workspaces = frozenset(await to_thread.run_sync(self._service.workspaces, key))

    async def _note_use(self, admission: Admission) -> None:
        now = time.monotonic()
        if admission.used_noted and now - admission.used_noted < SECONDS_BETWEEN_USES:
            return
        admission.used_noted = now
        await to_thread.run_sync(self._service.note_use, [(admission.key.key_id, datetime.now(UTC))])

    @cached_property
    def _service(self) -> AccessService:
        return AccessService(self._warehouse.open())


def _remember(kept: OrderedDict[bytes, Value], digest: bytes, value: Value, most: int) -> None:
    kept[digest] = value
    kept.move_to_end(digest)
    while len(kept) > most:
        kept.popitem(last=False)


def _presented(request: Request) -> str | None:
    """The key of a request: as a bearer's, or as OpenFeature's providers may be told to send it."""
    scheme, text = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() == "bearer" and text:
        return text.strip()
    return request.headers.get("x-api-key")


def _actor(request: Request) -> str | None:
    """Who a trusted proxy says is asking; anybody else could say anything."""
    named = request.headers.get("x-actor")
    if not named or request.client is None:
        return None
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return None
    is_trusted = any(address in network for network in get_settings().proxies)
    return visible(_as_sent(named))[:LONGEST_ACTOR] if is_trusted else None


def _as_sent(header: str) -> str:
    """A header in UTF-8, as proxies write names of people; servers read it as Latin-1, which it may be too."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _unauthorized(why: str) -> ProblemError:
    return ProblemError(401, f"{why}; {HOW_TO_GET_ONE}", headers={"WWW-Authenticate": 'Bearer realm="raptorflow"'})
