"""The closing summary of a chain: which workspaces failed or recovered, the best it known, how long each step took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.reporting.artifacts import plain_cells
from tasks.reporting.links import report_link
from tasks.reporting.report import Finding, Report
from tasks.reporting.report_rows import ReportRows, Row, report_rows
from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED

UNCHANGED = "unchanged"  # done in an earlier run, and nothing it rests on has changed since
WORST_FIRST = (FAILED, SKIPPED, DONE, UNCHANGED)
EVERYTHING = "meta-learning-workspaces"


def summarize(outcomes: Sequence[Mapping[str, Any]], seconds: Mapping[str, float]) -> dict[str, Any]:
    """Count workspaces by their worst step, keep every reason.

    Args:
        outcomes: rows of `step_outcome` of one run.
        seconds: duration of each step, in the order of the chain.
    """
    by_workspace: dict[str, dict[str, str]] = defaultdict(dict)
    for row in outcomes:
        by_workspace[row["workspace_id"]][row["step"]] = _status(row)
    worst = {name: worst_of(steps.values()) for name, steps in by_workspace.items()}
    counts = Counter(worst.values())
    ran = {name for steps in by_workspace.values() for name in steps}
    columns = [name for name in seconds if name in ran] + sorted(ran - set(seconds))
    return {
        "workspaces": {status: counts.get(status, 0) for status in (DONE, UNCHANGED, SKIPPED, FAILED)},
        "seconds": dict(seconds),
        "reasons": [
            {"workspace": row["workspace_id"], "step": row["step"], "status": row["status"], "why": _reason(row)}
            for row in outcomes
            if _reason(row)
        ],
        "by_workspace": [
            {"workspace": name} | {column: steps.get(column) for column in columns}
            for name, steps in sorted(by_workspace.items())
        ],
    }


def _status(row: Mapping[str, Any]) -> str:
    return UNCHANGED if row["status"] == DONE and row["unchanged_since"] else str(row["status"])


def _reason(row: Mapping[str, Any]) -> str:
    """The reason, and since when nothing has changed."""
    since = row["unchanged_since"]
    unchanged = f"unchanged since {since.day} {since:%b %Y}" if since and row["status"] != DONE else ""
    return "; ".join(part for part in (row["reason"], unchanged) if part)


def worst_of(statuses: Iterable[str]) -> str:
    """The status that counts for a workspace; one that is none of ours is as good as done."""
    return min((status if status in WORST_FIRST else DONE for status in statuses), key=WORST_FIRST.index)


def summary_report(
    summary: Mapping[str, Any],
    before: Sequence[Row] | None,
    best: Sequence[Finding],
    reports: Mapping[str, str],
    *,
    everyone: bool,
) -> Report:
    """The summary as a person reads it in Prefect.

    Args:
        summary: of `summarize`.
        before: everything, as the last chain left it.
        best: the best that the chain known.
        reports: words by the key of each step's own report.
        everyone: whether the chain was about all workspaces.
    """
    known = report_rows(
        before, _rows(summary), [row["workspace"] for row in summary["by_workspace"]], everyone=everyone
    )
    counts = Counter(str(row["worst"]) for row in known.rows)
    seconds = sum(summary["seconds"].values())
    steps = ", ".join(f"{name} {value:,.0f} s" for name, value in summary["seconds"].items())
    return Report(
        page="meta-learning-summary",
        everything=EVERYTHING,
        news="meta-learning-news",
        title="Nightly chain",
        command="raptorflow status",
        needs=[Finding(row["workspace"], row["why"]) for row in known.rows if row["worst"] == FAILED],
        changes=None if known.before is None else _changes(known),
        best=best,
        counts={"workspaces": len(known.rows)} | {status: counts.get(status, 0) for status in reversed(WORST_FIRST)},
        too_few=counts.get(SKIPPED, 0),
        notes=[
            f"A workspace counts by its worst step. The chain took {seconds:,.0f} s: {steps}.",
            "Reports: " + " · ".join(report_link(key, words) for key, words in reports.items()),
        ],
        rows=sorted(known.rows, key=_order),
    )


def _rows(summary: Mapping[str, Any]) -> list[Row]:
    whys: dict[str, list[str]] = defaultdict(list)
    for reason in summary["reasons"]:
        whys[reason["workspace"]].append(f"{reason['step']} {reason['status']}: {reason['why']}")
    rows = []
    for row in summary["by_workspace"]:
        steps = {name: status for name, status in row.items() if name != "workspace"}
        worst = worst_of(status for status in steps.values() if status)
        rows.append(
            plain_cells({"workspace": row["workspace"], "worst": worst} | steps | {"why": _why(whys, row, worst)})
        )
    return rows


def _why(whys: Mapping[str, Sequence[str]], row: Row, worst: str) -> str | None:
    """The reasons of the steps that count: of a failed workspace those that failed."""
    of_worst = [why for why in whys.get(row["workspace"], ()) if f" {worst}: " in why]
    return "; ".join(of_worst) or None


def _changes(known: ReportRows) -> list[Finding]:
    added = [Finding(row["workspace"], f"is new: {row['worst']}") for row in known.added("workspace")]
    pairs = known.changed(["workspace"], ["worst"])
    news = [(old["worst"], new) for old, new in pairs if {old["worst"], new["worst"]} != {DONE, UNCHANGED}]
    return [Finding(new["workspace"], f"{was} before, {new['worst']} now") for was, new in news] + added


def _order(row: Row) -> tuple[int, str]:
    return WORST_FIRST.index(row["worst"]), str(row["workspace"])
