"""What a transfer run did: whose effects it took, and what the period's private release cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reporting.artifacts import markdown_table
from tasks.reporting.report import Finding, Report
from tasks.reporting.report_rows import ReportRows, Row
from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED, Outcome

EVERYTHING = "transfer-learning-all"
RELEASE = "release"
SHOWN_DIGITS = 16
STOPPED = {
    "budget_spent": "no release: the privacy budget of the period is spent; the last release keeps being served",
    "empty": "no release: no workspace shares insights; ingest some with shares_insights = true",
}


def all_rows(outcomes: Sequence[Outcome], released: Mapping[str, Any]) -> list[Row]:
    """The release, and how each workspace's own estimates went; nobody's numbers."""
    about = f"{released['period']}, {released['status']}"
    rows = [
        {"workspace": one.workspace_id, "what": "estimates", "status": one.status, "why": one.reason}
        for one in outcomes
    ]
    return [{"workspace": "", "what": RELEASE, "status": about, "why": STOPPED.get(released["status"])}, *rows]


def release_report(known: ReportRows, released: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()) -> Report:
    """What needs a person, whether there is a new release, what it cost, and what other installations sent."""
    counts = Counter(row["status"] for row in known.rows if row["what"] != RELEASE)
    facts = [{"what": name.replace("_", " "), "value": value} for name, value in released.items()]
    needs = [Finding(row["workspace"] or RELEASE, row["why"]) for row in known.rows if _needs(row)]
    pairs = known.changed(["workspace", "what"], ["status"])
    return Report(
        page="transfer-learning-release",
        everything=EVERYTHING,
        news="transfer-learning-news",
        title="The private release",
        command="raptorflow insights",
        needs=needs,
        changes=None if known.before is None else [_change(old, new) for old, new in pairs],
        best=[],
        counts={"workspaces with estimates": counts[DONE], "failed": counts[FAILED]},
        too_few=counts[SKIPPED],
        notes=["## What it cost, and its noise", markdown_table(facts), *_of_others(others)],
        rows=known.rows,
    )


def exchange_report(action: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """What was done with releases by hand: one that was handed out line by line, others a row each."""
    if action == "list":
        return markdown_table(_listed(rows)) or "No release yet: transfer-learning draws one a period."
    if action == "export":
        facts = [{"what": name.replace("_", " "), "value": value} for name, value in rows[0].items()]
        text = "The receiver puts the fingerprint into RAPTORFLOW_TRUSTED_RELEASES; read it to them, do not mail it."
        return f"{markdown_table(facts)}\n\n{text}"
    return markdown_table(rows)


def _of_others(releases: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = _listed(releases)
    return ["## Releases of other installations", markdown_table(rows)] if rows else []


def _listed(releases: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Few columns: who, when, whether it is used, what it cost its contributors, and how many leave it alone."""
    return [
        {
            "installation": row["fingerprint"][:SHOWN_DIGITS] or "this one",
            "period": row["period"],
            "state": row["state"],
            "ε so far": f"{row['epsilon_so_far']:.2f}",
            "left alone by": f"{row['refusing']} of {row['measured']} workspaces",
        }
        for row in releases
    ]


def _needs(row: Row) -> bool:
    return row["status"] == FAILED or (row["what"] == RELEASE and bool(row["why"]))


def _change(old: Row, new: Row) -> Finding:
    return Finding(new["workspace"] or RELEASE, f"{old['status']} before, {new['status']} now")
