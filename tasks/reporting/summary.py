"""The closing summary of a run: which workspaces are done, failed or skipped, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reporting.artifacts import markdown_table, reasons
from tasks.reporting.links import report_link
from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED

UNCHANGED = "unchanged"  # done in an earlier run, and nothing it rests on has changed since
WORST_FIRST = (FAILED, SKIPPED, DONE, UNCHANGED)


def summarize(outcomes: Sequence[Mapping[str, Any]], seconds: Mapping[str, float]) -> dict[str, Any]:
    """Count workspaces by their worst step, keep every reason.

    Args:
        outcomes: rows of `step_outcome` of one run.
        seconds: duration of each step, in the order of the chain.
    """
    by_workspace: dict[str, dict[str, str]] = defaultdict(dict)
    for row in outcomes:
        by_workspace[row["workspace_id"]][row["step"]] = _status(row)
    worst = {name: min(steps.values(), key=WORST_FIRST.index) for name, steps in by_workspace.items()}
    counts = Counter(worst.values())
    ran = {name for steps in by_workspace.values() for name in steps}
    columns = [name for name in seconds if name in ran] + sorted(ran - set(seconds))
    return {
        "workspaces": {status: counts.get(status, 0) for status in (DONE, UNCHANGED, SKIPPED, FAILED)},
        "seconds": dict(seconds),
        "reasons": [
            {"workspace": row["workspace_id"], "step": row["step"], "status": row["status"], "why": _why(row)}
            for row in outcomes
            if _why(row)
        ],
        "by_workspace": [
            {"workspace": name} | {column: steps.get(column) for column in columns}
            for name, steps in sorted(by_workspace.items())
        ],
    }


def _status(row: Mapping[str, Any]) -> str:
    return UNCHANGED if row["status"] == DONE and row["unchanged_since"] else str(row["status"])


def _why(row: Mapping[str, Any]) -> str:
    """The reason, and since when nothing has changed."""
    since = row["unchanged_since"]
    unchanged = f"unchanged since {since.day} {since:%b %Y}" if since and row["status"] != DONE else ""
    return "; ".join(part for part in (row["reason"], unchanged) if part)


def as_markdown(title: str, summary: Mapping[str, Any], reports: Mapping[str, str]) -> str:
    """The summary as a person reads it in Prefect, with ways to the steps' own reports (words by artifact key)."""
    counts = summary["workspaces"]
    parts = [
        f"# {title}",
        " · ".join(f"**{count}** {status}" for status, count in counts.items()),
        "A workspace counts by its worst step.",
        "Reports: " + " · ".join(report_link(key, words) for key, words in reports.items()),
        markdown_table([{"step": name, "seconds": value} for name, value in summary["seconds"].items()]),
        "## Workspaces",
        markdown_table(summary["by_workspace"]),
    ]
    if summary["reasons"]:
        why = ((f"{row['workspace']} · {row['step']} {row['status']}", row["why"]) for row in summary["reasons"])
        parts += ["## Why", reasons(why)]
    return "\n\n".join(parts)
