"""The guide's class for predictive models: the async face of `ModelService`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from tasks.models.drift.monitor import DriftThresholds
from tasks.models.records import DriftReport, ModelType, MoveResult, Prediction, Schedule, UpdateResult
from tasks.models.service import BY_HAND, ModelService, Source
from tasks.warehouse import Warehouse


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
        thresholds = DriftThresholds(drift_warning_threshold, drift_critical_threshold, min_samples_for_drift)
        self._service = ModelService(warehouse, registry_address, thresholds)

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
        return await asyncio.to_thread(
            self._service.check_and_update_models,
            workspace_id,
            model_types,
            force_retrain,
            source,
            as_of,
            run_id,
            git_commit,
            promote,
        )

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
        return await asyncio.to_thread(self._service.detect_drift, workspace_id, model_type, source, as_of, run_id)

    async def predict(
        self,
        workspace_id: str,
        model_type: ModelType | str,
        row_ids: Collection[str] | None = None,
        *,
        source: Source | None = None,
        run_id: str | None = None,
    ) -> list[Prediction]:
        """Predict content or touches of the warehouse by the champion; the predictions are logged.

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
        return await asyncio.to_thread(self._service.predict, workspace_id, model_type, row_ids, source, run_id)

    async def delete_old_versions(self, older_than_days: int = 90, *, dry_run: bool = True) -> list[dict[str, Any]]:
        """Delete old versions: never champion, challenger, previous, a pinned one, or one of a model's last five.

        Args:
            older_than_days: age from which a version may go.
            dry_run: only say what would go.

        Returns:
            What went or would go, oldest first for each model.
        """
        return await asyncio.to_thread(self._service.delete_old_versions, older_than_days, dry_run)

    async def pin_version(
        self, workspace_id: str, model_type: ModelType | str, version: str, *, pinned: bool = True
    ) -> None:
        """Keep a version whatever its age, or no longer.

        Raises:
            UnknownNameError: if there is no such workspace, type or version.
        """
        return await asyncio.to_thread(self._service.pin_version, workspace_id, model_type, version, pinned)

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
            min_new_samples: rows newer than its champion that a model needs to be checked.
            drift_threshold: drift score (0–1) from which a significant change counts.

        Raises:
            UnknownNameError: if there is no such model type.
            OutOfRangeError: if a number lies outside its bounds.
            RaptorflowError: if Prefect does not answer.
        """
        return await asyncio.to_thread(
            self._service.schedule_updates, model_type, frequency_days, min_new_samples, drift_threshold
        )

    async def challenger(
        self, workspace_id: str, model_type: ModelType | str, version: str | None = None
    ) -> dict[str, Any]:
        """What `promote_model` would promote, beside the champion, and the generation it would follow.

        Raises:
            UnknownNameError: if there is no such workspace, type or version, or no version waits.
        """
        return await asyncio.to_thread(self._service.challenger, workspace_id, model_type, version)

    async def rollback_target(
        self, workspace_id: str, model_type: ModelType | str, version: str | None = None
    ) -> dict[str, Any]:
        """What `rollback_model` would put back, beside the champion.

        Raises:
            UnknownNameError: if there is no such workspace, type or version.
            NoChampionError: if nothing serves, or nothing served before.
        """
        return await asyncio.to_thread(self._service.rollback_target, workspace_id, model_type, version)

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
        return await asyncio.to_thread(
            self._service.promote_model,
            workspace_id,
            model_type,
            version,
            expected_generation,
            reason,
            actor,
            run_id,
        )

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
        return await asyncio.to_thread(
            self._service.rollback_model, workspace_id, model_type, target_version, reason, actor, run_id
        )
