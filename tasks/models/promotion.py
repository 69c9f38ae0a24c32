"""One protocol for promotion and rollback, which a kill between any two steps leaves with a champion that serves.

1. verify: the file is the registered one (sha256), loads from our types only, and predicts its golden rows;
2. open: append generation g + 1 to `model_deployment`; its key admits one promoter;
3. converge: point `previous`, then `champion`, to what the table says;
4. close: append that it is done.

A change that was opened and never closed is finished by whoever comes next. Aliases follow the table: whoever moved
them looks at the table once more and moves them again if it has gone on, so the last move is always the newest.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from tasks.errors import UnknownNameError
from tasks.models.errors import ArtifactRefusedError, NoChampionError, PromotionConflictError
from tasks.models.estimators import FittedModel
from tasks.models.latest_models import LatestModels
from tasks.models.learning import PROMOTE
from tasks.models.records import Deployment, ModelKey, Version
from tasks.models.registry import Registry
from tasks.models.store import ABANDONED, DONE, PENDING, ModelStore
from tasks.models.training import golden_holds

PROMOTION, ROLLBACK = "promotion", "rollback"


class Promoter:
    """Moves champions of one warehouse and one registry."""

    def __init__(self, store: ModelStore, registry: Registry) -> None:
        self.store, self.registry = store, registry
        self._latest = LatestModels()

    def champion(self, key: ModelKey) -> str | None:
        """Version name of who serves now."""
        return served(self.store.deployments(key))

    def generation(self, key: ModelKey) -> int:
        """The last generation opened; 0 before the first."""
        return max((found.generation for found in self.store.deployments(key)), default=0)

    def load(self, key: ModelKey, version: Version) -> FittedModel:
        """The model of a version, whose file was checked when it was read; it is read once while it is in use."""
        kept = self._latest.get(version.artifact_sha256 or "")
        return kept if kept is not None else self._read(key, version)

    def verify(self, key: ModelKey, version: Version) -> FittedModel:
        """Read a version's file, whether or not it is in use, and hold it to its golden predictions.

        Raises:
            ArtifactRefusedError: if the file or the predictions are not what was registered.
        """
        model = self._read(key, version)
        if not golden_holds(model, version.golden):
            raise ArtifactRefusedError(key.registered_name, version.version_name, "its golden predictions differ")
        return model

    def _read(self, key: ModelKey, version: Version) -> FittedModel:
        if version.registry_version is None or version.artifact_sha256 is None:
            raise ArtifactRefusedError(key.registered_name, version.version_name, "it was never registered")
        model = FittedModel.of(self.registry.load(key, version.registry_version, version.artifact_sha256))
        self._latest.put(version.artifact_sha256, model)
        return model

    def move(
        self,
        key: ModelKey,
        version: Version,
        kind: str,
        reason: str,
        actor: str,
        run_id: str,
        expected: int | None = None,
    ) -> int:
        """Make a version champion; returns the generation it serves as. Moving to the champion changes nothing.

        Raises:
            PromotionConflictError: if the table is not at generation `expected` (None: wherever it is now).
            ArtifactRefusedError: if the version cannot serve.
        """
        self.reconcile(key, run_id)
        history = self.store.deployments(key)
        now, current = max((found.generation for found in history), default=0), served(history)
        if expected is not None and expected != now:
            raise PromotionConflictError(key.registered_name, expected, now)
        if current == version.version_name:
            return now
        self.verify(key, version)
        opened = Deployment(now + 1, kind, PENDING, version.version_name, current, reason, actor, datetime.now(UTC))
        if not self.store.open_deployment(key, opened, run_id):
            raise PromotionConflictError(key.registered_name, now, self.generation(key))
        self._converge(key, run_id)
        return now + 1

    def reconcile(self, key: ModelKey, run_id: str) -> None:
        """Finish what a killed promoter began, or abandon it when its version can no longer serve."""
        for found in self.store.deployments(key):
            if found.outcome != PENDING:
                continue
            try:
                self.verify(key, self.version(key, found.version_name))
            except ArtifactRefusedError:
                self.store.close_deployment(key, found, ABANDONED, run_id)
            self._converge(key, run_id)

    def version(self, key: ModelKey, version_name: str) -> Version:
        """A version by its name.

        Raises:
            UnknownNameError: if this workspace has no such version of this type.
        """
        found = self.store.version(key, version_name)
        if found is None:
            raise UnknownNameError("version", version_name, self.store.version_names(key, registered=True))
        return found

    def challenger(self, key: ModelKey, version_name: str | None) -> Version:
        """The version to promote: the one named, or the newest that has never served.

        Raises:
            UnknownNameError: if this workspace has no such version of this type, or none waits.
        """
        if version_name is not None:
            return self.version(key, version_name)
        newest = self.waiting(key)
        if newest is None:
            raise UnknownNameError("challenger of", key.registered_name, fix="`model-refresh` registers one")
        return newest

    def waiting(self, key: ModelKey, without: Collection[str] = ()) -> Version | None:
        """The newest registered version that has never served, and is not one of those that do not count."""
        seen = {found.version_name for found in self.store.deployments(key)} | set(without)
        names = [name for name in self.store.version_names(key, registered=True) if name not in seen]
        return self.version(key, names[-1]) if names else None

    def is_proven(self, key: ModelKey, version: Version) -> bool:
        """Whether a version was surely better on held-out rows when it was trained, and that can be relied on.

        After a rollback it cannot: what such rows promised did not hold, so newer rows must show it.
        """
        history = self._standing(key)
        return version.decision == PROMOTE and not (history and history[-1].kind == ROLLBACK)

    def rollback_target(self, key: ModelKey, version_name: str | None) -> Version:
        """The version to go back to: the one named, or the one that served before the champion.

        Raises:
            NoChampionError: if nothing serves, or nothing served before.
            UnknownNameError: if this workspace has no such version of this type.
        """
        stack = lineage(self.store.deployments(key))
        if not stack or (version_name is None and len(stack) < 2):
            raise NoChampionError(key.registered_name)
        return self.version(key, version_name or stack[-2])

    def _converge(self, key: ModelKey, run_id: str) -> None:
        history = self._standing(key)
        while history:
            newest, stack = history[-1], lineage(history)
            if len(stack) > 1:
                self.registry.point(key, "previous", self._number(key, stack[-2]))
            self.registry.point(key, "champion", self._number(key, newest.version_name))
            self.registry.clear(key, "challenger", self._number(key, newest.version_name))
            self.store.close_deployment(key, newest, DONE, run_id)
            history = self._standing(key)
            if history and history[-1].generation == newest.generation:
                return

    def _standing(self, key: ModelKey) -> list[Deployment]:
        return [found for found in self.store.deployments(key) if found.outcome != ABANDONED]

    def _number(self, key: ModelKey, version_name: str) -> int:
        number = self.version(key, version_name).registry_version
        assert number is not None, "a registered version has a number"
        return number


def served(history: list[Deployment]) -> str | None:
    """Who serves: the newest change that was closed as done."""
    done = [found.version_name for found in history if found.outcome == DONE]
    return done[-1] if done else None


def lineage(history: list[Deployment]) -> list[str]:
    """Champions one could go back to, the present one last: a promotion adds one, a rollback removes what it undid."""
    stack: list[str] = []
    for found in history:
        if found.outcome == ABANDONED:
            continue
        if found.kind == ROLLBACK and found.version_name in stack:
            del stack[stack.index(found.version_name) + 1 :]
        else:
            stack.append(found.version_name)
    return stack
