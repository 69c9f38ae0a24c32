"""What an experiment of each size can find: the curve behind a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from tasks.experiments.records import MappingRecord, Plan

SIZES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)  # of the planned size
EFFECTS = (0.5, 0.75, 1.0, 1.5, 2.0)  # of the smallest effect worth finding


@dataclass(frozen=True)
class PowerCurve(MappingRecord):
    """A plan and what lies around it.

    Attributes:
        plan: for the wanted power, or at the size that was asked about.
        arms: number of arms.
        min_effect_size: smallest effect worth finding, relative to the control's mean.
        wanted_power: the power that was asked for.
        sizes: rows with `units_per_arm`, `power`, `minimum_detectable_effect`, `expected_days`, sizes rising.
        effects: rows with `effect`, relative, and its `power` at the plan's size, effects rising.
    """

    plan: Plan
    arms: int
    min_effect_size: float
    wanted_power: float
    sizes: list[dict[str, Any]]
    effects: list[dict[str, Any]]


def power_curve(planned: Callable[..., Plan], arms: int, units: int | None, effect: float, power: float) -> PowerCurve:
    """The curve around one plan.

    Args:
        planned: plans an experiment from `units_per_arm` (None: what the wanted power takes) and `min_effect_size`.
        arms: how many it compares.
        units: a size of the smallest arm to ask about.
        effect: smallest relative effect worth finding.
        power: the power that is wanted.
    """
    plan = planned(units_per_arm=units, min_effect_size=effect)
    sizes = [
        planned(units_per_arm=max(ceil(share * plan.units_per_arm), 2), min_effect_size=effect).as_dict()
        for share in SIZES
    ]
    effects = [
        {"effect": share * effect}
        | {"power": planned(units_per_arm=plan.units_per_arm, min_effect_size=share * effect).power}
        for share in EFFECTS
    ]
    return PowerCurve(plan, arms, effect, power, sizes, effects)
