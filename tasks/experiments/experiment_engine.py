"""The guide's ExperimentEngine: reads, calls the pure modules, returns."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl

from tasks.errors import InputError, UnknownNameError, require_between
from tasks.experiments import definition, intake, reallocation
from tasks.experiments.aggregated import AggregatedAnalysis, analyse_arms
from tasks.experiments.analysis import Look, Material, take_look
from tasks.experiments.assignment import AssignmentPlan, require_unit
from tasks.experiments.contributions import Given
from tasks.experiments.definition import Definition, as_record, parse_enum
from tasks.experiments.design import Design, make_variants, require_positive, require_text
from tasks.experiments.errors import WrongStateError
from tasks.experiments.metric_kinds import MetricKind, require_outcome
from tasks.experiments.records import (
    Analysis,
    Assignment,
    ExperimentRecord,
    ExperimentType,
    Recorded,
    Status,
    VariantAllocation,
)
from tasks.experiments.report import report
from tasks.experiments.store import ExperimentStore, Row
from tasks.experiments.verdict import Evidence
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import find_workspace

DRAFT, RUNNING, COMPLETED = "draft", "running", "completed"
PLAN_SECONDS = 1.0  # how long another process may go on with weights that were just replaced


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
        require_between("default_confidence", default_confidence, 0.5, 0.9999)
        require_positive("min_effect_size", min_effect_size)
        self.default_confidence, self.min_effect_size = default_confidence, min_effect_size
        self._given = warehouse
        self._opened: ExperimentStore | None = None
        self._plans: dict[str, tuple[float, AssignmentPlan]] = {}

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
        direction: Literal["increase", "decrease"] = "increase",
        bounds: tuple[float, float] | None = None,
        baseline: float | tuple[float, float] | None = None,
        min_effect_size: float | None = None,
        guardrails: Sequence[str | Mapping[str, Any]] = (),
        salt: str | None = None,
        **design: Any,
    ) -> ExperimentRecord:
        """Design an experiment; the same name and design again is the same experiment until it is completed.

        Args:
            variants: dictionaries with `name` and, if wanted, `description`, `weight`, `is_control`, `levels` (factor
                to level, for main effects and interactions of a multivariate experiment).
            allocation_strategy: EQUAL, or THOMPSON for a bandit, unless given.
            min_sample_size: units every arm needs before anything is declared.
            metric_kind: binary, rate, continuous, count or ratio; inferred from the first outcomes unless given.
            baseline: mean and standard deviation, or the proportion of a binary metric, to plan the size before start.
            guardrails: metrics that must not get worse.
            salt: of the hash that assigns; random unless an experiment moves here from another platform.
            design: further fields of `tasks.experiments.design.Design`.

        Raises:
            InputError: if something is wrong with the design, or the workspace is unknown; nothing is written.
        """
        kind = parse_enum(ExperimentType, "experiment_type", experiment_type)
        is_bandit = kind == ExperimentType.MULTI_ARMED_BANDIT
        usual = VariantAllocation.THOMPSON if is_bandit else VariantAllocation.EQUAL
        strategy = parse_enum(VariantAllocation, "allocation_strategy", allocation_strategy or usual)
        primary = definition.make_metric(require_text("metric_name", metric_name, 64), metric_kind, direction, bounds)
        asked = Definition(
            workspace_id=workspace_id,
            name=require_text("name", name, 128),
            hypothesis=hypothesis.strip() or None if hypothesis else None,
            design=definition.make_design(
                design,
                experiment_type=kind,
                allocation_strategy=strategy,
                min_sample_size=min_sample_size,
                confidence_level=self.default_confidence if confidence_level is None else confidence_level,
                min_effect_size=self.min_effect_size if min_effect_size is None else min_effect_size,
            ),
            variants=make_variants(variants),
            metrics=[primary, *definition.make_guardrails(guardrails)],
            baseline=definition.make_baseline(baseline, primary.kind),
        )
        return await asyncio.to_thread(self._create, asked, salt)

    async def start_experiment(self, experiment_id: str) -> ExperimentRecord:
        """Freeze the design and begin to assign; starting twice changes nothing."""
        return await asyncio.to_thread(self._start, experiment_id)

    async def assign_variant(
        self,
        experiment_id: str,
        unit_id: str | None = None,
        *,
        segment: str | None = None,
        covariate: float | None = None,
    ) -> Assignment | None:
        """The unit's arm: the same id always gets the same one, in every process.

        Args:
            unit_id: a user, a post, whatever is randomised; a fresh one is made, and returned, for None.
            segment: a label known before the experiment, to report effects by.
            covariate: the metric's value of this unit from before the experiment, to reduce variance by.

        Returns:
            The arm's id, a string that carries `unit_id`, `propensity` and `epoch`; None for a unit that takes no part.
        """
        made = await self.assign_variants(experiment_id, [require_unit(unit_id)], [segment], [covariate])
        return made[0]

    async def assign_variants(
        self,
        experiment_id: str,
        unit_ids: Sequence[str],
        segments: Sequence[str | None] | None = None,
        covariates: Sequence[float | None] | None = None,
    ) -> list[Assignment | None]:
        """Arms of many units, in their order, in one transaction."""
        units = [require_unit(unit) for unit in unit_ids]
        labels = ["" if label is None else str(label) for label in segments or [None] * len(units)]
        numbers = [None if x is None else require_outcome(x)[0] for x in covariates or [None] * len(units)]
        return await asyncio.to_thread(self._assign, experiment_id, units, labels, numbers)

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
            unit_id: the unit, where `variant_id` does not carry it.
            key: tells several outcomes of one unit apart.
            metric_name: a guardrail's name; the primary metric unless given.
            amend: replace what is recorded under this key; the old value is kept aside.

        Raises:
            InputError: for anything that cannot be counted; nothing is written.
        """
        unit = unit_id if unit_id is not None else getattr(variant_id, "unit_id", None)
        if unit is None and variant_id is None:
            raise InputError("an outcome needs unit_id, or the variant_id that assign_variant returned")
        given = [intake.one("~" if unit is None else unit, outcome, key, denominator)]
        expected = {} if variant_id is None else {given[0].unit_id: str(variant_id)}
        waiting = str(variant_id) if unit is None else None
        return await asyncio.to_thread(
            self._record, experiment_id, metric_name, given, expected, waiting, amend, occurred_at
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
        """Record many at once, all or none: columns `unit_id`, `outcome` and, if wanted, `key` and `denominator`."""
        given = intake.from_rows(outcomes)
        return await asyncio.to_thread(self._record, experiment_id, metric_name, given, {}, None, amend, occurred_at)

    async def analyze_experiment(self, experiment_id: str) -> Analysis:
        """Everything known now; each call on new data is a look, and looks cost nothing but a wider interval."""
        return await asyncio.to_thread(self._analyze, experiment_id)

    async def check_significance(self, experiment_id: str) -> tuple[bool, str | None]:
        """(True, winner) when one arm is proven better than every other and nothing forbids it, else (False, None)."""
        found = await self.analyze_experiment(experiment_id)
        return found.is_significant, found.winner

    async def complete_experiment(self, experiment_id: str, winner: str | None = None) -> ExperimentRecord:
        """End it: with the winner that is proven, with one chosen against the evidence, or without any.

        Raises:
            UnknownNameError: if the winner is no arm of this experiment.
            WrongStateError: if it is not running, or was completed with another winner.
        """
        return await asyncio.to_thread(self._complete, experiment_id, winner)

    async def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """The experiment as it stands."""
        return await asyncio.to_thread(lambda: as_record(*self._store.find(experiment_id)))

    async def decisions(self, experiment_id: str) -> list[dict[str, Any]]:
        """The log: every decision, with what was known, in order."""
        return await asyncio.to_thread(self._store.decisions, experiment_id)

    async def looks(self, experiment_id: str) -> list[dict[str, Any]]:
        """All looks so far, in order, with what each found."""
        return await asyncio.to_thread(self._store.looks, experiment_id)

    async def running_experiments(self, workspace_ids: Sequence[str] = ()) -> dict[str, list[str]]:
        """Ids of running experiments by workspace, of some workspaces or all."""
        return await asyncio.to_thread(self._store.identifiers, RUNNING, workspace_ids)

    async def complete_if_decided(self, found: Analysis) -> ExperimentRecord | None:
        """Complete the experiment if that was asked for at its creation and it has an answer."""
        return await asyncio.to_thread(self._complete_if_decided, found)

    async def analyze_aggregated(self, workspace_id: str) -> list[AggregatedAnalysis]:
        """Experiments that ran elsewhere and were ingested as aggregated arms."""
        return await asyncio.to_thread(self._analyze_aggregated, workspace_id)

    # ── the same, in a thread ──
    @property
    def _store(self) -> ExperimentStore:
        if self._opened is None:
            self._opened = ExperimentStore(open_warehouse(self._given))
        return self._opened

    def _create(self, asked: Definition, salt: str | None) -> ExperimentRecord:
        find_workspace(self._store.warehouse, asked.workspace_id)
        existing = self._store.named(asked.workspace_id, asked.name)
        done = [row for row in existing if row["status"] == COMPLETED]
        identifier = definition.experiment_id_of(asked.workspace_id, asked.name, len(done))
        if len(done) == len(existing):
            self._store.create(*asked.rows(identifier, salt or secrets.token_hex(16), datetime.now(UTC)))
        stored = self._store.find(identifier)
        asked.require_same(*stored)
        return as_record(*stored)

    def _start(self, experiment_id: str) -> ExperimentRecord:
        experiment, variants, _ = self._store.find(experiment_id)
        if experiment["status"] == COMPLETED:
            raise WrongStateError(experiment_id, COMPLETED, "it cannot start again", "create a new one")
        now = datetime.now(UTC)
        first = {"experiment_id": experiment_id, "epoch": 0, "weights": [row["weight"] for row in variants]}
        self._store.add_epoch(first | {"reason": "as designed", "outcomes_before": 0, "started_at": now})
        if experiment["status"] == DRAFT:
            evidence = {"design": experiment["design"], "planned_units_per_arm": experiment["planned_units_per_arm"]}
            self._store.change(experiment_id, "started", now, evidence, status=RUNNING, started_at=now)
        return as_record(*self._store.find(experiment_id))

    def _plan(self, experiment_id: str) -> AssignmentPlan:
        kept = self._plans.get(experiment_id)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        experiment, variants, _ = self._store.find(experiment_id)
        if experiment["status"] != RUNNING:
            fix = "call start_experiment" if experiment["status"] == DRAFT else "create a new one"
            raise WrongStateError(experiment_id, experiment["status"], "units are assigned while it runs", fix)
        plan = AssignmentPlan.of(experiment, variants, self._store.epochs(experiment_id)[-1])
        self._plans[experiment_id] = (time.monotonic() + PLAN_SECONDS, plan)
        return plan

    def _assign(
        self, experiment_id: str, units: list[str], segments: list[str], covariates: list[float | None]
    ) -> list[Assignment | None]:
        plan, now = self._plan(experiment_id), datetime.now(UTC)
        chosen = {
            unit: plan.row(unit, now, segment, covariate)
            for unit, segment, covariate in zip(units, segments, covariates, strict=True)
        }
        rows = [row for row in chosen.values() if row is not None]
        stored = self._store.assign(rows) if rows else {}
        return [
            Assignment(row["variant_id"], unit, row["propensity"], row["epoch"]) if (row := stored.get(unit)) else None
            for unit in units
        ]

    def _record(
        self,
        experiment_id: str,
        metric_name: str | None,
        given: list[Given],
        expected: Mapping[str, str],
        waiting: str | None,
        amend: bool,
        occurred_at: datetime | None,
    ) -> Recorded:
        experiment, variants, metrics = self._store.find(experiment_id)
        names = [metric["metric_name"] for metric in metrics]
        metric = names[0] if metric_name is None else metric_name
        if metric not in names:
            raise UnknownNameError("metric", metric, names)
        for variant in expected.values():
            if variant not in [row["variant_id"] for row in variants]:
                raise UnknownNameError("variant", variant, [row["variant_id"] for row in variants])
        now = datetime.now(UTC)
        intake.require_window(experiment, now, occurred_at)
        if not given:
            return Recorded(0, 0, 0)

        def check(found: Sequence[Given], kind: MetricKind | None, row: Row, assignments: Mapping[str, Row]) -> None:
            intake.require_values(found, kind, row)
            intake.require_variant(assignments, expected if waiting is None else {})

        counts = self._store.record(
            experiment_id, metric, given, amend=amend, now=now, check=check, waiting_for=waiting
        )
        if counts[0] and Design.from_json(experiment["design"]).is_adaptive and experiment["status"] == RUNNING:
            self._reallocate(experiment_id)
        return Recorded(counts[0] - counts[2], counts[1], counts[2])

    def _reallocate(self, experiment_id: str) -> None:
        """Begin a new epoch if one is due; of several processes that see it, one does."""
        material = self._material(self._store.find(experiment_id), None)
        sums, last = material.sums(material.metrics[0]), material.epochs[-1]
        outcomes, smallest = int(sums.n.sum()), int(sums.n.min())
        if not reallocation.is_due(outcomes, last["outcomes_before"], smallest):
            return
        weights = [float(weight) for weight in reallocation.new_weights(material)]
        epoch = {"experiment_id": experiment_id, "epoch": last["epoch"] + 1, "weights": weights}
        reason = f"{material.design.allocation_strategy.value} after {outcomes} outcomes"
        now = datetime.now(UTC)
        self._store.add_epoch(epoch | {"reason": reason, "outcomes_before": outcomes, "started_at": now})
        self._plans.pop(experiment_id, None)

    def _material(self, stored: tuple[Row, list[Row], list[Row]], last: Row | None) -> Material:
        experiment, variants, metrics = stored
        experiment_id, design = experiment["experiment_id"], Design.from_json(experiment["design"])
        return Material(
            design=design,
            variants=variants,
            metrics=metrics,
            statistics=self._store.capped_statistics(experiment_id, metrics[0], design.winsorise_at),
            arrivals=self._store.arrivals(experiment_id),
            epochs=self._store.epochs(experiment_id),
            planned=experiment["planned_units_per_arm"],
            evidence=None if last is None else Evidence.from_json(last["result"]["evidence"]),
        )

    def _analyze(self, experiment_id: str) -> Analysis:
        stored, last = self._store.find(experiment_id), self._store.last_look(experiment_id)
        experiment = stored[0]
        if experiment["status"] == DRAFT:
            raise WrongStateError(experiment_id, DRAFT, "there is nothing to analyse", "call start_experiment")
        material = self._material(stored, last)
        seen = take_look(material)
        if seen.planned is not None and material.planned is None:
            evidence = {"planned_units_per_arm": seen.planned, "n": int(seen.moments.n.sum())}
            columns = {"planned_units_per_arm": seen.planned}
            self._store.change(experiment_id, "planned", datetime.now(UTC), evidence, **columns)
        digest = hashlib.sha256(json.dumps(list(material.statistics), sort_keys=True).encode()).hexdigest()
        is_new = last is None or last["statistics_sha256"] != digest
        number = (0 if last is None else last["look"]) + (1 if is_new else 0)
        found = report(experiment, material, seen, number)
        if is_new:
            self._keep_look(experiment_id, digest, found, seen)
        return found

    def _keep_look(self, experiment_id: str, digest: str, found: Analysis, seen: Look) -> None:
        result: Row = {"evidence": seen.evidence.as_json(), "status": found.status.value, "p_value": found.p_value}
        result |= {"effects": [effect.as_dict() for effect in found.effects]}
        look = {"experiment_id": experiment_id, "statistics_sha256": digest, "look": found.looks, "n": found.n}
        self._store.add_look(look | {"looked_at": datetime.now(UTC), "result": result})

    def _complete(self, experiment_id: str, winner: str | None) -> ExperimentRecord:
        experiment, variants, metrics = self._store.find(experiment_id)
        names = [row["variant_id"] for row in variants]
        if winner is not None and str(winner) not in names:
            raise UnknownNameError("variant", winner, names)
        if experiment["status"] == COMPLETED and winner in (None, experiment["winner"]):
            return as_record(experiment, variants, metrics)
        if experiment["status"] != RUNNING:
            raise WrongStateError(
                experiment_id, experiment["status"], "only a running one is completed", "see its record"
            )
        found = self._analyze(experiment_id)
        chosen = found.winner if winner is None else str(winner)
        now, columns = datetime.now(UTC), {"winner": chosen, "conclusion": definition.conclusion(found, chosen)}
        evidence: Row = {
            "status": found.status.value,
            "proven_winner": found.winner,
            "p_value": found.p_value,
            "n": found.n,
        }
        evidence |= columns | {"effects": [effect.as_dict() for effect in found.effects]}
        self._store.change(experiment_id, "completed", now, evidence, status=COMPLETED, completed_at=now, **columns)
        self._plans.pop(experiment_id, None)
        return as_record(*self._store.find(experiment_id))

    def _complete_if_decided(self, found: Analysis) -> ExperimentRecord | None:
        experiment, _, _ = self._store.find(found.experiment_id)
        is_answered = found.status in (Status.WINNER, Status.NO_DIFFERENCE)
        if not is_answered or not Design.from_json(experiment["design"]).auto_complete:
            return None
        return self._complete(found.experiment_id, found.winner)

    def _analyze_aggregated(self, workspace_id: str) -> list[AggregatedAnalysis]:
        find_workspace(self._store.warehouse, workspace_id)
        return analyse_arms(self._store.aggregated_arms(workspace_id), 1 - self.default_confidence)
