"""Keys, what they may do, and what was done with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Scope(StrEnum):
    """What a key may do.

    `read`: everything that changes nothing · `assign`: ask for arms, as a web page does · `write`: both, create and
    start experiments, record outcomes, start debates · `admin`: all of it, and decide experiments, change what serves,
    start runs.
    """

    READ = "read"
    ASSIGN = "assign"
    WRITE = "write"
    ADMIN = "admin"


INCLUDES: dict[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.ASSIGN: frozenset({Scope.ASSIGN}),
    Scope.WRITE: frozenset({Scope.READ, Scope.ASSIGN, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret, which is kept nowhere.

    Attributes:
        workspace_id: whose data it opens; None where it is an organization's.
        organisation_id: whose workspaces it opens, those to come too; None where it is a workspace's.
        per_minute: requests it may send.
        last_used_at: to the minute.
    """

    key_id: str
    name: str
    workspace_id: str | None
    organisation_id: str | None
    scopes: tuple[Scope, ...]
    per_minute: int
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None

    def may(self, scope: Scope) -> bool:
        """Whether one of its scopes includes this one."""
        return any(scope in INCLUDES[own] for own in self.scopes)

    def as_dict(self) -> dict[str, Any]:
        """For tables and JSON."""
        return asdict(self) | {"scopes": [scope.value for scope in self.scopes]}


@dataclass(frozen=True, slots=True)
class Deed:
    """One write that was acknowledged.

    Attributes:
        actor: the person for whom a program acted, as a trusted proxy named them.
        action: method and route, such as `POST /v1/experiments/{experiment_id}/start`.
        subject: what it was done to.
        count: how many writes of one kind a row stands for; above 1 for assignments alone.
    """

    key_id: str
    workspace_id: str
    actor: str | None
    action: str
    subject: str
    count: int = 1
