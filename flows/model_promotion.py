"""Challenger to champion: by hand, by approval in the Prefect UI, or by an automation."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.approvals import Approval, ask
from flows.dry_run import show_choices, show_plan
from flows.parameters import ModelPromotion
from tasks.learnings.steps import remember_after
from tasks.models.records import MoveResult
from tasks.models.steps import promote_model, registered_models, waiting_challenger
from tasks.reporting import Event, announce, emit, model_link, model_name, publish_moved, publish_table


@flow(name="model-promotion", flow_run_name="model-promotion · {options}")
def model_promotion(options: ModelPromotion = ModelPromotion()) -> MoveResult | dict[str, Any] | None:
    """Make a registered version champion: the one named, or the newest challenger.

    With approval the run pauses and shows a form. What was decided upon is promoted only if nobody else promoted
    meanwhile. Returns None when a person declined. A dry run only says which version would replace which;
    without a workspace the models there are are listed.
    """
    if not options.workspace_id:
        return show_choices("model-promotion", registered_models())
    seen = waiting_challenger(options.workspace_id, options.model_type, options.version)
    what = f"{seen['version_name']} would replace {seen['champion'] or 'nothing'} as champion of"
    if options.dry_run:
        return show_plan("model-promotion", [seen], f"{what} {seen['model']}")
    reason, actor = options.reason, options.actor
    if options.needs_approval:
        publish_table("model-promotion-challenger", [seen], "What waits for a decision")
        answer = ask(Approval, f"{what} {model_link(seen['model'], model_name(seen))}", options.approval_hours)
        if not answer.approve:
            announce(f"{seen['model']} {seen['version_name']} declined by {answer.actor}: {answer.reason}")
            return None
        reason, actor = answer.reason, answer.actor
    done = promote_model(seen, reason, actor)
    remember_after(options.workspace_id, str(flow_run.id))
    emit(Event.MODEL_PROMOTED, f"model.{seen['model']}", {"version": done["model_version"], "reason": reason})
    publish_moved("model-promotion", done, reason, actor)
    announce(f"{seen['model']}: {done['status']}, {done['model_version']} serves")
    return done
