"""The experiments' SQL. Every write is one transaction, and doing it twice changes nothing."""

from tasks.experiments.store.definitions import Definitions
from tasks.experiments.store.log import sealed
from tasks.experiments.store.outcomes import Outcomes
from tasks.experiments.store.rows import Row
from tasks.experiments.store.statistics import Statistics

__all__ = ["ExperimentStore", "Row", "sealed"]


class ExperimentStore(Definitions, Outcomes, Statistics):
    """Experiments of one warehouse: what was asked, who got what, what came of it, what was decided."""
