"""What a pattern-learning run found, as a person reads it in Prefect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.patterns import figures
from tasks.patterns.records import Pattern
from tasks.patterns.wording import format_lift
from tasks.plain_text import markdown
from tasks.reporting.artifacts import figure, markdown_table, reasons
from tasks.warehouse.outcomes import Outcome

CAVEAT = (
    "Associations, not causes: adjusted for channel, season and timing, and held to a false discovery rate over all "
    "rules that were searched. Lift compares with other posts of the same channel and season; intervals are 90 %."
)
PATTERNS_SHOWN = 200
WORKSPACES_SHOWN = 25  # a page with figures each; the others are in the table and on the command line


def pattern_report(outcomes: Sequence[Outcome]) -> str:
    """Markdown: every pattern, strongest first, then which analyses had too little to go on and why."""
    analyses = _analyses(outcomes)
    rows = pattern_rows(analyses)
    short = [
        (f"{analysis['workspace_id']} · {analysis['content_type']}", analysis["reason"])
        for analysis in analyses
        if analysis["status"] in ("insufficient_data", "no_variance")
    ]
    parts = ["# Patterns", counted(outcomes), CAVEAT, markdown_table(rows[:PATTERNS_SHOWN])]
    if len(rows) > PATTERNS_SHOWN:
        parts.append(f"{len(rows) - PATTERNS_SHOWN} weaker ones: `raptorflow patterns`.")
    if short:
        parts += ["## Not enough to go on", reasons(short)]
    return "\n\n".join(part for part in parts if part)


def counted(outcomes: Sequence[Outcome]) -> str:
    """How much was found, in a line."""
    analyses = _analyses(outcomes)
    patterns = sum(len(_patterns(analysis)) for analysis in analyses)
    return f"patterns: {patterns} · analyses: {len(analyses)} · workspaces: {len(outcomes)}"


def why_nothing(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Why a run found nothing for a workspace: one row for each that failed, was skipped or has no pattern."""
    rows = [
        {"workspace": outcome.workspace_id, "type": None, "status": outcome.status, "why": outcome.reason}
        for outcome in outcomes
        if outcome.reason
    ]
    return rows + [
        {"workspace": analysis["workspace_id"], "type": analysis["content_type"]}
        | {"status": analysis["status"], "why": analysis["reason"]}
        for analysis in _analyses([outcome for outcome in outcomes if not outcome.reason])
        if not _patterns(analysis)
    ]


def _analyses(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [analysis for outcome in outcomes for analysis in outcome.result.get("analyses", ())]


def workspace_reports(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    """Workspace and its own page, with figures; only for the first workspaces of a run that found something."""
    shown = 0
    for outcome in outcomes:
        analyses = [analysis for analysis in outcome.result.get("analyses", ()) if pattern_rows([analysis])]
        if analyses and shown < WORKSPACES_SHOWN:
            shown += 1
            yield outcome.workspace_id, "\n\n".join(_page(outcome.workspace_id, analyses))


def _page(workspace_id: str, analyses: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"# What works for {markdown(workspace_id)}"
    yield CAVEAT
    for analysis in analyses:
        patterns = sorted(map(Pattern.from_dict, _patterns(analysis)), key=lambda p: -abs(p.effect_size) * p.confidence)
        yield f"## {markdown(analysis['content_type'])}"
        yield markdown_table([_row(pattern.as_dict()) for pattern in patterns])
        yield figure(figures.forest(patterns), f"Lifts of {analysis['content_type']} patterns with 90 % intervals")
        yield figure(figures.over_time(patterns[0]), f"Over time: {patterns[0].description}")


def pattern_rows(analyses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a pattern, strongest first; narrow, because Prefect's page cuts what is wider than it."""
    patterns = [(analysis, pattern) for analysis in analyses for pattern in _patterns(analysis)]
    patterns.sort(key=lambda pair: -abs(pair[1]["effect_size"]) * pair[1]["confidence"])
    several = len({analysis["workspace_id"] for analysis in analyses}) > 1
    return [
        ({"workspace": analysis["workspace_id"]} if several else {})
        | {"type": analysis["content_type"]}
        | _row(pattern)
        for analysis, pattern in patterns
    ]


def _patterns(analysis: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*analysis["winning_patterns"], *analysis["losing_patterns"]]


def _row(pattern: Mapping[str, Any]) -> dict[str, Any]:
    interval = pattern["lift_interval_pct"]
    lift, low, high = (format_lift(value, interval, "+") for value in (pattern["lift_pct"], *interval))
    return {
        "content that …": pattern["description"].partition(": ")[2],
        "lift, 90 % interval": f"{lift} % ({low} … {high})",
        "posts": pattern["total_size"],
        "trend": pattern["trend"],
    }
