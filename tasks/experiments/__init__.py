"""Experiments whose answers hold: assignment, outcomes counted once, verdicts that survive being looked at daily."""

from tasks.experiments.experiment_engine import ExperimentEngine
from tasks.experiments.findings import Analysis
from tasks.experiments.records import Assignment, ExperimentRecord, ExperimentType, Status, VariantAllocation
from tasks.experiments.service import ExperimentService

__all__ = [
    "Analysis",
    "Assignment",
    "ExperimentEngine",
    "ExperimentRecord",
    "ExperimentService",
    "ExperimentType",
    "Status",
    "VariantAllocation",
]
