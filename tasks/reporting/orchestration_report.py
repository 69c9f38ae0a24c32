"""The loop of experiments on one page: what waits for a person, what moved, what is done by default since when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.effects.loop.drafts import DraftedExperiment
from tasks.reporting.artifacts import reasons
from tasks.reporting.report import BEST_SHOWN, Finding, Report
from tasks.reporting.report_rows import ReportRows, Row, report_rows
from tasks.warehouse.outcomes import FAILED, Outcome

FLOW = "experiment-orchestration"
EVERYTHING = "experiment-orchestration-all"
IDENTITY = ("workspace", "experiment")
ASKED = "waits for an answer"
HOW_TO_ANSWER = "waits for your answer: open the paused run of experiment-orchestration, then Resume"
STATES = {
    ASKED: "wait for an answer",
    "waiting": "approved, wait for room",
    "running": "running",
    "completed": "ended",
    "declined": "declined",
    "left": "left to others",
}
ENDINGS = {"no_difference": "no difference", "harmed": "stopped, it harmed"}
CAVEAT = (
    "A claim is what calibrated effects let expect, written down before the start; intervals are 90 %. What is proven "
    "at 1 % becomes the default, as far as the program's online false discovery rate allows: `raptorflow defaults`."
)


def asked_in_words(drafts: Sequence[DraftedExperiment]) -> str:
    """What a person reads above the form, in Markdown."""
    head = f"{len(drafts)} experiment{'s' * (len(drafts) != 1)} to try next, the most worth first in each workspace."
    tail = (
        "**Run them** creates and starts all but those you name under **All but**, which are declined; without it all "
        "are declined. What is declined is not proposed again for some weeks."
    )
    return "\n\n".join([head, reasons((about(one), _proposal(one)) for one in drafts), tail])


def about(draft: DraftedExperiment) -> str:
    """What a person calls it by."""
    return f"{draft.workspace_id} · {draft.name}"


def _proposal(one: DraftedExperiment) -> str:
    days = "" if one.days is None else f", about {one.days} day{'s' * (one.days != 1)}"
    guarded = ", ".join(str(rail["name"]) for rail in one.definition["guardrails"])
    worth = f" Worth about {float(f'{one.net_worth:.2g}'):+,.0f} outcomes in half a year." * (not one.by_lot)
    return (
        f"{one.claim['words']} Size: {one.units_per_arm:,} {one.unit} an arm{days}, power .8 at 1 %."
        f"{worth}{f' Must not get worse: {guarded}.' if guarded else ''}"
    )


def orchestration_report(
    outcomes: Sequence[Outcome],
    drafts: Sequence[DraftedExperiment],
    before: Sequence[Row] | None,
    *,
    everyone: bool,
) -> Report:
    """The page.

    Args:
        outcomes: of this run; `rows` of what was answered, and `defaults`.
        drafts: that wait for an answer now.
        before: everything, as the last run left it.
        everyone: whether the run was about all workspaces.
    """
    waiting = [_row(one.workspace_id, one.name, ASKED, one.claim["words"], HOW_TO_ANSWER) for one in drafts]
    answered = [_answered(row) for one in outcomes for row in one.result.get("rows", ())]
    failed = [
        _row(one.workspace_id, "", FAILED, "", f"failed: {one.reason}") for one in outcomes if one.status == FAILED
    ]
    rows = [*failed, *waiting, *sorted(answered, key=_needs_nobody)]
    known = report_rows(before, rows, {one.workspace_id for one in outcomes}, everyone=everyone)
    defaults = [row for one in outcomes for row in one.result.get("defaults", ())]
    standing = [row for row in defaults if row["standing"] == "current"]
    counts = Counter(row["status"].partition(":")[0] for row in known.rows)
    return Report(
        page="experiment-orchestration-report",
        everything=EVERYTHING,
        news="experiment-orchestration-news",
        title="The loop of experiments",
        command="raptorflow experiment",
        needs=[Finding(_about(row), row["needs"]) for row in known.rows if row["needs"]],
        changes=None if before is None else _changes(known),
        best=[_default(row) for row in standing[:BEST_SHOWN]],
        counts={words: counts[state] for state, words in STATES.items()}
        | {"defaults": len(standing), "retired defaults": sum(row["standing"] == "retired" for row in defaults)},
        notes=[CAVEAT],
        rows=known.rows,
    )


def _row(workspace_id: str, name: str, status: str, claim: str, needs: str | None) -> Row:
    return {"workspace": workspace_id, "experiment": name, "status": status, "claim": claim, "needs": needs}


def _answered(row: Mapping[str, Any]) -> Row:
    state, why = row["state"], row["why"]
    if state == "completed":
        ending = ENDINGS.get(row["conclusion"], row["conclusion"])
        why = f"{ending}, {row['winner']}" if row["winner"] else ending
    status = f"{state}: {why}" if why else state
    return _row(row["workspace_id"], row["name"], status, row["claim"], row["needs"])


def _needs_nobody(row: Row) -> bool:
    return row["needs"] is None


def _changes(known: ReportRows) -> list[Finding]:
    pairs = known.changed(IDENTITY, ("status",))
    new = (Finding(_about(row), f"is new: {row['status']}") for row in known.added(*IDENTITY) if row["experiment"])
    return [*(Finding(_about(now), f"{old['status']} before, {now['status']} now") for old, now in pairs), *new]


def _about(row: Row) -> str:
    return f"{row['workspace']} · {row['experiment']}" if row["experiment"] else str(row["workspace"])


def _default(row: Mapping[str, Any]) -> Finding:
    effect = ""
    if row["effect"] is not None:
        effect = (
            f": {row['effect']:+.0%} ({row['effect_low']:+.0%} … {row['effect_high']:+.0%}) of {row['metric_name']}"
        )
    return Finding(row["workspace_id"], f"{row['statement']}{effect}, since {row['since']:%Y-%m-%d}")
