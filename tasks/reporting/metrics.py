"""What Prometheus scrapes of the warehouse: how the last runs ended, what the models do, what drifted.

No label holds a workspace or a feature: their number has no bound, and their names are customers'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from tasks.models import list_drift_checks, list_models
from tasks.warehouse import open_warehouse
from tasks.warehouse.outcomes import newest_outcomes

DRIFT_LEVELS = ("no_drift", "warning", "critical", "insufficient_data")
VERSION_STATES = ("serves", "registered", "rejected", "deleted")


def warehouse_metrics() -> Iterator[Metric]:
    """Gauges of what the warehouse holds now."""
    warehouse = open_warehouse()
    outcomes = GaugeMetricFamily(
        "raptorflow_workspaces", "Workspaces by how the newest run of a step ended for them", labels=["step", "status"]
    )
    for (step, status), count in sorted(newest_outcomes(warehouse).items()):
        outcomes.add_metric([step, status], count)
    yield outcomes
    yield _counted(
        "raptorflow_model_versions",
        "Model versions by state",
        "status",
        VERSION_STATES,
        Counter("serves" if row["serves"] else row["status"] for row in list_models(warehouse)),
    )
    yield _counted(
        "raptorflow_models_drift",
        "Models by the level of their newest drift check",
        "level",
        DRIFT_LEVELS,
        Counter(row["drift_status"] for row in list_drift_checks(warehouse)),
    )


def _counted(name: str, about: str, label: str, values: tuple[str, ...], counts: Counter[str]) -> GaugeMetricFamily:
    """One sample for each value there can be: a rule that compares with 0 needs the 0."""
    family = GaugeMetricFamily(name, about, labels=[label])
    for value in sorted({*values, *counts}):
        family.add_metric([value], counts[value])
    return family
