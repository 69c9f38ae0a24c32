"""Experiments in one warehouse, from creation to completion: reads, calls the pure modules, writes, returns.

Plain and synchronous, for steps, flows and other capabilities. The methods are `ExperimentEngine`'s, which describes
their definition.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import polars as pl

from tasks.effects.loop.defaults import WITHDRAWN
from tasks.effects.loop.service import LoopService
from tasks.errors import InputError, UnknownNameError, require_between, require_whole
from tasks.experiments import definition, interim_analysis
from tasks.experiments.aggregated import AggregatedAnalysis, FinishedPlan, analyze_arms
from tasks.experiments.analysis import AnalysisInput
from tasks.experiments.assignment import (
    HELD_OUT,
    Arrivals,
    AssignmentPlan,
    assignment_of,
    holdout_salt,
    require_past,
    require_unit,
)
from tasks.experiments.contextual import analysis as contextual_analysis
from tasks.experiments.contextual.context import require_context
from tasks.experiments.definition import COMPLETED, DRAFT, RUNNING, Definition, as_record, parse_enum
from tasks.experiments.design import (
    MOST_UNITS,
    Design,
    make_variants,
    require_positive,
    require_storable,
    require_text,
    require_weights,
)
from tasks.experiments.errors import InvalidDesignError, WrongStateError, start_it, unknown_experiment
from tasks.experiments.inference import bandit_allocation, power
from tasks.experiments.metrics import WorkspaceMetric, make_others, newest, require_comparable, require_different
from tasks.experiments.outcomes import Intake, OutcomeWindow, make_outcome
from tasks.experiments.power_curve import PowerCurve, power_curve
from tasks.experiments.ramp import RampStep, next_step
from tasks.experiments.records import (
    Assignment,
    ExperimentRecord,
    ExperimentResult,
    ExperimentStatus,
    ExperimentType,
    MetricKind,
    Plan,
    Recorded,
    VariantAllocation,
)
from tasks.experiments.segments import as_text
from tasks.experiments.serving import servable_experiments
from tasks.experiments.store import ExperimentStore, Row
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import find_workspace

TRAFFIC_RAISED = "traffic raised"
PLAN_SECONDS = 1.0  # how long another process may go on with weights that were just replaced


class ExperimentService:
    """Arguments as in `ExperimentEngine`; the warehouse is opened by the first method that needs it."""

    def __init__(
        self, default_confidence: float = 0.95, min_effect_size: float = 0.05, *, warehouse: Warehouse | None = None
    ) -> None:
        require_between("default_confidence", default_confidence, 0.5, 0.9999)
        require_positive("min_effect_size", min_effect_size)
        self.default_confidence, self.min_effect_size = default_confidence, min_effect_size
        self._warehouse = warehouse
        self._plans: dict[str, tuple[float, AssignmentPlan]] = {}

    @cached_property
    def store(self) -> ExperimentStore:
        """The experiments' tables."""
        return ExperimentStore(open_warehouse(self._warehouse))

    def create_experiment(
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
        """Write a new experiment, or return the one that is described again."""
        kind = parse_enum(ExperimentType, "experiment_type", experiment_type)
        is_bandit = kind in (ExperimentType.MULTI_ARMED_BANDIT, ExperimentType.CONTEXTUAL)
        usual = VariantAllocation.THOMPSON if is_bandit else VariantAllocation.EQUAL
        strategy = parse_enum(VariantAllocation, "allocation_strategy", allocation_strategy or usual)
        name = require_text("name", name, 128)
        defined, design = self._defined(workspace_id, name), self._with_holdout(workspace_id, name, design)
        metric = require_text("metric_name", metric_name, 64)
        primary = definition.make_metric(metric, metric_kind, direction, bounds, defined)
        others = [*make_others(secondary, "secondary", defined), *make_others(guardrails, "guardrail", defined)]
        require_different([primary, *others])
        require_comparable([primary, *others], is_adaptive=strategy != VariantAllocation.EQUAL)
        smallest = defined.get(metric, {}).get("min_effect_size") or self.min_effect_size
        wanted = Definition(
            workspace_id=workspace_id,
            name=name,
            hypothesis=require_storable("hypothesis", hypothesis).strip() or None if hypothesis else None,
            design=definition.make_design(
                definition.with_first_stage(design),
                experiment_type=kind,
                allocation_strategy=strategy,
                min_sample_size=min_sample_size,
                confidence_level=self.default_confidence if confidence_level is None else confidence_level,
                min_effect_size=smallest if min_effect_size is None else min_effect_size,
            ),
            variants=make_variants(variants),
            metrics=[primary, *others],
            baseline=definition.make_baseline(baseline, primary.kind),
        )
        definition.require_addable(wanted.design, primary)
        definition.require_one_metric(wanted)
        return self._write(wanted, None if salt is None else require_storable("salt", salt))

    def _write(self, wanted: Definition, salt: str | None) -> ExperimentRecord:
        find_workspace(self.store.warehouse, wanted.workspace_id)
        loop, changes = LoopService(self.store.warehouse), [one.changes for one in wanted.variants]
        loop.require_changes(wanted.workspace_id, changes)
        existing = self.store.definitions.named(wanted.workspace_id, wanted.name)
        done = [row for row in existing if row["status"] == COMPLETED]
        identifier = definition.experiment_id_of(wanted.workspace_id, wanted.name, len(done))
        if len(done) == len(existing):
            self.store.definitions.create(*wanted.rows(identifier, salt or secrets.token_hex(16), datetime.now(UTC)))
        stored = self.store.definitions.find(identifier)
        wanted.require_same(*stored)
        made = as_record(*stored)
        return replace(made, warnings=[*made.warnings, *loop.new_labels(wanted.workspace_id, changes)])

    def _defined(self, workspace_id: str, name: str) -> dict[str, Any]:
        """The workspace's metrics by name: newest versions, or those that an open experiment of this name has."""
        versions = self.store.metrics.versions(workspace_id)
        defined = dict(newest(versions))
        still_open = [row for row in self.store.definitions.named(workspace_id, name) if row["status"] != COMPLETED]
        if still_open and versions:
            metrics = self.store.definitions.find(still_open[-1]["experiment_id"])[2]
            began_with = {(row["metric_name"], row["version"]) for row in metrics}
            defined |= {row["name"]: row for row in versions if (row["name"], row["version"]) in began_with}
        return defined

    def define_metric(self, workspace_id: str, name: str, **known: Any) -> dict[str, Any]:
        """Define a metric of a workspace, or a new version of it; the same again changes nothing.

        Args:
            known: further fields of `tasks.experiments.metrics.WorkspaceMetric`.

        Raises:
            InputError: if something is wrong with it, or the workspace is unknown; nothing is written.
        """
        find_workspace(self.store.warehouse, workspace_id)
        fields = WorkspaceMetric.__dataclass_fields__
        for one in known:
            if one not in fields:
                raise UnknownNameError("field of a metric", one, fields)
        if known.get("kind") is not None:
            known["kind"] = parse_enum(MetricKind, "kind", known["kind"])
        metric = WorkspaceMetric(require_text("metric name", name, 64), **known)
        return self.store.metrics.define(workspace_id, metric.as_dict(), datetime.now(UTC))

    def list_metrics(self, workspace_id: str | None = None) -> list[dict[str, Any]]:
        """The newest version of every metric that workspaces defined."""
        if workspace_id is not None:
            find_workspace(self.store.warehouse, workspace_id)
        by_workspace: dict[str, list[Row]] = {}
        for row in self.store.metrics.versions(workspace_id):
            by_workspace.setdefault(row["workspace_id"], []).append(row)
        return [dict(row) for rows in by_workspace.values() for row in newest(rows).values()]

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
        """Size and power of an experiment that is not created yet; writes nothing."""
        require_whole("arms", arms, 2, MOST_UNITS)
        kind = None if metric_kind is None else parse_enum(MetricKind, "metric_kind", metric_kind)
        usual = {"confidence_level": self.default_confidence, "min_effect_size": self.min_effect_size}
        wanted = definition.make_design({}, **(usual | design))
        mean, variance = definition.make_baseline(baseline, kind) or (0.0, 0.0)
        shares = None if weights is None else require_weights(weights)
        if shares is not None and len(shares) != arms:
            raise InputError(f"{arms} arms need as many weights, not {len(shares)}")
        return power.make_plan(wanted, arms, mean, variance, kind, units_per_arm, shares)

    def power_curve(
        self,
        baseline: float | tuple[float, float],
        metric_kind: MetricKind | str | None = None,
        arms: int = 2,
        *,
        units_per_arm: int | None = None,
        weights: Sequence[float] | None = None,
        min_effect_size: float | None = None,
        **design: Any,
    ) -> PowerCurve:
        """A plan, with the power at other sizes and for other effects; writes nothing."""
        planned = partial(self.plan_experiment, baseline, metric_kind, arms, weights=weights, **design)
        effect = self.min_effect_size if min_effect_size is None else min_effect_size
        return power_curve(planned, arms, units_per_arm, effect, design.get("power", Design().power))

    def start_experiment(
        self, experiment_id: str, started_at: datetime | None = None, *, though_withdrawn: bool = True
    ) -> ExperimentRecord:
        """Freeze the design and put its weights in force; a draft that was withdrawn, only `though_withdrawn`."""
        experiment, variants, _ = self.store.definitions.find(experiment_id)
        if experiment["status"] == COMPLETED:
            raise WrongStateError(experiment_id, COMPLETED, "it cannot start again", "create a new one")
        if experiment["conclusion"] is not None and not though_withdrawn:
            raise WrongStateError(experiment_id, WITHDRAWN, "it was taken back", start_it(experiment_id))
        now = datetime.now(UTC)
        at = require_past("started_at", started_at, now)
        design = Design.of(experiment)
        if design.layer is not None:
            self.store.layers.claim(experiment, design.layer, design.layer_share)
        first = {"experiment_id": experiment_id, "epoch": 0, "weights": [row["weight"] for row in variants]}
        self.store.assignments.add_epoch(first | {"reason": "as designed", "outcomes_before": 0, "started_at": at})
        if experiment["status"] == DRAFT:
            evidence = {"design": experiment["design"], "planned_units_per_arm": experiment["planned_units_per_arm"]}
            seen = {"status": DRAFT, "conclusion": experiment["conclusion"]}
            self.store.definitions.change(
                experiment_id, "started", now, evidence, seen, status=RUNNING, started_at=at, conclusion=None
            )
            experiment = self.store.definitions.find(experiment_id)[0]
            if experiment["status"] == DRAFT:
                self.store.layers.release(experiment_id)
                raise WrongStateError(experiment_id, WITHDRAWN, "it was taken back meanwhile", start_it(experiment_id))
        return as_record(*self.store.definitions.find(experiment_id))

    def assign_variant(
        self,
        experiment_id: str,
        unit_id: str | None = None,
        *,
        segment: str | Mapping[str, Any] | None = None,
        covariate: float | None = None,
        context: Mapping[str, Any] | None = None,
        assigned_at: datetime | None = None,
    ) -> Assignment | None:
        """The unit's arm; None for a unit that takes no part."""
        unit, label = require_unit(unit_id), require_storable("a segment", as_text(segment))
        contexts = None if context is None else [context]
        return self.assign_variants(
            experiment_id, [unit], [label], [covariate], contexts=contexts, assigned_at=assigned_at
        )[0]

    def assign_variants(
        self,
        experiment_id: str,
        unit_ids: Sequence[str],
        segments: Sequence[str | Mapping[str, Any] | None] | None = None,
        covariates: Sequence[float | None] | None = None,
        *,
        contexts: Sequence[Mapping[str, Any] | None] | None = None,
        assigned_at: datetime | None = None,
    ) -> list[Assignment | None]:
        """Arms of many units, in their order, in one transaction; what is stored wins."""
        arrivals = Arrivals.of(unit_ids, segments, covariates, contexts)
        if self._takes_nobody_new(experiment_id):
            return self._known_only(experiment_id, arrivals)
        plan, now = self._plan(experiment_id), datetime.now(UTC)
        at = require_past("assigned_at", assigned_at, now)
        if assigned_at is not None:
            plan.require_begun(at)
        arms: list[Assignment | None] = [None] * len(arrivals.units)
        places = list(arrivals.batches())
        rows = (arrivals.rows(plan, batch, at) for batch in places)
        for batch, stored in zip(places, self.store.assignments.assign_some_at_a_time(rows), strict=True):
            for place in batch:
                arms[place] = assignment_of(arrivals.units[place], stored)
        if plan.holdout is not None:
            self._enroll_in_holdout(experiment_id, replace(arrivals, contexts=None), places, at)
        return arms

    def _enroll_in_holdout(self, experiment_id: str, arrivals: Arrivals, places: list[list[int]], at: datetime) -> None:
        """Count the units that came, in an experiment or held out of it, in the workspace's holdout experiment."""
        experiment, _, _ = self.store.definitions.find(experiment_id)
        holdout = self._holdout(experiment["workspace_id"])
        if holdout is None or holdout["status"] != RUNNING:
            return
        plan = self._plan(holdout["experiment_id"])
        list(self.store.assignments.assign_some_at_a_time(arrivals.rows(plan, batch, at) for batch in places))

    def _holdout(self, workspace_id: str) -> Row | None:
        """The workspace's holdout experiment that is not completed."""
        rows = self.store.definitions.experiments(workspace_id)
        still_open = [row for row in rows if row["status"] != COMPLETED and row["design"].get("is_holdout")]
        return still_open[0] if still_open else None

    def create_holdout(
        self, workspace_id: str, share: float, metric_name: str, *, name: str = "holdout", **design: Any
    ) -> ExperimentRecord:
        """Keep a share of the units out of every experiment of a workspace, and compare it with everybody else.

        Every experiment created from now on leaves the same units out; all units that ask one of them for an arm are
        counted here, and outcomes recorded here say what experiments and what they shipped are worth together.

        Args:
            design: as in `create_experiment`.

        Raises:
            InputError: if something is wrong with it, or the workspace has another holdout; nothing is written.
        """
        require_between("share", share, 0.001, 0.5)
        find_workspace(self.store.warehouse, workspace_id)
        known = self._holdout(workspace_id)
        if known is not None and known["name"] != name:
            raise InvalidDesignError(f"the workspace has a holdout already, '{known['name']}'; complete it first")
        arms = [
            {"name": HELD_OUT, "weight": share, "is_control": True, "description": "sees no experiment"},
            {"name": "everybody else", "weight": 1 - share, "description": "sees experiments and what they shipped"},
        ]
        salt = holdout_salt(workspace_id)
        return self.create_experiment(name, workspace_id, arms, metric_name, salt=salt, is_holdout=True, **design)

    def _with_holdout(self, workspace_id: str, name: str, design: Mapping[str, Any]) -> dict[str, Any]:
        """A design with the workspace's holdout; an experiment that is there keeps the share it was created with."""
        if design.get("is_holdout") or design.get("assigned_elsewhere"):
            return dict(design)
        known = [row for row in self.store.definitions.named(workspace_id, name) if row["status"] != COMPLETED]
        holdout = self._holdout(workspace_id)
        if known or holdout is None:
            share = known[-1]["design"].get("holdout_share", 0.0) if known else 0.0
            return {"holdout_share": share} | dict(design)
        (share, *_) = (row["weight"] for row in self.store.definitions.find(holdout["experiment_id"])[1])
        if design.get("holdout_share", share) != share:
            held_out = f"{100 * share:.3g} %"
            raise InvalidDesignError(f"the workspace holds out {held_out} of its units; leave out holdout_share")
        return dict(design) | {"holdout_share": share}

    def assigned_variants(self, experiment_id: str, unit_ids: Sequence[str]) -> list[Assignment | None]:
        """Stored arms of units, in their order; assigns none."""
        units = [require_unit(unit) for unit in unit_ids]
        stored = self.store.assignments.assigned(experiment_id, units)
        return [assignment_of(unit, stored) for unit in units]

    def _takes_nobody_new(self, experiment_id: str) -> bool:
        kept = self._plans.get(experiment_id)
        if kept is not None and time.monotonic() < kept[0]:
            return False
        return bool(self.store.definitions.find(experiment_id)[0]["status"] == COMPLETED)

    def _known_only(self, experiment_id: str, arrivals: Arrivals) -> list[Assignment | None]:
        """Arms that units of a completed experiment have; None for those that have none."""
        stored = self.store.assignments.assigned(experiment_id, [unit for unit in arrivals.units if unit is not None])
        if not stored and arrivals.units:
            raise WrongStateError(
                experiment_id, COMPLETED, "units are assigned while it runs", "serve its winner, or create another"
            )
        return [assignment_of(unit, stored) for unit in arrivals.units]

    def _plan(self, experiment_id: str) -> AssignmentPlan:
        kept = self._plans.get(experiment_id)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        return self.read_plan(experiment_id)

    def seconds_known(self, experiment_id: str) -> float:
        """How long its plan holds still; 0 where arms take more than that and one write: a policy's, or a holdout's."""
        until, plan = self._plans.get(experiment_id, (0.0, None))
        if plan is None or plan.policy is not None or plan.holdout is not None:
            return 0.0
        return until - time.monotonic()

    def row_to_store(
        self, experiment_id: str, unit_id: str, segment: str, context: Mapping[str, Any] | None
    ) -> Row | None:
        """A unit's assignment as `assign_variants` would store it; None for one that takes no part.

        Args:
            experiment_id: one whose plan holds still, by `seconds_known`; nothing is read.

        Raises:
            InputError: as `assign_variants`.
        """
        arrivals = Arrivals.of([unit_id], [segment], None, [context])
        rows = arrivals.rows(self._plans[experiment_id][1], [0], datetime.now(UTC))
        return rows[0] if rows else None

    def read_plan(self, experiment_id: str) -> AssignmentPlan:
        """The plan as it is now, and for a second from now.

        Raises:
            WrongStateError: if it does not run.
        """
        with self.store.warehouse.read_once():
            experiment, variants, _ = self.store.definitions.find(experiment_id)
            if experiment["status"] != RUNNING:
                is_draft = experiment["status"] == DRAFT
                fix = start_it(experiment_id) if is_draft else "serve its winner, or create another"
                raise WrongStateError(experiment_id, experiment["status"], "units are assigned while it runs", fix)
            if experiment["design"].get("assigned_elsewhere"):
                fix = "ingest them with `raptorflow ingest exposures FILE`"
                raise WrongStateError(experiment_id, "assigned elsewhere", "its units come with their arms", fix)
            epoch, ranges = self.store.assignments.epochs(experiment_id)[-1], self.store.layers.ranges(experiment_id)
            policy = self.store.policies.of_epoch(experiment_id, epoch["epoch"])
        plan = AssignmentPlan.of(experiment, variants, epoch, ranges, policy)
        self._plans[experiment_id] = (time.monotonic() + PLAN_SECONDS, plan)
        return plan

    def record_outcome(
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
        """Count what came of one unit."""
        unit = unit_id if unit_id is not None else getattr(variant_id, "unit_id", None)
        if unit is None and variant_id is None:
            raise InputError("an outcome needs unit_id, or the variant_id that assign_variant returned")
        one = make_outcome("~" if unit is None else unit, outcome, key, denominator)
        row = {"unit_id": one.unit_id, "outcome": outcome, "key": key, "denominator": denominator}
        expected = {} if variant_id is None else {one.unit_id: str(variant_id)}
        waiting = str(variant_id) if unit is None else None
        return self._record(experiment_id, metric_name, [row], expected, waiting, amend, occurred_at, is_single=True)

    def record_outcomes(
        self,
        experiment_id: str,
        outcomes: pl.DataFrame | Iterable[Mapping[str, Any]],
        *,
        metric_name: str | None = None,
        amend: bool = False,
        occurred_at: datetime | None = None,
    ) -> Recorded:
        """Count many at once, all but those that are told as refused, or none."""
        return self._record(experiment_id, metric_name, outcomes, {}, None, amend, occurred_at)

    def _record(
        self,
        experiment_id: str,
        metric_name: str | None,
        rows: pl.DataFrame | Iterable[Mapping[str, Any]],
        expected: Mapping[str, str],
        waiting_for: str | None,
        amend: bool,
        occurred_at: datetime | None,
        *,
        is_single: bool = False,
    ) -> Recorded:
        """Count outcomes, and let the weights follow where they do."""
        experiment, variants, metrics = self.store.definitions.find(experiment_id)
        names = [metric["metric_name"] for metric in metrics]
        metric = names[0] if metric_name is None else metric_name
        if metric not in names:
            raise UnknownNameError("metric", metric, names)
        for variant in expected.values():
            _require_known("variant", variant, [row["variant_id"] for row in variants])
        window = OutcomeWindow.of(experiment, metrics[names.index(metric)], datetime.now(UTC))
        window.require_occurred(window.instant(occurred_at))
        intake = Intake(rows, window, occurred_at, is_single=is_single)
        counts = self.store.outcomes.record(
            experiment_id, metric, intake, amend=amend, expected=expected, waiting_for=waiting_for
        )
        if counts[0] and Design.of(experiment).reweights_itself and experiment["status"] == RUNNING:
            self._reallocate(experiment_id)
        return Recorded(counts[0] - counts[2], counts[1], counts[2], tuple(intake.refused))

    def _reallocate(self, experiment_id: str) -> None:
        """Begin a new epoch if one is due; of several processes that see it, one does."""
        known = interim_analysis.read_input(self.store, self.store.definitions.find(experiment_id), None)
        metric, last = known.metrics[0], known.epochs[-1]
        is_on = known.is_on
        sums = known.sums(metric).of_arms(is_on)
        outcomes, smallest = int(sums.n.sum()), int(sums.n.min())
        if not bandit_allocation.is_due(outcomes, last["outcomes_before"], smallest):
            return
        if known.design.context is not None:
            self._learn_policy(experiment_id, known, outcomes)
            return
        weights = np.zeros(len(is_on))
        weights[is_on] = bandit_allocation.new_weights(sums, metric, known.design)
        why = f"{known.design.allocation_strategy} after {outcomes} outcomes"
        self._begin_epoch(last, [float(weight) for weight in weights], why, outcomes)

    def _learn_policy(self, experiment_id: str, known: AnalysisInput, outcomes: int) -> None:
        """Begin an epoch with a policy from all units that reported; the weights say which arms are on."""
        policy = contextual_analysis.learn(self.store, experiment_id, known)
        last, reason = known.epochs[-1], f"policy after {outcomes} outcomes"
        self._begin_epoch(last, list(last["weights"]), reason, outcomes, policy.as_dict())

    def recommend_variant(self, experiment_id: str, context: Mapping[str, Any] | None = None) -> str:
        """The arm that the policy of a completed contextual experiment serves in a context; stores nothing.

        Raises:
            WrongStateError: unless it was completed with a policy that is proven; names what to serve instead.
        """
        experiment, variants, _ = self.store.definitions.find(experiment_id)
        if experiment["conclusion"] != ExperimentStatus.POLICY.value:
            served = experiment["winner"] or next(row["variant_id"] for row in variants if row["is_control"])
            raise WrongStateError(
                experiment_id,
                experiment["conclusion"] or experiment["status"],
                "only a policy that is proven better than what was served is served",
                f"serve {served}, or go on and look again",
            )
        epoch = self.store.assignments.epochs(experiment_id)[-1]
        policy = self.store.policies.of_epoch(experiment_id, epoch["epoch"])
        plan = AssignmentPlan.of(experiment, variants, epoch, policy=policy)
        return plan.best(require_context(context, plan.context or ()))

    def set_weights(self, experiment_id: str, weights: Mapping[str, float], reason: str) -> ExperimentRecord:
        """Begin a new epoch with these weights, unless they are in force already."""
        experiment, variants, metrics = self.store.definitions.find(experiment_id)
        names, design = [row["variant_id"] for row in variants], Design.of(experiment)
        for name in weights:
            _require_known("variant", name, names)
        if experiment["status"] != RUNNING or design.allocation_strategy != VariantAllocation.STAGED:
            state = experiment["status"] if experiment["status"] != RUNNING else design.allocation_strategy.value
            raise WrongStateError(experiment_id, state, "only a running, staged one is reweighted", "see its record")
        last = self.store.assignments.epochs(experiment_id)[-1]
        off = {name for name, weight in zip(names, last["weights"], strict=True) if weight == 0}
        wanted = [name for name in names if name not in off or name in weights]
        shares = dict(zip(wanted, require_weights([weights.get(name) for name in wanted]), strict=True))
        if off & set(wanted):
            raise InvalidDesignError(f"{', '.join(sorted(off & set(wanted)))} is switched off for good; leave it out")
        self._reweight(last, [shares.get(name, 0.0) for name in names], reason)
        return as_record(experiment, variants, metrics)

    def switch_off(self, experiment_id: str, variant_id: str, reason: str) -> ExperimentRecord:
        """Give an arm to nobody any more; the others share its traffic, and it is compared by the time it was on."""
        experiment, variants, metrics = self.store.definitions.find(experiment_id)
        names = [row["variant_id"] for row in variants]
        _require_known("variant", str(variant_id), names)
        place = names.index(str(variant_id))
        if experiment["status"] != RUNNING:
            raise WrongStateError(experiment_id, experiment["status"], "arms are switched off while it runs", "see it")
        if variants[place]["is_control"]:
            raise InvalidDesignError(
                "the control is what every arm is compared with, so it stays on; complete the experiment instead"
            )
        last = self.store.assignments.epochs(experiment_id)[-1]
        weights = [0.0 if k == place else weight for k, weight in enumerate(last["weights"])]
        if sum(weight > 0 for weight in weights) < 2:
            raise InvalidDesignError("nothing is left to compare without this arm; complete the experiment instead")
        total = sum(weights)
        why = f"{variant_id} switched off: {require_text('reason', reason, 1000)}"
        self._reweight(last, [weight / total for weight in weights], why)
        return as_record(experiment, variants, metrics)

    def set_traffic_share(self, experiment_id: str, traffic_share: float, reason: str) -> ExperimentRecord:
        """Let a larger share of the units take part; those that took part keep their arm."""
        experiment, _, _ = self.store.definitions.find(experiment_id)
        if experiment["status"] == COMPLETED:
            raise WrongStateError(experiment_id, COMPLETED, "it takes no more units", "create another")
        design = replace(Design.of(experiment), traffic_share=traffic_share)
        before = experiment["design"].get("traffic_share", 1.0)
        if traffic_share < before:
            raise InvalidDesignError(
                f"traffic_share can only be raised, from {before:g}: units that take part would have to leave; "
                "switch an arm off, or complete the experiment"
            )
        if traffic_share > before:
            evidence = {"from": before, "to": traffic_share, "reason": require_text("reason", reason, 1000)}
            now = datetime.now(UTC)
            self.store.definitions.redesign(experiment_id, TRAFFIC_RAISED, now, evidence, design.as_dict())
            self._plans.pop(experiment_id, None)
        return as_record(*self.store.definitions.find(experiment_id))

    def _reweight(self, last: Mapping[str, Any], weights: list[float], reason: str) -> None:
        """Begin an epoch with other weights; the same change nothing."""
        if weights == list(last["weights"]):
            return
        known = interim_analysis.read_input(self.store, self.store.definitions.find(last["experiment_id"]), None)
        self._begin_epoch(last, weights, reason, int(known.sums(known.metrics[0]).n.sum()))

    def _begin_epoch(
        self, last: Mapping[str, Any], weights: list[float], reason: str, outcomes: int, policy: Row | None = None
    ) -> None:
        epoch = {"experiment_id": last["experiment_id"], "epoch": last["epoch"] + 1, "weights": weights}
        epoch |= {"reason": reason, "outcomes_before": outcomes, "started_at": datetime.now(UTC)}
        self.store.assignments.add_epoch(epoch, policy)
        self._plans.pop(last["experiment_id"], None)

    def analyze_experiment(self, experiment_id: str) -> ExperimentResult:
        """Look at the data and keep the look."""
        analyze = contextual_analysis.analyze if self._is_contextual(experiment_id) else interim_analysis.analyze
        return analyze(self.store, experiment_id)

    def preview_experiment(self, experiment_id: str) -> ExperimentResult:
        """What a look at the data would say now; none is kept."""
        preview = contextual_analysis.preview if self._is_contextual(experiment_id) else interim_analysis.preview
        return preview(self.store, experiment_id)

    def _is_contextual(self, experiment_id: str) -> bool:
        kind = self.store.definitions.find(experiment_id)[0]["experiment_type"]
        return bool(kind == ExperimentType.CONTEXTUAL.value)

    def current_defaults(self, workspace_id: str) -> list[dict[str, Any]]:
        """What decided experiments made the workspace's defaults and none has refuted, the newest first."""
        rows = LoopService(self.store.warehouse).defaults(workspace_id)
        return [row for row in rows if row["standing"] == "current"]

    def observed_power(self, experiment_id: str) -> PowerCurve | None:
        """The power curve at the control's mean and spread as observed; None while they say nothing."""
        return interim_analysis.observed_power(self.store, experiment_id)

    def check_significance(self, experiment_id: str) -> tuple[bool, str | None]:
        """Whether a winner is proven, and which."""
        analysis = self.analyze_experiment(experiment_id)
        return analysis.is_significant, analysis.winner

    def complete_experiment(self, experiment_id: str, winner: str | None = None) -> ExperimentRecord:
        """End the experiment."""
        experiment, variants, metrics = self.store.definitions.find(experiment_id)
        names = [row["variant_id"] for row in variants]
        if winner is not None:
            _require_known("variant", str(winner), names)
        if experiment["status"] == COMPLETED and winner in (None, experiment["winner"]):
            return as_record(experiment, variants, metrics)
        if experiment["status"] != RUNNING:
            is_draft = experiment["status"] == DRAFT
            fix = "a draft costs nothing and needs no end" if is_draft else "see its record"
            raise WrongStateError(experiment_id, experiment["status"], "only a running one is completed", fix)
        analysis = self.analyze_experiment(experiment_id)
        chosen = analysis.winner if winner is None else str(winner)
        now = datetime.now(UTC)
        columns: Row = {"winner": chosen, "conclusion": definition.conclusion(analysis, chosen)}
        evidence: Row = {
            "status": analysis.status.value,
            "proven_winner": analysis.winner,
            "p_value": analysis.p_value,
            "n": analysis.n,
        }
        evidence |= columns | {"effects": [effect.as_dict() for effect in analysis.effects]}
        self.store.definitions.change(
            experiment_id, "completed", now, evidence, status=COMPLETED, completed_at=now, **columns
        )
        self.store.layers.release(experiment_id)
        LoopService(self.store.warehouse).settle(experiment["workspace_id"])
        self._plans.pop(experiment_id, None)
        ended = as_record(*self.store.definitions.find(experiment_id))
        if ended.winner != chosen:
            why = f"another process was first and completed it with winner {ended.winner!r}, not {chosen!r}"
            raise WrongStateError(experiment_id, COMPLETED, why, "see its log of decisions")
        return ended

    def withdraw_draft(self, experiment_id: str, actor: str, reason: str) -> ExperimentRecord:
        """Say of a draft that it is not to be started; it stays, and what it asks is open to another.

        Raises:
            WrongStateError: if it is no draft any more.
        """
        evidence, now = {"by": actor, "reason": require_text("reason", reason, 1000)}, datetime.now(UTC)
        self.store.definitions.change(experiment_id, WITHDRAWN, now, evidence, {"status": DRAFT}, conclusion=WITHDRAWN)
        status = self.store.definitions.find(experiment_id)[0]["status"]
        if status != DRAFT:
            fix = f"`raptorflow experiment stop {experiment_id}` ends one that runs"
            raise WrongStateError(experiment_id, status, "only a draft is withdrawn", fix)
        self.store.layers.release(experiment_id)
        return as_record(*self.store.definitions.find(experiment_id))

    def complete_if_decided(self, analysis: ExperimentResult) -> ExperimentRecord | None:
        """End it if it has an answer and was created with `auto_complete`."""
        experiment, _, _ = self.store.definitions.find(analysis.experiment_id)
        if not analysis.is_answered or not Design.of(experiment).auto_complete:
            return None
        return self.complete_experiment(analysis.experiment_id, analysis.winner)

    def advance_ramp(self, analysis: ExperimentResult) -> RampStep | None:
        """Raise the traffic to its ramp's next stage, or stop what harms a guardrail; None where there is no ramp."""
        experiment_id = analysis.experiment_id
        experiment, _, _ = self.store.definitions.find(experiment_id)
        design = Design.of(experiment)
        if not design.ramp or experiment["status"] != RUNNING:
            return None
        raised = [row for row in self.store.log.decisions(experiment_id) if row["action"] == TRAFFIC_RAISED]
        began = raised[-1]["recorded_at"] if raised else experiment["started_at"]
        step = next_step(design, analysis, began, datetime.now(UTC))
        if step.action == "raise" and step.share is not None:
            self.set_traffic_share(experiment_id, step.share, step.why)
        for arm in step.arms if step.action == "switch_off" else ():
            self.switch_off(experiment_id, arm, step.why)
        if step.action == "stop":
            control = next(arm.variant_id for arm in analysis.variants if arm.is_control)
            self.complete_experiment(experiment_id, control)
        return step

    def decide_experiment(self, experiment_id: str) -> ExperimentRecord:
        """End it with its answer, if it has one.

        Raises:
            WrongStateError: if nothing is proven; it goes on.
        """
        record = self.get_experiment(experiment_id)
        if record.status == COMPLETED:
            return record
        analysis = self.analyze_experiment(experiment_id)
        if not analysis.is_answered:
            raise WrongStateError(
                experiment_id,
                analysis.status.value,
                "there is no answer to decide by",
                "name the arm to ship (--winner, in the form Winner), or stop it without any",
            )
        return self.complete_experiment(experiment_id, analysis.winner)

    def identify(self, reference: str, workspace_id: str | None = None) -> str:
        """An experiment's id, from the id or the name; of several by that name the one that is not completed.

        Raises:
            UnknownNameError: if there is none, or it is another workspace's.
            InputError: if several workspaces have one by that name.
        """
        rows = [
            row
            for row in self.store.definitions.experiments(workspace_id)
            if reference in (row["experiment_id"], row["name"])
        ]
        if not rows:
            raise unknown_experiment(reference)
        if len({row["workspace_id"] for row in rows}) > 1:
            raise InputError(f"several workspaces have an experiment '{reference}'; say --workspace ID, or give its id")
        still_open = [row for row in rows if row["status"] != COMPLETED]
        return str((still_open or rows)[0]["experiment_id"])

    def servable(self, workspace_id: str) -> list[dict[str, Any]]:
        """Experiments by whose names programs ask for arms: their ids, names, status, winner, `arms` and `control`.

        Of several by one name the one that runs, else the newest that ended, else the draft. Holdouts, rollouts of
        models, and those whose units come with their arms are left out: no program asks them.
        """
        rollouts = self.store.definitions.of_rollouts(workspace_id)
        stored = self.store.definitions.with_variants(workspace_id)
        return servable_experiments(pair for pair in stored if pair[0]["experiment_id"] not in rollouts)

    def owner_among(self, experiment_id: str, workspace_ids: Collection[str]) -> str | None:
        """The workspace of an experiment if it is one of these; None also where there is no such experiment."""
        return self.store.definitions.owner_among(experiment_id, workspace_ids)

    def last_result(self, experiment_id: str) -> dict[str, Any]:
        """What the newest look showed, and when; takes none of its own. `result` is None before the first one."""
        record, look = self.get_experiment(experiment_id), self.store.log.last_look(experiment_id)
        about = {"experiment_id": experiment_id, "status": record.status, "winner": record.winner}
        if look is None:
            return about | {"looks": 0, "n": 0, "looked_at": None, "result": None}
        shown = {name: value for name, value in look["result"].items() if name != "evidence"}
        return about | {"looks": look["look"], "n": look["n"], "looked_at": look["looked_at"], "result": shown}

    def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """The experiment as it stands."""
        return as_record(*self.store.definitions.find(experiment_id))

    def is_assigned_elsewhere(self, experiment_id: str) -> bool:
        """Whether its units come with their arms, from exposure logs."""
        return Design.of(self.store.definitions.find(experiment_id)[0]).assigned_elsewhere

    def decisions(self, experiment_id: str) -> list[dict[str, Any]]:
        """The log, in order."""
        return self.store.log.decisions(experiment_id)

    def looks(self, experiment_id: str) -> list[dict[str, Any]]:
        """All looks so far, in order."""
        return self.store.log.looks(experiment_id)

    def running_experiments(self, workspace_ids: Sequence[str] = ()) -> dict[str, list[str]]:
        """Ids of running experiments by workspace."""
        return self.store.definitions.identifiers(RUNNING, workspace_ids)

    def list_experiments(self, workspace_id: str | None = None) -> list[dict[str, Any]]:
        """One row an experiment, as last looked at."""
        return interim_analysis.overview(self.store, workspace_id)

    def waiting_experiments(self) -> list[dict[str, Any]]:
        """Running experiments of all workspaces that wait for a decision, as `list_experiments` lists them."""
        return interim_analysis.waiting(self.store)

    def moved_experiments(self, since: datetime, limit: int) -> list[dict[str, Any]]:
        """Experiments of all workspaces that started or ended since an instant, the latest first."""
        return self.store.definitions.moved_since(since, limit)

    def running_counts(self, workspace_ids: Sequence[str]) -> dict[str, int]:
        """How many experiments run in each of these workspaces; none is named in which none does."""
        return self.store.definitions.counts(RUNNING, workspace_ids)

    def analyze_aggregated(
        self, workspace_id: str, *, finished: Collection[str] = (), test: str = "welch", correction: str = "holm"
    ) -> list[AggregatedAnalysis]:
        """Analyze what was ingested as aggregated arms."""
        find_workspace(self.store.warehouse, workspace_id)
        arms = self.store.definitions.aggregated_arms(workspace_id)
        plan = FinishedPlan.checked(finished, arms["experiment_name"].unique().to_list(), test, correction)
        return analyze_arms(arms, 1 - self.default_confidence, plan)


def _require_known(what: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise UnknownNameError(what, name, names)
