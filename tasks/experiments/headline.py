"""The first sentence of a report: ship an arm, keep the control, run until a day, or look into it; then the effect."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from tasks.effects.loop.defaults import WITHDRAWN
from tasks.experiments.power_curve import PowerCurve
from tasks.experiments.records import ArmReport, EffectReport, ExperimentResult, ExperimentStatus, Forecast

Row = Mapping[str, Any]
# What a person has to do about a running experiment, by what its last look came to; all other states just go on.
DECISIONS = {
    ExperimentStatus.HARMED: "stop it",
    ExperimentStatus.INVALID: "look into it",
    ExperimentStatus.CONTRADICTED: "look into it",
    ExperimentStatus.WINNER: "ship it",
    ExperimentStatus.NO_DIFFERENCE: "keep the control",
    ExperimentStatus.POLICY: "serve the policy",
}
EITHER = "ship either"
# Why something waits for a decision, in the words of a list.
REASONS = {
    ExperimentStatus.HARMED: "the leader wins on its metric and hurts a guardrail",
    ExperimentStatus.INVALID: "units did not arrive or report in the promised shares: nothing can be read from it",
    ExperimentStatus.CONTRADICTED: "the effect changed while it ran, so that it has no one value",
    ExperimentStatus.WINNER: "it has a winner, and waits for somebody to end it",
    ExperimentStatus.NO_DIFFERENCE: "no difference worth having, and it waits for somebody to end it",
    ExperimentStatus.POLICY: "its policy is proven, and it waits for somebody to end it",
    ExperimentStatus.RUNNING: "several arms beat the control, and between them nothing is proven",
}


def headline(analysis: ExperimentResult) -> str:
    """What to do, in one sentence, with the effect that says so."""
    sentences = {
        ExperimentStatus.WINNER: _winner,
        ExperimentStatus.NO_DIFFERENCE: _neutral,
        ExperimentStatus.HARMED: _harmed,
        ExperimentStatus.INVALID: _invalid,
        ExperimentStatus.CONTRADICTED: _contradicted,
        ExperimentStatus.INSUFFICIENT_DATA: _too_few,
        ExperimentStatus.RUNNING: _running,
        ExperimentStatus.INCONCLUSIVE: _inconclusive,
        ExperimentStatus.POLICY: _policy,
    }
    return sentences[analysis.status](analysis)


def _winner(analysis: ExperimentResult) -> str:
    if analysis.winner == control_of(analysis).variant_id:
        others = ", ".join(_effect_in_words(analysis, effect) for effect in analysis.effects)
        return f"Keep {analysis.winner}: it beats every other arm ({others})"
    effect = next((one for one in analysis.effects if one.variant_id == analysis.winner), None)
    against = "" if effect is None else f": {_effect_in_words(analysis, effect, named=False)} against the control"
    return f"Ship {analysis.winner}{against}"


def _neutral(analysis: ExperimentResult) -> str:
    return f"Keep {control_of(analysis).variant_id}. Neutral: {at_most(analysis)}"


def _harmed(analysis: ExperimentResult) -> str:
    worse: dict[str, list[str]] = {}
    for row in analysis.guardrails:
        if row["is_harmed"]:
            worse.setdefault(row["variant_id"], []).append(row["metric_name"])
    reasons = [f"{arm} makes {' and '.join(names)} worse" for arm, names in worse.items()]
    arms = " or ".join(worse) or str(analysis.leader)
    return f"Do not ship {arms}: {'; '.join(reasons) or 'a guardrail is worse'}"


def _invalid(analysis: ExperimentResult) -> str:
    if analysis.reporting is not None and analysis.reporting.is_alarm:
        return "Trust no comparison yet: units of some arms report less often than those of others; find out why"
    return "Trust no comparison yet: units did not arrive in the promised shares; find out why"


def _contradicted(_: ExperimentResult) -> str:
    return "Declare nothing: the effect changed while it ran; look at it by day, and start again once it is steady"


def _too_few(analysis: ExperimentResult) -> str:
    few = min(analysis.variants, key=_units)
    return f"Keep it running: too few units to judge by ({few.n:,} in {few.variant_id})"


def _units(arm: ArmReport) -> int:
    return arm.n


def _running(analysis: ExperimentResult) -> str:
    good, control = analysis.better_than_control, control_of(analysis).variant_id
    if analysis.missing_days and not analysis.forecast:
        days = ceil(analysis.missing_days)
        return f"Run for {days} more day{'s' * (days > 1)}: nothing is declared before one full cycle of days"
    if len(good) > 1 and not analysis.missing_days:
        return f"Ship {' or '.join(good)}: each beats {control}; which of them is better is not proven"
    if analysis.forecast is not None:
        chance = f"{100 * analysis.forecast.winner_probability:.0f} %"
        return f"Run until {when(analysis.forecast)}: nothing is proven yet; a winner by then with probability {chance}"
    smallest = min(arm.n for arm in analysis.variants)
    if analysis.planned_units_per_arm and smallest >= analysis.planned_units_per_arm:
        return f"Keep {control}, or go on: nothing is proven at the planned size; {at_most(analysis)}"
    return f"Keep it running: nothing is proven yet; {at_most(analysis)}"


def _policy(analysis: ExperimentResult) -> str:
    return f"Give each unit the arm that its context recommends: {(analysis.policy or {}).get('in_words', '')}"


def _inconclusive(analysis: ExperimentResult) -> str:
    return f"Keep {control_of(analysis).variant_id}: it has ended, and its test proves no winner; {at_most(analysis)}"


def when(forecast: Forecast) -> str:
    """Such as '12 Dec (5 Dec to 20 Dec)': the day by which half of the simulated paths had their answer."""
    by, earliest, latest = (_day(one, forecast.by) for one in (forecast.by, forecast.earliest, forecast.latest))
    return f"{by} ({earliest} to {latest})" if earliest != latest else by


def _day(instant: datetime, near: datetime) -> str:
    year = f" {instant.year}" if instant.year != near.year else ""
    return f"{instant.day} {instant:%b}{year}"


def control_of(analysis: ExperimentResult) -> ArmReport:
    """The control's report."""
    return next(arm for arm in analysis.variants if arm.is_control)


