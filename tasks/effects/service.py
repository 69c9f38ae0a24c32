"""What doing it brings: a workspace's associations, calibrated by its own and its organization's experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.conditions import Rule
from tasks.effects import store
from tasks.effects.arms import ShownArms, shown_arms_of
from tasks.effects.calibration import calibrated
from tasks.effects.other_organizations import ReleasedExperiments
from tasks.effects.program_summary import ProgramSummary, summarize
from tasks.effects.records import Association, CalibratedEffect, CalibratingPair
from tasks.effects.within_experiments import within_experiments
from tasks.warehouse import Warehouse

UNNAMED_OUTCOME = "engagement"
VAGUEST = 1.0  # an experiment's effect with a larger error (log ratio) tells nothing


@dataclass(frozen=True, slots=True)
class RuleAssociation:
    """A rule and what posts show of it."""

    rule: Rule
    association: Association


@dataclass(frozen=True, slots=True)
class CalibratedEffects:
    """Effects of K rules, in their order, and the metric that experiments count.

    Attributes:
        effects: one for each rule.
        outcome: the metric.
        from_others: in words what was taken from other organizations' experiments, or why nothing was.
    """

    effects: list[CalibratedEffect]
    outcome: str
    from_others: str


class EffectService:
    """Reads experiments, keeps pairs, and says what doing it brings."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def arms(self, workspace_id: str) -> ShownArms | None:
        """Arms of a workspace's experiments that say what they show; None where there are none to compare."""
        return shown_arms_of(store.shown_arms(self._warehouse, workspace_id))

    def calibrate(
        self,
        workspace_id: str,
        content_type: str,
        asked: Sequence[RuleAssociation],
        arms: ShownArms | None,
        comparable: Sequence[RuleAssociation],
        run_id: str,
        released: ReleasedExperiments,
    ) -> CalibratedEffects:
        """What doing what each rule says would bring.

        Args:
            workspace_id: whose rules they are.
            content_type: that the associations are of.
            asked: rules to answer for.
            arms: of the workspace's experiments.
            comparable: rules, whether they stand out or not, that experiments may have compared: what was chosen for
                standing out must not say alone what associations are worth.
            run_id: the run that the pairs are kept under.
            released: what private releases say of other organizations' experiments.
        """
        pairs = _pairs(arms, workspace_id, comparable) if arms is not None else []
        store.save_pairs(self._warehouse, workspace_id, content_type, pairs, run_id)
        others = store.pairs_of_organization(self._warehouse, workspace_id, content_type)
        outcome = arms.outcome if arms is not None else others[0].outcome if others else UNNAMED_OUTCOME
        associations = [one.association for one in asked]
        elsewhere, from_others = released.learned(outcome)
        effects = calibrated(associations, [*pairs, *others], workspace_id, outcome, elsewhere)
        return CalibratedEffects(effects, outcome, from_others)

    def pairs_of_sharing(self) -> dict[str, list[CalibratingPair]]:
        """Kept pairs of the workspaces that share, by workspace: for the private release alone."""
        return store.pairs_of_sharing(self._warehouse)

    def program(self, workspace_id: str) -> ProgramSummary:
        """A workspace's program of experiments so far, shrunk over its own and its organization's."""
        others = [
            one
            for name in store.organization_of(self._warehouse, workspace_id)
            for one in store.experiments_of(self._warehouse, name)
            if not one.is_holdout
        ]
        own = store.experiments_of(self._warehouse, workspace_id)
        return summarize(workspace_id, own, others, store.left_out_of(self._warehouse, workspace_id))


def _pairs(arms: ShownArms, workspace_id: str, comparable: Sequence[RuleAssociation]) -> list[CalibratingPair]:
    """Associations of which the experiments say something, with what they say."""
    by_key = {one.association.key: one for one in comparable}
    if not by_key:
        return []
    memberships = [arms.membership(key, one.rule) for key, one in by_key.items()]
    meets, known = (np.column_stack([one[part] for one in memberships]) for part in (0, 1))
    result = within_experiments(arms.compared, meets, known)
    compared = _compared(arms, meets, known)
    return [
        CalibratingPair(
            association=one.association,
            workspace_id=workspace_id,
            outcome=arms.outcome,
            effect=float(result.effect[k]),
            effect_error=float(result.standard_error[k]),
            experiments=int(result.experiments[k]),
            of_experiments=compared,
        )
        for k, one in enumerate(by_key.values())
        if result.standard_error[k] <= VAGUEST
    ]


def _compared(arms: ShownArms, meets: np.ndarray, known: np.ndarray) -> int:
    """Experiments with arms that meet a condition and arms that do not, for any of the conditions."""
    codes = arms.compared.experiment
    compares = np.zeros(codes.max() + 1, dtype=bool)
    for k in range(meets.shape[1]):
        met, counted = np.bincount(codes, meets[:, k] & known[:, k]), np.bincount(codes, known[:, k])
        compares |= (met > 0) & (met < counted)
    return int(compares.sum())
