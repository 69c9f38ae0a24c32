"""Results in the words of the guide, put together from what the pure modules found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tasks.models import drift
from tasks.models.performance import LossChange
from tasks.models.records import DriftReport, ModelKey, UpdateResult
from tasks.models.refresh import RetrainGain


def drift_report(
    key: ModelKey,
    version_name: str,
    found: drift.Verdict,
    change: LossChange | None,
    gain: RetrainGain | None,
    samples: int,
) -> DriftReport:
    """A verdict with its recommendation; `samples` is the number of rows newer than the model."""
    recommendation, why = drift.recommend(found.status, gain)
    performance: dict[str, Any] = {} if change is None else asdict(change)
    return DriftReport(
        workspace_id=key.workspace_id,
        model_type=key.model_type.value,
        model_version=version_name,
        drift_status=found.status,
        drift_score=found.score,
        p_value=found.p_value,
        recommendation=recommendation,
        reasons=[*found.reasons, *([why] if why else [])],
        samples=samples,
        samples_needed=0,
        performance=performance | ({} if gain is None else {"retrain": gain.as_dict()}),
        columns=list(found.columns),
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
