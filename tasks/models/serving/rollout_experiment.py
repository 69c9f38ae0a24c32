"""The experiment beside a rollout: it assigns rows to challenger or champion, and compares their losses as served.

The one place where models meet experiments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.errors import InputError
from tasks.experiments import ExperimentResult, ExperimentService, ExperimentType, VariantAllocation
from tasks.models.records import ROLLOUT_SHARES, ModelKey, ServedEvidence, Version
from tasks.models.serving.gate import MIN_ROWS
from tasks.models.specs import Gate
from tasks.warehouse import Warehouse

CHALLENGER, CHAMPION = "challenger", "champion"
LEAST_EFFECT = 0.01


class RolloutExperiment:
    """A staged experiment with two arms, challenger and champion, whose metric is the loss of a row as served."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.experiments = ExperimentService(warehouse=warehouse)

    def start(self, key: ModelKey, rule: Gate, challenger: Version, champion: Version) -> str:
        """Start it with the first share; returns its id, the same for the same two versions."""
        share = ROLLOUT_SHARES[0] / 100
        arms = [
            {"name": CHALLENGER, "description": challenger.version_name, "weight": share},
            {"name": CHAMPION, "description": champion.version_name, "weight": 1 - share, "is_control": True},
        ]
        experiment = self.experiments.create_experiment(
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
        self.experiments.start_experiment(experiment.experiment_id)
        return experiment.experiment_id

    def assign(self, experiment_id: str, row_ids: Sequence[str]) -> set[str]:
        """Which of these rows the challenger serves; none once the experiment has ended."""
        try:
            arms = self.experiments.assign_variants(experiment_id, row_ids)
        except InputError:  # it ended a moment ago: the champion serves everything
            return set()
        return {row for row, arm in zip(row_ids, arms, strict=True) if arm == CHALLENGER}

    def assigned(self, experiment_id: str, row_ids: Sequence[str]) -> dict[str, list[str]]:
        """Rows of each arm, among those that were ever assigned."""
        arms = self.experiments.assigned_variants(experiment_id, row_ids)
        pairs = list(zip(row_ids, arms, strict=True))
        return {name: [row for row, arm in pairs if arm == name] for name in (CHALLENGER, CHAMPION)}

    def record(self, experiment_id: str, losses: Mapping[str, float]) -> None:
        """Record the loss of each row; labels, and so losses, may change later."""
        outcomes: list[dict[str, Any]] = [{"unit_id": row, "outcome": loss} for row, loss in losses.items()]
        self.experiments.record_outcomes(experiment_id, outcomes, amend=True)

    def evidence(self, experiment_id: str) -> ServedEvidence:
        """What both arms lost so far; an interim analysis that counts."""
        return served_evidence(self.experiments.analyze_experiment(experiment_id))

    def set_share(self, experiment_id: str, share_percent: int) -> None:
        """Give the challenger this share of the rows to come; the same share again changes nothing."""
        share = share_percent / 100
        weights = {CHALLENGER: share, CHAMPION: 1 - share}
        self.experiments.set_weights(experiment_id, weights, f"stage of {share_percent} %")

    def complete(self, experiment_id: str, winner: str) -> None:
        """End it, if it has not ended."""
        if self.experiments.get_experiment(experiment_id).status == "running":
            self.experiments.complete_experiment(experiment_id, winner)


def served_evidence(analysis: ExperimentResult) -> ServedEvidence:
    """What the experiment's analysis says of a rollout."""
    arms = {arm.variant_id: arm for arm in analysis.variants}
    counts = (arms[CHALLENGER].n, arms[CHAMPION].n)
    if not analysis.effects:
        return ServedEvidence(*counts, arms[CHAMPION].mean)
    effect = analysis.effects[0]
    return ServedEvidence(*counts, arms[CHAMPION].mean, effect.effect, *effect.interval)
