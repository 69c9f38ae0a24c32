"""What `create_experiment` asks for: checked, as rows of the warehouse, and as the record that people see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from tasks.errors import InputError, UnknownNameError
from tasks.experiments.design import FLOOR, LARGEST, Design, Metric, Variant, as_number
from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.inference import power
from tasks.experiments.metrics import as_defined
from tasks.experiments.records import (
    ExperimentRecord,
    ExperimentResult,
    ExperimentStatus,
    ExperimentType,
    MetricKind,
    VariantAllocation,
)

Row = dict[str, Any]
DRAFT, RUNNING, COMPLETED = "draft", "running", "completed"
SHOWN = ("title", "body", "changes")
OPEN = (None, None)
ENDINGS = (
    ExperimentStatus.NO_DIFFERENCE,
    ExperimentStatus.INVALID,
    ExperimentStatus.CONTRADICTED,
    ExperimentStatus.POLICY,
)
BOUNDS: dict[MetricKind, tuple[float | None, float | None]] = {
    MetricKind.BINARY: (0.0, 1.0),
    MetricKind.RATE: (0.0, 1.0),
    MetricKind.COUNT: (0.0, None),
}


def make_metric(
    name: str, kind: str | None, direction: Any, bounds: tuple[float, float] | None, defined: Mapping[str, Row]
) -> Metric:
    """The primary metric, as its workspace defined it where the experiment says nothing else.

    A declared kind brings its natural bounds.
    """
    known = parse_enum(MetricKind, "metric_kind", kind) if kind is not None else None
    given = {"kind": known, "direction": direction}
    metric = as_defined(Metric(name, "primary", known, direction or "increase"), defined, given)
    natural: tuple[float | None, float | None] = BOUNDS.get(metric.kind, OPEN) if metric.kind else OPEN
    if bounds is not None and (not isinstance(bounds, tuple | list) or len(bounds) != 2):
        raise InvalidDesignError(f"bounds are the lowest and the highest value, (0, 1) or (0, None), not {bounds!r}")
    low, high = bounds or natural
    for one in (low, high):
        if one is not None and as_number(one) is None:
            raise InvalidDesignError(f"a bound is a number, or None where there is none, not {one!r}")
    return replace(metric, lower=low, upper=high)


def make_design(extra: Mapping[str, Any], **given: Any) -> Design:
    """The design from the engine's arguments and further fields by name."""
    known = {field.name for field in fields(Design)} - (set(given) if extra else set())
    for name in extra or given:
        if name not in known:
            raise UnknownNameError("argument", name, known)
    return Design(**given, **extra)


def with_first_stage(design: Mapping[str, Any]) -> dict[str, Any]:
    """A design that begins at its ramp's first stage."""
    ramp = design.get("ramp")
    if not isinstance(ramp, list | tuple) or not ramp:
        return dict(design)
    if "traffic_share" in design:
        raise InvalidDesignError("a ramp says what share of the traffic takes part; leave out traffic_share")
    return dict(design) | {"ramp": list(ramp), "traffic_share": ramp[0]}


def parse_enum(kind: Any, what: str, value: object) -> Any:
    """A member of an enumeration, from the member or its value in any case."""
    try:
        return kind(str(value).lower())
    except ValueError:
        raise InvalidDesignError(f"{what} is one of {', '.join(kind)}, not {value!r}") from None


def make_baseline(given: float | tuple[float, float] | None, kind: MetricKind | None) -> tuple[float, float] | None:
    """Mean and variance, from a proportion or from mean and standard deviation."""
    if given is None:
        return None
    if isinstance(given, tuple | list) and len(given) == 2:
        mean, deviation = (as_number(part) for part in given)
        if mean is not None and deviation is not None and deviation >= 0 and max(abs(mean), deviation) <= LARGEST:
            return mean, deviation**2
    if isinstance(given, int | float) and kind == MetricKind.BINARY and 0 < given < 1:
        return float(given), given * (1 - given)
    raise InputError(f"baseline is (mean, standard deviation), or the proportion of a binary metric, not {given!r}")


