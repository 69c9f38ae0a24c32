"""An experiment's report: what is known, what to do, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.reporting.artifacts import markdown_table

if TYPE_CHECKING:
    from tasks.experiments.findings import Analysis, EffectReport

Row = dict[str, Any]


def experiment_report(found: Analysis, completed: bool) -> str:
    """One experiment in Markdown: words, the arms, and whatever guardrails, factors and segments it has."""
    tables = {
        "Arms": arm_rows(found),
        "Guardrails": [_guardrail(row) for row in found.guardrails],
        "Main effects and interactions, adjusted for all of them (Holm)": [
            {"contrast": row["name"], "kind": row["kind"]} | _tested(row) for row in found.contrasts
        ],
        "Segments, explored and adjusted for all of them (Holm)": [
            {"segment": row["segment"], "arm": row["variant_id"], "units": row["n"]} | _tested(row)
            for row in found.segments
        ],
    }
    told = [f"## {title}\n\n{markdown_table(rows)}" for title, rows in tables.items() if rows]
    return "\n\n".join([in_words(found, completed), *told])


def in_words(found: Analysis, completed: bool) -> str:
    """The report's head: what is known and what to do."""
    winner = f" **{found.winner}** wins." if found.winner else ""
    done = " The experiment was completed." if completed else ""
    kind = f" ({found.metric_kind})" if found.metric_kind else ""
    lines = [
        f"# {found.name}",
        f"**{found.status.value.replace('_', ' ')}** · {found.metric_name}{kind} · {found.n:,} units · "
        f"look {found.looks}.{winner}{done}",
    ]
    lines += [f"Hypothesis: {found.hypothesis}"] if found.hypothesis else []
    proven = [f"{e.variant_id} {'better' if e.effect > 0 else 'worse'}" for e in found.effects if e.is_significant]
    lines += [f"Proven against the control: {', '.join(proven)}."] if proven else []
    lines += [f"What to do: {found.next_step}.", f"How it was judged: {found.method}."]
    if found.sample_ratio is not None:
        alarm = "**broken**" if found.sample_ratio.is_alarm else "as promised"
        lines.append(f"Sample ratio: {alarm} (p = {found.sample_ratio.p_value:.3g}).")
    return "\n\n".join(lines + [f"- {warning}" for warning in found.warnings])


def arm_rows(found: Analysis) -> list[Row]:
    """A row an arm: units, mean, effect with interval, probability of being best, share of the traffic."""
    effects = {effect.variant_id: effect for effect in found.effects}
    return [
        {"arm": arm.variant_id + (" (control)" if arm.is_control else ""), "units": arm.n}
        | {"mean": None if arm.mean is None else f"{arm.mean:.4g}"}
        | _effect(effects.get(arm.variant_id))
        | {"best": _share(arm.probability_best), "traffic": _share(arm.weight)}
        for arm in found.variants
    ]


def _effect(effect: EffectReport | None) -> Row:
    if effect is None:
        return {"effect, interval": None, "lift": None, "p": None}
    lift = None if effect.relative_lift is None else f"{100 * effect.relative_lift:+.1f} %"
    return {"effect, interval": _told(effect.effect, effect.interval), "lift": lift, "p": f"{effect.p_value:.2g}"}


def _tested(row: Mapping[str, Any]) -> Row:
    proven = "proven" if row["is_significant"] else "not proven"
    return {"effect, interval": _told(row["effect"], row["interval"])} | {
        "p": f"{row['p_value']:.2g}",
        "verdict": proven,
    }


def _guardrail(row: Mapping[str, Any]) -> Row:
    known = row["effect"] is not None
    about = {"metric": row["metric_name"], "arm": row["variant_id"], "units": row["n"]}
    verdict = "**worse**" if row["is_harmed"] else "not proven worse" if known else "not enough units"
    return about | {"effect, interval": _told(row["effect"], row["interval"]) if known else None, "verdict": verdict}


def _told(effect: float, ends: tuple[float, float]) -> str:
    """In one cell: Prefect's page cuts a table that is wider than it."""
    return f"{effect:+.3g} [{ends[0]:+.3g}, {ends[1]:+.3g}]"


def _share(value: float | None) -> str | None:
    """Never a bare 0 or 100 %: a probability that is shown as certain would be read as a proof."""
    if value is None:
        return None
    return "< 0.1 %" if value < 0.001 else "> 99.9 %" if value > 0.999 else f"{100 * value:.1f} %"
