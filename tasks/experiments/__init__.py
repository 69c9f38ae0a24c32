"""Experiments whose answers hold: assignment, outcomes counted once, verdicts that survive being looked at daily."""

from tasks.experiments.experiment_engine import ExperimentEngine
from tasks.experiments.records import (
    Assignment,
    ExperimentRecord,
    ExperimentResult,
    ExperimentStatus,
    ExperimentType,
    VariantAllocation,
)
from tasks.experiments.service import ExperimentService

__all__ = [
    "Assignment",
    "ExperimentEngine",
    "ExperimentRecord",
    "ExperimentResult",
    "ExperimentService",
    "ExperimentStatus",
    "ExperimentType",
    "VariantAllocation",
]
