"""An experiment's report: what is known, what to do, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.plain_text import Markdown, code, markdown
from tasks.reporting.artifacts import markdown_table, reasons, strong

if TYPE_CHECKING:
    from tasks.experiments.records import ArmReport, EffectReport, ExperimentResult

Row = dict[str, Any]
LONGEST_DAYS = 60  # rows by day


def experiment_report(analysis: ExperimentResult, completed: bool) -> str:
    """One experiment in Markdown: words, the arms, and whatever guardrails, factors and segments it has."""
    tables = {
        "Arms": markdown_table([_arm(arm) for arm in analysis.variants]),
        "Against the control": markdown_table([_effect(effect) for effect in analysis.effects]),
        "By day since exposure, each day by itself": markdown_table(
            [_day(row) for row in analysis.days[:LONGEST_DAYS]]
        ),
        "Guardrails": markdown_table([_guardrail(row) for row in analysis.guardrails]),
        "Main effects and interactions, adjusted for all of them (Holm)": reasons(
            (row["name"], f"{_with_interval(row['effect'], row['interval'])}, {_verdict(row)}")
            for row in analysis.contrasts
        ),
        "Segments, explored and adjusted for all of them (Holm)": markdown_table(
            [_segment(row) for row in analysis.segments]
        ),
    }
    sections = [f"## {title}\n\n{table}" for title, table in tables.items() if table]
    return "\n\n".join([in_words(analysis, completed), *sections])


def in_words(analysis: ExperimentResult, completed: bool) -> str:
    """The report's head: what is known and what to do."""
    winner = f" {strong(analysis.winner)} wins." if analysis.winner else ""
    done = " The experiment is completed." if completed else ""
    kind = f" ({markdown(analysis.metric_kind)})" if analysis.metric_kind else ""
    lines = [
        f"# {markdown(analysis.name)}",
        f"**{analysis.status.value.replace('_', ' ')}** · {markdown(analysis.metric_name)}{kind} · "
        f"{analysis.n:,} units · look {analysis.looks}.{winner}{done}",
    ]
    lines += [f"Hypothesis: {markdown(analysis.hypothesis)}"] if analysis.hypothesis else []
    proven = [
        f"{strong(e.variant_id)} {'better' if e.effect > 0 else 'worse'}" for e in analysis.effects if e.is_significant
    ]
    lines += [f"Proven against the control: {', '.join(proven)}."] if proven else []
    lines += [f"What to do: {markdown(analysis.next_step)}."] if not completed else []
    lines += [f"How it was judged: {markdown(analysis.method)}."]
    if analysis.sample_ratio is not None:
        alarm = "**broken**" if analysis.sample_ratio.is_alarm else "as promised"
        lines.append(f"Sample ratio: {alarm} (p = {analysis.sample_ratio.p_value:.3g}).")
    if analysis.reporting is not None:
        alarm = "**broken**" if analysis.reporting.is_alarm else "alike in all arms"
        lines.append(f"Reporting: {alarm} (p = {analysis.reporting.p_value:.3g}).")
    lines.append(
        f"Better is {markdown(', '.join(_better(analysis)))}; an effect is positive where it is for the better."
    )
    return "\n\n".join(lines + [f"- {markdown(warning)}" for warning in analysis.warnings])


def answers_in_words(waiting: Iterable[Mapping[str, Any]]) -> str:
    """Experiments that have an answer, as the form that ends them shows them."""
    answers = ((f"{row['name']} · {row['workspace_id']}", _waiting(row)) for row in waiting)
    return f"These have an answer:\n\n{reasons(answers)}"


def _waiting(row: Mapping[str, Any]) -> Markdown:
    return Markdown(f"{markdown(_answer(row))}, {row['units']:,} units, {code(row['experiment_id'])}")


def _answer(row: Mapping[str, Any]) -> str:
    return f"{row['winner']} wins" if row["winner"] else str(row["status"]).replace("_", " ")


def _better(analysis: ExperimentResult) -> list[str]:
    """Each metric with what is better of it, once, in order: a direction that was forgotten shows here."""
    metrics = {analysis.metric_name: analysis.direction}
    metrics |= {row["metric_name"]: row["direction"] for row in analysis.guardrails}
    return [f"{'more' if direction == 'increase' else 'less'} {name}" for name, direction in metrics.items()]


# Tables are narrow, because Prefect's page cuts what is wider than it.


def _arm(arm: ArmReport) -> Row:
    """Units, mean, probability of being best, share of the traffic to come."""
    return {
        "arm": arm.variant_id + (" (control)" if arm.is_control and arm.variant_id != "control" else ""),
        "units": f"{arm.n:,}",
        "reported": None if arm.reporting_rate is None else f"{100 * arm.reporting_rate:.1f} %",
        "mean": None if arm.mean is None else f"{arm.mean:.4g}",
        "best": _share(arm.probability_best),
        "traffic": _share(arm.weight),
    }


def _effect(effect: EffectReport) -> Row:
    lift = None if effect.relative_lift is None else f"{100 * effect.relative_lift:+.1f} %"
    row = {"arm": effect.variant_id, "effect, interval": _with_interval(effect.effect, effect.interval), "lift": lift}
    return row | {"p": f"{effect.p_value:.2g}"}


def _day(row: Mapping[str, Any]) -> Row:
    about = {"day": row["day"], "arm": row["variant_id"], "outcomes": f"{row['n']:,}"}
    return about | {"effect, interval": _with_interval(row["effect"], row["interval"])}


def _segment(row: Mapping[str, Any]) -> Row:
    about = {"segment": row["segment"], "arm": row["variant_id"], "units": f"{row['n']:,}"}
    return about | {"effect, interval": _with_interval(row["effect"], row["interval"]), "verdict": _verdict(row)}


def _guardrail(row: Mapping[str, Any]) -> Row:
    known = row["effect"] is not None
    verdict = Markdown("**worse**") if row["is_harmed"] else "not proven worse" if known else "not enough units"
    effect = _with_interval(row["effect"], row["interval"]) if known else None
    return {"metric": row["metric_name"], "arm": row["variant_id"], "effect, interval": effect, "verdict": verdict}


def _verdict(row: Mapping[str, Any]) -> str:
    return f"{'proven' if row['is_significant'] else 'not proven'} (p = {row['p_value']:.2g})"


def _with_interval(effect: float, ends: Sequence[float]) -> str:
    return f"{effect:+.3g} [{ends[0]:+.3g}, {ends[1]:+.3g}]"


def _share(value: float | None) -> str | None:
    """Never a bare 0 or 100 %: a probability that is shown as certain would be read as a proof."""
    if value is None:
        return None
    return "< 0.1 %" if value < 0.001 else "> 99.9 %" if value > 0.999 else f"{100 * value:.1f} %"
