"""Predictive models: drift, retraining, registry."""

from tasks.models.model_updater import ModelUpdater
from tasks.models.records import DriftReport, ModelType, UpdateResult

__all__ = ["DriftReport", "ModelType", "ModelUpdater", "UpdateResult"]
