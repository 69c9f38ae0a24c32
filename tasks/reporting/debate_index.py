"""All debates on one page: which failed or came to no decision, what is new, the surest, and a link to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reporting.artifacts import artifact_key, plain_cells
from tasks.reporting.links import report_link
from tasks.reporting.report import BEST_SHOWN, Finding, Report
from tasks.reporting.report_rows import ReportRows, Row

FLOW = "debate-synthesis"
EVERYTHING = "debate-synthesis-all"
QUESTION_SHOWN = 80
TOO_FEW = "insufficient evidence"


def debate_key(debate_id: str) -> str:
    """Key of a debate's own page."""
    return artifact_key(FLOW, debate_id)


def debate_index(debates: Sequence[Mapping[str, Any]], before: Sequence[Row] | None) -> Report:
    """What needs a person, which debates are new or ended otherwise, the surest decisions, and how many there are.

    Args:
        debates: the newest, newest first, as `DebateService.recent` gives them.
        before: everything, as the last debate left it.
    """
    rows = [plain_cells(_row(debate)) for debate in debates]
    known = ReportRows(rows, None if before is None else list(before), {row["workspace"] for row in rows})
    counts = Counter(str(row["status"]) for row in rows)
    too_few = counts.pop(TOO_FEW, 0)
    sure = sorted((row for row in rows if row["decision"]), key=_confidence, reverse=True)
    return Report(
        page="debate-synthesis-report",
        everything=EVERYTHING,
        news="debate-synthesis-news",
        title="Debates",
        command="raptorflow debate",
        needs=[Finding(row["question"], f"{row['status']}: no decision") for row in rows if _is_open(row)],
        changes=None if before is None else _changes(known),
        best=[_best(row) for row in sure[:BEST_SHOWN]],
        links=[report_link(debate_key(row["id"]), row["question"]) for row in sure[:BEST_SHOWN]],
        counts={"debates": len(rows)} | dict(counts.most_common()),
        too_few=too_few,
        rows=rows,
    )


def _row(debate: Mapping[str, Any]) -> Row:
    question = " ".join(str(debate["problem"]).split())
    shown = question if len(question) <= QUESTION_SHOWN else f"{question[: QUESTION_SHOWN - 1]}…"
    row = {"workspace": debate["workspace_id"] or "", "question": shown, "status": debate["status"].replace("_", " ")}
    return row | {"decision": debate["label"], "confidence": debate["confidence"], "id": debate["debate_id"]}


def _is_open(row: Row) -> bool:
    return not row["decision"] and row["status"] not in ("running", TOO_FEW)


def _changes(known: ReportRows) -> list[Finding]:
    changed = [new for _, new in known.changed(["id"], ["status", "decision"])]
    return [
        Finding(row["question"], f"{row['status']}: {row['decision'] or 'no decision'}")
        for row in [*known.added("id"), *changed]
    ]


def _best(row: Row) -> Finding:
    return Finding(row["question"], f"{row['decision']}, confidence {_confidence(row):.0%}")


def _confidence(row: Row) -> float:
    return float(row["confidence"] or 0.0)
