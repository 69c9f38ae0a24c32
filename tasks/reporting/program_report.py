"""What whole programs of experiments came to, as a person reads it in Prefect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tasks.effects import figures
from tasks.effects.program_summary import ExperimentEffect, ProgramSummary
from tasks.plain_text import markdown
from tasks.reporting.artifacts import artifact_key, figure, markdown_table, plain_cells, strong
from tasks.reporting.links import report_link
from tasks.reporting.report import BEST_SHOWN, Finding, Report
from tasks.reporting.report_rows import ReportRows, Row
from tasks.warehouse.outcomes import FAILED, Outcome

FLOW = "programme-report"
EVERYTHING = "programme-report-all"
CAVEAT = (
    "Claimed: the winners' lifts as their experiments showed them. Expected to hold: the same, shrunk over the whole "
    "program, because who declares the best arm also declares its luck, and less a fifth, because effects fade "
    "(as those of 44 public experiments of ASOS did). Intervals are 90 %. Gains one upon the other add up only as far "
    "as winners do not stand in each other's way."
)
ENDINGS = {
    "winner": "winner",
    "kept": "control kept",
    "neutral": "neutral",
    "inconclusive": "inconclusive",
    "running": "running",
}


def program_key(workspace_id: str) -> str:
    """Key of a workspace's own page."""
    return artifact_key(FLOW, workspace_id)


def program_page(summary: ProgramSummary) -> str:
    """One workspace's program in Markdown."""
    return "\n\n".join(_page(summary))


def _page(summary: ProgramSummary) -> Iterator[str]:
    yield f"# Experiments of {markdown(summary.workspace_id)}"
    yield strong(f"{summary.words[:1].upper()}{summary.words[1:]}.")
    yield CAVEAT
    yield markdown_table(
        [{"ended as": ENDINGS[ending], "experiments": count} for ending, count in summary.counts.items()]
    )
    if summary.win_rate is not None:
        yield f"Win rate: {100 * summary.win_rate:.0f} % of those that ended."
    if summary.holdout_pct is not None and summary.holdout_interval_pct is not None:
        low, high = summary.holdout_interval_pct
        yield (
            f"Against the holdout group, everybody else does {summary.holdout_pct:+.1f} % ({low:+.1f} … {high:+.1f}): "
            "what all of it came to together, measured."
        )
    if summary.counts.get("winner"):
        yield figure(
            figures.cumulative(summary), "Claimed gains of winners, one upon the other, and what is expected to hold"
        )
    yield "## What was learned"
    yield markdown_table([_row(one) for one in reversed(summary.experiments)])
    if summary.not_counted:
        yield "## Not counted"
        yield markdown_table([{"experiment": one.name, "why": one.why} for one in summary.not_counted])


def _row(one: ExperimentEffect) -> Row:
    low, high = one.interval_pct
    return {
        "experiment": one.name,
        "when": f"{one.ended_at:%Y-%m-%d}" if one.ended_at else "",  # it ended, or began where no more is known
        "metric": one.metric,
        "ended as": ENDINGS[one.ending],
        "arm": one.arm,
        "claimed": f"{one.claimed_pct:+.1f} %",
        "expected to hold": f"{one.expected_pct:+.1f} % ({low:+.1f} … {high:+.1f})",
        "tried again": {None: "", True: "agreed", False: "did not agree"}[one.replicated],
    }


def program_index(outcomes: Sequence[Outcome], before: Sequence[Row] | None) -> Report:
    """All workspaces on one page: what failed, what changed, the largest gains that are expected to hold."""
    summaries: list[ProgramSummary] = [one.result["program"] for one in outcomes if "program" in one.result]
    failed = [one for one in outcomes if one.status == FAILED]
    rows = [plain_cells(_index_row(one)) for one in sorted(summaries, key=_least_gain_last)]
    known = ReportRows(rows, None if before is None else list(before), {row["workspace"] for row in rows})
    won = [one for one in sorted(summaries, key=_least_gain_last) if one.counts.get("winner")][:BEST_SHOWN]
    counts: dict[str, Any] = {"experiments": sum(sum(one.counts.values()) for one in summaries)}
    for ending, words in ENDINGS.items():
        counts[words] = sum(one.counts.get(ending, 0) for one in summaries)
    if left := sum(len(one.not_counted) for one in summaries):
        counts["not counted"] = left
    return Report(
        page="programme-report-report",
        everything=EVERYTHING,
        news="programme-report-news",
        title="Programs of experiments",
        command="raptorflow run programme-report",
        needs=[Finding(one.workspace_id, f"its program could not be read: {one.reason}") for one in failed],
        changes=None if before is None else _changes(known),
        best=[Finding(one.workspace_id, one.words) for one in won],
        links=[report_link(program_key(one.workspace_id), one.workspace_id) for one in won],
        counts=counts,
        too_few=sum("program" not in one.result for one in outcomes) - len(failed),
        notes=[CAVEAT],
        rows=rows,
    )


def _index_row(one: ProgramSummary) -> Row:
    claimed, expected = one.gains
    each = "" if one.is_read_together else " a winner"
    return {
        "workspace": one.workspace_id,
        "experiments": sum(one.counts.values()),
        "winners": one.counts.get("winner", 0),
        "claimed": claimed + each,
        "expected to hold": expected + each,
    }


def _changes(known: ReportRows) -> list[Finding]:
    pairs = known.changed(("workspace",), ("winners",))
    return [
        Finding(new["workspace"], f"{old['winners']} winners before, {new['winners']} now; {new['expected to hold']}")
        for old, new in pairs
    ]


def _least_gain_last(one: ProgramSummary) -> tuple[float, str]:
    return -one.expected_pct, one.workspace_id
