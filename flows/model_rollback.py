"""Champion to an earlier version."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.dry_run import show_choices, show_plan
from flows.parameters import ModelRollback
from tasks.learnings.steps import remember_after
from tasks.models.records import MoveResult
from tasks.models.steps import registered_models, rollback_model, rollback_target
from tasks.reporting import Event, announce, emit, publish_moved


@flow(name="model-rollback", flow_run_name="model-rollback · {options}")
def model_rollback(options: ModelRollback = ModelRollback()) -> MoveResult | dict[str, Any]:
    """Put an earlier version back: the one named, or the one that served before. It has to load and predict first.

    A dry run only says which version would replace which; without a workspace the models there are are listed.
    """
    if not options.workspace_id:
        return show_choices("model-rollback", registered_models())
    if options.dry_run:
        target = rollback_target(options.workspace_id, options.model_type, options.target_version)
        what = f"{target['version_name']} would replace {target['champion']} as champion of {target['model']}"
        return show_plan("model-rollback", [target], what)
    done = rollback_model(
        options.workspace_id, options.model_type, options.target_version, options.reason, options.actor
    )
    remember_after(options.workspace_id, str(flow_run.id))
    about = f"model.{done['workspace_id']}.{done['model_type']}"
    emit(Event.MODEL_ROLLED_BACK, about, {"version": done["model_version"], "reason": options.reason})
    publish_moved("model-rollback", done, options.reason, options.actor)
    announce(f"{about}: {done['status']}, {done['model_version']} serves")
    return done
