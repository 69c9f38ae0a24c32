"""The experiment that would settle a debate: its arms, how many it takes, and the command that creates it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.plain_text import slug
from tasks.swarm.posterior import Standing
from tasks.swarm.records import Brief, Option

BASE_RATE = 0.05  # of a click or a purchase, where nobody has said
Z_LEVEL, Z_POWER = 1.96, 0.84  # a two-sided level of 5 % and a power of 80 %
SMALLEST_EFFECT = 0.02  # smaller ones take more units than most teams ever have
MOST_WEEKS = 52
LONGEST_NAME = 48
LONGEST_DESCRIPTION = 200


def settling_experiment(brief: Brief, ranked: Sequence[Standing], shares: Mapping[str, float]) -> dict[str, Any] | None:
    """An experiment between the two options that most was voted for or, as voted, are worth most; None with fewer.

    Args:
        ranked: what the options are worth; empty where nothing is known of them.
        shares: of the vote, by option; empty where none was taken.

    Returns:
        `name`, `hypothesis`, `variants` (`name`, `option`, `description`; the control first), `metric`, `base_rate`
        (an assumption), `effect` (relative, that it would see with a power of .8), `units_per_arm`, `weeks` (that all
        the workspace's impressions would take; None where those are not known), and `command`, to which the workspace
        is added where the debate had none; None where it would take more than a year.
    """
    pair = _pair(brief, ranked, shares)
    if pair is None:
        return None
    better, control = pair
    effect = _effect(brief, ranked, pair)
    variance = 2.0 * (1.0 - BASE_RATE) / BASE_RATE
    units = math.ceil(variance * ((Z_LEVEL + Z_POWER) / math.log1p(effect)) ** 2)
    design: dict[str, Any] = {
        "name": _name(brief.problem),
        "hypothesis": f'"{_short(better.label)}" does better than "{_short(control.label)}"',
        "variants": [
            {"name": "control", "option": control.id, "description": control.label},
            {"name": "treatment", "option": better.id, "description": better.label},
        ],
        "metric": "clicked",
        "base_rate": BASE_RATE,
        "effect": round(effect, 4),
        "units_per_arm": units,
        "weeks": math.ceil(2.0 * units / brief.impressions_a_week) if brief.impressions_a_week else None,
    }
    return design | {"command": _command(brief, design) if can_be_run(design) else None}


def can_be_run(design: Mapping[str, Any]) -> bool:
    """Whether it ends within a year, as far as that is known."""
    return (design.get("weeks") or 0) <= MOST_WEEKS


def in_words(design: dict[str, Any]) -> str:
    """How large the experiment is, and what it would see."""
    return (
        f"an experiment between them with about {design['units_per_arm']:,} exposures an arm would see a difference of "
        f"{design['effect']:.0%} at a base rate of {design['base_rate']:.0%} (power .8){duration_in_words(design)}"
    )


def duration_in_words(design: Mapping[str, Any]) -> str:
    """How long it would take, after what it would see; nothing where that is not known, as in older debates."""
    weeks = design.get("weeks")
    if weeks is None:
        return ""
    if can_be_run(design):
        return f"; at today's traffic that takes about {weeks:,} week{'s' * (weeks != 1)}"
    years = float(f"{weeks / MOST_WEEKS:.2g}")
    return (
        f"; at today's traffic that takes about {years:,.15g} years, too long to run: it takes more impressions, or "
        "options that lie further apart"
    )


def _pair(brief: Brief, ranked: Sequence[Standing], shares: Mapping[str, float]) -> tuple[Option, Option] | None:
    """The option ahead and what it is tried against: what findings prefer to it, else the next one.

    Where no vote was taken it is changing nothing, if that is an option.
    """
    if len(brief.options) < 2:
        return None
    worth = {one.option: round(one.mean, 12) for one in ranked}
    ahead = list(brief.options)
    if worth or shares:
        ahead.sort(key=lambda one: (-shares.get(one.id, 0.0), -worth.get(one.id, 0.0), one.label))
    first, second = ahead[:2]
    if shares:
        preferred = max(ahead, key=lambda one: worth.get(one.id, 0.0))
        is_divided = shares.get(first.id, 0.0) == shares.get(second.id, 0.0)
        if not is_divided and worth.get(preferred.id, 0.0) > worth.get(first.id, 0.0):
            second = preferred
        return (second, first) if first.is_status_quo else (first, second)
    quo = next((option for option in ahead if option.is_status_quo), None)
    better = next(option for option in ahead if option is not quo)
    return better, quo or next(option for option in ahead if option is not better)


def _effect(brief: Brief, ranked: Sequence[Standing], pair: tuple[Option, Option]) -> float:
    """The difference that is expected between the two; without findings the usual one."""
    worth = {one.option: one.mean for one in ranked}
    expected = abs(worth[pair[0].id] - worth[pair[1].id]) if worth else 0.0
    return max(math.expm1(expected or math.sqrt(2.0) * brief.prior_sd), SMALLEST_EFFECT)


def _command(brief: Brief, design: dict[str, Any]) -> str:
    words = ["raptorflow", "experiment", "create", design["name"], "--workspace", brief.workspace_id or "WORKSPACE"]
    words += ["--metric", design["metric"], "--kind", "binary", "--baseline", f"{design['base_rate']:g}"]
    words += ["--variant", "control", "--variant", "treatment", "--effect", f"{design['effect']:g}"]
    return shlex.join([*words, "--hypothesis", design["hypothesis"]])


def _name(problem: str) -> str:
    return slug(problem)[:LONGEST_NAME].strip("-") or "debated-question"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 1] + "…"
