"""Results in the words of the guide, put together from what the pure modules found."""

from __future__ import annotations

from typing import Any

from tasks.models import drift
from tasks.models.canary import Progress
from tasks.models.guard import Undone
from tasks.models.records import DriftReport, ModelKey, ModelType, MoveResult, UpdateResult, Version
from tasks.models.rollout import ALL, STOPPED
from tasks.models.watching import Look

LOOKED_AT = "looked_at"
ROLLOUTS = {ALL: "promoted", STOPPED: "canary_stopped"}


def drift_report(key: ModelKey, version_name: str, seen: Look, worth: float) -> DriftReport:
    """What one look saw, with its recommendation."""
    recommendation, why = drift.recommend(seen.verdict.status, seen.gain, worth)
    performance: dict[str, Any] = {} if seen.change is None else seen.change.as_dict()
    performance |= {"estimated": seen.estimated} if seen.estimated else {}
    return DriftReport(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        model_version=version_name,
        drift_status=seen.verdict.status,
        drift_score=seen.verdict.score,
        p_value=seen.verdict.p_value,
        recommendation=recommendation,
        reasons=[*seen.verdict.reasons, *([why] if why else [])],
        samples=seen.samples,
        samples_needed=0,
        performance=performance | ({} if seen.gain is None else {"retrain": seen.gain.as_dict()}),
        columns=list(seen.verdict.columns),
    )


def insufficient(key: ModelKey, version_name: str | None, samples: int, needed: int) -> DriftReport:
    """Nothing can be said yet, and what would be enough."""
    reason = f"{samples} rows newer than the model, {needed} needed"
    if version_name is None:
        reason = "there is no champion yet; `check_and_update_models` trains one"
    return DriftReport(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        model_version=version_name,
        drift_status=drift.INSUFFICIENT_DATA,
        drift_score=0.0,
        p_value=1.0,
        recommendation=drift.CONTINUE,
        reasons=[reason],
        samples=samples,
        samples_needed=needed,
        performance={},
        columns=[],
    )


def update_result(
    key: ModelKey, status: str, reason: str, *, samples: int, champion: str | None, **more: Any
) -> UpdateResult:
    """What became of one model; what is not said is empty."""
    result = UpdateResult(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        status=status,
        model_version=champion,
        candidate_version=None,
        samples=samples,
        samples_needed=0,
        drift=None,
        evaluation={},
        reason=reason,
    )
    result.update(more)  # type: ignore[typeddict-item]
    return result


def looked_at(report: DriftReport) -> UpdateResult:
    """A model that was only looked at."""
    is_short = report["drift_status"] == drift.INSUFFICIENT_DATA
    result = update_result(
        ModelKey(report["workspace_id"], ModelType(report["model_type"])),
        drift.INSUFFICIENT_DATA if is_short else LOOKED_AT,
        report["reasons"][0] if report["reasons"] else "no drift",
        samples=report["samples"],
        champion=report["model_version"],
    )
    result.update({"samples_needed": report["samples_needed"], "drift": report})
    return result


def undone(key: ModelKey, found: Undone, samples: int) -> UpdateResult:
    """A champion that had to give way."""
    reason = f"{found.version_name} was rolled back: {found.reason}"
    return update_result(
        key, "rolled_back", reason, samples=samples, champion=found.back_to, candidate_version=found.version_name
    )


def rolled_out(key: ModelKey, found: Progress, champion: str | None, samples: int) -> UpdateResult:
    """Where a challenger's rollout stands."""
    share, name = found.step.share_percent, found.step.version_name
    status = ROLLOUTS.get(share, "canary")
    reason = f"{name} at {share} %: {found.reason}" if status == "canary" else found.reason
    return update_result(key, status, reason, samples=samples, champion=champion, candidate_version=name)


def moved(key: ModelKey, status: str, version: Version, before: str | None, generation: int) -> MoveResult:
    """Who serves now; `unchanged` where it was champion already."""
    return MoveResult(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        status="unchanged" if before == version.version_name else status,
        model_version=version.version_name,
        previous_version=before,
        generation=generation,
    )


def waiting(key: ModelKey, version: Version, champion: str | None, generation: int) -> dict[str, Any]:
    """A challenger beside the champion, for whoever decides."""
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
