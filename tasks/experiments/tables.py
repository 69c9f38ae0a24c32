"""A look's numbers as people read them, a few narrow columns a table; the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.experiments.contextual.wording import gain_in_words
from tasks.experiments.headline import control_of, relative
from tasks.experiments.power_curve import PowerCurve
from tasks.experiments.records import ArmReport, EffectReport, ExperimentResult

Row = dict[str, Any]
MOST_DAYS = 7
BAR = 20  # blocks of a full bar


def effect_rows(analysis: ExperimentResult) -> list[Row]:
    """Each arm against the control: relative where the control's mean allows it, and in the metric's unit."""
    return [_effect(analysis, effect) for effect in analysis.effects]


def _effect(analysis: ExperimentResult, effect: EffectReport) -> Row:
    shown = relative(analysis, (effect.effect, *effect.interval))
    row: Row = {"arm": effect.variant_id}
    if shown is not None:
        row |= {"lift": shown[0], "from … to": f"{shown[1]} … {shown[2]}"}
    verdict = "not proven" if not effect.is_significant else "better" if effect.effect > 0 else "worse"
    return (
        row
        | {"effect, interval": with_interval(effect.effect, effect.interval), "proven": verdict}
        | {"p": f"{effect.p_value:.2g}"}
    )


def arm_rows(analysis: ExperimentResult) -> list[Row]:
    """Units, mean, probability of being best, share of the traffic to come."""
    return [_arm(arm) for arm in analysis.variants]


def _arm(arm: ArmReport) -> Row:
    return {
        "arm": arm.variant_id + (" (control)" if arm.is_control and arm.variant_id != "control" else ""),
        "units": f"{arm.n:,}",
        "mean": None if arm.mean is None else f"{arm.mean:.4g}",
        "reported": None if arm.reporting_rate is None else f"{100 * arm.reporting_rate:.4g} %",
        "best": share(arm.probability_best),
        "traffic": share(arm.weight),
    }


def guardrail_rows(analysis: ExperimentResult) -> list[Row]:
    """Each guardrail and arm: the effect, and whether it is proven worse."""
    return [_guardrail(row) for row in analysis.guardrails]


def _guardrail(row: Mapping[str, Any]) -> Row:
    known = row["effect"] is not None
    verdict = "WORSE" if row["is_harmed"] else "not proven worse" if known else "not enough units"
    effect = with_interval(row["effect"], row["interval"]) if known else None
    by = f" ({row['quantile']})" if row.get("quantile") else ""
    about = {"metric": f"{row['metric_name']}{by}", "arm": row["variant_id"]}
    return about | {"effect, interval": effect, "verdict": verdict}


def policy_rows(analysis: ExperimentResult) -> list[Row]:
    """What following the context brings, against one arm for everybody and against what was served."""
    if analysis.policy is None:
        return []
    mean = control_of(analysis).mean
    gains = (analysis.policy["gain_over_best_arm"], analysis.policy["gain_over_served"])
    return [{"against": gain["than"], "gain, bounds": gain_in_words(gain, mean)} for gain in gains]


def secondary_rows(analysis: ExperimentResult) -> list[Row]:
    """Each secondary metric and arm: the effect, relative where the control's mean allows, and whether it is found."""
    return [_secondary(row) for row in analysis.secondary]


def _secondary(row: Mapping[str, Any]) -> Row:
    by = f" ({row['quantile']})" if row["quantile"] else ""
    about: Row = {"metric": f"{row['metric_name']}{by}", "arm": row["variant_id"]}
    if row["effect"] is None:
        return about | {"lift": None, "effect, interval": None, "verdict": "not enough units"}
    mean = abs(row["control_mean"])
    lift = f"{100 * row['effect'] / mean:+.3g} %" if mean else None
    verdict_on = "found" if row["is_significant"] else "not found"
    shown = with_interval(row["effect"], row["interval"])
    return about | {"lift": lift, "effect, interval": shown, "verdict": f"{verdict_on} (q = {row['q_value']:.2g})"}


def segment_rows(analysis: ExperimentResult) -> list[Row]:
    """Each segment and arm."""
    return [_segment(row) for row in analysis.segments]


def _segment(row: Mapping[str, Any]) -> Row:
    about = {"segment": row["segment"], "arm": row["variant_id"], "units": f"{row['n']:,}"}
    return about | {"effect, interval": with_interval(row["effect"], row["interval"]), "verdict": verdict(row)}


