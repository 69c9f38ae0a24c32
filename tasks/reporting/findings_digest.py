"""What a day brought, as one message: how many findings of each kind, and the first of each workspace. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.learnings.records import LearningKind
from tasks.plain_text import visible

MOST_LINES = 20
OF_A_WORKSPACE = 3  # lines; one with forty patterns must not hide an experiment of another
# In the order in which they are shown: what a person may act on first.
NAMES = {
    LearningKind.EXPERIMENT: ("answer of an experiment", "answers of experiments"),
    LearningKind.PATTERN: ("new pattern", "new patterns"),
    LearningKind.MODEL_CHANGE: ("model changed", "models changed"),
    LearningKind.DEBATE: ("debate decided", "debates decided"),
}
ORDER = {kind.value: place for place, kind in enumerate(NAMES)}


def digest_of(findings: Sequence[Mapping[str, Any]], drifting: Sequence[Mapping[str, Any]]) -> str:
    """The message, its first line a summary; empty where there is nothing to tell.

    Args:
        findings: `workspace_id`, `kind`, `statement`, `effect`, `effect_low`, `effect_high`, as they are stored.
        drifting: `workspace_id` and `model_type` of models whose drift is critical now.
    """
    if not findings:
        return ""
    counts = Counter(one["kind"] for one in findings)
    parts = [f"{counts[kind]} {names[counts[kind] != 1]}" for kind, names in NAMES.items() if counts[kind]]
    drift = f"; drift is critical: {len(drifting)}" if drifting else ""
    lines = [_line(one) for one in _chosen(findings)][:MOST_LINES]
    if left := len(findings) - len(lines):
        lines.append(f"and {left} more: `raptorflow recall`, or the service's first page")
    lines += [
        f"{visible(one['workspace_id'])}: drift of {one['model_type']} is critical" for one in drifting[:MOST_LINES]
    ]
    return "\n".join([f"{', '.join(parts)}{drift}", *(f"- {line}" for line in lines)])


def _chosen(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A few of each workspace, experiments first."""
    taken, chosen = Counter[str | None](), list[Mapping[str, Any]]()
    for one in sorted(findings, key=_place):
        taken[one["workspace_id"]] += 1
        if taken[one["workspace_id"]] <= OF_A_WORKSPACE:
            chosen.append(one)
    return chosen


def _place(finding: Mapping[str, Any]) -> tuple[int, float]:
    return ORDER[finding["kind"]], -abs(finding["effect"] or 0.0)


def _line(finding: Mapping[str, Any]) -> str:
    effect = ""
    if finding["effect"] is not None:
        low, high = finding["effect_low"], finding["effect_high"]
        effect = f" ({_percent(finding['effect'])} %, {_percent(low)} to {_percent(high)})"
    owner = finding["workspace_id"]
    return f"{'organization' if owner is None else visible(owner)}: {visible(finding['statement'])}{effect}"


def _percent(change: float) -> str:
    """Rounded, with its sign; what rounds to nothing has none below zero."""
    text = f"{100.0 * change:+.0f}"
    return "+0" if text == "-0" else text