def require_addable(design: Design, primary: Metric) -> None:
    """Raise where units without an outcome are to count as zeros of something that a zero is no value of."""
    if design.missing_outcomes == "zero" and primary.kind in (MetricKind.RATE, MetricKind.RATIO):
        raise InvalidDesignError(
            f"missing_outcomes='zero' is for metrics that count or add up, not for a {primary.kind}: who has none "
            "has no rate; declare metric_kind 'binary' or 'count', or use 'exclude'"
        )


def require_one_metric(wanted: Definition) -> None:
    """Raise where a contextual experiment is to judge what a policy cannot be learned from."""
    if wanted.design.context is None:
        return
    if len(wanted.metrics) > 1:
        raise InvalidDesignError(
            "a contextual experiment judges its one metric: leave out secondary metrics and guardrails, and watch them "
            "in an A/B test of the policy"
        )
    primary = wanted.metrics[0]
    if primary.kind == MetricKind.RATIO or primary.quantile or primary.winsorise_at:
        raise InvalidDesignError(
            f"a policy is learned from each unit's own value, and metric '{primary.name}' is compared by "
            "ratio, quantile or capped values; name one that adds up"
        )


@dataclass(frozen=True, slots=True)
class Definition:
    """An experiment as it was designed, checked."""

    workspace_id: str
    name: str
    hypothesis: str | None
    design: Design
    variants: list[Variant]
    metrics: list[Metric]
    baseline: tuple[float, float] | None

    def rows(self, experiment_id: str, salt: str, now: datetime) -> tuple[Row, list[Row], list[Row]]:
        """For the warehouse: the experiment, its variants, its metrics."""
        experiment = {
            "experiment_id": experiment_id,
            "workspace_id": self.workspace_id,
            "name": self.name,
            "hypothesis": self.hypothesis,
            "experiment_type": self.design.experiment_type.value,
            "allocation_strategy": self.design.allocation_strategy.value,
            "metric_name": self.metrics[0].name,
            "design": self.design.as_dict(),
            "salt": salt,
            "planned_units_per_arm": self.planned(),
            "status": DRAFT,
            "conclusion": None,
            "winner": None,
            "created_at": now,
            "started_at": None,
            "completed_at": None,
            "covariate_origin": None,
        }
        about = {"experiment_id": experiment_id}
        return experiment, [about | row for row in self.variant_rows()], [about | row for row in self.metric_rows()]

    def planned(self) -> int | None:
        """Units per arm, where the plan or the metric's baseline was given."""
        mean, variance = self.baseline or (0.0, 0.0)
        weights = None if self.design.is_adaptive else [variant.weight for variant in self.variants]
        control = next(k for k, variant in enumerate(self.variants) if variant.is_control)
        kind = self.metrics[0].kind
        return power.units_per_arm(self.design, len(self.variants), mean, variance, kind, weights, control)

    def variant_rows(self) -> list[Row]:
        """Without the experiment's id."""
        return [
            {"variant_id": v.variant_id, "position": k, "description": v.description, "weight": v.weight}
            | {"is_control": v.is_control, "levels": v.levels or None}
            | {"title": v.title, "body": v.body, "changes": v.changes or None}
            for k, v in enumerate(self.variants)
        ]

    def metric_rows(self) -> list[Row]:
        """Without the experiment's id."""
        return [
            {"metric_name": m.name, "role": m.role, "kind": m.kind, "is_kind_fixed": m.kind is not None}
            | {"direction": m.direction, "lower": m.lower, "upper": m.upper, "margin": m.margin, "origin": None}
            | {"version": m.version, "quantile": m.quantile}
            | {"window_days": m.window_days, "winsorise_at": m.winsorise_at}
            | {"has_all_sums": True}
            for m in self.metrics
        ]

    def _as_it_stands(self, stored: Row) -> Design:
        """The design under the rule that a running experiment keeps, with the traffic that it may have been given."""
        theirs = Design.of(stored)
        floor = self.design.allocation_floor
        if theirs.decision_rule == 1 and floor is None:
            floor = FLOOR
        share = max(self.design.traffic_share, theirs.traffic_share)  # it may have been raised since
        return replace(self.design, decision_rule=theirs.decision_rule, allocation_floor=floor, traffic_share=share)

    def require_same(self, stored: Row, variants: Sequence[Row], metrics: Sequence[Row]) -> None:
        """Raise unless the stored experiment of this name was designed just like this one."""
        differing = [
            what
            for what, mine, theirs in (
                ("design", self._as_it_stands(stored).as_dict(), Design.of(stored).as_dict()),
                ("variants", self.variant_rows(), _without(variants, "experiment_id")),
                ("metrics", _as_designed(self.metric_rows(), metrics), _as_designed(metrics, self.metric_rows())),
            )
            if mine != theirs
        ]
        if differing:
            fix = "choose another name" if stored["status"] == DRAFT else "complete it first, or choose another name"
            raise InvalidDesignError(
                f"experiment '{self.name}' is {stored['status']} with other {' and '.join(differing)} "
                f"({stored['experiment_id']}); {fix}"
            )


