"""Hooks and what they are told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook without its secret, which is shown when it is made and never again.

    Attributes:
        workspace_id: whose events it is told; nobody else's.
        events: names of `HookEvent`.
    """

    hook_id: str
    workspace_id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """For tables and JSON."""
        return asdict(self) | {"events": list(self.events)}


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round of deliveries came to.

    Attributes:
        delivered: messages that were taken.
        later: those that were not, and are tried again.
        failed: those that are not tried again.
    """

    delivered: int = 0
    later: int = 0
    failed: int = 0

    def as_dict(self) -> dict[str, int]:
        """For tables and JSON."""
        return asdict(self)
