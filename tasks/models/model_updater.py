"""Keeps predictive models good: notices drift, retrains where that helps, and moves champions safely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from tasks.errors import OutOfRangeError, require_between
from tasks.models.lifecycle import Lifecycle
from tasks.models.promotion import PROMOTION, ROLLBACK, Promoter
from tasks.models.reading import BY_HAND, Source, frame_of, run_of
from tasks.models.records import (
    DriftReport,
    ModelKey,
    ModelType,
    MoveResult,
    Prediction,
    Schedule,
    UpdateResult,
    Version,
)
from tasks.models.registry import Registry
from tasks.models.reports import moved, waiting
from tasks.models.scheduling import plan_of, scheduled
from tasks.models.specs import load_spec
from tasks.models.store import ModelStore
from tasks.models.watching import Thresholds
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import find_workspace


class ModelUpdater:
    """Predictive models of workspaces: drift detection, retraining, promotion and rollback.

    Args:
        drift_warning_threshold: drift score (0–1) from which a significant change is a warning.
        drift_critical_threshold: drift score from which a significant loss of performance is critical.
        min_samples_for_drift: rows newer than the model that a check needs.
        warehouse: where rows and results lie; None takes the settings'.
        registry_address: MLflow tracking address; None takes the settings'.

    Raises:
        OutOfRangeError: if a number lies outside its bounds.
    """

    def __init__(
        self,
        drift_warning_threshold: float = 0.1,
        drift_critical_threshold: float = 0.2,
        min_samples_for_drift: int = 50,
        *,
        warehouse: Warehouse | None = None,
        registry_address: str | None = None,
    ) -> None:
        require_between("drift_critical_threshold", drift_critical_threshold, 0.0, 1.0)
        require_between("drift_warning_threshold", drift_warning_threshold, 0.0, drift_critical_threshold)
        if isinstance(min_samples_for_drift, bool) or not min_samples_for_drift >= 20:
            raise OutOfRangeError("min_samples_for_drift", min_samples_for_drift, "at least 20")
        self._thresholds = Thresholds(drift_warning_threshold, drift_critical_threshold, int(min_samples_for_drift))
        self._given, self._registry_address = warehouse, registry_address

    @cached_property
    def _warehouse(self) -> Warehouse:
        return open_warehouse(self._given)

    @cached_property
    def _lifecycle(self) -> Lifecycle:
        return Lifecycle(ModelStore(self._warehouse), Registry(self._registry_address), self._thresholds)

    async def check_and_update_models(
        self,
        workspace_id: str,
        model_types: Sequence[ModelType | str] | None = None,
        force_retrain: bool = False,
        *,
        source: Source | None = None,
        as_of: datetime | None = None,
        run_id: str | None = None,
        git_commit: str | None = None,
        promote: bool = True,
    ) -> dict[str, UpdateResult]:
        """Check each model for drift and retrain it where that helps; a missing model is trained.

        Args:
            workspace_id: whose models.
            model_types: which; None for all.
            force_retrain: train a challenger also where no drift was found. It still has to pass the gate.
            source: rows to learn from; None reads the warehouse.
            as_of: only rows before this instant.
            run_id: recorded on what is written.
            git_commit: recorded on registered versions.
            promote: whether a challenger that passed the gate becomes champion at once.

        Returns:
            An `UpdateResult` for each model type. The same data a second time registers nothing and changes nothing.

        Raises:
            UnknownNameError: if there is no such workspace or model type.
            RegistryUnreachableError: if MLflow does not answer.
        """
        wanted = [ModelType.parse(name) for name in (ModelType if model_types is None else model_types)]
        run = run_of(source, as_of, run_id, git_commit)

        def work(model_type: ModelType) -> UpdateResult:
            key, spec = ModelKey(workspace_id, model_type), load_spec(model_type)
            frame = frame_of(self._warehouse, spec, workspace_id, source, as_of)
            return self._lifecycle.update(key, spec, frame, run, force=force_retrain, promote=promote)

        await asyncio.to_thread(self._require_workspace, workspace_id)
        return {model_type.value: await asyncio.to_thread(work, model_type) for model_type in wanted}

    async def detect_drift(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        *,
        source: Source | None = None,
        as_of: datetime | None = None,
        run_id: str | None = None,
    ) -> DriftReport:
        """Compare the champion with what came after it: its loss where labels are known, and its inputs.

        Raises:
            UnknownNameError: if there is no such workspace or model type.
        """
        key = ModelKey(workspace_id, ModelType.parse(model_type))
        spec, run = load_spec(key.model_type), run_of(source, as_of, run_id, None)

        def work() -> DriftReport:
            self._require_workspace(workspace_id)
            return self._lifecycle.detect(key, spec, frame_of(self._warehouse, spec, workspace_id, source, as_of), run)

        return await asyncio.to_thread(work)

    async def predict(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        row_ids: Collection[str] | None = None,
        *,
        source: Source | None = None,
        run_id: str | None = None,
    ) -> list[Prediction]:
        """Let the champion predict content or touches of the warehouse; what it says is logged.

        Args:
            workspace_id: whose model and rows.
            model_type: which model.
            row_ids: content or touch ids; None for all. Ids the workspace does not have are left out.
            source: rows to predict; None reads the warehouse.
            run_id: recorded with the predictions.

        Raises:
            UnknownNameError: if there is no such workspace or model type.
            NoChampionError: if the workspace has no champion of this type.
            ArtifactRefusedError: if the champion's file is not the one registered.
        """
        key = ModelKey(workspace_id, ModelType.parse(model_type))
        spec, run = load_spec(key.model_type), run_of(source, None, run_id, None)

        def work() -> list[Prediction]:
            self._require_workspace(workspace_id)
            frame = frame_of(self._warehouse, spec, workspace_id, source, None)
            return self._lifecycle.predict(key, spec, frame, row_ids, run)

        return await asyncio.to_thread(work)

    async def delete_old_versions(self, older_than_days: int = 90, *, dry_run: bool = True) -> list[dict[str, Any]]:
        """Delete versions nobody needs: never champion, challenger, previous, pinned, or one of a model's last five.

        Args:
            older_than_days: age from which a version may go.
            dry_run: only say what would go.

        Returns:
            What went or would go, oldest first for each model.
        """
        require_between("older_than_days", older_than_days, 1, 36_500)
        return await asyncio.to_thread(lambda: self._lifecycle.retire(older_than_days, dry_run=dry_run))

    async def pin_version(
        self, workspace_id: str, model_type: ModelType | str, version: str, *, pinned: bool = True
    ) -> None:
        """Keep a version whatever its age, or no longer.

        Raises:
            UnknownNameError: if there is no such workspace, type or version.
        """
        key = ModelKey(workspace_id, ModelType.parse(model_type))

        def work() -> None:
            self._require_workspace(workspace_id)
            found = self._lifecycle.promoter.version(key, version)
            self._lifecycle.store.set_pinned(key, found.version_name, pinned=pinned)

        await asyncio.to_thread(work)

    async def schedule_updates(
        self,
        model_type: ModelType | str,
        frequency_days: int = 7,
        min_new_samples: int = 100,
        drift_threshold: float = 0.15,
    ) -> Schedule:
        """Create or change the schedule on which all workspaces' models of a type are refreshed.

        Args:
            model_type: which.
            frequency_days: days between two refreshes, from now on.
            min_new_samples: rows newer than its champion that a model needs to be looked at.
            drift_threshold: drift score (0–1) from which a significant change counts.

        Raises:
            UnknownNameError: if there is no such model type.
            OutOfRangeError: if a number lies outside its bounds.
            RaptorflowError: if Prefect does not answer.
        """
        plan = plan_of(ModelType.parse(model_type), frequency_days, min_new_samples, drift_threshold)
        from tasks.models.steps import schedule_refresh  # Prefect, two seconds to import

        status = await schedule_refresh(plan)
        await asyncio.to_thread(lambda: ModelStore(self._warehouse).set_schedule(plan))
        return scheduled(plan, status)

    async def challenger(
        self, workspace_id: str, model_type: ModelType | str, version: str | None = None
    ) -> dict[str, Any]:
        """What `promote_model` would promote, beside the champion, and the generation it would follow.

        Raises:
            UnknownNameError: if there is no such workspace, type or version, or no version waits.
        """
        return await self._beside_champion(workspace_id, model_type, lambda it, key: it.challenger(key, version))

    async def rollback_target(
        self, workspace_id: str, model_type: ModelType | str, version: str | None = None
    ) -> dict[str, Any]:
        """What `rollback_model` would put back, beside the champion.

        Raises:
            UnknownNameError: if there is no such workspace, type or version.
            NoChampionError: if nothing serves, or nothing served before.
        """
        return await self._beside_champion(workspace_id, model_type, lambda it, key: it.rollback_target(key, version))

    async def promote_model(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        version: str | None = None,
        *,
        expected_generation: int | None = None,
        reason: str = "promoted by hand",
        actor: str = BY_HAND,
        run_id: str | None = None,
    ) -> MoveResult:
        """Make a registered version champion: the one named, or the newest challenger.

        Args:
            workspace_id: whose model.
            model_type: which.
            version: `version_name`; None takes the newest version that has never served.
            expected_generation: the `generation` last seen; another promoter having come first is then an error.
            reason: why, for the history.
            actor: who, for the history.
            run_id: recorded on what is written.

        Raises:
            UnknownNameError: if there is no such workspace, type or version.
            PromotionConflictError: if somebody else promoted first.
            ArtifactRefusedError: if the version cannot serve; nothing was moved.
        """

        def work(promoter: Promoter, key: ModelKey, run: str) -> MoveResult:
            chosen = promoter.challenger(key, version)
            before = promoter.champion(key)
            generation = promoter.move(key, chosen, PROMOTION, reason, actor, run, expected_generation)
            return moved(key, "promoted", chosen, before, generation)

        return await self._move(workspace_id, model_type, run_id, work)

    async def rollback_model(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        target_version: str | None = None,
        *,
        reason: str = "rolled back by hand",
        actor: str = BY_HAND,
        run_id: str | None = None,
    ) -> MoveResult:
        """Put an earlier version back: the one named, or the one that served before the champion.

        Raises:
            UnknownNameError: if there is no such workspace, type or version.
            NoChampionError: if nothing serves, or nothing served before.
            ArtifactRefusedError: if the version cannot serve; nothing was moved.
        """

        def work(promoter: Promoter, key: ModelKey, run: str) -> MoveResult:
            promoter.reconcile(key, run)
            target, before = promoter.rollback_target(key, target_version), promoter.champion(key)
            generation = promoter.move(key, target, ROLLBACK, reason, actor, run)
            return moved(key, "rolled_back", target, before, generation)

        return await self._move(workspace_id, model_type, run_id, work)

    async def _beside_champion(
        self, workspace_id: str, model_type: ModelType | str, find: Callable[[Promoter, ModelKey], Version]
    ) -> dict[str, Any]:
        key = ModelKey(workspace_id, ModelType.parse(model_type))

        def work() -> dict[str, Any]:
            self._require_workspace(workspace_id)
            promoter = self._lifecycle.promoter
            return waiting(key, find(promoter, key), promoter.champion(key), promoter.generation(key))

        return await asyncio.to_thread(work)

    async def _move(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        run_id: str | None,
        work: Callable[[Promoter, ModelKey, str], MoveResult],
    ) -> MoveResult:
        key = ModelKey(workspace_id, ModelType.parse(model_type))

        def checked() -> MoveResult:
            self._require_workspace(workspace_id)
            return work(self._lifecycle.promoter, key, run_id or BY_HAND)

        return await asyncio.to_thread(checked)

    def _require_workspace(self, workspace_id: str) -> None:
        find_workspace(self._warehouse, workspace_id)
