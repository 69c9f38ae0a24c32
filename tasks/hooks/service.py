"""Hooks of one warehouse: made, listed, taken back; and their messages delivered.

A message is delivered at least once: a courier that dies between an answer and its note of it sends the same again,
under the same `webhook-id`. One that is not taken is tried again, ever later, for 21 hours; then it is kept as failed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from tasks.errors import UnknownNameError
from tasks.hooks.errors import HookUnheardError
from tasks.hooks.records import Delivered, Hook
from tasks.hooks.sending import send
from tasks.hooks.signing import new_secret, signed_headers, text_of
from tasks.hooks.store import HookStore
from tasks.hooks.targets import checked_address, require_allowed, target_of
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.outbox import HookEvent

# Minutes from an attempt that failed to the next; after the last there is none.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720))
LEASE = timedelta(minutes=2)  # longer than sending takes, name and all
AT_ONCE = 8
MOST_OF_A_HOOK = 50  # in a round, so that nobody waits for another's
KEPT = timedelta(days=30)


class HookService:
    """Args: warehouse: where hooks are kept; the settings' one unless given."""

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        self._warehouse = warehouse

    @cached_property
    def store(self) -> HookStore:
        """The tables."""
        return HookStore(open_warehouse(self._warehouse))

    def create(self, workspace_id: str, url: str, events: Iterable[str] = ()) -> tuple[Hook, str]:
        """A new hook and its secret, which is shown this once.

        Args:
            workspace_id: whose events it is told.
            url: where to; https and public, unless the settings allow inner networks.
            events: of `HookEvent`; all of them where none is named.

        Raises:
            InputError: for an unknown workspace or event, or an address that may not be asked; nothing is written.
        """
        wanted = _events(events)
        require_allowed(target_of(url), get_settings().hook_targets)
        if not self.store.has_workspace(workspace_id):
            raise UnknownNameError.for_workspace(workspace_id)
        hook = Hook(uuid.uuid4().hex[:16], workspace_id, url, wanted, datetime.now(UTC), None)
        secret = new_secret()
        self.store.add(hook.as_dict() | {"secret": secret})
        return hook, text_of(secret)

    def list_hooks(self, workspace_id: str | None = None) -> list[Hook]:
        """All hooks, or those of one workspace, those taken back too."""
        return [_hook(row) for row in self.store.hooks(workspace_id)]

    def revoke(self, hook_id: str) -> Hook:
        """Tell a hook nothing any more, for good; doing it twice changes nothing.

        Raises:
            UnknownNameError: if there is no such hook.
        """
        self._known(hook_id)
        self.store.revoke(hook_id, datetime.now(UTC))
        return self._known(hook_id)

    def failed(self, workspace_id: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Messages that no attempt delivered, the newest first, with the last attempt's problem."""
        return self.store.failed(workspace_id, limit)

    def retry(self, hook_id: str) -> int:
        """Try a hook's failed messages again; how many there are.

        Raises:
            UnknownNameError: if there is no such hook.
        """
        self._known(hook_id)
        return self.store.revive(hook_id, datetime.now(UTC))

    def deliver(self, now: datetime | None = None) -> Delivered:
        """Send what is due, hooks side by side; one that does not take a message is not asked again in this round."""
        moment = now or datetime.now(UTC)
        by_hook: dict[str, list[dict[str, Any]]] = {}
        for row in self.store.due(moment, MOST_OF_A_HOOK):
            by_hook.setdefault(row["hook_id"], []).append(row)
        if not by_hook:
            return Delivered()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hooks") as threads:
            rounds = list(threads.map(self._deliver_to, by_hook.values(), [moment] * len(by_hook)))
        self.store.forget(moment - KEPT)
        return Delivered(*(sum(counts) for counts in zip(*rounds, strict=True)))

    def _deliver_to(self, rows: Sequence[dict[str, Any]], now: datetime) -> tuple[int, int, int]:
        """Messages of one hook, in order: how many were delivered, are left for later, and have failed."""
        delivered = 0
        for row in rows:
            if not self.store.take(row, max(now, datetime.now(UTC)) + LEASE):
                continue
            try:
                _send(row)
            except HookUnheardError as problem:
                wait = WAITS[row["attempts"]] if row["attempts"] < len(WAITS) else None
                self.store.ended(row, next_at=None if wait is None else now + wait, problem=str(problem))
                return (delivered, 0, 1) if wait is None else (delivered, 1, 0)
            self.store.ended(row, next_at=None, delivered_at=datetime.now(UTC), problem=None)
            delivered += 1
        return delivered, 0, 0

    def _known(self, hook_id: str) -> Hook:
        row = self.store.hook(hook_id)
        if row is None:
            raise UnknownNameError("hook", hook_id, fix="`raptorflow hooks list` shows them")
        return _hook(row)


def _send(row: dict[str, Any]) -> None:
    """One message to its hook, which is looked at again: settings and names change."""
    target = target_of(row["url"])
    address = checked_address(target, get_settings().hook_targets)
    names = ("workspace_id", "about", "data")
    message = {"type": row["event"], "timestamp": row["occurred_at"].isoformat()} | {name: row[name] for name in names}
    body = json.dumps(message, separators=(",", ":")).encode()
    signed = signed_headers(row["secret"], row["message_id"], int(datetime.now(UTC).timestamp()), body)
    send(target, address, {"Content-Type": "application/json", "User-Agent": "RaptorFlow"} | signed, body)


def _events(given: Iterable[str]) -> tuple[str, ...]:
    every = [event.value for event in HookEvent]
    wanted = set(given)
    for name in sorted(wanted - set(every)):
        raise UnknownNameError("event", name, every)
    return tuple(name for name in every if not wanted or name in wanted)


def _hook(row: dict[str, Any]) -> Hook:
    return Hook(**row | {"events": tuple(row["events"])})
