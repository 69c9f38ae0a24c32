"""Predictive models, synchronous: refreshed, checked for drift, served, promoted, rolled back and deleted when old."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial
from threading import Lock
from typing import Any

import polars as pl
from polars.exceptions import PanicException

from tasks.errors import InputError, RaptorflowError, require_between
from tasks.memory import give_back
from tasks.models.drift.monitor import DriftThresholds, insufficient
from tasks.models.drift.stream import Stream, stream_of
from tasks.models.errors import NoChampionError, RegistryUnreachableError
from tasks.models.pools import Pools
from tasks.models.records import (
    PROMOTION,
    ROLLBACK,
    DriftReport,
    ModelKey,
    ModelType,
    MoveResult,
    OutcomeRows,
    Prediction,
    Run,
    Schedule,
    UpdateResult,
    Version,
)
from tasks.models.refresh import Refresh
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.registry.promotion import Promoter, served
from tasks.models.registry.retention import delete_old_versions
from tasks.models.reports import beside_champion, drift_check_result, failed_result, move_result
from tasks.models.serving.predictions import preview_of
from tasks.models.serving.rollouts import Rollouts
from tasks.models.serving.router import PredictionRouter
from tasks.models.specs import ModelSpec, load_spec
from tasks.models.store import ModelStore, days_of, record_outcomes
from tasks.models.training.dataset import ModelRows
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import content_frame, find_workspace, touch_frame
from tasks.warehouse.snapshots import ChunkSnapshot, Snapshot

Source = Warehouse | Snapshot | ChunkSnapshot
BY_HAND = "by-hand"
LARGEST_LOG = 60.0
CONVERTED = ("0", "1")  # the labels of conversions
POSTS_BESIDE_A_DRAFT = 500  # of which its level is taken, and whether rates or counts are meant
LARGE_ROWS = 5_000  # whose refresh holds some 100 MB
_LARGE = Lock()
logger = logging.getLogger("raptorflow")


class ModelService:
    """Models of one warehouse and one registry, both opened when first needed; safe to share by threads.

    The arguments of its methods are described in `ModelUpdater`.
    """

    def __init__(
        self,
        warehouse: Warehouse | None = None,
        registry_address: str | None = None,
        thresholds: DriftThresholds | None = None,
    ) -> None:
        self.thresholds = thresholds or DriftThresholds()
        self._warehouse, self._registry_address = warehouse, registry_address

    @cached_property
    def store(self) -> ModelStore:
        """The tables of models."""
        return ModelStore(open_warehouse(self._warehouse))

    @cached_property
    def registry(self) -> Registry:
        """Their files and aliases in MLflow."""
        return Registry(self._registry_address)

    @cached_property
    def promoter(self) -> Promoter:
        """What moves champions."""
        return Promoter(self.store, self.registry)

    @cached_property
    def pools(self) -> Pools:
        """What the workspaces of organizations teach each other."""
        return Pools(self.store.warehouse)

    @cached_property
    def rollouts(self) -> Rollouts:
        """What gives challengers their share of the predictions."""
        return Rollouts(self.store, self.registry)

    def check_and_update_models(
        self,
        workspace_id: str,
        model_types: Sequence[ModelType | str] | None = None,
        force_retrain: bool = False,
        source: Source | None = None,
        as_of: datetime | None = None,
        run_id: str | None = None,
        git_commit: str | None = None,
        promote: bool = True,
    ) -> dict[str, UpdateResult]:
        """Refresh models of a workspace; see `Refresh`."""
        wanted = [ModelType.parse(name) for name in (ModelType if model_types is None else model_types)]
        run = _run(source, as_of, run_id, git_commit)
        find_workspace(self.store.warehouse, workspace_id)
        update = partial(self._update, source, run, force_retrain, promote)
        with self.store.warehouse.kept_open():  # a dozen small reads a model; opening the file takes a third of a look
            return {one.value: each_alone(ModelKey(workspace_id, one), update) for one in wanted}

    def _update(self, source: Source | None, run: Run, force: bool, promote: bool, key: ModelKey) -> UpdateResult:
        spec = load_spec(key.model_type)
        rows = self._rows(spec, key.workspace_id, source, run.as_of)
        if len(rows.frame) < LARGE_ROWS:
            return self.refresh(key, spec, rows, run).update(force=force, promote=promote)
        # What two chunks hold at once of large workspaces would add up, and their fits take turns anyway.
        del rows
        with _alone():
            return self._update_large(spec, source, run, force, promote, key)

    def _update_large(
        self, spec: ModelSpec, source: Source | None, run: Run, force: bool, promote: bool, key: ModelKey
    ) -> UpdateResult:
        """The rows are read once more: who waits for this turn holds none, and none are held when it is over."""
        rows = self._rows(spec, key.workspace_id, source, run.as_of)
        return self.refresh(key, spec, rows, run).update(force=force, promote=promote)

    def check_drift(
        self,
        workspace_id: str,
        model_types: Sequence[ModelType | str],
        source: Source | None = None,
        run_id: str | None = None,
    ) -> dict[str, UpdateResult]:
        """Measure the drift of several models and move nothing; each fails alone, like a refresh."""
        keys = [ModelKey(workspace_id, ModelType.parse(name)) for name in model_types]
        find_workspace(self.store.warehouse, workspace_id)
        return {key.model_type.value: each_alone(key, partial(self._look, source, run_id)) for key in keys}

    def _look(self, source: Source | None, run_id: str | None, key: ModelKey) -> UpdateResult:
        return drift_check_result(self.detect_drift(key.workspace_id, key.model_type, source, run_id=run_id))

    def refresh(self, key: ModelKey, spec: ModelSpec, rows: ModelRows, run: Run) -> Refresh:
        """A refresh of one model on one state of its rows."""
        return Refresh(self.store, self.promoter, self.rollouts, self.thresholds, key, spec, rows, run)

    def detect_drift(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        source: Source | None = None,
        as_of: datetime | None = None,
        run_id: str | None = None,
    ) -> DriftReport:
        """Check the champion against the rows newer than it, and store the report."""
        key, run = ModelKey(workspace_id, ModelType.parse(model_type)), _run(source, as_of, run_id)
        spec = load_spec(key.model_type)
        find_workspace(self.store.warehouse, workspace_id)
        rows = self._rows(spec, workspace_id, source, as_of)
        champion = self._champion(key)
        if champion is None:
            return insufficient(key, None, 0, spec.minimum_rows)
        return self.refresh(key, spec, rows, run).measure_drift(champion)[0]

    def predict(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        row_ids: Collection[str] | None = None,
        source: Source | None = None,
        run_id: str | None = None,
    ) -> list[Prediction]:
        """Predict rows by the champion, or by the challenger that takes a share, and log the predictions."""
        key, run = ModelKey(workspace_id, ModelType.parse(model_type)), _run(source, None, run_id)
        spec = load_spec(key.model_type)
        find_workspace(self.store.warehouse, workspace_id)
        rows = ModelRows(self._frame(spec, workspace_id, source, None), spec)
        return PredictionRouter(self.promoter, self.rollouts).predict(key, rows.everything, row_ids, run)

    def record_outcomes(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        values: Mapping[str, float | str],
        run_id: str | None = None,
    ) -> OutcomeRows:
        """Note what came of rows that were predicted; drift is seen by it at once. The first outcome of a row stands.

        Args:
            values: by row: its label, or for engagement a number on the scale of `expected`.

        Raises:
            InputError: for a value that is none of this model's.
        """
        key = self._key(workspace_id, model_type)
        target = load_spec(key.model_type).target
        known = {row_id: _outcome(row_id, value, target) for row_id, value in values.items()}
        return record_outcomes(self.store.warehouse, key, known, run_id or BY_HAND)

    def drift_stream(self, key: ModelKey, as_of: datetime | None = None) -> tuple[Version | None, Stream | None]:
        """The version that serves, or served at an instant, and what its days say; None where there is none."""
        changes = self.store.deployments(key)
        name = served([one for one in changes if as_of is None or one.recorded_at <= as_of])
        version = None if name is None else self.store.version(key, name)
        if version is None:
            return None, None
        days = days_of(self.store.warehouse, key, version.version_name, as_of)
        return version, stream_of(days, version.evaluation, self.thresholds)

    def preview(self, workspace_id: str, model_type: ModelType | str, row: Mapping[str, Any]) -> dict[str, Any]:
        """Predict a post that is not published yet, beside the workspace's newest ones; nothing is logged.

        Args:
            row: `content_id`, `published_at` (UTC), text and features, as columns of content have them.

        Raises:
            NoChampionError: if nothing serves.
            InputError: for a model of anything but content.
        """
        key = self._key(workspace_id, model_type)
        spec = load_spec(key.model_type)
        if spec.rows != "content":
            raise InputError(f"{key.model_type.value} predicts {spec.rows}, not posts that are not published yet")
        champion = self._champion(key)
        if champion is None:
            raise NoChampionError(key.registered_name)
        newest = self._frame(spec, workspace_id, None, None).tail(POSTS_BESIDE_A_DRAFT)
        known = {name: [value] for name, value in row.items() if name in newest.columns}
        draft = pl.DataFrame(known, {name: newest.schema[name] for name in known}, strict=False)
        rows = ModelRows(pl.concat([newest, draft], how="diagonal"), spec)
        model = self.promoter.load(key, champion)
        return preview_of(model, rows, str(row["content_id"]), champion.version_name)

    def delete_old_versions(self, older_than_days: int = 90, dry_run: bool = True) -> list[dict[str, Any]]:
        """Delete versions that retention lets go, or only list them; close the runs that killed registrations left."""
        require_between("older_than_days", older_than_days, 1, 36_500)
        if not dry_run:
            self.registry.close_abandoned_runs(datetime.now(UTC))
        return delete_old_versions(self.store, self.registry, older_than_days, dry_run=dry_run)

    def pin_version(self, workspace_id: str, model_type: ModelType | str, version: str, pinned: bool = True) -> None:
        """Keep a version whatever its age, or no longer."""
        key = self._key(workspace_id, model_type)
        self.store.set_pinned(key, self.promoter.version(key, version).version_name, pinned=pinned)

    def schedule_updates(
        self,
        model_type: ModelType | str,
        frequency_days: int = 7,
        min_new_samples: int = 100,
        drift_threshold: float = 0.15,
    ) -> Schedule:
        """Create or change the schedule on which all workspaces' models of a type are refreshed."""
        from tasks.models.scheduling import schedule_refresh  # Prefect, two seconds to import

        parsed = ModelType.parse(model_type)
        return schedule_refresh(self.store, parsed, frequency_days, min_new_samples, drift_threshold)

    def challenger(self, workspace_id: str, model_type: ModelType | str, version: str | None = None) -> dict[str, Any]:
        """What `promote_model` would promote, beside the champion, and the generation it would follow."""
        key = self._key(workspace_id, model_type)
        return self._beside_champion(key, self.promoter.challenger(key, version))

    def rollback_target(
        self, workspace_id: str, model_type: ModelType | str, version: str | None = None
    ) -> dict[str, Any]:
        """What `rollback_model` would put back, beside the champion."""
        key = self._key(workspace_id, model_type)
        return self._beside_champion(key, self.promoter.rollback_target(key, version))

    def promote_model(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        version: str | None = None,
        expected_generation: int | None = None,
        reason: str = "promoted by hand",
        actor: str = BY_HAND,
        run_id: str | None = None,
    ) -> MoveResult:
        """Make a registered version champion: the one named, or the newest challenger."""
        key = self._key(workspace_id, model_type)
        chosen, before = self.promoter.challenger(key, version), self.promoter.champion(key)
        generation = self.promoter.move(key, chosen, PROMOTION, reason, actor, run_id or BY_HAND, expected_generation)
        return move_result(key, "promoted", chosen, before, generation)

    def rollback_model(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        target_version: str | None = None,
        reason: str = "rolled back by hand",
        actor: str = BY_HAND,
        run_id: str | None = None,
    ) -> MoveResult:
        """Put an earlier version back: the one named, or the one that served before the champion."""
        key = self._key(workspace_id, model_type)
        self.promoter.reconcile(key, run_id or BY_HAND)
        target, before = self.promoter.rollback_target(key, target_version), self.promoter.champion(key)
        generation = self.promoter.move(key, target, ROLLBACK, reason, actor, run_id or BY_HAND)
        return move_result(key, "rolled_back", target, before, generation)

    def _key(self, workspace_id: str, model_type: ModelType | str) -> ModelKey:
        key = ModelKey(workspace_id, ModelType.parse(model_type))
        find_workspace(self.store.warehouse, workspace_id)
        return key

    def _champion(self, key: ModelKey) -> Version | None:
        name = self.promoter.champion(key)
        return None if name is None else self.store.version(key, name)

    def _beside_champion(self, key: ModelKey, version: Version) -> dict[str, Any]:
        return beside_champion(key, version, self.promoter.champion(key), self.promoter.generation(key))

    def _rows(self, spec: ModelSpec, workspace_id: str, source: Source | None, as_of: datetime | None) -> ModelRows:
        """A workspace's rows before an instant, with what its organization's rows of the same window teach."""
        frozen = source.content if isinstance(source, ChunkSnapshot) else source
        since, until = frozen.window if isinstance(frozen, Snapshot) else (None, None)
        until = min((instant for instant in (until, as_of) if instant is not None), default=None)
        siblings = self.pools.siblings(workspace_id, spec, (since, until))
        return ModelRows(self._frame(spec, workspace_id, source, as_of), spec, siblings)

    def _frame(self, spec: ModelSpec, workspace_id: str, source: Source | None, as_of: datetime | None) -> pl.DataFrame:
        """A workspace's content or touches before an instant: of a snapshot, or of the warehouse as it is."""
        read = content_frame if spec.rows == "content" else touch_frame
        if isinstance(source, ChunkSnapshot):
            source = source.content if spec.rows == "content" else source.touches
        return read(self.store.warehouse if source is None else source, workspace_id, until=as_of)


