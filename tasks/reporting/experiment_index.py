"""All experiments on one page: which wait for a decision, what changed, which won, and a link to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.experiments.headline import most_urgent_first, need_of
from tasks.reporting.artifacts import fixed_key, plain_cells
from tasks.reporting.links import report_link
from tasks.reporting.report import BEST_SHOWN, Finding, Report
from tasks.reporting.report_rows import ReportRows, Row
from tasks.warehouse.outcomes import FAILED, Outcome

FLOW = "experiment-analysis"
EVERYTHING = "experiment-analysis-all"
IDENTITY = ("workspace", "id")
TOO_FEW = "insufficient data"


def experiment_key(experiment_id: str) -> str:
    """Key of an experiment's own page."""
    return fixed_key(FLOW, experiment_id)


def experiment_index(
    experiments: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome], before: Sequence[Row] | None
) -> Report:
    """What needs a person, which experiments came to another answer, the winners, and how many there are.

    Args:
        experiments: all there are, as `ExperimentService.list_experiments` gives them.
        outcomes: of this run, for those that could not be looked at.
        before: everything, as the last run left it.
    """
    rows = [plain_cells(row) for row in [*_failures(outcomes), *map(_row, most_urgent_first(experiments))]]
    known = ReportRows(rows, None if before is None else list(before), {row["workspace"] for row in rows})
    counts = Counter(str(row["status"]) for row in rows if row["id"])
    too_few = counts.pop(TOO_FEW, 0)
    won = sorted((row for row in rows if row["winner"] and row["p"] != ""), key=_evidence)[:BEST_SHOWN]
    return Report(
        page="experiment-analysis-report",
        everything=EVERYTHING,
        news="experiment-analysis-news",
        title="Experiments",
        command="raptorflow experiment",
        needs=[Finding(_about(row), need) for row in rows if (need := _need(row))],
        changes=None if before is None else _changes(known),
        best=[_best(row) for row in won],
        links=[report_link(experiment_key(row["id"]), _about(row)) for row in won],
        counts={"experiments": len(experiments)} | dict(counts.most_common()),
        too_few=too_few,
        rows=sorted(rows, key=_needs_nobody),
    )


def _row(one: Mapping[str, Any]) -> Row:
    """Of an experiment that runs, what its last look found; of any other how it stands."""
    status = one["found"] or "not looked at" if one["status"] == "running" else one["status"]
    row = {"workspace": one["workspace_id"], "experiment": one["name"], "status": status.replace("_", " ")}
    return (
        row
        | {"winner": one["winner"], "units": one["units"], "p": one["p_value"]}
        | {"decide": need_of(one), "why": None, "id": one["experiment_id"]}
    )


def _failures(outcomes: Sequence[Outcome]) -> list[Row]:
    empty = dict.fromkeys(("winner", "units", "p", "decide", "id"))
    return [
        {"workspace": one.workspace_id, "experiment": "", "status": FAILED} | empty | {"why": one.reason}
        for one in outcomes
        if one.status == FAILED
    ]


def _needs_nobody(row: Row) -> bool:
    return _need(row) is None


def _need(row: Row) -> str | None:
    if row["status"] == FAILED:
        return f"an experiment could not be looked at: {row['why']}"
    return row["decide"] or None


def _changes(known: ReportRows) -> list[Finding]:
    pairs = known.changed(IDENTITY, ("status", "winner"))
    changes = [Finding(_about(new), f"{_state(old)} before, {_state(new)} now") for old, new in pairs]
    return changes + [Finding(_about(row), f"is new: {_state(row)}") for row in known.added(*IDENTITY) if row["id"]]


def _state(row: Row) -> str:
    winner = f", {row['winner']} wins" if row["winner"] else ""
    return f"{row['status']}{winner}"


def _about(row: Row) -> str:
    return f"{row['workspace']} · {row['experiment']}" if row["id"] else str(row["workspace"])


def _best(row: Row) -> Finding:
    return Finding(_about(row), f"{row['winner']} wins, {row['units']:,} units, p = {float(row['p']):.2g}")


def _evidence(row: Row) -> float:
    return float(row["p"])
