"""An experiment's report: first what to do, then the effects, then what they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tasks.experiments import tables
from tasks.experiments.headline import headline, how_to_decide, plan_in_words
from tasks.plain_text import Markdown, code, markdown
from tasks.reporting.artifacts import markdown_table, reasons

if TYPE_CHECKING:
    from tasks.experiments.power_curve import PowerCurve
    from tasks.experiments.records import ExperimentRecord, ExperimentResult

Row = dict[str, Any]


def experiment_report(analysis: ExperimentResult, completed: bool) -> str:
    """One experiment in Markdown: the sentence, the effects, the arms, whatever else was measured, the checks."""
    shown = {
        "Against the control": markdown_table(tables.effect_rows(analysis)),
        "Arms": markdown_table(tables.arm_rows(analysis)),
        "Secondary metrics, at a false discovery rate": markdown_table(tables.secondary_rows(analysis)),
        "Guardrails": markdown_table(tables.guardrail_rows(analysis)),
        "Main effects and interactions, adjusted for all of them (Holm)": reasons(
            (row["name"], f"{tables.with_interval(row['effect'], row['interval'])}, {tables.verdict(row)}")
            for row in analysis.contrasts
        ),
        "Segments, explored and adjusted for all of them (Holm)": markdown_table(tables.segment_rows(analysis)),
        "By day since exposure": markdown_table(tables.day_rows(analysis)),
        "Checks": "\n".join(f"- {markdown(line)}" for line in tables.checks(analysis)),
    }
    sections = [f"## {title}\n\n{table}" for title, table in shown.items() if table]
    return "\n\n".join([in_words(analysis, completed), *sections])


def in_words(analysis: ExperimentResult, completed: bool) -> str:
    """The report's head: what to do, and where it stands."""
    done = " The experiment is completed." if completed else ""
    kind = f" ({markdown(analysis.metric_kind)})" if analysis.metric_kind else ""
    lines = [
        f"# {markdown(analysis.name)}",
        f"**{markdown(headline(analysis))}.**",
        f"{analysis.status.value.replace('_', ' ')} · {markdown(analysis.metric_name)}{kind} · "
        f"{analysis.n:,} units · look {analysis.looks}.{done}",
    ]
    if not completed:
        lines.append(f"What to do: {markdown(analysis.next_step)}.")
        how = how_to_decide(analysis)
        lines += [f"Here: Deployments → experiment-management. On the command line: {code(how)}"] if how else []
    return "\n\n".join(lines)


def plan_report(curve: PowerCurve) -> str:
    """A plan in Markdown: what it takes, and what other sizes and effects would find."""
    effect, size = f"{100 * curve.min_effect_size:.3g} %", f"{curve.plan.units_per_arm:,}"
    sections = [
        "# Plan of an experiment",
        *(f"{markdown(line)}." for line in plan_in_words(curve)),
        f"## Power, if the effect is {effect}\n\n{markdown_table(tables.size_rows(curve))}",
        f"## Power, with {size} units in the smallest arm\n\n{markdown_table(tables.power_rows(curve))}",
    ]
    return "\n\n".join(sections)


def record_report(record: ExperimentRecord) -> str:
    """An experiment that nobody has looked at yet, in Markdown."""
    arms = [{"arm": one["name"], "traffic": f"{100 * one['weight']:.3g} %"} for one in record.variants]
    planned = record.planned_units_per_arm
    lines = [
        f"# {markdown(record.name)}",
        f"{record.status} · {markdown(record.metric_name)} · {code(record.experiment_id)}",
    ]
    lines += [f"Planned: {planned:,} units in the smallest arm."] if planned else []
    return "\n\n".join([*lines, markdown_table(arms), *(f"- {markdown(one)}" for one in record.warnings)])


def answers_in_words(waiting: Iterable[Mapping[str, Any]]) -> str:
    """Experiments that have an answer, as the form that ends them shows them."""
    answers = ((f"{row['name']} · {row['workspace_id']}", _waiting(row)) for row in waiting)
    return f"These have an answer:\n\n{reasons(answers)}"


def _waiting(row: Mapping[str, Any]) -> Markdown:
    return Markdown(f"{markdown(_answer(row))}, {row['units']:,} units, {code(row['experiment_id'])}")


def _answer(row: Mapping[str, Any]) -> str:
    return f"{row['winner']} wins" if row["winner"] else str(row["status"]).replace("_", " ")
