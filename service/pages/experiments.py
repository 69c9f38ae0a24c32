"""Experiments: all of them, the urgent ones first; and one, looked at now, with its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.pages import addresses
from service.pages.charts import LineChart, Series, common_domain, line_chart
from service.pages.listing import PageOfRows, paged
from service.pages.names import require_storable_id, unknown
from tasks.errors import UnknownNameError
from tasks.experiments import tables
from tasks.experiments.headline import advice_of, headline, how_to_decide, most_urgent_first, plan_in_words
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.experiments.power_curve import PowerCurve
from tasks.experiments.records import ExperimentResult
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse

STATES = ("waiting", "running", "draft", "completed")
LOOKS_DRAWN, DECISIONS_SHOWN = 200, 30
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WantedExperiments:
    """Which experiments a person wants to see."""

    q: str
    status: str
    page: int

    def keeps(self, row: Row) -> bool:
        """Whether an experiment is among them."""
        text = f"{row['name']} {row['workspace_id']} {row['experiment_id']} {row['metric_name']}".casefold()
        waits = row["decision"] is not None
        state = not self.status or row["status"] == self.status or (self.status == "waiting" and waits)
        return state and all(word in text for word in self.q.casefold().split())

    def address(self, **changes: object) -> str:
        """The list under this filter, with changes."""
        return addresses.filtered("/experiments", **({"q": self.q, "status": self.status} | changes))


def experiments_context(warehouse: Warehouse, wanted: WantedExperiments) -> dict[str, Any]:
    """The list, what waits for a decision first."""
    listed = most_urgent_first(ExperimentService(warehouse=warehouse).list_experiments())
    rows: PageOfRows = paged([row for row in listed if wanted.keeps(row)], wanted.page)
    waiting = sum(row["decision"] is not None for row in listed)
    return {
        "advice_of": advice_of,
        "list": rows,
        "states": STATES,
        "total": len(listed),
        "waiting": waiting,
        "wanted": wanted,
    }


def experiment_context(warehouse: Warehouse, experiment_id: str) -> dict[str, Any]:
    """One experiment: of one that has begun, what a look would say now.

    Raises:
        ProblemError: 404 if there is none.
    """
    require_storable_id(experiment_id, "experiment")
    service = ExperimentService(warehouse=warehouse)
    try:
        record = service.get_experiment(experiment_id)
    except UnknownNameError:
        raise unknown("experiment") from None
    context: dict[str, Any] = {"analysis": None, "record": record}
    context["decisions"] = service.decisions(experiment_id)[-DECISIONS_SHOWN:][::-1]
    if record.status == "draft":
        return context | {"withdraw": OrchestrationService(warehouse=warehouse).how_to_withdraw(record)}
    analysis, looks = service.preview_experiment(experiment_id), service.looks(experiment_id)
    return context | _of_analysis(analysis, looks) | _of_plan(service.observed_power(experiment_id))


def _of_analysis(analysis: ExperimentResult, looks: Sequence[Row]) -> dict[str, Any]:
    return {
        "analysis": analysis,
        "arms": tables.arm_rows(analysis),
        "checks": [line for line in tables.checks(analysis) if line != (analysis.policy or {}).get("in_words")],
        "days": tables.day_rows(analysis),
        "decide": how_to_decide(analysis),
        "domain": common_domain([effect.interval for effect in analysis.effects]),
        "effects": list(zip(tables.effect_rows(analysis), analysis.effects, strict=True)),
        "guardrails": tables.guardrail_rows(analysis),
        "headline": headline(analysis),
        "over_time": effects_chart(looks, analysis),
        "policy": _of_policy(analysis),
        "secondary": tables.secondary_rows(analysis),
        "segments": tables.segment_rows(analysis),
    }


def _of_policy(analysis: ExperimentResult) -> dict[str, Any] | None:
    """Of a contextual experiment, what following the context is worth; None of any other, and while units are few."""
    if analysis.policy is None:
        return None
    gains = [analysis.policy[name] for name in ("gain_over_best_arm", "gain_over_served")]
    bounds = [(gain["lower"], gain["upper"]) for gain in gains]
    value, (low, high) = analysis.policy["value"], analysis.policy["interval"]
    return analysis.policy | {
        "domain": common_domain(bounds),
        "gains": list(zip(tables.policy_rows(analysis), gains, strict=True)),
        "value": f"{value:.3g} [{low:.3g}, {high:.3g}]",
    }


def effects_chart(looks: Sequence[Row], analysis: ExperimentResult) -> LineChart | None:
    """Every arm's effect against the control, look by look, with the interval that holds at all looks at once."""
    now = {"n": analysis.n, "result": {"effects": [effect.as_dict() for effect in analysis.effects]}}
    kept = looks if looks and looks[-1]["n"] == analysis.n else [*looks, now]
    shown = [look for look in kept if look["result"].get("effects")][-LOOKS_DRAWN:]
    series = [_effects_of(effect.variant_id, shown) for effect in analysis.effects]
    return line_chart(series, ("units with an outcome", f"effect on {analysis.metric_name}"), level=0.0)


def _effects_of(arm: str, looks: Sequence[Row]) -> Series:
    points = [
        ((float(look["n"]), float(effect["effect"])), (float(effect["interval"][0]), float(effect["interval"][1])))
        for look in looks
        for effect in look["result"]["effects"]
        if effect["variant_id"] == arm
    ]
    return Series(arm, [point for point, _ in points], [interval for _, interval in points])


def _of_plan(curve: PowerCurve | None) -> dict[str, Any]:
    if curve is None:
        return {"plan": [], "power": None, "sizes": []}
    by_size = Series("power", [(float(row["units_per_arm"]), float(row["power"])) for row in curve.sizes])
    titles = ("units in the smallest arm", f"power, if the effect is {100 * curve.min_effect_size:.3g} %")
    chart = line_chart(
        [by_size],
        titles,
        level=curve.wanted_power,
        upright=float(curve.plan.units_per_arm),
        percent=True,
        bounds=(0.0, 1.0),
    )
    sizes = [
        {"units in the smallest arm": f"{row['units_per_arm']:,}", "power": f"{100 * row['power']:.0f} %"}
        | {"smallest effect found": f"{100 * row['minimum_detectable_effect']:.3g} %"}
        for row in curve.sizes
    ]
    return {"plan": list(plan_in_words(curve)), "power": chart, "sizes": sizes}
