"""Results as they are returned and published: refreshes, drift, promotions, and the events they raise. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tasks.errors import reason_of
from tasks.models.decisions import Action, Decision, ModelState, next_share
from tasks.models.records import (
    CRITICAL,
    INSUFFICIENT_DATA,
    NOW,
    ROLLOUT_SHARES,
    WARNING,
    DriftReport,
    ModelKey,
    MoveResult,
    UpdateResult,
    Version,
)
from tasks.warehouse.outcomes import Outcome

LOOKED_AT, WITHDRAWN, FAILED = "looked_at", "withdrawn", "failed"
STATUSES = {
    Action.ROLL_BACK: "rolled_back",
    Action.REPORT_SHORTAGE: INSUFFICIENT_DATA,
    Action.CLOSE_ROLLOUT: "promoted",
    Action.STOP_ROLLOUT: "canary_stopped",
    Action.HOLD_ROLLOUT: "canary",
    Action.ADVANCE_ROLLOUT: "canary",
    Action.FINISH_ROLLOUT: "promoted",
    Action.START_ROLLOUT: "canary",
    Action.PROMOTE_FIRST: "first_champion",
    Action.PROMOTE_CANDIDATE: "promoted",
    Action.PROMOTE_CHALLENGER: "promoted",
    Action.LET_WAIT: "challenger",
    Action.REJECT_CANDIDATE: "not_better_than_baseline",
    Action.LEAVE_SETTLED: "unchanged",
    Action.KEEP_CHAMPION: "no_retrain_needed",
}
BECOMES_CHAMPION = {
    Action.ROLL_BACK,
    Action.FINISH_ROLLOUT,
    Action.PROMOTE_FIRST,
    Action.PROMOTE_CANDIDATE,
    Action.PROMOTE_CHALLENGER,
}
REGISTERED_AS = ("first_champion", "promoted", "challenger", "canary")
REFRESH_FLOW = "model-refresh"


def refresh_result(
    key: ModelKey,
    decision: Decision,
    state: ModelState,
    repairs: Sequence[str] = (),
    put_off: Sequence[str] = (),
    *,
    samples: int,
    samples_needed: int,
) -> UpdateResult:
    """What a refresh did with one model, from the decision that ended it and the state it was taken in.

    `repairs` are lines on what was put right before: aliases that were moved by hand, a champion that was withdrawn;
    `put_off` on what the next refresh does.
    """
    action, champion = decision.action, _name(state.champion)
    subject = _name(decision.version) or (state.rollout.version_name if state.rollout else None)
    is_short, is_rollback = action == Action.REPORT_SHORTAGE, action == Action.ROLL_BACK
    candidate = None if is_short or is_rollback else state.candidate
    return UpdateResult(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        status=_status(action, state, repairs),
        model_version=_name(decision.version) if action in BECOMES_CHAMPION else champion,
        candidate_version=champion if is_rollback else None if is_short else subject,
        samples=samples if candidate is None else candidate.n_rows,
        samples_needed=samples_needed if is_short else 0,
        drift=state.drift,
        evaluation={} if candidate is None else candidate.evaluation,
        reason="; ".join([*repairs, _reason(decision, state), *put_off]),
    )


def _status(action: Action, state: ModelState, repairs: Sequence[str]) -> str:
    lost = bool(repairs) and state.champion is None and action not in BECOMES_CHAMPION
    return WITHDRAWN if lost else STATUSES[action]


def failed_result(key: ModelKey, error: BaseException) -> UpdateResult:
    """A model whose refresh or check failed, with the error in one line."""
    return UpdateResult(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        status=FAILED,
        model_version=None,
        candidate_version=None,
        samples=0,
        samples_needed=0,
        drift=None,
        evaluation={},
        reason=reason_of(error),
    )


def _reason(decision: Decision, state: ModelState) -> str:
    if decision.action == Action.ROLL_BACK:
        return f"{_name(state.champion)} was rolled back: {decision.reason}"
    if decision.action == Action.START_ROLLOUT:
        return f"{_name(decision.version)} at {ROLLOUT_SHARES[0]} %: {decision.reason}"
    if state.rollout is None or STATUSES[decision.action] != "canary":
        return decision.reason
    share = state.rollout.share_percent
    share = next_share(share) if decision.action == Action.ADVANCE_ROLLOUT else share
    return f"{state.rollout.version_name} at {share} %: {decision.reason}"


def _name(version: Version | None) -> str | None:
    return None if version is None else version.version_name


def drift_check_result(report: DriftReport) -> UpdateResult:
    """A model whose drift was measured and nothing else."""
    is_short = report["drift_status"] == INSUFFICIENT_DATA
    return UpdateResult(
        workspace_id=report["workspace_id"],
        model_type=report["model_type"],
        status=INSUFFICIENT_DATA if is_short else LOOKED_AT,
        model_version=report["model_version"],
        candidate_version=None,
        samples=report["samples"],
        samples_needed=report["samples_needed"],
        drift=report,
        evaluation={},
        reason=next(iter(report["reasons"]), "no drift"),
    )


def move_result(key: ModelKey, status: str, version: Version, before: str | None, generation: int) -> MoveResult:
    """Which version serves now; `unchanged` where it was champion already."""
    return MoveResult(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        status="unchanged" if before == version.version_name else status,
        model_version=version.version_name,
        previous_version=before,
        generation=generation,
    )


def beside_champion(key: ModelKey, version: Version, champion: str | None, generation: int) -> dict[str, Any]:
    """A version beside the champion, for whoever decides between them."""
    return {
        "model": key.registered_name,
        "workspace_id": key.workspace_id,
        "model_type": key.model_type.value,
        "version_name": version.version_name,
        "champion": champion,
        "generation": generation,
        "rows": version.n_rows,
        "loss": version.evaluation.get("loss"),
        "baseline_loss": version.evaluation.get("baseline_loss"),
        "metrics": version.evaluation.get("metrics", {}),
    }


def events_of(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What other programs may wait for, each with the resource it is about and a payload.

    A refresh acts on the drift it measures. Only a drift check, which acts on nothing, asks for one, so that no refresh
    starts another.
    """
    for result in _results(outcomes):
        about = f"model.{result['workspace_id']}.{result['model_type']}"
        whose = {"workspace_id": result["workspace_id"], "model_type": result["model_type"]}
        report, status, reason = result["drift"], result["status"], result["reason"]
        if report and report["drift_status"] in (WARNING, CRITICAL):
            yield "raptorflow.drift.detected", about, whose | _drift_payload(report, acts=status != LOOKED_AT)
        if status in REGISTERED_AS and result["candidate_version"]:
            yield "raptorflow.model.registered", about, whose | {"version": result["candidate_version"]}
        if status in ("first_champion", "promoted"):
            yield "raptorflow.model.promoted", about, whose | {"version": result["model_version"], "reason": reason}
        if status == WITHDRAWN:
            yield "raptorflow.model.withdrawn", about, whose | {"reason": reason}
        if status == "rolled_back":
            gone = {"version": result["model_version"], "from_version": result["candidate_version"], "reason": reason}
            yield "raptorflow.model.rolled-back", about, whose | gone


def _drift_payload(report: DriftReport, *, acts: bool) -> dict[str, Any]:
    names = ("drift_status", "drift_score", "p_value", "recommendation", "reasons")
    payload: dict[str, Any] = {name: report[name] for name in names}  # type: ignore[literal-required]
    asks_for_refresh = not acts and report["recommendation"] == NOW
    return payload | ({"asks_for": REFRESH_FLOW} if asks_for_refresh else {})


def _results(outcomes: Sequence[Outcome]) -> Iterator[UpdateResult]:
    """Of this run: what stands from an earlier one was told then."""
    for outcome in outcomes:
        if outcome.unchanged_since is not None:
            continue
        yield from outcome.result.get("models", {}).values()
