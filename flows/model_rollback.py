"""Champion to an earlier version."""

from __future__ import annotations

from prefect import flow

from flows.parameters import ModelRollback
from tasks.models.records import MoveResult
from tasks.models.steps import rollback_model
from tasks.reporting import announce, emit


@flow(name="model-rollback")
def model_rollback(options: ModelRollback) -> MoveResult:
    """Put an earlier version back: the one named, or the one that served before. It has to load and predict first."""
    done = rollback_model(
        options.workspace_id, options.model_type, options.target_version, options.reason, options.actor
    )
    about = f"model.{done['workspace_id']}.{done['model_type']}"
    emit("raptorflow.model.rolled-back", about, {"version": done["model_version"], "reason": options.reason})
    announce(f"{about}: {done['status']}, {done['model_version']} serves")
    return done
