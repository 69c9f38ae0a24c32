"""What a workspace tests next, ranked by what it is worth, with why; and what decided experiments made its default."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from service.pages.calendar import calendar_of
from service.pages.names import known_workspace
from tasks.effects.loop.backlog import RankedExperiment
from tasks.effects.loop.defaults import in_words
from tasks.effects.loop.service import LoopService
from tasks.effects.loop.worth import HORIZON_WEEKS, in_two_digits
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse

PROPOSALS_SHOWN, ROWS_SHOWN = 30, 50
SOURCES = {
    "pattern": "a pattern of its posts",
    "early_signal": "an early signal",
    "debate": "a debate that is not settled",
    "default": "a default in doubt",
}
NOTHING = (
    "Nothing pays yet: no pattern, early signal or open debate is left that an experiment could settle in half a year "
    "at this traffic. More posts, or a debate, bring candidates."
)
Z_90 = 1.645


def backlog_context(warehouse: Warehouse, workspace_id: str) -> dict[str, Any]:
    """What the page shows."""
    workspace, now = known_workspace(warehouse, workspace_id), datetime.now(UTC)
    proposals = LoopService(warehouse).backlog(workspace_id, now)[:PROPOSALS_SHOWN]
    rows = ExperimentService(warehouse=warehouse).list_experiments(workspace_id)
    return {
        "by_lot": any(one.by_lot for one in proposals),
        "calendar": calendar_of(rows, now, now, ROWS_SHOWN),
        "defaults": shown_defaults(warehouse, workspace_id),
        "nothing": NOTHING,
        "proposals": [_shown(one) for one in proposals],
        "workspace": workspace,
    }


def shown_defaults(warehouse: Warehouse, workspace_id: str) -> Sequence[Mapping[str, Any]]:
    """Defaults as a page shows them: those that stand, retired ones, and winners that are not proven enough."""
    return [
        row | {"effect": _effect(row), "since": row.get("since"), "standing": in_words(row)}
        for row in LoopService(warehouse).known_defaults(workspace_id)
    ]


def _effect(row: Mapping[str, Any]) -> str:
    if row.get("effect") is None:
        return "–"
    low, high = row["effect_low"], row["effect_high"]
    return f"{row['effect']:+.0%} ({low:+.0%} … {high:+.0%}) on {row['metric_name']}"


def _shown(proposal: RankedExperiment) -> dict[str, Any]:
    one, worth = proposal.candidate, proposal.worth
    middle, low, high = (
        100 * math.expm1(one.prospect.mean + side * Z_90 * one.prospect.error) for side in (0.0, -1.0, 1.0)
    )
    reach = f"reaches {one.prospect.units_a_week:,.0f} {one.unit} a week"
    source = SOURCES[one.source] + (f" ({one.why})" if one.why else "")
    why = f"{source}: the change may bring {middle:+.0f} % ({low:+.0f} … {high:+.0f} %), and {reach}"
    weeks = f"{worth.weeks} week{'s' * (worth.weeks != 1)}"
    return {
        "assumed": one.assumed,
        "by_lot": proposal.by_lot,
        "change": one.change,
        "earned": one.earned,
        "cost": in_two_digits(worth.cost),
        "gain": in_two_digits(worth.gain),
        "size": f"{worth.units_per_arm:,} {one.unit} an arm, {weeks} of {HORIZON_WEEKS}",
        "why": why,
        "unit": one.unit,
        "worth": in_two_digits(worth.net, "+"),
        "worth_each": in_two_digits(worth.per_10_000, "+"),
    }