def day_rows(analysis: ExperimentResult) -> list[Row]:
    """Effects by whole days since a unit's exposure, the first days and the last: a novelty falls from day 0 on.

    None where there is one day, which says what the whole effect says.
    """
    days = sorted({row["day"] for row in analysis.days})
    if len(days) < 2:
        return []
    shown = {*days[:MOST_DAYS], *days[-1:]}
    return [_day(row) for row in analysis.days if row["day"] in shown]


def _day(row: Mapping[str, Any]) -> Row:
    about = {"day since exposure": row["day"], "arm": row["variant_id"], "outcomes": f"{row['n']:,}"}
    return about | {"effect, interval": with_interval(row["effect"], row["interval"])}


def checks(analysis: ExperimentResult) -> Iterator[str]:
    """What the answer rests on, a sentence each: shares, what is better, how it was judged, what weakens it."""
    if analysis.policy is not None:
        yield str(analysis.policy["in_words"])
    ratio = analysis.sample_ratio
    if ratio is not None:
        shares = "NOT as promised" if ratio.is_alarm else "as promised"
        yield f"units arrived {shares} (sample ratio, p = {ratio.p_value:.3g})"
    if analysis.reporting is not None:
        often = "NOT equally often" if analysis.reporting.is_alarm else "equally often"
        yield f"units of all arms report {often} (p = {analysis.reporting.p_value:.3g})"
    yield f"better is {', '.join(_better(analysis))}; an effect is positive where it is for the better"
    yield f"how it was judged: {analysis.method}"
    if analysis.planned_units_per_arm is not None:
        smallest = min(arm.n for arm in analysis.variants)
        yield f"{smallest:,} of {analysis.planned_units_per_arm:,} planned units in the smallest arm"
    if analysis.forecast is not None:
        pace = analysis.forecast
        yield f"at {pace.units_per_day:,.0f} units a day the planned size is reached on {pace.planned_end:%Y-%m-%d}"
    if analysis.hypothesis:
        yield f"hypothesis: {analysis.hypothesis}"
    yield from analysis.left_out
    yield from analysis.warnings


def _better(analysis: ExperimentResult) -> list[str]:
    """Each metric with what is better of it, once, in order: a direction that was forgotten shows here."""
    metrics = {analysis.metric_name: analysis.direction}
    metrics |= {row["metric_name"]: row["direction"] for row in [*analysis.secondary, *analysis.guardrails]}
    return [f"{'more' if direction == 'increase' else 'less'} {name}" for name, direction in metrics.items()]


def verdict(row: Mapping[str, Any]) -> str:
    """Whether a test among several is proven."""
    return f"{'proven' if row['is_significant'] else 'not proven'} (p = {row['p_value']:.2g})"


def with_interval(effect: float, ends: Sequence[float]) -> str:
    """Such as '+0.012 [-0.001, +0.025]'."""
    return f"{effect:+.3g} [{ends[0]:+.3g}, {ends[1]:+.3g}]"


def share(value: float | None) -> str | None:
    """Never a bare 0 or 100 %: a probability that is shown as certain would be read as a proof."""
    if value is None:
        return None
    return "under 0.1 %" if value < 0.001 else "over 99.9 %" if value > 0.999 else f"{100 * value:.1f} %"


def size_rows(curve: PowerCurve) -> list[Row]:
    """Power by size, if the effect is the smallest worth finding."""
    return [
        {"units in the smallest arm": f"{row['units_per_arm']:,}"}
        | ({} if row["expected_days"] is None else {"days": row["expected_days"]})
        | {"power": bar(row["power"]), "smallest effect found": f"{100 * row['minimum_detectable_effect']:.3g} %"}
        for row in curve.sizes
    ]


def power_rows(curve: PowerCurve) -> list[Row]:
    """Power by the true effect, at the plan's size."""
    return [{"true effect": f"{100 * row['effect']:.3g} %", "power": bar(row["power"])} for row in curve.effects]


def bar(share_of_all: float) -> str:
    """A share between 0 and 1 as blocks, with its percentage."""
    full = round(BAR * share_of_all)
    return f"{'█' * full}{'░' * (BAR - full)} {100 * share_of_all:3.0f} %"
