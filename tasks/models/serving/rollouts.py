"""A challenger takes a growing share of the predictions, compared with its champion in an experiment.

`model_rollout` holds the share in force; the experiment's weights and the registry's alias follow it and are put right
whenever a rollout is measured. So a rollout that was killed between any two steps goes on at the next refresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks.models.records import (
    ROLLED_OUT,
    ROLLOUT_SHARES,
    ROLLOUT_STOPPED,
    ModelKey,
    RolloutStep,
    Run,
    ServedEvidence,
    Version,
)
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.serving.predictions import served_losses
from tasks.models.serving.rollout_experiment import CHALLENGER, CHAMPION, RolloutExperiment
from tasks.models.specs import Gate
from tasks.models.store import ModelStore
from tasks.models.training.dataset import Examples


class Rollouts:
    """Takes the steps of rollouts in one warehouse and one registry; which step is due, `decisions` says."""

    def __init__(self, store: ModelStore, registry: Registry) -> None:
        self.store, self.registry = store, registry
        self.experiment = RolloutExperiment(store.warehouse)

    def current(self, key: ModelKey) -> RolloutStep | None:
        """The step in force; None where no challenger takes a share."""
        steps = self.store.rollout(key)
        return steps[-1] if steps and steps[-1].is_open else None

    def challenger_rows(self, step: RolloutStep, row_ids: Sequence[str]) -> set[str]:
        """Which of these rows the challenger serves; a row keeps its model while the rollout lasts."""
        return self.experiment.assign(step.experiment_id, row_ids)

    def start(self, key: ModelKey, rule: Gate, challenger: Version, champion: Version, reason: str, run: Run) -> None:
        """Give a challenger its first share."""
        step = RolloutStep(
            version_name=challenger.version_name,
            step=sum(step.version_name == challenger.version_name for step in self.store.rollout(key)),
            share_percent=ROLLOUT_SHARES[0],
            champion=champion.version_name,
            experiment_id=self.experiment.start(key, rule, challenger, champion),
            reason=reason,
            evidence={},
            entered_at=run.moment,
        )
        self.store.add_rollout_step(key, step, run.run_id)
        self._align(key, step, challenger)

    def measure(
        self, key: ModelKey, step: RolloutStep, challenger: Version, champion: Version, rows: Examples
    ) -> ServedEvidence:
        """Losses of both arms as served: record what labeled rows show, then analyze the experiment."""
        self._align(key, step, challenger)
        newer = rows.after(max(challenger.train_to, champion.train_to))  # what one of them learned from proves nothing
        arms = self.experiment.assigned(step.experiment_id, newer.keys.to_list())
        losses: dict[str, float] = {}
        for name, version in ((CHALLENGER, challenger), (CHAMPION, champion)):
            rows_of_arm = newer.only(arms[name])
            outputs = self.store.outputs(key, version.version_name, rows_of_arm.keys.to_list())
            served = served_losses(rows_of_arm, outputs)
            row_ids = rows_of_arm.keys[served.positions.tolist()].to_list()
            losses |= dict(zip(row_ids, served.losses.tolist(), strict=True))
        self.experiment.record(step.experiment_id, losses)
        return self.experiment.evidence(step.experiment_id)

    def advance(
        self,
        key: ModelKey,
        step: RolloutStep,
        challenger: Version,
        share: int,
        reason: str,
        evidence: Mapping[str, Any],
        run: Run,
    ) -> None:
        """Give the challenger the share of the next stage."""
        after = _after(step, share, reason, evidence, run)
        self.store.add_rollout_step(key, after, run.run_id)
        self._align(key, after, challenger)

    def end(
        self, key: ModelKey, step: RolloutStep, share: int, reason: str, evidence: Mapping[str, Any], run: Run
    ) -> None:
        """End a rollout: as champion (100 %), or stopped (0 %), so that the champion serves everything again."""
        self.store.add_rollout_step(key, _after(step, share, reason, evidence, run), run.run_id)
        self.finish_ended(key)

    def finish_ended(self, key: ModelKey) -> None:
        """Complete the experiment of the last rollout; killed before, it would run on without any traffic."""
        steps = self.store.rollout(key)
        if not steps or steps[-1].is_open:
            return
        last = steps[-1]
        self.experiment.complete(last.experiment_id, CHALLENGER if last.share_percent == ROLLED_OUT else CHAMPION)
        stopped = self.store.version(key, last.version_name) if last.share_percent == ROLLOUT_STOPPED else None
        if stopped is not None and stopped.registry_version is not None:
            self.registry.clear(key, CHALLENGER, stopped.registry_version)

    def _align(self, key: ModelKey, step: RolloutStep, challenger: Version) -> None:
        """Set the experiment's weights and the registry's alias to what the table holds."""
        self.experiment.set_share(step.experiment_id, step.share_percent)
        if challenger.registry_version is not None:
            self.registry.point(key, CHALLENGER, challenger.registry_version)


def _after(step: RolloutStep, share: int, reason: str, evidence: Mapping[str, Any], run: Run) -> RolloutStep:
    return replace(
        step,
        step=step.step + 1,
        share_percent=share,
        reason=reason,
        evidence=dict(evidence),
        entered_at=run.moment,
    )
