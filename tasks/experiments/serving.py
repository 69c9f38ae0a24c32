"""Which experiments programs ask for arms, by name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.experiments.definition import COMPLETED, DRAFT, RUNNING
from tasks.experiments.records import ExperimentStatus

Row = Mapping[str, Any]
PREFERRED = (RUNNING, COMPLETED, DRAFT)
NOT_ASKED = ("is_holdout", "assigned_elsewhere")


def servable_experiments(stored: Iterable[tuple[Row, Sequence[Row]]]) -> list[dict[str, Any]]:
    """One experiment a name, from rows that come newest first with their variants; sorted by name."""
    by_name: dict[str, dict[str, Any]] = {}
    for experiment, variants in stored:
        if any(experiment["design"].get(name) for name in NOT_ASKED):
            continue
        known = by_name.get(experiment["name"])
        if known is None or _rank(experiment) < _rank(known):
            by_name[experiment["name"]] = _as_served(experiment, variants)
    return [by_name[name] for name in sorted(by_name)]


def _rank(experiment: Row) -> int:
    return PREFERRED.index(experiment["status"])


def _as_served(experiment: Row, variants: Sequence[Row]) -> dict[str, Any]:
    about = {name: experiment[name] for name in ("experiment_id", "name", "status", "winner")}
    control = next(row["variant_id"] for row in variants if row["is_control"])
    follows = experiment["design"].get("context") or []
    has_policy = experiment["conclusion"] == ExperimentStatus.POLICY.value
    arms = [row["variant_id"] for row in variants]
    return about | {"arms": arms, "control": control, "context": follows, "has_policy": has_policy}
