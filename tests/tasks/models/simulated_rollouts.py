"""Rollouts night by night over simulated losses: looks of the experiment, gate, stages and guard are real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tasks.experiments import ExperimentService
from tasks.experiments.analysis import AnalysisInput, take_look
from tasks.experiments.interim_analysis import read_input
from tasks.experiments.outcomes import SUMS
from tasks.experiments.report import report
from tasks.models.decisions import Action, judge_stage, next_share
from tasks.models.records import ROLLED_OUT, ROLLOUT_SHARES, ServedEvidence, Version
from tasks.models.serving.gate import MIN_ROWS, excess_loss, judge
from tasks.models.serving.rollout_experiment import CHALLENGER, CHAMPION, RolloutExperiment, served_evidence
from tasks.models.specs import Gate
from tasks.models.training.evaluation import RetrainGain
from tasks.statistics.paired_bound import paired_lower_bound
from tasks.warehouse import Warehouse
from tests.tasks.models.test_promotion import KEY

Floats = np.ndarray
RULE = Gate()
ROWS_A_NIGHT, HELD_OUT = 150, 300
PROMOTED, STOPPED, UNDONE, UNDER_WAY = "promoted", "stopped", "rolled back", "under way"
METRIC = "loss"


def losses(random: np.random.Generator, n: int, worse: float) -> tuple[Floats, Floats]:
    """Losses (n,) of champion, mean 1, and challenger, which loses `worse` more of it; correlated."""
    shared, own = random.exponential(size=n), random.exponential(size=(2, n))
    return 0.8 * shared + 0.2 * own[0], (1 + worse) * (0.8 * shared + 0.2 * own[1])


def of_a_rollout(warehouse: Warehouse, challenger: Version, champion: Version) -> tuple[dict[str, Any], AnalysisInput]:
    """The experiment a canary makes, and what is known of it before anybody is served."""
    store = ExperimentService(warehouse=warehouse).store
    stored = store.definitions.find(RolloutExperiment(warehouse).start(KEY, RULE, challenger, champion))
    return dict(stored[0]), read_input(store, stored, None)


@dataclass
class Rollout:
    """One challenger beside one champion."""

    experiment: dict[str, Any]
    material: AnalysisInput
    is_proven: bool
    share: int = ROLLOUT_SHARES[0]
    night: int = 0
    entered: int = 0
    paired: tuple[Floats, Floats] = (np.empty(0), np.empty(0))
    epochs: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    promoted_at: int | None = None

    def __post_init__(self) -> None:
        self._weigh()

    def _weigh(self) -> None:
        part = self.share / 100
        weights = {CHALLENGER: part, CHAMPION: 1 - part}
        self.epochs.append({"weights": [weights[name] for name in self.material.names]})

    def visit(self, champion: Floats, challenger: Floats, random: np.random.Generator) -> str:
        """What a night makes of it, once its rows are labeled."""
        self.night += 1
        self.paired = tuple(np.concatenate(both) for both in zip(self.paired, (champion, challenger), strict=True))  # type: ignore[assignment]
        if self.promoted_at is not None:
            return UNDONE if excess_loss(self.paired[1], self.paired[0], RULE) is not None else PROMOTED
        mine = random.random(len(champion)) < self.share / 100
        self._serve(CHALLENGER, challenger[mine])
        self._serve(CHAMPION, champion[~mine])
        paired = judge(*self.paired, self.night, RULE) if len(self.paired[0]) >= MIN_ROWS else None
        age = float(self.night - self.entered)
        found = judge_stage(self.share, self._seen(), paired, age, RULE, is_proven=self.is_proven)
        if found.action == Action.STOP_ROLLOUT:
            return STOPPED
        if found.action == Action.ADVANCE_ROLLOUT:
            self.share, self.entered = next_share(self.share), self.night
            if self.share == ROLLED_OUT:
                self.promoted_at = self.night
                return PROMOTED
            self._weigh()
        return UNDER_WAY

    def _serve(self, arm: str, lost: Floats) -> None:
        sums = dict.fromkeys(SUMS, 0.0) | {"n": len(lost), "y": lost.sum(), "yy": np.square(lost).sum()}
        about = {"metric_name": METRIC, "variant_id": arm, "epoch": len(self.epochs) - 1, "segment": ""}
        self.rows.append(about | sums)

    def _seen(self) -> ServedEvidence:
        self.material = replace(self.material, statistics=self.rows, epochs=self.epochs)
        seen = take_look(self.material)
        self.material = replace(self.material, evidence=seen.evidence)
        return served_evidence(report(self.experiment, self.material, seen, self.night))


def ends(make: Callable[[bool], Rollout], worse: float, nights: int, rollouts: int, seed: int) -> Counter[str]:
    """How rollouts end within so many nights; a challenger is proven by held-out rows as often as chance has it."""
    found: Counter[str] = Counter()
    for i in range(rollouts):
        random = np.random.default_rng([seed, i])
        champion, challenger = losses(random, HELD_OUT, worse)
        bound = paired_lower_bound(champion - challenger, RULE.confidence)
        gain = RetrainGain(bound.mean, bound.lower, bound.p_value, bound.n, "all", float(champion.mean()))
        rollout = make(gain.proves(RULE.confidence))
        state = UNDER_WAY
        while rollout.night < nights and state in (UNDER_WAY, PROMOTED):
            state = rollout.visit(*losses(random, ROWS_A_NIGHT, worse), random)
        found[state] += 1
    return found
