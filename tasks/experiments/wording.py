"""An analysis in words: how it was judged, what weakens it, what to do next."""

from __future__ import annotations

from math import ceil
from typing import Any

from tasks.experiments.analysis import Look, Material
from tasks.experiments.design import FLOOR
from tasks.experiments.power import additional_factor
from tasks.experiments.records import Status
from tasks.experiments.verdict import NEXT_STEPS

Row = dict[str, Any]


def method(material: Material, seen: Look) -> str:
    """How intervals and verdict were reached."""
    parts = []
    if seen.is_weighted:
        parts.append("augmented inverse-propensity scores, because the weights changed on the way")
    elif seen.is_adjusted:
        parts.append("means adjusted by the pre-period covariate (CUPED)")
    if seen.rule.is_scheduled:
        parts.append("O'Brien–Fleming alpha spending up to the planned size")
    elif seen.rule.is_hybrid:
        parts.append(
            "asymptotic confidence sequence while running, one fixed test at the planned size, "
            "where the control needs stronger evidence to win than another arm"
        )
    else:
        parts.append("asymptotic confidence sequence, valid at every look")
    if len(material.names) > 2:
        parts.append(f"error divided by {len(material.names) - 1} comparisons")
    return "; ".join(parts)


def warnings(experiment: Row, material: Material, seen: Look) -> list[str]:
    """What weakens the answer."""
    found = []
    if not experiment["hypothesis"]:
        found.append("no hypothesis was written down before the start")
    if seen.is_weighted and material.design.floor(len(material.names)) < min(FLOOR, 0.5 / len(material.names)):
        found.append("the allocation floor is below 5 %: intervals after adaptive allocation cover less than they say")
    if seen.evidence.contradicts_itself(material.design.alpha):
        found.append("the effect changed its direction between looks; nothing can be declared")
    if seen.evidence.is_doubtful:
        found.append(
            "the effect moved further since the last look than its new units can explain, so it is not believed; "
            "are the outcomes of one arm incomplete?"
        )
    if experiment["completed_at"] is None and seen.planned is None and seen.moments.n.min() > 0:
        found.append("the size is not planned yet: it follows from the first outcomes of every arm")
    return found


def next_step(status: Status, material: Material, seen: Look) -> str:
    """What to do now."""
    if status == Status.INSUFFICIENT_DATA:
        missing = {
            name: int(material.design.min_sample_size - n)
            for name, n in zip(material.names, seen.moments.n, strict=True)
            if n < material.design.min_sample_size
        }
        still = ", ".join(f"{name} {n}" for name, n in missing.items())
        return f"{NEXT_STEPS[status]}; units still missing before anything can be said: {still}"
    if status == Status.RUNNING and seen.planned:
        more = f"{_units_still_needed(material, seen):,} more in all would find an effect of "
        more += f"{100 * material.design.min_effect_size:.3g} % with the wanted power"
        if seen.evidence.is_final_done:
            return f"the planned size is reached and nothing is proven: complete it without a winner, or go on; {more}"
        have = int(seen.moments.n.min())
        return f"{NEXT_STEPS[status]} ({have:,} of {seen.planned:,} planned units in the smallest arm; {more})"
    return NEXT_STEPS[status]


def _units_still_needed(material: Material, seen: Look) -> int:
    """Units still to come before the smallest effect worth finding is found with the wanted power, as it is judged."""
    effect = material.design.min_effect_size * abs(float(seen.means[material.control]))
    error, n = float(seen.found.standard_error.max()), float(seen.moments.n.sum())
    if effect <= 0 or error <= 0:
        return 0
    is_final = (seen.rule.is_hybrid or seen.rule.is_scheduled) and not seen.evidence.is_final_done
    alpha = seen.rule.final_alpha if is_final else seen.rule.running_alpha
    sequence = None if is_final else (n, seen.n_star)
    return ceil(n * additional_factor(effect, error, alpha=alpha, power=material.design.power, sequence=sequence))