def at_most(analysis: ExperimentResult) -> str:
    """How large any arm's difference from the control can be at most, relative where the control's mean allows."""
    bounds = [max(abs(end) for end in effect.interval) for effect in analysis.effects]
    if not bounds:
        return "no arm could be compared"
    largest = max(bounds)
    unit = relative_unit(analysis)
    shown = f"{_two_digits(100 * largest / unit)} %" if unit else f"{largest:.3g}"
    return f"the difference from the control is at most ± {shown}"


def _two_digits(percent: float) -> str:
    return f"{percent:.2g}" if percent < 100 else f"{percent:,.0f}"


def relative_unit(analysis: ExperimentResult) -> float | None:
    """The control's mean, by which effects are divided; None where no relative effect is known."""
    known = next((one for one in analysis.effects if one.relative_lift), None)
    return abs(known.effect / known.relative_lift) if known is not None and known.relative_lift else None


def relative(analysis: ExperimentResult, ends: Sequence[float]) -> list[str] | None:
    """Effects as percentages of the control's mean, with sign; None where that mean says nothing."""
    unit = relative_unit(analysis)
    return None if unit is None else [f"{100 * end / unit:+.3g} %" for end in ends]


def _effect_in_words(analysis: ExperimentResult, effect: EffectReport, *, named: bool = True) -> str:
    """How much the metric itself rose or fell: of one that should fall, a gain reads as a fall."""
    ends = (effect.effect, *effect.interval)
    if analysis.direction == "decrease":
        ends = (-ends[0], -ends[2], -ends[1])
    middle, low, high = relative(analysis, ends) or [f"{one:+.3g}" for one in ends]
    better = ", less is better" if analysis.direction == "decrease" else ""
    about = f"{effect.variant_id} " if named else ""
    return f"{about}{middle} on {analysis.metric_name} ({low} to {high}{better})"


