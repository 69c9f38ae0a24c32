"""Keys of one warehouse: made, checked, taken back; and the log of what was changed with them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from tasks.access.errors import KeyRequestError
from tasks.access.records import Deed, Key, Scope
from tasks.access.secret_texts import is_secret, new_id, new_salt, new_secret, parts_of, slow_hash, text_of
from tasks.access.store import AccessStore
from tasks.errors import UnknownNameError, require_between
from tasks.plain_text import visible
from tasks.warehouse import Warehouse, open_warehouse

PER_MINUTE = 60_000
LONGEST_NAME = 128
NO_SALT = b"\0" * 16
NO_HASH = b"\0" * 32


class AccessService:
    """Args: warehouse: where keys are kept; the settings' one unless given."""

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        self._warehouse = warehouse

    @cached_property
    def store(self) -> AccessStore:
        """The tables."""
        return AccessStore(open_warehouse(self._warehouse))

    def create(
        self,
        name: str,
        scopes: Iterable[str],
        *,
        workspace_id: str | None = None,
        organisation_id: str | None = None,
        per_minute: int = PER_MINUTE,
    ) -> tuple[Key, str]:
        """A new key and its text, which is shown this once.

        Args:
            name: what it is for, such as "web shop".
            scopes: of `Scope`.
            per_minute: requests it may send.

        Raises:
            InputError: for a key of nobody or of two, an unknown workspace, organization or scope; nothing is written.
        """
        if (workspace_id is None) == (organisation_id is None):
            raise KeyRequestError("a key is either a workspace's or an organization's: name one of them")
        if not self.store.workspaces(workspace_id, organisation_id):
            if workspace_id is not None:
                raise UnknownNameError.for_workspace(workspace_id)
            raise UnknownNameError("organization", organisation_id, fix="workspaces name theirs at ingestion")
        label = visible(name)
        if not 0 < len(label) <= LONGEST_NAME:
            raise KeyRequestError(f"a key's name says what it is for, in 1 to {LONGEST_NAME} characters")
        require_between("per_minute", per_minute, 1, 10_000_000)
        key_id, secret, salt = new_id(), new_secret(), new_salt()
        row = {
            "key_id": key_id,
            "name": label,
            "workspace_id": workspace_id,
            "organisation_id": organisation_id,
            "scopes": [scope.value for scope in _scopes(scopes)],
            "salt": salt,
            "hash": slow_hash(secret, salt),
            "per_minute": per_minute,
            "created_at": datetime.now(UTC),
            "revoked_at": None,
            "last_used_at": None,
        }
        self.store.add(row)
        return _key(row), text_of(key_id, secret)

    def list_keys(self, workspace_id: str | None = None) -> list[Key]:
        """All keys, or those of one workspace, those taken back too."""
        return [_key(row) for row in self.store.all_keys(workspace_id)]

    def revoke(self, key_id: str) -> Key:
        """Take a key back, for good; doing it twice changes nothing.

        Raises:
            UnknownNameError: if there is no such key.
        """
        self.store.revoke(key_id, datetime.now(UTC))
        row = self.store.key(key_id)
        if row is None:
            raise UnknownNameError("key", key_id, fix="`raptorflow keys list` shows them")
        return _key(row)

    def verify(self, text: str) -> Key | None:
        """The good key that a text is; None for any other, after the same work for an id that is not there."""
        parts = parts_of(text)
        if parts is None:
            return None
        row = self.store.key(parts[0])
        salt, kept = (NO_SALT, NO_HASH) if row is None else (row["salt"], row["hash"])
        is_right = is_secret(parts[1], salt, kept)
        return _key(row) if row is not None and is_right and row["revoked_at"] is None else None

    def standing(self, key_id: str) -> Key | None:
        """A key as it stands now; None where it was taken back. Its text was verified before."""
        row = self.store.key(key_id)
        return None if row is None or row["revoked_at"] is not None else _key(row)

    def has_good_keys(self) -> bool:
        """Whether there is a key that opens anything."""
        return any(row["revoked_at"] is None for row in self.store.all_keys())

    def workspaces(self, key: Key) -> list[str]:
        """Ids of the workspaces it opens."""
        return self.store.workspaces(key.workspace_id, key.organisation_id)

    def note_use(self, last: Iterable[tuple[str, datetime]]) -> None:
        """Remember when keys were last used: pairs of a key's id and an instant."""
        self.store.used(last)

    def log(self, deeds: Sequence[Deed]) -> None:
        """Write what was done; nothing ever changes it."""
        now = datetime.now(UTC)
        rows = [
            {"entry_id": uuid.uuid4().hex, "recorded_at": now}
            | {"key_id": deed.key_id, "workspace_id": deed.workspace_id, "actor": deed.actor}
            | {"action": deed.action, "subject": deed.subject, "count": deed.count}
            for deed in deeds
        ]
        self.store.log(rows)

    def entries(
        self, workspace_ids: Sequence[str], before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """The audit log of workspaces, newest first."""
        return self.store.entries(workspace_ids, before, limit)


def _scopes(given: Iterable[str]) -> list[Scope]:
    scopes = []
    for name in given:
        if name not in Scope.__members__.values():
            raise UnknownNameError("scope", name, [scope.value for scope in Scope])
        scopes.append(Scope(name))
    if not scopes:
        raise KeyRequestError(f"a key needs a scope: {', '.join(Scope)}")
    return sorted(set(scopes), key=list(Scope).index)


def _key(row: dict[str, Any]) -> Key:
    own = {name: row[name] for name in Key.__dataclass_fields__ if name != "scopes"}
    return Key(**own, scopes=tuple(Scope(name) for name in row["scopes"]))
