"""What `raptorflow backlog` and `raptorflow defaults` print: what to try next, and what was proven."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.effects.loop.backlog import RankedExperiment
from tasks.effects.loop.defaults import in_words
from tasks.effects.loop.service import LoopService
from tasks.effects.loop.worth import in_two_digits
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import find_workspace, workspace_frame

Rows = list[dict[str, Any]]


def backlog(workspace_id: str | None, for_machines: bool = False) -> Rows:
    """Candidate experiments of one workspace or of each, in the order in which they are to be run."""
    warehouse = open_warehouse()
    service, now = LoopService(warehouse), datetime.now(UTC)
    return [
        {"workspace": name, "place": place} | (proposal.as_dict() if for_machines else _proposal(proposal))
        for name in _workspaces(warehouse, workspace_id)
        for place, proposal in enumerate(service.backlog(name, now), start=1)
    ]


def defaults(workspace_id: str | None, for_machines: bool = False) -> Rows:
    """What is done by default, what no longer is, and what won without proving enough."""
    warehouse = open_warehouse()
    service = LoopService(warehouse)
    return [
        row if for_machines else _default(row)
        for name in _workspaces(warehouse, workspace_id)
        for row in service.defaults(name)
    ]


def _workspaces(warehouse: Warehouse, workspace_id: str | None) -> list[str]:
    if workspace_id is not None:
        return [find_workspace(warehouse, workspace_id)["workspace_id"]]
    return workspace_frame(warehouse)["workspace_id"].to_list()


def _proposal(proposal: RankedExperiment) -> dict[str, Any]:
    candidate, worth = proposal.candidate, proposal.worth
    weeks = f"{worth.weeks} week{'s' * (worth.weeks != 1)}"
    # What the order is by.
    each = f"{in_two_digits(worth.per_10_000, '+')} {candidate.earned} for 10,000 {candidate.unit} of its test"
    why = (
        "drawn by lot"
        if proposal.by_lot
        else f"{each}, about {in_two_digits(worth.net, '+')} {candidate.earned} in half a year"
    )
    return {
        "try": candidate.change,
        "from": candidate.source.replace("_", " ") + (f": {candidate.why}" if candidate.why else ""),
        "expected worth": why + (f"; assumed: {candidate.assumed}" if candidate.assumed else ""),
        "size": f"{worth.units_per_arm:,} {candidate.unit} an arm, {weeks}",
    }


def _default(row: Mapping[str, Any]) -> dict[str, Any]:
    effect = None
    if row.get("effect") is not None:
        effect = f"{row['effect']:+.0%} ({row['effect_low']:+.0%} … {row['effect_high']:+.0%}) in {row['metric_name']}"
    return {
        "workspace": row["workspace_id"],
        "what": row["statement"],
        "default": in_words(row),
        "since": f"{row['since']:%Y-%m-%d}" if "since" in row else None,
        "because of": row["experiment_name"],
        "effect seen": effect,
    }
