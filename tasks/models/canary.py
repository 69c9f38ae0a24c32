"""A challenger takes a growing share of the predictions, compared with its champion in an experiment.

`model_rollout` says which share is in force; the experiment's weights and the registry's alias follow it and are put
right at each visit. So a rollout that was killed between any two steps goes on at the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.models.canary_experiment import CHALLENGER, CHAMPION, CanaryExperiment
from tasks.models.dataset import Examples
from tasks.models.gate import MIN_ROWS, GateResult, judge
from tasks.models.learning import Run
from tasks.models.limits import LATEST_BATCHES, breach
from tasks.models.promotion import PROMOTION, Promoter
from tasks.models.records import ModelKey, RolloutStep, Version
from tasks.models.rollout import (
    ALL,
    SHARES,
    STOP,
    STOPPED,
    WAIT,
    StageDecision,
    judge_stage,
    next_share,
)
from tasks.models.served import losses_as_served, served_losses
from tasks.models.specs import ModelSpec

TRAFFIC_DAYS = 30
SERVES = "it is champion"


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a rollout in one visit: its newest step, and why it is where it is."""

    step: RolloutStep
    reason: str


class Canary:
    """Rolls challengers out in one warehouse and one registry; synchronous, for threads without an event loop."""

    def __init__(self, promoter: Promoter) -> None:
        self.promoter, self.store = promoter, promoter.store
        self.experiment = CanaryExperiment(promoter.store.warehouse)

    def open(self, key: ModelKey) -> RolloutStep | None:
        """The step in force; None where no challenger takes a share."""
        steps = self.store.rollout(key)
        return steps[-1] if steps and steps[-1].share_percent in SHARES else None

    def is_asked(self, key: ModelKey, champion: Version) -> bool:
        """Whether anybody asks the champion: without predictions a rollout would never see any."""
        since = datetime.now(UTC) - timedelta(days=TRAFFIC_DAYS)
        batches = self.store.batches(key, champion.version_name, LATEST_BATCHES, since)
        return sum(batch.n_rows for batch in batches) >= MIN_ROWS

    def begin(self, key: ModelKey, spec: ModelSpec, challenger: Version, champion: Version, run: Run) -> Progress:
        """Give a challenger its first share."""
        experiment_id = self.experiment.start(key, spec.gate, challenger, champion)
        number = sum(step.version_name == challenger.version_name for step in self.store.rollout(key))
        reason = f"beside {champion.version_name}, which serves the rest"
        about = (challenger.version_name, number, SHARES[0], champion.version_name, experiment_id)
        step = RolloutStep(*about, reason=reason, evidence={}, entered_at=run.moment)
        self.store.add_rollout_step(key, step, run.run_id)
        self._follow(key, step, challenger)
        return Progress(step, f"gives {SHARES[0]} % of the predictions {reason}")

    def challenger_rows(self, step: RolloutStep, row_ids: Sequence[str]) -> set[str]:
        """Which of these rows the challenger answers; a row keeps its model while the rollout lasts."""
        return self.experiment.assign(step.experiment_id, row_ids)

    def advance(
        self, key: ModelKey, spec: ModelSpec, rows: Examples, run: Run, actor: str, *, hold: bool = False
    ) -> Progress | None:
        """Look at the rollout that is under way, and take its next step if it is due; None where there is none.

        Args:
            rows: labelled, in time order.
            hold: only stop what has to be stopped.
        """
        step = self.open(key)
        if step is None:
            self._tidy(key)
            return None
        serving = self.promoter.champion(key)
        if serving == step.version_name:
            return self._end(key, step, ALL, SERVES, {}, run)
        challenger, champion = (self.store.version(key, name) for name in (step.version_name, step.champion))
        if challenger is None or champion is None or serving != step.champion:
            return self._end(key, step, STOPPED, f"{serving} serves now, not {step.champion}", {}, run)
        self._follow(key, step, challenger)
        broken = breach(self.store.batches(key, step.version_name, LATEST_BATCHES), spec.serving)
        if broken is not None:
            return self._end(key, step, STOPPED, broken, {}, run)
        self._record(key, step, (challenger, champion), rows)
        paired = self.compare(key, spec, champion, challenger, rows)
        seen = self.experiment.evidence(step.experiment_id)
        age_days, is_proven = run.days_since(step.entered_at), self.promoter.is_proven(key, challenger)
        found = judge_stage(step.share_percent, seen, paired, age_days, spec.gate, is_proven=is_proven)
        return self._act(key, step, challenger, found, seen.as_dict(), run, actor, hold=hold)

    def compare(
        self, key: ModelKey, spec: ModelSpec, champion: Version, challenger: Version, rows: Examples
    ) -> GateResult | None:
        """The gate on rows newer than both, as served where they were asked; None while there are too few."""
        newer = newer_than_both(rows, champion, challenger)
        if newer is None:
            return None
        old, new = (self.losses(key, version, newer)[0] for version in (champion, challenger))
        age_days = (newer.times[-1] - challenger.train_to).total_seconds() / 86_400
        found = judge(old, new, age_days, spec.gate)
        self.store.set_gate(key, challenger, found.as_dict())
        return found

    def losses(self, key: ModelKey, version: Version, rows: Examples) -> tuple[Any, int]:
        """Losses (n,) of a version on labelled rows, and of how many it was really served."""
        outputs = self.store.outputs(key, version.version_name, rows.keys.to_list())
        return losses_as_served(self.promoter.load(key, version), rows, outputs)

    def stop(self, key: ModelKey, reason: str, run: Run) -> Progress | None:
        """End the rollout that is under way; the champion serves everything again."""
        step = self.open(key)
        return None if step is None else self._end(key, step, STOPPED, reason, {}, run)

    def stopped(self, key: ModelKey) -> set[str]:
        """Versions whose rollout was stopped; they are not rolled out again by themselves."""
        return {step.version_name for step in self.store.rollout(key) if step.share_percent == STOPPED}

    def _act(
        self,
        key: ModelKey,
        step: RolloutStep,
        challenger: Version,
        found: StageDecision,
        evidence: dict[str, Any],
        run: Run,
        actor: str,
        *,
        hold: bool,
    ) -> Progress:
        if found.action == STOP:
            return self._end(key, step, STOPPED, found.reason, evidence, run)
        if found.action == WAIT or hold:
            return Progress(step, found.reason)
        share = next_share(step.share_percent)
        if share == ALL:
            self.promoter.move(key, challenger, PROMOTION, f"rolled out: {found.reason}", actor, run.run_id)
            return self._end(key, step, ALL, found.reason, evidence, run)
        after = _after(step, share, found.reason, evidence, run)
        self.store.add_rollout_step(key, after, run.run_id)
        self._follow(key, after, challenger)
        return Progress(after, f"gives {share} % of the predictions: {found.reason}")

    def _end(
        self, key: ModelKey, step: RolloutStep, share: int, reason: str, evidence: dict[str, Any], run: Run
    ) -> Progress:
        last = _after(step, share, reason, evidence, run)
        self.store.add_rollout_step(key, last, run.run_id)
        self._tidy(key)
        return Progress(last, reason)

    def _tidy(self, key: ModelKey) -> None:
        """Complete the experiment of the last rollout; killed before, it would run on without anybody in it."""
        steps = self.store.rollout(key)
        if not steps or steps[-1].share_percent in SHARES:
            return
        last = steps[-1]
        self.experiment.complete(last.experiment_id, CHALLENGER if last.share_percent == ALL else CHAMPION)
        gone = self.store.version(key, last.version_name)
        if gone is not None and gone.registry_version is not None and last.share_percent == STOPPED:
            self.promoter.registry.clear(key, CHALLENGER, gone.registry_version)

    def _follow(self, key: ModelKey, step: RolloutStep, challenger: Version) -> None:
        """Make the experiment's weights and the registry's alias what the table says."""
        self.experiment.follow(step.experiment_id, step.share_percent)
        if challenger.registry_version is not None:
            self.promoter.registry.point(key, CHALLENGER, challenger.registry_version)

    def _record(self, key: ModelKey, step: RolloutStep, both: tuple[Version, Version], rows: Examples) -> None:
        """Hand the experiment the loss of every row it assigned whose label is known."""
        newer = rows.after(max(version.train_to for version in both))  # what one of them learnt from proves nothing
        arms = self.experiment.assigned(step.experiment_id, newer.keys.to_list())
        losses: dict[str, float] = {}
        for name, version in zip((CHALLENGER, CHAMPION), both, strict=True):
            mine = newer.only(arms[name])
            found = served_losses(mine, self.store.outputs(key, version.version_name, mine.keys.to_list()))
            losses |= dict(zip(mine.keys[found.positions.tolist()].to_list(), found.losses.tolist(), strict=True))
        self.experiment.record(step.experiment_id, losses)


def newer_than_both(rows: Examples, champion: Version, other: Version) -> Examples | None:
    """Rows that neither has learnt from; None while they are too few to tell the two apart."""
    newer = rows.after(max(champion.train_to, other.train_to))
    return newer if len(newer) >= MIN_ROWS else None


def _after(step: RolloutStep, share: int, reason: str, evidence: dict[str, Any], run: Run) -> RolloutStep:
    about = (step.version_name, step.step + 1, share, step.champion, step.experiment_id)
    return RolloutStep(*about, reason=reason, evidence=evidence, entered_at=run.moment)
