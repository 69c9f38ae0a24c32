"""A candidate as an experiment that can be created: arms, metric, size, guardrails, and a claim before the start."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any

from scipy.special import ndtr

from tasks.effects.arms import UsualMetric
from tasks.effects.loop.backlog import RankedExperiment
from tasks.effects.loop.candidates import IMPRESSIONS, Z_90
from tasks.plain_text import digest, visible

CONFIDENCE = 0.99  # what a default must pass early in a program; an answer at 95 % would mostly be withheld
POWER = 0.8
LAYER = "orchestrated"  # of the workspace: experiments of the loop share no unit
ENGAGEMENT = "engagement"  # what posts are counted by, where no experiment has counted anything yet
LONGEST_NAME, LONGEST_CHANGE = 128, 100
MOST_OF_A_RATE = 0.9  # of what is left above the baseline: no proportion exceeds 1
AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class LoopTerms:
    """On what terms a workspace's experiments are drafted and run.

    Attributes:
        metric: that decides; None: what its experiments count mostly, else engagement.
        guardrails: names of metrics, or dictionaries, beside those that the workspace defined as better when fewer.
        most_running: experiments of the loop at once; each has an equal share of the units.
        weeks_declined: that a declined one is not proposed again.
        assigned_elsewhere: whether units come with their arms; they are in no layer then.
    """

    metric: str | None = None
    guardrails: Sequence[Mapping[str, Any]] = ()
    most_running: int = 2
    weeks_declined: int = 12
    assigned_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class DraftedExperiment:
    """What a person is asked to approve.

    Attributes:
        key: of what it would settle.
        definition: arguments of `create_experiment`; the same however often it is drafted from the same candidate.
        claim: what is expected of the change on the log scale: `mean`, `error`, and in words.
        by_lot: whether it was drawn and not ranked.
        net_worth: outcomes more in half a year that are expected of running it.
        units_per_arm, days: of the planner.
    """

    workspace_id: str
    key: str
    source: str
    change: str
    unit: str
    by_lot: bool
    net_worth: float
    definition: Mapping[str, Any]
    claim: Mapping[str, Any]
    units_per_arm: int = 0
    days: int | None = None

    @property
    def name(self) -> str:
        """Of the experiment."""
        return str(self.definition["name"])

    def with_plan(self, units_per_arm: int, days: int | None) -> DraftedExperiment:
        """The same, with what the planner says of it."""
        return replace(self, units_per_arm=units_per_arm, days=days)


def drafted(
    proposal: RankedExperiment,
    workspace_id: str,
    terms: LoopTerms,
    usual: UsualMetric | None,
    defined: Mapping[str, Mapping[str, Any]],
    withdrawn: Collection[str] = (),
) -> DraftedExperiment:
    """A definition from a candidate.

    Args:
        proposal: of the backlog.
        workspace_id: whose it is.
        terms: of the loop.
        usual: what the workspace's experiments count; None where there are none.
        defined: its metrics, as it defined them.
        withdrawn: names of its drafts that were withdrawn, which stay theirs.
    """
    candidate, prospect = proposal.candidate, proposal.candidate.prospect
    metric = _metric(proposal, terms.metric, usual)
    mean, error = prospect.mean, prospect.error
    effect = math.expm1(proposal.worth.effect)
    if metric.kind == "binary":
        effect = min(effect, MOST_OF_A_RATE * (1.0 - metric.mean) / metric.mean)
    words = _claim_in_words(proposal, metric.name)
    own = {} if metric.name in defined else {"metric_kind": metric.kind, "direction": metric.direction}
    return DraftedExperiment(
        workspace_id=workspace_id,
        key=candidate.key,
        source=candidate.source,
        change=candidate.change,
        unit=candidate.unit,
        by_lot=proposal.by_lot,
        net_worth=proposal.worth.net,
        definition={
            "name": _name(proposal, workspace_id, withdrawn),
            "variants": _described(proposal),
            "metric_name": metric.name,
            "baseline": [metric.mean, metric.deviation],
            "min_effect_size": round(effect, 4),
            "confidence_level": CONFIDENCE,
            "power": POWER,
            "hypothesis": words,
            "guardrails": _guardrails(terms.guardrails, defined, metric.name),
            "auto_complete": True,
        }
        | own
        | _units(prospect.units_a_week / 7.0, terms),
        claim={"mean": mean, "error": error, "words": words},
    )


def _units(a_day: float, terms: LoopTerms) -> dict[str, Any]:
    """Who takes part: all whom another platform gives arms, or an equal share of the layer."""
    if terms.assigned_elsewhere:
        return {"daily_units": a_day, "assigned_elsewhere": True}
    share = 1.0 / terms.most_running
    return {"daily_units": a_day * share, "layer": LAYER, "layer_share": share}


def _metric(proposal: RankedExperiment, wanted: str | None, usual: UsualMetric | None) -> UsualMetric:
    """What decides: what a default was proven on, what was asked for, what a debate asked for, what experiments count
    mostly, or engagement."""
    candidate, prospect = proposal.candidate, proposal.candidate.prospect
    if candidate.metric is not None:
        return candidate.metric
    kind, deviation = "count", prospect.rate * math.sqrt(prospect.unit_variance)
    if candidate.unit == IMPRESSIONS:
        kind, deviation = "binary", math.sqrt(prospect.rate * (1.0 - prospect.rate))
    of_posts = UsualMetric(ENGAGEMENT, kind, "increase", prospect.rate, deviation)
    if candidate.design and wanted is None:
        base = float(candidate.design["base_rate"])
        return UsualMetric(candidate.design["metric"], "binary", "increase", base, math.sqrt(base * (1.0 - base)))
    if usual is not None and usual.kind != "ratio" and wanted in (None, usual.name):
        return usual
    return of_posts if wanted is None else UsualMetric(wanted, kind, "increase", prospect.rate, deviation)


def _guardrails(
    wanted: Sequence[Mapping[str, Any]], defined: Mapping[str, Mapping[str, Any]], primary: str
) -> list[dict[str, Any]]:
    """What must not get worse: what was named, and what the workspace wants less of."""
    named = {str(one["name"]): dict(one) for one in wanted}
    fewer = {name: {"name": name} for name, row in sorted(defined.items()) if row["direction"] == "decrease"}
    return [one for name, one in (fewer | named).items() if name != primary]


def _described(proposal: RankedExperiment) -> list[dict[str, Any]]:
    candidate = proposal.candidate
    texts = [AS_IT_IS, _short(candidate.change)]
    if not candidate.is_doing:
        texts[0] = "with it, as it mostly is"
    if candidate.design:
        texts = [str(one["description"]) for one in candidate.design["variants"]]
    return [arm | {"description": text} for arm, text in zip(proposal.variants(), texts, strict=True)]


def _name(proposal: RankedExperiment, workspace_id: str, withdrawn: Collection[str]) -> str:
    """The same for what it settles, whatever the week, but for one that was withdrawn; a debate waits for the name that
    it chose itself."""
    candidate = proposal.candidate
    plain = f"{_short(candidate.change)} · {digest(workspace_id, candidate.key)[:6]}"
    if candidate.design:
        plain = str(candidate.design["name"])[:LONGEST_NAME]
    later = (f"{plain[: LONGEST_NAME - 6]} · {number}" for number in count(2))
    return next(name for name in chain([plain], later) if name not in withdrawn)


def _claim_in_words(proposal: RankedExperiment, metric: str) -> str:
    candidate, prospect = proposal.candidate, proposal.candidate.prospect
    low, middle, high = (100.0 * math.expm1(prospect.mean + side * Z_90 * prospect.error) for side in (-1, 0, 1))
    better = min(max(100.0 * float(ndtr(prospect.mean / prospect.error)), 1.0), 99.0)
    drawn = " Drawn by lot, so that calibration does not learn from promising conditions alone." * proposal.by_lot
    assumed = f" Assumed: {candidate.assumed}." if candidate.assumed else ""
    due = f" Due since: {candidate.why}." if candidate.why else ""
    return (
        f"Claimed before the start: {visible(candidate.change)} changes {metric} by {middle:+.1f} % "
        f"({low:+.1f} … {high:+.1f}, 90 %), better with probability {better:.0f} %.{assumed}{due}{drawn}"
    )


def _short(text: str) -> str:
    plain = visible(text)
    return plain if len(plain) <= LONGEST_CHANGE else plain[: LONGEST_CHANGE - 1] + "…"
