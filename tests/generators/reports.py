"""Outcomes of nights over any number of workspaces, for what reports make of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED, Outcome

SHORT = "needs 50 posts with numbers in the window, has 7"
BROKEN = (
    "OperationalError: the column engagement_total of its file of 2026-03-01 holds text, and 40 rows wait for a mapping"
)
MODELS = ("ENGAGEMENT_PREDICTOR", "TONE_CLASSIFIER", "CONVERSION_PREDICTOR", "SENTIMENT_ANALYZER", "TOPIC_CLASSIFIER")
CONTENTS = ("asks a question", "is video with a caption of more than 40 words, published on weekends", "names a number")


def workspace_names(count: int) -> list[str]:
    """Names as long as agencies' ids are."""
    return [f"agency-client-with-a-long-name-{i:04}" for i in range(count)]


def night(count: int, seed: int) -> dict[str, list[Outcome]]:
    """How one night ended, by step: most workspaces lack data, one in fifty fails, the others have patterns."""
    rng = np.random.default_rng(seed)
    steps: dict[str, list[Outcome]] = {"patterns": [], "models": []}
    for i, name in enumerate(workspace_names(count)):
        if i % 50 == 7:
            steps["patterns"].append(Outcome(name, FAILED, f"{BROKEN} ({name})" if i % 100 == 7 else BROKEN))
            steps["models"].append(Outcome(name, FAILED, BROKEN))
        elif i % 4:
            steps["patterns"].append(Outcome(name, SKIPPED, SHORT, {"analyses": [analysis(name, [])]}))
            steps["models"].append(
                Outcome(name, SKIPPED, SHORT, {"models": {kind: short_model(name, kind) for kind in MODELS}})
            )
        else:
            found = [pattern(what, rng) for what in CONTENTS if rng.random() < 0.7]
            steps["patterns"].append(Outcome(name, DONE, None, {"analyses": [analysis(name, found)]}))
            steps["models"].append(
                Outcome(name, DONE, None, {"models": {kind: model(name, kind, rng) for kind in MODELS}})
            )
    return steps


def analysis(workspace_id: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    status = "found" if found else "insufficient_data"
    about = {"workspace_id": workspace_id, "content_type": "social", "status": status, "reason": SHORT}
    return about | {"winning_patterns": found, "losing_patterns": []}


def pattern(what: str, rng: np.random.Generator) -> dict[str, Any]:
    lift = float(rng.normal(20, 8))
    rule = [{"feature": "media_type", "op": "==", "value": what, "level": what}]
    row = {
        "description": f"social content: {what}",
        "rule": rule,
        "lift_pct": lift,
        "lift_interval_pct": [lift - 9, lift + 9],
    }
    return row | {"trend": "new", "total_size": 140, "effect_size": lift / 40, "confidence": 0.97}


def short_model(workspace_id: str, kind: str) -> dict[str, Any]:
    row = {"workspace_id": workspace_id, "model_type": kind, "status": "insufficient_data", "reason": SHORT}
    return row | {"model_version": None, "candidate_version": None, "drift": None, "evaluation": {}}


def model(workspace_id: str, kind: str, rng: np.random.Generator) -> dict[str, Any]:
    statuses = ("no_retrain_needed", "promoted", "challenger", "not_better_than_baseline", "first_champion")
    status = str(rng.choice(statuses, p=(0.7, 0.1, 0.05, 0.1, 0.05)))
    drifts = ("no_drift", "warning", "critical")
    columns = [{"name": f"column {i}", "kind": "number", "shift": 1.0, "p_adjusted": 0.01} for i in range(6)]
    drift = {"drift_status": str(rng.choice(drifts, p=(0.8, 0.12, 0.08))), "drift_score": 0.3, "columns": columns}
    version = f"v_2026{rng.integers(10, 12)}01_020000"
    evaluation = {"loss": float(rng.uniform(0.4, 0.9)), "baseline_loss": 1.0}
    reason = f"held-out loss {evaluation['loss']:.2f} against 1.00"
    row = {"workspace_id": workspace_id, "model_type": kind, "status": status, "reason": reason}
    return row | {"model_version": version, "candidate_version": version, "drift": drift, "evaluation": evaluation}
