"""What a pattern-learning run found, as a person reads it in Prefect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reporting.artifacts import markdown_table
from tasks.warehouse.outcomes import Outcome

CAVEAT = (
    "Associations, not causes: adjusted for channel, season and timing, found on one half of the weeks and confirmed "
    "on the other. Lift compares with other posts of the same channel and season; intervals are 90 %."
)
PATTERNS_SHOWN = 200


def pattern_report(outcomes: Sequence[Outcome]) -> str:
    """Markdown: every confirmed pattern, strongest first, then which analyses had too little to go on and why."""
    analyses = [analysis for outcome in outcomes for analysis in outcome.result.get("analyses", ())]
    rows = pattern_rows(analyses)
    short = [
        {"workspace": analysis["workspace_id"], "content": analysis["content_type"], "why": analysis["reason"]}
        for analysis in analyses
        if analysis["status"] in ("insufficient_data", "no_variance")
    ]
    found = f"**{len(rows)}** patterns in {len(analyses)} analyses of {len(outcomes)} workspaces."
    parts = ["# Patterns", found, CAVEAT, markdown_table(rows[:PATTERNS_SHOWN])]
    if len(rows) > PATTERNS_SHOWN:
        parts.append(f"{len(rows) - PATTERNS_SHOWN} weaker ones: `raptorflow patterns`.")
    if short:
        parts += ["## Not enough to go on", markdown_table(short)]
    return "\n\n".join(part for part in parts if part)


def pattern_rows(analyses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a pattern, strongest first."""
    found = [
        (analysis, pattern)
        for analysis in analyses
        for pattern in (*analysis["winning_patterns"], *analysis["losing_patterns"])
    ]
    found.sort(key=lambda pair: -abs(pair[1]["effect_size"]) * pair[1]["confidence"])
    return [_row(analysis, pattern) for analysis, pattern in found]


def _row(analysis: Mapping[str, Any], pattern: Mapping[str, Any]) -> dict[str, Any]:
    low, high = pattern["lift_interval_pct"]
    return {
        "workspace": analysis["workspace_id"],
        "content": analysis["content_type"],
        "pattern": pattern["description"],
        "90 % interval": f"{low:+.0f} … {high:+.0f} %",
        "sure of sign": f"{pattern['confidence']:.1%}",
        "posts": pattern["total_size"],
        "trend": pattern["trend"],
    }
