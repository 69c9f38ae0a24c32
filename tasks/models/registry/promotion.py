"""One protocol for promotion and rollback, which a kill between any two steps leaves with a champion that serves.

1. verify: the file is the registered one (sha256), loads from our types only, and repeats its reference predictions;
2. open: append generation g + 1 to `model_deployment`; its key admits one promoter;
3. converge: point `previous`, then `champion`, as the table has it;
4. close: append that it is done.

A change that was opened and never closed is finished by whoever comes next. Aliases follow the table: whoever moved
them looks at the table once more and moves them again if it has gone on, so the last move is always the newest. Who
moves an alias in MLflow's page is told so at the next refresh, and the alias is put back: promotions are made here.

A champion that can no longer be read, where no version before it can either, is withdrawn: a change of champion like
the others, after which nothing serves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from tasks.errors import UnknownNameError
from tasks.models.errors import (
    ArtifactRefusedError,
    NoChampionError,
    NoPreviousChampionError,
    PromotionConflictError,
)
from tasks.models.records import (
    REGISTERED,
    ROLLBACK,
    ROLLOUT_STOPPED,
    WITHDRAWAL,
    Deployment,
    ModelKey,
    Version,
)
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.store import ABANDONED, DONE, PENDING, ModelStore
from tasks.models.training.estimators import FittedModel
from tasks.models.training.evaluation import repeats_reference

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
NONE_WAITS = "`model-refresh` registers one; a version that is older than the champion is promoted by its name"
MODELS_KEPT = 8  # a text model may hold tens of megabytes


@dataclass(frozen=True, slots=True)
class ChampionHistory:
    """What the changes of champion amount to.

    Attributes:
        champion: name of the version that serves; None before the first.
        previous: name of the one that `rollback` goes back to.
        have_served: names of all versions that were ever to become champion.
        was_rolled_back: whether the last change was a rollback.
        since: when the champion last became it; None before the first.
    """

    champion: str | None
    previous: str | None
    have_served: frozenset[str]
    was_rolled_back: bool
    since: datetime | None = None


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
        self._verified = set[str]()  # files whose model repeated its reference predictions in this process

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
        """Look at a version's file, whether or not it is in use, and let its model repeat its reference predictions.

        A file with the bytes of one whose model has repeated them here before is read no further.

        Raises:
            ArtifactRefusedError: if the file or the predictions are not what was registered.
        """
        number, sha256 = _registered(key, version)
        known = self._latest.get(sha256) if sha256 in self._verified else None
        if known is not None:
            self.registry.require_file(key, number, sha256)
            return known
        model = self._read(key, version)
        if not repeats_reference(model, version.golden):
            raise ArtifactRefusedError(key.registered_name, version.version_name, "its reference predictions differ")
        self._verified.add(sha256)
        return model

    def _read(self, key: ModelKey, version: Version) -> FittedModel:
        number, sha256 = _registered(key, version)
        model = FittedModel.of(self.registry.load(key, number, sha256))
        self._latest.put(sha256, model)
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
        history = self.reconcile(key, run_id)
        now, current = last_generation(history), served(history)
        if expected is not None and expected != now:
            raise PromotionConflictError(key.registered_name, expected, now)
        if current == version.version_name:
            return now
        self.verify(key, version)
        opened = Deployment(now + 1, kind, PENDING, version.version_name, current, reason, actor, datetime.now(UTC))
        self._change(key, opened, run_id)
        return now + 1

    def withdraw(self, key: ModelKey, version: Version, reason: str, actor: str, run_id: str) -> None:
        """Let a champion that cannot be read serve no longer, though nothing can take its place yet."""
        history = self.reconcile(key, run_id)
        if served(history) != version.version_name:
            return
        name, generation = version.version_name, last_generation(history) + 1
        gone = Deployment(generation, WITHDRAWAL, PENDING, name, name, reason, actor, datetime.now(UTC))
        self._change(key, gone, run_id)

    def _change(self, key: ModelKey, opened: Deployment, run_id: str) -> None:
        if not self.store.open_deployment(key, opened, run_id):
            self.version(key, opened.version_name)
            raise PromotionConflictError(key.registered_name, opened.generation - 1, self.generation(key))
        self._converge(key, run_id)

    def reconcile(self, key: ModelKey, run_id: str) -> list[Deployment]:
        """Finish what a killed promoter began, or abandon it when its version can no longer serve.

        Returns the changes as they then stand, none of them open: read once more after each was closed, since another
        promoter may have opened the next one, and who took that for no change would open the same one again.
        """
        history = self.store.deployments(key)
        while opened := [deployment for deployment in history if deployment.outcome == PENDING]:
            for deployment in opened:
                if deployment.kind != WITHDRAWAL and not self._can_serve(key, deployment.version_name):
                    self.store.close_deployment(key, deployment, ABANDONED, run_id)
                self._converge(key, run_id)
                self.store.close_deployment(key, deployment, DONE, run_id)  # one that a newer change has overtaken
            history = self.store.deployments(key)
        return history

    def _can_serve(self, key: ModelKey, version_name: str) -> bool:
        version = self.store.version(key, version_name)
        return version is not None and self.fault(key, version) is None

    def fault(self, key: ModelKey, version: Version) -> str | None:
        """Why a version cannot serve; None where it can."""
        try:
            self.verify(key, version)
        except ArtifactRefusedError as error:
            return error.why
        return None

    def settle_aliases(self, key: ModelKey, challenger: Version | None) -> list[str]:
        """Point all aliases as the tables have it; returns one line for each that was not so.

        Args:
            key: whose model of which type.
            challenger: the version that waits or is rolled out; None where none does.
        """
        history = self.store.deployments(key)
        champion, earlier = served(history), lineage(history)[:-1][::-1]
        wanted = {
            CHAMPION: [] if champion is None else [champion],
            PREVIOUS: [] if champion is None else earlier,
            CHALLENGER: [] if challenger is None else [challenger.version_name],
        }
        aliases = self.registry.aliases(key)
        lines = [self._settle(key, alias, names, aliases.get(alias)) for alias, names in wanted.items()]
        return [line for line in lines if line is not None]

    def _settle(self, key: ModelKey, alias: str, names: Sequence[str], now: int | None) -> str | None:
        """Point one alias to the first of these versions whose file is there; returns what was wrong with it."""
        right = self._point_first(key, alias, names, now)
        if right == now:
            return None
        if right is None:
            self.registry.unpoint(key, alias)
        was = "was missing" if now is None else f"pointed to version {now}"
        return f"alias {alias} {was} in MLflow: " + ("removed" if right is None else f"it points to {right} again")

    def _point_first(self, key: ModelKey, alias: str, names: Sequence[str], now: int | None = None) -> int | None:
        """Point an alias to the first of these versions whose file MLflow still has; returns its number.

        A number may have gone to another model there: one that was renamed to this name, or registered by hand. The
        champion's file is looked at by every refresh anyway.
        """
        for name in names:
            version = self.store.version(key, name)
            number = None if version is None else version.registry_version
            if version is None or number is None:
                continue
            if (number == now and alias != PREVIOUS) or (
                self._has_file(key, version) and (number == now or self.registry.point(key, alias, number))
            ):
                return number
        return None

    def _has_file(self, key: ModelKey, version: Version) -> bool:
        """Whether what lies under a version's number is the file that was registered as it."""
        try:
            self.registry.require_file(key, *_registered(key, version))
        except ArtifactRefusedError:
            return False
        return True

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
        """The version to promote: the one named, or the newest that waits to be more than the champion.

        Raises:
            UnknownNameError: if this workspace has no such version of this type, or none waits.
        """
        if version_name is not None:
            return self.version(key, version_name)
        history = champion_history(self.store.deployments(key))
        champion = self.store.version(key, history.champion or "")
        stopped = {step.version_name for step in self.store.rollout(key) if step.share_percent == ROLLOUT_STOPPED}
        newest = waiting_version(self.store.versions(key), champion, history.have_served | stopped)
        if newest is None:
            raise UnknownNameError("challenger of", key.registered_name, fix=NONE_WAITS)
        return newest

    def rollback_target(self, key: ModelKey, version_name: str | None) -> Version:
        """The version to go back to: the one named, or the last before the champion that can serve.

        Raises:
            NoChampionError: if nothing serves.
            NoPreviousChampionError: if nothing that can serve did so before.
            UnknownNameError: if this workspace has no such version of this type.
        """
        history = self.store.deployments(key)
        champion = served(history)
        if champion is None:
            raise NoChampionError(key.registered_name, withdrawn_because(history))
        if version_name is not None:
            return self.version(key, version_name)
        previous = self.fallback(key)
        if previous is None:
            raise NoPreviousChampionError(key.registered_name, champion)
        return previous

    def fallback(self, key: ModelKey, refused: Callable[[Version], str | None] | None = None) -> Version | None:
        """The last champion before this one that can still be read, and is not refused; None where there is none."""
        for name in lineage(self.store.deployments(key))[:-1][::-1]:
            version = self.store.version(key, name)
            if version is None or (refused is not None and refused(version)):
                continue
            if self.fault(key, version) is None:
                return version
        return None

    def _converge(self, key: ModelKey, run_id: str) -> None:
        history = standing(self.store.deployments(key))
        while history:
            newest = history[-1]
            if newest.kind == WITHDRAWAL:
                for alias in (PREVIOUS, CHAMPION):
                    self.registry.unpoint(key, alias)
            else:
                if self._point_first(key, PREVIOUS, lineage(history)[:-1][::-1]) is None:
                    self.registry.unpoint(key, PREVIOUS)
                number = self._point_first(key, CHAMPION, [newest.version_name])
                if number is not None:  # else somebody deleted it in MLflow a moment ago; the next refresh finds that
                    self.registry.clear(key, CHALLENGER, number)
            self.store.close_deployment(key, newest, DONE, run_id)
            history = standing(self.store.deployments(key))
            if history and history[-1].generation == newest.generation:
                return


