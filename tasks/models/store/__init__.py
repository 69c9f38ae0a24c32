"""The SQL of models."""

from tasks.models.store.drift_sketches import days_of, record_outcomes, stream_mark, used_since
from tasks.models.store.listing import list_drift_checks, list_models, registered_versions
from tasks.models.store.model_store import ABANDONED, DONE, PENDING, ModelStore, all_keys, free_name

__all__ = [
    "ABANDONED",
    "DONE",
    "PENDING",
    "ModelStore",
    "all_keys",
    "days_of",
    "free_name",
    "list_drift_checks",
    "list_models",
    "record_outcomes",
    "registered_versions",
    "stream_mark",
    "used_since",
]