def _outcome(row_id: str, value: float | str, target: str) -> float | str:
    """A value as predictions have it: a number on a log scale, or a label."""
    if target != "engagement":
        label = str(int(value)) if isinstance(value, (bool, float, int)) and value == int(value) else str(value)
        if target == "converted" and label not in CONVERTED:  # else a client's "yes" is the worst of losses: drift
            raise InputError(f"row '{row_id[:64]}': {value!r} is neither 1, converted, nor 0, not converted")
        return label
    if isinstance(value, (str, bool)) or not abs(value) <= LARGEST_LOG:
        raise InputError(f"row '{row_id[:64]}': {value!r} is no engagement on the log scale of `expected`")
    return float(value)


def each_alone(key: ModelKey, work: Callable[[ModelKey], UpdateResult]) -> UpdateResult:
    """What became of one model; one that fails says why in its result, so that the others go on.

    Raises:
        RegistryUnreachableError: if MLflow does not answer: then no other model fares better.
    """
    try:
        return work(key)
    except RegistryUnreachableError:
        raise
    except RaptorflowError as error:
        return failed_result(key, error)
    except (Exception, PanicException) as error:  # polars panics at instants that no calendar holds
        logger.exception("%s failed", key.registered_name)
        return failed_result(key, error)


@contextmanager
def _alone() -> Iterator[None]:
    """One large refresh at a time; what it leaves in cycles goes then, where the collector would wait for many."""
    with _LARGE:
        _keep_imports()
        yield
        gc.collect()
        give_back()


@lru_cache(maxsize=1)
def _keep_imports() -> None:
    """What was imported stays: walking it for garbage would take four fifths of each collection."""
    gc.freeze()


def _run(source: Source | None, as_of: datetime | None, run_id: str | None, git_commit: str | None = None) -> Run:
    """On whose behalf something is done, with the hash of the snapshot it is done on.

    Raises:
        InputError: if `as_of` has no time zone.
    """
    if as_of is not None and as_of.tzinfo is None:
        raise InputError(f"as_of {as_of.isoformat()} has no time zone: give it one")
    snapshot = source.content if isinstance(source, ChunkSnapshot) else source
    sha256 = snapshot.sha256 if isinstance(snapshot, Snapshot) else None
    return Run(run_id or BY_HAND, git_commit, as_of, sha256)
