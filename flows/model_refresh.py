"""Check models for drift, retrain where that helps, and put better ones in their place."""

from __future__ import annotations

from prefect import flow

from flows.chunks import outcomes_of_chunks
from flows.extraction import extract
from flows.parameters import ModelRefresh
from flows.task_runners import task_runner
from tasks.models.steps import events_of, models_question, refresh_models
from tasks.reporting import announce, emit, publish_markdown, publish_with_index, published_rows, report_rows
from tasks.reporting.model_report import DRIFT, EVERYTHING, all_rows, drift_page, model_report
from tasks.warehouse.outcomes import Outcome
from tasks.warehouse.snapshots import Chain
from tasks.warehouse.standing import StepQuestion


@flow(name="model-refresh", flow_run_name="model-refresh · {options}", task_runner=task_runner())
def model_refresh(options: ModelRefresh = ModelRefresh(), chain: Chain | None = None) -> list[Outcome]:
    """Detect drift, retrain where held-out rows say it helps, and promote what beats its champion with confidence.

    A workspace without a model gets its first one, if that beats the baseline on later rows. Where a model has
    traffic, a challenger gets 5, 25, 50 and then all of it, as long as no evidence is against it; a champion that
    fails, is slow or is worse than the one before it, with confidence, is rolled back. `Only look` reports drift, moves
    nothing, and requests a refresh where retraining is seen to help.
    """
    chain = chain or extract(options, question_of(options))
    how = (options.model_types, options.force_retrain, chain.run_id, options.promote)
    limits = (options.drift_threshold, options.min_new_samples, options.only_look)
    outcomes = outcomes_of_chunks(refresh_models, chain.chunks, *how, *limits)
    for event, about, payload in events_of(outcomes):
        emit(event, about, payload)
    before, looked_at = published_rows(EVERYTHING).get(EVERYTHING), {outcome.workspace_id for outcome in outcomes}
    known = report_rows(before, all_rows(outcomes), looked_at, everyone=not options.workspace_ids)
    if pictures := drift_page(outcomes):
        publish_markdown(DRIFT, pictures, "What moved in models that drifted, by column")
    publish_with_index(model_report(known))
    announce(f"models looked at, workspaces: {len(outcomes)}")
    return outcomes


def question_of(options: ModelRefresh) -> StepQuestion:
    """What the form asks of each workspace."""
    limits = (options.drift_threshold, options.min_new_samples, options.only_look)
    return models_question(options.model_types, options.force_retrain, options.promote, *limits)
