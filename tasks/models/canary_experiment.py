"""The experiment beside a rollout: it assigns rows to challenger or champion, and compares what both lost as served."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from tasks.errors import InputError
from tasks.experiments import ExperimentEngine, ExperimentResult, ExperimentType, VariantAllocation
from tasks.models.gate import MIN_ROWS
from tasks.models.records import ModelKey, Version
from tasks.models.rollout import SHARES, ServedEvidence
from tasks.models.specs import Gate
from tasks.warehouse import Warehouse

CHALLENGER, CHAMPION = "challenger", "champion"
LEAST_EFFECT = 0.01
Result = TypeVar("Result")


class CanaryExperiment:
    """The experiment engine in a rollout's words; synchronous, for threads without an event loop."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.engine = ExperimentEngine(warehouse=warehouse)

    def start(self, key: ModelKey, rule: Gate, challenger: Version, champion: Version) -> str:
        """Start a staged experiment with the first share; returns its id, the same for the same two versions."""
        share = SHARES[0] / 100
        arms = [
            {"name": CHALLENGER, "description": challenger.version_name, "weight": share},
            {"name": CHAMPION, "description": champion.version_name, "weight": 1 - share, "is_control": True},
        ]
        wanted = self.engine.create_experiment(
            f"rollout of {key.model_type.value} {challenger.version_name}",
            key.workspace_id,
            arms,
            "loss",
            ExperimentType.SEQUENTIAL,
            VariantAllocation.STAGED,
            min_sample_size=MIN_ROWS,
            confidence_level=rule.confidence,
            hypothesis=f"served, {challenger.version_name} loses no more than {champion.version_name}",
            metric_kind="continuous",
            direction="decrease",
            min_effect_size=max(rule.non_inferiority_margin, LEAST_EFFECT),
            planned_units_per_arm=2 * rule.narrowest_at,
        )
        found = _wait(wanted)
        return _wait(self.engine.start_experiment(found.experiment_id)).experiment_id

    def assign(self, experiment_id: str, row_ids: Sequence[str]) -> set[str]:
        """Which of these rows are the challenger's; none once the experiment has ended."""
        try:
            arms = _wait(self.engine.assign_variants(experiment_id, row_ids))
        except InputError:  # it ended a moment ago: the champion answers everything
            return set()
        return {row for row, arm in zip(row_ids, arms, strict=True) if arm == CHALLENGER}

    def assigned(self, experiment_id: str, row_ids: Sequence[str]) -> dict[str, list[str]]:
        """Rows of each arm, among those that were ever assigned."""
        found: dict[str, list[str]] = {CHALLENGER: [], CHAMPION: []}
        arms = _wait(self.engine.assigned_variants(experiment_id, row_ids))
        for row, arm in zip(row_ids, arms, strict=True):
            if arm is not None:
                found[arm].append(row)
        return found

    def record(self, experiment_id: str, losses: Mapping[str, float]) -> None:
        """Hand in the loss of each row; labels, and so losses, may change later."""
        outcomes: list[dict[str, Any]] = [{"unit_id": row, "outcome": loss} for row, loss in losses.items()]
        _wait(self.engine.record_outcomes(experiment_id, outcomes, amend=True))

    def evidence(self, experiment_id: str) -> ServedEvidence:
        """What both arms lost so far; a look that counts."""
        return served_evidence(_wait(self.engine.analyze_experiment(experiment_id)))

    def follow(self, experiment_id: str, share_percent: int) -> None:
        """Give the challenger this share of what comes from now on."""
        share = share_percent / 100
        weights = {CHALLENGER: share, CHAMPION: 1 - share}
        _wait(self.engine.set_weights(experiment_id, weights, f"stage of {share_percent} %"))

    def complete(self, experiment_id: str, winner: str) -> None:
        """End it, if it has not ended."""
        if _wait(self.engine.get_experiment(experiment_id)).status == "running":
            _wait(self.engine.complete_experiment(experiment_id, winner))


def served_evidence(found: ExperimentResult) -> ServedEvidence:
    """What the experiment knows, in the words of a rollout."""
    arms = {arm.variant_id: arm for arm in found.variants}
    counts = (arms[CHALLENGER].n, arms[CHAMPION].n)
    if not found.effects:
        return ServedEvidence(*counts, arms[CHAMPION].mean)
    effect = found.effects[0]
    return ServedEvidence(*counts, arms[CHAMPION].mean, effect.effect, *effect.interval)


def _wait(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(work)