def decision_of(row: Row) -> str | None:
    """What a person has to decide on an experiment as last looked at; None where nothing waits."""
    if row["status"] != "running" or row["found"] is None:
        return None
    if row["found"] == ExperimentStatus.RUNNING and len(row.get("better_than_control") or ()) > 1:
        return EITHER
    return DECISIONS.get(ExperimentStatus(row["found"]))


def need_of(row: Row) -> str | None:
    """The decision that waits on an experiment as last looked at, and why; None where nothing waits."""
    decision = decision_of(row)
    return None if decision is None else f"{decision}: {REASONS[ExperimentStatus(row['found'])]}"


def advice_of(row: Row) -> str:
    """What to do about an experiment as last looked at, or how it ended."""
    if row["completed_at"] is None and row.get("conclusion") == WITHDRAWN:
        return "withdrawn: not to be started"
    if row["completed_at"] is None:
        return row.get("headline") or ("not started yet" if row["started_at"] is None else "not looked at yet")
    if row["winner"] is not None:
        return f"Ended: {row['winner']} was chosen"
    if row["conclusion"] == ExperimentStatus.POLICY:
        return "Ended: its policy was chosen"
    why = f": {str(row['conclusion']).replace('_', ' ')}" if row["conclusion"] else ""
    return f"Ended without a winner{why}"


def how_to_decide(analysis: ExperimentResult) -> str | None:
    """The command that ends a running experiment: with its answer, an arm that a person names, or without any."""
    known = {"status": "running", "found": analysis.status, "better_than_control": analysis.better_than_control}
    if decision_of(known) is None:
        return None
    if analysis.is_answered:
        return f"raptorflow experiment decide {analysis.experiment_id}"
    if analysis.status == ExperimentStatus.RUNNING:
        arms = " or ".join(shlex.quote(name) for name in analysis.better_than_control)
        return f"raptorflow experiment decide {analysis.experiment_id} --winner {arms}"
    return f"raptorflow experiment stop {analysis.experiment_id} (it ends without a winner)"


ORDER = ("running", "ingested", "draft", "completed")


def most_urgent_first(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Experiments as listed: what waits for a decision, what runs, what came from elsewhere, drafts, and the ended."""
    decided = [{**row, "decision": decision_of(row)} for row in rows]
    return sorted(decided, key=_urgency)


def _urgency(row: Row) -> tuple[int, int]:
    order = list(dict.fromkeys([*DECISIONS.values(), EITHER]))
    waits = order.index(row["decision"]) if row["decision"] else len(order)
    return waits, ORDER.index(row["status"]) if row["status"] in ORDER else len(ORDER)


def counts_in_words(rows: Sequence[Row]) -> str:
    """Such as '300 experiments: 4 wait for a decision, 12 running, 284 completed'."""
    waiting = sum(row["decision"] is not None for row in rows)
    by_status = {status: sum(row["status"] == status for row in rows) for status in ORDER}
    parts = [f"{waiting} wait{'s' if waiting == 1 else ''} for a decision"]
    parts += [f"{count:,} {status}" for status, count in by_status.items() if count]
    return f"{len(rows):,} experiment{'s' if len(rows) != 1 else ''}: {', '.join(parts)}"


def plan_in_words(curve: PowerCurve) -> Iterator[str]:
    """The plan in sentences, the one that matters first."""
    chosen = curve.plan
    days = "" if chosen.expected_days is None else f", {chosen.expected_days:,} days at this traffic"
    yield (
        f"{chosen.units_per_arm:,} units in the smallest of {curve.arms} arms{days}: a relative effect of "
        f"{100 * curve.min_effect_size:.3g} % is found with power {100 * chosen.power:.0f} %"
    )
    yield (
        f"the smallest effect that this size finds with power {100 * curve.wanted_power:.0f} %: "
        f"{100 * chosen.minimum_detectable_effect:.3g} % of the control's mean"
    )
