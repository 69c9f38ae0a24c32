"""What a workspace with too few posts for patterns may try: its own posts and what others know, through one door.

Of rules from a hundred posts alone half are false. Together with what similar workspaces know, what is stated with .8,
.9 or .95 comes true so often (`tests/tasks/transfer/test_claims_come_true.py`). No pattern: nothing here was found by
searching this workspace, and nothing is stored as if it were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.patterns.records import ContentAnalysis
from tasks.patterns.store import asked_others
from tasks.patterns.wording import format_probability
from tasks.transfer.service import TransferService
from tasks.warehouse import Warehouse

FEWEST_POSTS = 50
EARLY_SIGNAL = "early_signal"


def with_early_signals(
    warehouse: Warehouse, analysis: ContentAnalysis, frame: pl.DataFrame, as_of: datetime | None
) -> ContentAnalysis:
    """The analysis; where its posts were too few for patterns, with what they and others say is worth a try.

    Args:
        warehouse: where others' knowledge is read.
        analysis: of these rows.
        frame: rows of one content type of one workspace, in time order.
        as_of: what others knew by then; what they know now unless given.
    """
    if analysis.status != "insufficient_data" or analysis.statistics["sample_count"] < FEWEST_POSTS:
        return analysis
    known_by = as_of or datetime.now(UTC)
    insights = TransferService(warehouse=warehouse).early_signals(analysis.query.workspace_id, frame, known_by)
    if not insights:
        return analysis
    signals = [_signal(insight) for insight in insights]
    reason = f"too few posts for patterns: {analysis.reason}. Until then, {'; '.join(one['words'] for one in signals)}"
    return replace(
        analysis, status=EARLY_SIGNAL, reason=reason, statistics=analysis.statistics | {"early_signals": signals}
    )


def others_state(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str]:
    """A hash a workspace of what others know, where an analysis asked them; empty for the rest."""
    dependent = asked_others(warehouse, workspace_ids, FEWEST_POSTS)
    known = TransferService(warehouse=warehouse).state_of_others(dependent) if dependent else {}
    return {name: known.get(name, "") for name in workspace_ids}


def _signal(insight: Mapping[str, Any]) -> dict[str, Any]:
    """An insight of transfer as something to try."""
    description = insight["description"]
    return {
        "signal_id": insight["insight_id"],
        "words": f"worth a try: {description[0].lower()}{description[1:]} "
        f"({format_probability(insight['confidence'])} sure of the direction)",
        "confidence": insight["confidence"],
        "effect_size": insight["effect_size"],
        "interval_95": insight["metadata"]["interval_95"],
        "own_weight": insight["metadata"]["own_weight"],
        "source_workspaces": insight["source_workspaces"],
        "mode": insight["metadata"]["mode"],
        "evidence": "association",
    }