def _registered(key: ModelKey, version: Version) -> tuple[int, str]:
    """Number and sha256 of a version's file."""
    if version.registry_version is None or version.artifact_sha256 is None:
        raise ArtifactRefusedError(key.registered_name, version.version_name, "it was never registered")
    return version.registry_version, version.artifact_sha256


def champion_history(history: list[Deployment]) -> ChampionHistory:
    """What these changes of champion amount to; one that is pending moved nothing yet."""
    stack = lineage([deployment for deployment in history if deployment.outcome == DONE])
    changes = standing(history)
    return ChampionHistory(
        champion=served(history),
        previous=stack[-2] if len(stack) > 1 else None,
        have_served=frozenset(deployment.version_name for deployment in history),
        was_rolled_back=bool(changes) and changes[-1].kind == ROLLBACK,
        since=next((change.recorded_at for change in reversed(history) if change.outcome == DONE), None),
    )


def served(history: list[Deployment]) -> str | None:
    """The champion: of the newest change that was closed as done; None before the first and after a withdrawal."""
    done = [deployment for deployment in history if deployment.outcome == DONE]
    return done[-1].version_name if done and done[-1].kind != WITHDRAWAL else None


def withdrawn_because(history: list[Deployment]) -> str | None:
    """Why the last champion serves no longer, where nothing took its place."""
    done = [deployment for deployment in history if deployment.outcome == DONE]
    return f"{done[-1].version_name} was withdrawn: {done[-1].reason}" if done and served(history) is None else None


