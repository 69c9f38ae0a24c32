"""An experiment's rows, and the record people see, from its design and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.experiments import planning
from tasks.experiments.design import Design, Metric
from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.findings import Analysis
from tasks.experiments.records import ExperimentRecord, ExperimentType, Status, VariantAllocation
from tasks.experiments.variants import Variant

Row = dict[str, Any]
DRAFT, RUNNING, COMPLETED = "draft", "running", "completed"


@dataclass(frozen=True, slots=True)
class Definition:
    """What was asked for, checked."""

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
            "design": self.design.as_json(),
            "salt": salt,
            "planned_units_per_arm": self.planned(),
            "status": DRAFT,
            "conclusion": None,
            "winner": None,
            "created_at": now,
            "started_at": None,
            "completed_at": None,
        }
        about = {"experiment_id": experiment_id}
        return experiment, [about | row for row in self.variant_rows()], [about | row for row in self.metric_rows()]

    def planned(self) -> int | None:
        """Units per arm, where the plan or the metric's baseline was given."""
        mean, variance = self.baseline or (0.0, 0.0)
        return planning.units_per_arm(self.design, len(self.variants), mean, variance, self.metrics[0].kind)

    def variant_rows(self) -> list[Row]:
        """Without the experiment's id."""
        return [
            {"variant_id": v.variant_id, "position": k, "description": v.description, "weight": v.weight}
            | {"is_control": v.is_control, "levels": v.levels or None}
            for k, v in enumerate(self.variants)
        ]

    def metric_rows(self) -> list[Row]:
        """Without the experiment's id."""
        return [
            {"metric_name": m.name, "role": m.role, "kind": m.kind, "is_kind_fixed": m.kind is not None}
            | {"direction": m.direction, "lower": m.lower, "upper": m.upper, "margin": m.margin, "origin": None}
            for m in self.metrics
        ]

    def require_same(self, stored: Row, variants: Sequence[Row], metrics: Sequence[Row]) -> None:
        """Raise unless the stored experiment of this name was designed just like this one."""
        differing = [
            what
            for what, mine, theirs in (
                ("design", self.design.as_json(), dict(stored["design"])),
                ("variants", self.variant_rows(), _without(variants, "experiment_id")),
                ("metrics", _asked(self.metric_rows(), metrics), _asked(metrics, self.metric_rows())),
            )
            if mine != theirs
        ]
        if differing:
            raise InvalidDesignError(
                f"experiment '{self.name}' is {stored['status']} with other {' and '.join(differing)} "
                f"({stored['experiment_id']}); complete it first, or choose another name"
            )


def conclusion(found: Analysis, chosen: str | None) -> str:
    """How an experiment ended: `winner` if proven, `chosen` if a person decided otherwise, or why there is none."""
    if chosen is not None:
        return "winner" if chosen == found.winner else "chosen"
    return found.status.value if found.status in (Status.NO_DIFFERENCE, Status.INVALID) else "inconclusive"


def experiment_id_of(workspace_id: str, name: str, before: int) -> str:
    """The same name in the same workspace is the same experiment until it is completed."""
    about = f"{workspace_id}\n{name}\n{before}".encode()
    return f"exp_{hashlib.blake2b(about, digest_size=10).hexdigest()}"


def as_record(experiment: Row, variants: Sequence[Row], metrics: Sequence[Row]) -> ExperimentRecord:
    """What people see."""
    design = Design.from_json(experiment["design"])
    planned = experiment["planned_units_per_arm"]
    found = [] if experiment["hypothesis"] else ["no hypothesis: write down what you expect, and why, before the start"]
    if design.is_adaptive and design.experiment_type == ExperimentType.AB_TEST:
        found.append("an A/B test with adaptive weights is analysed as what it is: by inverse-propensity scores")
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
            | {name: row[name] for name in ("description", "weight", "is_control", "levels")}
            for row in variants
        ],
        status=experiment["status"],
        conclusion=experiment["conclusion"],
        winner=experiment["winner"],
        planned_units_per_arm=planned,
        expected_days=planning.expected_days(design, len(variants), planned),
        warnings=found,
        created_at=experiment["created_at"],
        started_at=experiment["started_at"],
        completed_at=experiment["completed_at"],
    )


def _without(rows: Sequence[Row], *names: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def _asked(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Metrics as they were asked for: an inferred kind and the origin are not part of the question."""
    open_kinds = {row["metric_name"] for row in [*rows, *others] if row["kind"] is None}
    kept = ("metric_name", "role", "direction", "lower", "upper", "margin")
    return sorted(
        (
            {name: row[name] for name in kept} | {"kind": None if row["metric_name"] in open_kinds else row["kind"]}
            for row in rows
        ),
        key=lambda row: str(row["metric_name"]),
    )
