"""One protocol for promotion and rollback, which a kill between any two steps leaves with a champion that serves.

1. verify: the file is the registered one (sha256), loads from our types only, and repeats its reference predictions;
2. open: append generation g + 1 to `model_deployment`; its key admits one promoter;
3. converge: point `previous`, then `champion`, as the table has it;
4. close: append that it is done.

A change that was opened and never closed is finished by whoever comes next. Aliases follow the table: whoever moved
them looks at the table once more and moves them again if it has gone on, so the last move is always the newest.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from tasks.errors import UnknownNameError
from tasks.models.errors import ArtifactRefusedError, NoChampionError, PromotionConflictError
from tasks.models.records import REGISTERED, Deployment, ModelKey, Version
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.store import ABANDONED, DONE, PENDING, ModelStore
from tasks.models.training.estimators import FittedModel
from tasks.models.training.evaluation import repeats_reference

PROMOTION, ROLLBACK = "promotion", "rollback"
MODELS_KEPT = 8  # a text model may hold tens of megabytes


@dataclass(frozen=True, slots=True)
class ChampionHistory:
    """What the changes of champion amount to.

    Attributes:
        champion: name of the version that serves; None before the first.
        previous: name of the one that `rollback` goes back to.
        have_served: names of all versions that were ever to become champion.
        was_rolled_back: whether the last change was a rollback.
    """

    champion: str | None
    previous: str | None
    have_served: frozenset[str]
    was_rolled_back: bool


class LatestModels:
    """The models last used, by the sha256 of their files, so that each is read once while in use; thread-safe."""

    def __init__(self, kept: int = MODELS_KEPT) -> None:
        self.kept = kept
        self._models: OrderedDict[str, FittedModel] = OrderedDict()
        self._lock = Lock()

    def get(self, sha256: str) -> FittedModel | None:
        """The model of a file; None where it was not used recently."""
        with self._lock:
            if sha256 in self._models:
                self._models.move_to_end(sha256)
            return self._models.get(sha256)

    def put(self, sha256: str, model: FittedModel) -> None:
        """Keep a model, and let the one unused for longest go."""
        with self._lock:
            self._models[sha256] = model
            self._models.move_to_end(sha256)
            if len(self._models) > self.kept:
                self._models.popitem(last=False)


class Promoter:
    """Moves champions of one warehouse and one registry."""

    def __init__(self, store: ModelStore, registry: Registry) -> None:
        self.store, self.registry = store, registry
        self._latest = LatestModels()

    def champion(self, key: ModelKey) -> str | None:
        """Version name of the champion."""
        return served(self.store.deployments(key))

    def generation(self, key: ModelKey) -> int:
        """The last generation opened; 0 before the first."""
        return last_generation(self.store.deployments(key))

    def load(self, key: ModelKey, version: Version) -> FittedModel:
        """The model of a version, whose file was checked when it was read; it is read once while it is in use."""
        model = self._latest.get(version.artifact_sha256 or "")
        return model if model is not None else self._read(key, version)

    def verify(self, key: ModelKey, version: Version) -> FittedModel:
        """Read a version's file, whether or not it is in use, and let it repeat its reference predictions.

        Raises:
            ArtifactRefusedError: if the file or the predictions are not what was registered.
        """
        model = self._read(key, version)
        if not repeats_reference(model, version.golden):
            raise ArtifactRefusedError(key.registered_name, version.version_name, "its reference predictions differ")
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
            UnknownNameError: if the version is not stored, or not any more.
            ArtifactRefusedError: if the version cannot serve.
        """
        self.reconcile(key, run_id)
        history = self.store.deployments(key)
        now, current = last_generation(history), served(history)
        if expected is not None and expected != now:
            raise PromotionConflictError(key.registered_name, expected, now)
        if current == version.version_name:
            return now
        self.verify(key, version)
        opened = Deployment(now + 1, kind, PENDING, version.version_name, current, reason, actor, datetime.now(UTC))
        if not self.store.open_deployment(key, opened, run_id):
            self.version(key, version.version_name)
            raise PromotionConflictError(key.registered_name, now, self.generation(key))
        self._converge(key, run_id)
        return now + 1

    def reconcile(self, key: ModelKey, run_id: str) -> None:
        """Finish what a killed promoter began, or abandon it when its version can no longer serve."""
        for deployment in self.store.deployments(key):
            if deployment.outcome != PENDING:
                continue
            try:
                self.verify(key, self.version(key, deployment.version_name))
            except (ArtifactRefusedError, UnknownNameError):
                self.store.close_deployment(key, deployment, ABANDONED, run_id)
            self._converge(key, run_id)

    def version(self, key: ModelKey, version_name: str) -> Version:
        """A version by its name.

        Raises:
            UnknownNameError: if this workspace has no such version of this type.
        """
        version = self.store.version(key, version_name)
        if version is None:
            known = [one.version_name for one in self.store.versions(key) if one.status == REGISTERED]
            raise UnknownNameError("version", version_name, known)
        return version

    def challenger(self, key: ModelKey, version_name: str | None) -> Version:
        """The version to promote: the one named, or the newest that has never served.

        Raises:
            UnknownNameError: if this workspace has no such version of this type, or none waits.
        """
        if version_name is not None:
            return self.version(key, version_name)
        have_served = champion_history(self.store.deployments(key)).have_served
        registered = [version for version in self.store.versions(key) if version.status == REGISTERED]
        newest = next((one for one in reversed(registered) if one.version_name not in have_served), None)
        if newest is None:
            raise UnknownNameError("challenger of", key.registered_name, fix="`model-refresh` registers one")
        return newest

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
        history = standing(self.store.deployments(key))
        while history:
            newest, stack = history[-1], lineage(history)
            if len(stack) > 1:
                self.registry.point(key, "previous", self._number(key, stack[-2]))
            self.registry.point(key, "champion", self._number(key, newest.version_name))
            self.registry.clear(key, "challenger", self._number(key, newest.version_name))
            self.store.close_deployment(key, newest, DONE, run_id)
            history = standing(self.store.deployments(key))
            if history and history[-1].generation == newest.generation:
                return

    def _number(self, key: ModelKey, version_name: str) -> int:
        number = self.version(key, version_name).registry_version
        assert number is not None, "a registered version has a number"
        return number


