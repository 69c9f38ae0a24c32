"""Predictive models: drift, retraining, registry."""

from tasks.models.model_updater import ModelUpdater
from tasks.models.records import DriftReport, ModelType, UpdateResult
from tasks.models.store import list_drift_checks, list_models

__all__ = ["DriftReport", "ModelType", "ModelUpdater", "UpdateResult", "list_drift_checks", "list_models"]
