"""The guide's ExperimentEngine: the async face of `ExperimentService`, and where its arguments are described."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import polars as pl

from tasks.experiments.aggregated import AggregatedAnalysis
from tasks.experiments.contextual.logged_policies import PolicyEvaluation, evaluate_log
from tasks.experiments.ramp import RampStep
from tasks.experiments.records import (
    Assignment,
    ExperimentRecord,
    ExperimentResult,
    ExperimentType,
    MetricKind,
    Plan,
    Recorded,
    VariantAllocation,
)
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse


class ExperimentEngine:
    """Runs experiments whose answers hold, however often one looks.

    Args:
        default_confidence: confidence level of experiments that name none.
        min_effect_size: smallest effect worth finding, relative to the control's mean, where none is named.
        warehouse: where to keep everything; the settings' one unless given.
    """

    def __init__(
        self, default_confidence: float = 0.95, min_effect_size: float = 0.05, *, warehouse: Warehouse | None = None
    ) -> None:
        self._service = ExperimentService(default_confidence, min_effect_size, warehouse=warehouse)
        self.default_confidence, self.min_effect_size = default_confidence, min_effect_size

    async def create_experiment(
        self,
        name: str,
        workspace_id: str,
        variants: Sequence[Mapping[str, Any]],
        metric_name: str,
        experiment_type: ExperimentType | str = ExperimentType.AB_TEST,
        allocation_strategy: VariantAllocation | str | None = None,
        min_sample_size: int = 100,
        confidence_level: float | None = None,
        *,
        hypothesis: str | None = None,
        metric_kind: MetricKind | str | None = None,
        direction: Literal["increase", "decrease"] | None = None,
        bounds: tuple[float, float] | None = None,
        baseline: float | tuple[float, float] | None = None,
        min_effect_size: float | None = None,
        secondary: Sequence[str | Mapping[str, Any]] = (),
        guardrails: Sequence[str | Mapping[str, Any]] = (),
        salt: str | None = None,
        **design: Any,
    ) -> ExperimentRecord:
        """Design an experiment; the same name and design again is the same experiment until it is completed.

        Args:
            variants: dictionaries with `name` and, if wanted, `description`, `weight`, `is_control`, `levels` (factor
                to level, for main effects and interactions of a multivariate experiment), and what they show: `title`,
                `body`, `changes` (features of content that they set), from which associations are calibrated.
            allocation_strategy: EQUAL, or THOMPSON for a bandit, unless given.
            min_sample_size: units every arm needs before anything is declared.
            metric_kind: binary, rate, continuous, count or ratio; decided at each look by all outcomes unless given.
            baseline: mean and standard deviation, or the proportion of a binary metric, to plan the size before start.
            direction: increase or decrease, whichever is better; as the workspace defined it, or increase.
            secondary: up to ten further metrics, whose effects are discovered at a false discovery rate of α.
            guardrails: metrics that must not get worse; names or dictionaries (`tasks.experiments.metrics`).
            salt: of the hash that assigns; random unless an experiment moves here from another platform.
            design: further fields of `tasks.experiments.design.Design`.

        Raises:
            InputError: if something is wrong with the design, or the workspace is unknown; nothing is written.
        """
        return await asyncio.to_thread(
            self._service.create_experiment,
            name,
            workspace_id,
            variants,
            metric_name,
            experiment_type,
            allocation_strategy,
            min_sample_size,
            confidence_level,
            hypothesis=hypothesis,
            metric_kind=metric_kind,
            direction=direction,
            bounds=bounds,
            baseline=baseline,
            min_effect_size=min_effect_size,
            secondary=secondary,
            guardrails=guardrails,
            salt=salt,
            **design,
        )

    async def define_metric(self, workspace_id: str, name: str, **known: Any) -> dict[str, Any]:
        """Define a metric once for a workspace, or a new version of it; experiments name it and keep its version.

        Args:
            known: fields of `tasks.experiments.metrics.WorkspaceMetric`, such as `kind`, `direction`, `owner`.
        """
        return await asyncio.to_thread(self._service.define_metric, workspace_id, name, **known)

    async def create_holdout(
        self, workspace_id: str, share: float, metric_name: str, *, name: str = "holdout", **design: Any
    ) -> ExperimentRecord:
        """Keep a share of the units out of every later experiment of a workspace, and compare it with everybody else.

        Args:
            share: of all units, such as .05.
            metric_name: what experiments and what they shipped are judged by, together.
            design: as in `create_experiment`.
        """
        return await asyncio.to_thread(
            self._service.create_holdout, workspace_id, share, metric_name, name=name, **design
        )

    async def advance_ramp(self, analysis: ExperimentResult) -> RampStep | None:
        """Raise the traffic to its ramp's next stage, or stop what harms a guardrail; None where there is no ramp."""
        return await asyncio.to_thread(self._service.advance_ramp, analysis)

    async def list_metrics(self, workspace_id: str | None = None) -> list[dict[str, Any]]:
        """The newest version of every metric of a workspace, or of all."""
        return await asyncio.to_thread(self._service.list_metrics, workspace_id)

    def plan_experiment(
        self,
        baseline: float | tuple[float, float],
        metric_kind: MetricKind | str | None = None,
        arms: int = 2,
        *,
        units_per_arm: int | None = None,
        weights: Sequence[float] | None = None,
        **design: Any,
    ) -> Plan:
        """Size, power, smallest detectable effect and days of an experiment that is not created yet; writes nothing.

        Args:
            baseline: mean and standard deviation, or the proportion of a binary metric.
            arms: how many, control included.
            units_per_arm: a size of the smallest arm to ask about; the one for the wanted power unless given.
            weights: of the arms, the control's first; equal unless given.
            design: fields of `tasks.experiments.design.Design`, such as `min_effect_size`, `power`, `daily_units`.
        """
        return self._service.plan_experiment(
            baseline, metric_kind, arms, units_per_arm=units_per_arm, weights=weights, **design
        )

    async def start_experiment(self, experiment_id: str, started_at: datetime | None = None) -> ExperimentRecord:
        """Freeze the design and begin to assign; starting twice changes nothing.

        Args:
            started_at: now, or earlier, to take over what happened since.
        """
        return await asyncio.to_thread(self._service.start_experiment, experiment_id, started_at)

    async def assign_variant(
        self,
        experiment_id: str,
        unit_id: str | None = None,
        *,
        segment: str | Mapping[str, Any] | None = None,
        covariate: float | None = None,
        context: Mapping[str, Any] | None = None,
        assigned_at: datetime | None = None,
    ) -> Assignment | None:
        """The unit's arm: the same id always gets the same one, in every process, also after the experiment's end.

        Args:
            unit_id: a user, a post, whatever is randomized; a fresh one is made, and returned, for None.
            segment: a label known before the experiment, or several by name, to report effects by.
            covariate: the metric's value of this unit from before the experiment, to reduce variance by.
            context: of a contextual experiment, what is known of the unit, by the columns that it was created with.
            assigned_at: when it was exposed first, where that was before now.

        Returns:
            The arm's id, a string that carries `unit_id`, `propensity` and `epoch`; None for a unit that takes no part.
        """
        return await asyncio.to_thread(
            self._service.assign_variant,
            experiment_id,
            unit_id,
            segment=segment,
            covariate=covariate,
            context=context,
            assigned_at=assigned_at,
        )

    async def recommend_variant(self, experiment_id: str, context: Mapping[str, Any] | None = None) -> str:
        """The arm that the proven policy of a completed contextual experiment serves in a context; stores nothing.

        Raises:
            WrongStateError: unless it was completed with a policy that is proven; names what to serve instead.
        """
        return await asyncio.to_thread(self._service.recommend_variant, experiment_id, context)

    async def evaluate_policy(self, log: Any, **columns: Any) -> PolicyEvaluation:
        """What another policy would have earned on the units of a log, without serving it.

        Args:
            log: polars or pandas frame, or rows; one row a unit.
            columns: arguments of `tasks.experiments.contextual.logged_policies.evaluate_log`: names of the columns
                that hold outcome, logged probability and the other policy's probability of the arm that was given.

        Raises:
            InputError: for columns that are missing, or probabilities that are none.
        """
        return await asyncio.to_thread(evaluate_log, log, **columns)

    async def assign_variants(
        self,
        experiment_id: str,
        unit_ids: Sequence[str],
        segments: Sequence[str | Mapping[str, Any] | None] | None = None,
        covariates: Sequence[float | None] | None = None,
        *,
        contexts: Sequence[Mapping[str, Any] | None] | None = None,
        assigned_at: datetime | None = None,
    ) -> list[Assignment | None]:
        """Arms of many units, in their order, in one transaction.

        None for a unit that takes no part: also one whose id or segment holds what no database keeps (NUL, or half of a
        surrogate pair), and after the experiment's end one that has no arm.
        """
        return await asyncio.to_thread(
            self._service.assign_variants,
            experiment_id,
            unit_ids,
            segments,
            covariates,
            contexts=contexts,
            assigned_at=assigned_at,
        )

    async def assigned_variants(self, experiment_id: str, unit_ids: Sequence[str]) -> list[Assignment | None]:
        """Arms that units have already, in their order; None for a unit that was never assigned."""
        return await asyncio.to_thread(self._service.assigned_variants, experiment_id, unit_ids)

    async def record_outcome(
        self,
        experiment_id: str,
        variant_id: str | None = None,
        outcome: float | None = None,
        *,
        unit_id: str | None = None,
        key: str | None = None,
        metric_name: str | None = None,
        denominator: float | None = None,
        amend: bool = False,
        occurred_at: datetime | None = None,
    ) -> Recorded:
        """Record what came of one unit, exactly once however often it is sent.

        Args:
            variant_id: what `assign_variant` returned, which knows its unit; a plain arm's name stands for the
                longest waiting of that arm's units that were assigned without an id.
            outcome: the metric's value; of a ratio, the numerator.
            denominator: of a ratio: a unit's values and denominators are summed, and the arms' ratios of sums compared.
            unit_id: the unit, where `variant_id` does not carry it.
            key: tells several outcomes of one unit apart.
            metric_name: a guardrail's name; the primary metric unless given.
            amend: replace what is recorded under this key; the old value is kept aside.
            occurred_at: when it happened; makes effects by day and the gate of a full cycle of days possible.

        Raises:
            InputError: for anything that cannot be counted; nothing is written.
        """
        return await asyncio.to_thread(
            self._service.record_outcome,
            experiment_id,
            variant_id,
            outcome,
            unit_id=unit_id,
            key=key,
            metric_name=metric_name,
            denominator=denominator,
            amend=amend,
            occurred_at=occurred_at,
        )

    async def record_outcomes(
        self,
        experiment_id: str,
        outcomes: pl.DataFrame | Iterable[Mapping[str, Any]],
        *,
        metric_name: str | None = None,
        amend: bool = False,
        occurred_at: datetime | None = None,
    ) -> Recorded:
        """Record many at once: columns `unit_id`, `outcome` and, if wanted, `key`, `denominator` and `occurred_at`.

        All or none, but for rows that are left out and told in `refused`: those that occurred before their unit was
        exposed, in the future or outside the conversion window, or whose text no database keeps.
        """
        return await asyncio.to_thread(
            self._service.record_outcomes,
            experiment_id,
            outcomes,
            metric_name=metric_name,
            amend=amend,
            occurred_at=occurred_at,
        )

    async def set_weights(self, experiment_id: str, weights: Mapping[str, float], reason: str) -> ExperimentRecord:
        """Divide the units to come by other weights; those assigned keep their arm, the same weights change nothing.

        Raises:
            WrongStateError: if it is not running, or its allocation strategy is not `staged`.
            InvalidDesignError: if weights are not positive or do not sum to 1 over all variants.
        """
        return await asyncio.to_thread(self._service.set_weights, experiment_id, weights, reason)

    async def switch_off(self, experiment_id: str, variant_id: str, reason: str) -> ExperimentRecord:
        """Give an arm to no further unit; the others share its traffic, those who have it keep it.

        It is compared with the others by the time in which it was on, and they are judged without it from then on.

        Raises:
            WrongStateError: if the experiment is not running.
            InvalidDesignError: for the control, and for the last arm beside it.
        """
        return await asyncio.to_thread(self._service.switch_off, experiment_id, variant_id, reason)

    async def set_traffic_share(self, experiment_id: str, traffic_share: float, reason: str) -> ExperimentRecord:
        """Let a larger share of the units take part; those that do keep their arm, the same share changes nothing.

        Raises:
            WrongStateError: if it is completed.
            InvalidDesignError: for a smaller share than before.
        """
        return await asyncio.to_thread(self._service.set_traffic_share, experiment_id, traffic_share, reason)

    async def analyze_experiment(self, experiment_id: str) -> ExperimentResult:
        """Everything known now; each call on new data is a look, and looks cost nothing but a wider interval."""
        return await asyncio.to_thread(self._service.analyze_experiment, experiment_id)

    async def check_significance(self, experiment_id: str) -> tuple[bool, str | None]:
        """(True, winner) when one arm is proven better than every other and nothing forbids it, else (False, None)."""
        return await asyncio.to_thread(self._service.check_significance, experiment_id)

    async def complete_experiment(self, experiment_id: str, winner: str | None = None) -> ExperimentRecord:
        """End it: with the winner that is proven, with one chosen against the evidence, or without any.

        Raises:
            UnknownNameError: if the winner is no arm of this experiment.
            WrongStateError: if it is not running, or was completed with another winner.
        """
        return await asyncio.to_thread(self._service.complete_experiment, experiment_id, winner)

    async def current_defaults(self, workspace_id: str) -> list[dict[str, Any]]:
        """What decided experiments made the workspace's defaults and none has refuted, the newest first.

        Returns:
            rows with `statement`, `does`, `since`, `effect` (relative) and the experiment.
        """
        return await asyncio.to_thread(self._service.current_defaults, workspace_id)

    async def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """The experiment as it stands."""
        return await asyncio.to_thread(self._service.get_experiment, experiment_id)

    async def decisions(self, experiment_id: str) -> list[dict[str, Any]]:
        """The log: every decision, with what was known, in order."""
        return await asyncio.to_thread(self._service.decisions, experiment_id)

    async def looks(self, experiment_id: str) -> list[dict[str, Any]]:
        """All looks so far, in order, with what each showed."""
        return await asyncio.to_thread(self._service.looks, experiment_id)

    async def running_experiments(self, workspace_ids: Sequence[str] = ()) -> dict[str, list[str]]:
        """Ids of running experiments by workspace, of some workspaces or all."""
        return await asyncio.to_thread(self._service.running_experiments, workspace_ids)

    async def complete_if_decided(self, analysis: ExperimentResult) -> ExperimentRecord | None:
        """Complete the experiment if it was created with `auto_complete` and has an answer."""
        return await asyncio.to_thread(self._service.complete_if_decided, analysis)

    async def list_experiments(self, workspace_id: str | None = None) -> list[dict[str, Any]]:
        """One row an experiment, newest first, as last looked at; takes no look of its own."""
        return await asyncio.to_thread(self._service.list_experiments, workspace_id)

    async def analyze_aggregated(
        self, workspace_id: str, *, finished: Collection[str] = (), test: str = "welch", correction: str = "holm"
    ) -> list[AggregatedAnalysis]:
        """Experiments that ran elsewhere and were ingested as aggregated arms.

        Args:
            finished: names of those that were looked at once, at their planned size: they get one fixed test, where the
                others get what holds however often their owners looked.
            test: of the finished ones: welch or student; of binary metrics also pooled-z, pearson-yates, g, g-yates,
                fisher, barnard or boschloo; of counts poisson-wald, poisson-score or poisson-sqrt.
            correction: of several arms' p-values: holm, hochberg-sidak, benjamini-hochberg or benjamini-yekutieli.

        Raises:
            InputError: for an unknown name, or a test that does not fit a finished experiment's metric.
        """
        return await asyncio.to_thread(
            self._service.analyze_aggregated, workspace_id, finished=finished, test=test, correction=correction
        )