def champion_history(history: list[Deployment]) -> ChampionHistory:
    """What these changes of champion amount to; one that is pending moved nothing yet."""
    stack = lineage([deployment for deployment in history if deployment.outcome == DONE])
    changes = standing(history)
    return ChampionHistory(
        champion=served(history),
        previous=stack[-2] if len(stack) > 1 else None,
        have_served=frozenset(deployment.version_name for deployment in history),
        was_rolled_back=bool(changes) and changes[-1].kind == ROLLBACK,
    )


def served(history: list[Deployment]) -> str | None:
    """The champion: of the newest change that was closed as done."""
    done = [deployment.version_name for deployment in history if deployment.outcome == DONE]
    return done[-1] if done else None


def last_generation(history: list[Deployment]) -> int:
    """The last generation opened; 0 before the first."""
    return max((deployment.generation for deployment in history), default=0)


def standing(history: list[Deployment]) -> list[Deployment]:
    """The changes that were not abandoned."""
    return [deployment for deployment in history if deployment.outcome != ABANDONED]


def lineage(history: list[Deployment]) -> list[str]:
    """Champions one could go back to, the present one last: a promotion adds one, a rollback removes what it undid."""
    stack: list[str] = []
    for deployment in standing(history):
        if deployment.kind == ROLLBACK and deployment.version_name in stack:
            del stack[stack.index(deployment.version_name) + 1 :]
        else:
            stack.append(deployment.version_name)
    return stack