def waiting_version(versions: list[Version], champion: Version | None, settled: Collection[str]) -> Version | None:
    """The newest registered version that was not tried yet and learned from no fewer rows than the champion.

    Args:
        versions: all there are, oldest first.
        champion: the version that serves; None where none does.
        settled: names of versions that have served, or whose rollout was stopped.
    """
    untried = [one for one in versions if one.status == REGISTERED and one.version_name not in settled]
    fresh = [one for one in untried if champion is None or one.train_to >= champion.train_to]
    return fresh[-1] if fresh else None


def last_generation(history: list[Deployment]) -> int:
    """The last generation opened; 0 before the first."""
    return max((deployment.generation for deployment in history), default=0)


def standing(history: list[Deployment]) -> list[Deployment]:
    """The changes that were not abandoned."""
    return [deployment for deployment in history if deployment.outcome != ABANDONED]


def lineage(history: list[Deployment]) -> list[str]:
    """Champions one could go back to, the present one last.

    A promotion adds one, a rollback removes what it undid, a withdrawal what could not be read.
    """
    stack: list[str] = []
    for deployment in standing(history):
        if deployment.kind == WITHDRAWAL:
            stack = [name for name in stack if name != deployment.version_name]
        elif deployment.kind == ROLLBACK and deployment.version_name in stack:
            del stack[stack.index(deployment.version_name) + 1 :]
        else:
            stack.append(deployment.version_name)
    return stack