def conclusion(analysis: ExperimentResult, chosen: str | None) -> str:
    """How an experiment ended: `winner` if proven, `chosen` if a person decided otherwise, or why there is none."""
    if chosen is not None:
        return "winner" if chosen == analysis.winner else "chosen"
    return analysis.status.value if analysis.status in ENDINGS else "inconclusive"


def experiment_id_of(workspace_id: str, name: str, before: int) -> str:
    """The same name in the same workspace is the same experiment until it is completed."""
    about = f"{workspace_id}\n{name}\n{before}".encode()
    return f"exp_{hashlib.blake2b(about, digest_size=10).hexdigest()}"


def as_record(experiment: Row, variants: Sequence[Row], metrics: Sequence[Row]) -> ExperimentRecord:
    """What people see."""
    design = Design.of(experiment)
    planned = experiment["planned_units_per_arm"]
    warnings = (
        [] if experiment["hypothesis"] else ["no hypothesis: write down what you expect, and why, before the start"]
    )
    if design.is_adaptive and design.experiment_type == ExperimentType.AB_TEST:
        warnings.append("an A/B test with adaptive weights is analyzed as what it is: by inverse-propensity scores")
    return ExperimentRecord(
        experiment_id=experiment["experiment_id"],
        workspace_id=experiment["workspace_id"],
        name=experiment["name"],
        hypothesis=experiment["hypothesis"],
        experiment_type=ExperimentType(experiment["experiment_type"]),
        allocation_strategy=VariantAllocation(experiment["allocation_strategy"]),
        metric_name=experiment["metric_name"],
        metric_kind=metrics[0]["kind"],
        variants=[
            {"variant_id": row["variant_id"], "name": row["variant_id"]}
            | {name: row[name] for name in ("description", "weight", "is_control", "levels", *SHOWN) if name in row}
            for row in variants
        ],
        status=experiment["status"],
        conclusion=experiment["conclusion"],
        winner=experiment["winner"],
        planned_units_per_arm=planned,
        expected_days=power.expected_days(design, [row["weight"] for row in variants], planned),
        warnings=warnings,
        created_at=experiment["created_at"],
        started_at=experiment["started_at"],
        completed_at=experiment["completed_at"],
    )


def _without(rows: Sequence[Row], *names: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def _as_designed(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Metrics as they were designed: an inferred kind and the origin are not part of the design."""
    open_kinds = {row["metric_name"] for row in [*rows, *others] if row["kind"] is None}
    kept = ("metric_name", "role", "direction", "lower", "upper", "margin", "quantile", "window_days", "winsorise_at")
    return sorted(
        (
            {name: row[name] for name in kept} | {"kind": None if row["metric_name"] in open_kinds else row["kind"]}
            for row in rows
        ),
        key=lambda row: str(row["metric_name"]),
    )
