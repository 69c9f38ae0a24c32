"""The experiments' SQL. Every write is one transaction, and doing it twice changes nothing."""

from tasks.experiments.store.assignments import Assignments
from tasks.experiments.store.definitions import Definitions
from tasks.experiments.store.layers import Layers
from tasks.experiments.store.log import DecisionLog, sealed
from tasks.experiments.store.logs import Logs
from tasks.experiments.store.metrics import Metrics
from tasks.experiments.store.outcomes import Outcomes
from tasks.experiments.store.policies import Policies
from tasks.experiments.store.rows import Row
from tasks.warehouse import Warehouse

__all__ = ["ExperimentStore", "Row", "sealed"]


class ExperimentStore:
    """Experiments of one warehouse.

    Attributes:
        definitions: how they were designed, and how they stand.
        assignments: who got which arm, and the weights in force at the time.
        outcomes: what came of the units, and the arms' sums.
        metrics: what workspaces measure, as they defined it.
        layers: which units of a layer are whose.
        logs: what was ingested of exposures and outcomes.
        policies: what contextual experiments believed, epoch by epoch.
        log: what was seen when, and what was decided on it.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.log = DecisionLog(warehouse)
        self.metrics = Metrics(warehouse)
        self.layers = Layers(warehouse)
        self.definitions = Definitions(warehouse, self.log)
        self.assignments = Assignments(warehouse, self.log)
        self.outcomes = Outcomes(warehouse, self.assignments)
        self.logs = Logs(warehouse, self.assignments)
        self.policies = Policies(warehouse)
