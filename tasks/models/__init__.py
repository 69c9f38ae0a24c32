"""Predictive models: trained, checked for drift, registered, rolled out, served."""

from tasks.models.model_updater import ModelUpdater
from tasks.models.records import DriftReport, ModelType, UpdateResult
from tasks.models.service import ModelService
from tasks.models.store import list_drift_checks, list_models

__all__ = [
    "DriftReport",
    "ModelService",
    "ModelType",
    "ModelUpdater",
    "UpdateResult",
    "list_drift_checks",
    "list_models",
]
