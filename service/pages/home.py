"""The first page: what needs a person, what changed, and every workspace, by search and filters."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from service.pages import addresses
from service.pages.approvals import APPROVALS, Approvals
from service.pages.attention import BY_NAME, KINDS, ORDER, PressingNeed, by_workspace, needs_of
from service.pages.listing import paged
from tasks.experiments.service import ExperimentService
from tasks.models.store.attention import champion_counts, drifting_champions, recent_moves, waiting_versions
from tasks.patterns.store import pattern_counts
from tasks.swarm.debate_service import DebateService
from tasks.swarm.registry_service import RegistryService
from tasks.warehouse import Warehouse
from tasks.warehouse.latest_outcomes import recent_runs, unfinished_outcomes
from tasks.warehouse.workspace_list import list_workspaces

LINES_A_KIND = 5
CHANGES_SHOWN = 8
LOOK_BACK = timedelta(days=7)
DEBATES_LOOKED_AT = 50
SECONDS_SHARED = 1.0
Row = Mapping[str, Any]

ORDERS = {"need": "needs first", "name": "name", "newest": "newest post", "oldest": "oldest post"}
NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which workspaces a person wants to see, and in which order."""

    q: str
    need: str
    industry: str
    organization: str
    order: str
    page: int

    @classmethod
    def of(cls, q: str, need: str, industry: str, organization: str, order: str, page: int) -> Wanted:
        """What an address asks for; a need or an order that there is not is none."""
        need = need if need in {*BY_NAME, "any"} else ""
        return cls(q.strip(), need, industry, organization, order if order in ORDERS else "need", page)

    def keeps(self, row: Row, kinds: Sequence[str]) -> bool:
        """Whether a workspace with these needs is among them."""
        words = self.q.casefold().split()
        text = " ".join(str(row[name] or "") for name in ("workspace_id", "name", "industry", "organisation_id"))
        return (
            all(word in text.casefold() for word in words)
            and self._keeps_kinds(kinds)
            and self.industry in ("", row["industry"])
            and self.organization in ("", row["organisation_id"])
        )

    def _keeps_kinds(self, kinds: Sequence[str]) -> bool:
        return not self.need or (bool(kinds) if self.need == "any" else self.need in kinds)

    def address(self, **changes: object) -> str:
        """The page under this filter, with changes."""
        own = {"q": self.q, "need": self.need, "industry": self.industry, "organization": self.organization}
        own |= {"order": "" if self.order == "need" else self.order}
        return addresses.filtered("/", **(own | {"page": self.page} | changes))


@dataclass(frozen=True, slots=True)
class HomeOverview:
    """What all viewers of the first page share, whatever each filters by.

    Attributes:
        workspaces: by name.
        needs: the most pressing kind first.
        kinds: of needs, by workspace.
        changes: newest first.
        as_of: when the newest run worked; None where none has.
        not_known: why it is not known whether a run waits for an approval; empty where it is.
    """

    workspaces: Sequence[Row]
    needs: Sequence[PressingNeed]
    kinds: Mapping[str, Sequence[str]]
    changes: Sequence[Row]
    as_of: datetime | None
    not_known: str = ""


class SharedOverviews:
    """One overview a warehouse, at most a second old: fifty viewers cost what one does, and wait for the one made."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Warehouse, tuple[float, HomeOverview]] = WeakKeyDictionary()
        self._turn = threading.Lock()

    def of(self, warehouse: Warehouse) -> HomeOverview:
        """The overview as it is, or was a moment ago."""
        with self._turn:
            until, made = self._made.get(warehouse, (0.0, None))
            if made is None or time.monotonic() >= until:
                made = overview_of(warehouse)
                self._made[warehouse] = time.monotonic() + SECONDS_SHARED, made
            return made


SHARED = SharedOverviews()


def overview_of(warehouse: Warehouse) -> HomeOverview:
    """Needs and changes of all workspaces: some ten queries, however many there are."""
    approvals = APPROVALS.known()  # before the warehouse is read, which is held by nobody meanwhile
    with warehouse.read_once():
        return _overview(warehouse, approvals)


def _overview(warehouse: Warehouse, approvals: Approvals) -> HomeOverview:
    since = datetime.now(UTC) - LOOK_BACK
    experiments = ExperimentService(warehouse=warehouse)
    debates = DebateService(RegistryService(warehouse)).recent(None, DEBATES_LOOKED_AT)
    needs = needs_of(
        unfinished_outcomes(warehouse),
        experiments.waiting_experiments(),
        drifting_champions(warehouse),
        waiting_versions(warehouse),
        debates,
        approvals.needs,
    )
    moved = experiments.moved_experiments(since, CHANGES_SHOWN)
    changes = _changes(moved, recent_moves(warehouse, since, CHANGES_SHOWN), debates, since)
    runs = recent_runs(warehouse, 1)
    as_of = runs[0]["at"] if runs else None
    shown = changes[:CHANGES_SHOWN]
    return HomeOverview(list_workspaces(warehouse), needs, by_workspace(needs), shown, as_of, approvals.problem)


def home_context(warehouse: Warehouse, wanted: Wanted, overview: HomeOverview | None = None) -> dict[str, Any]:
    """What the page shows.

    Args:
        warehouse: of the counts of the workspaces on the page.
        wanted: which workspaces, in which order.
        overview: what is known of all; None reads it.
    """
    known = overview or overview_of(warehouse)
    workspaces, kinds = known.workspaces, known.kinds
    fitting = [row for row in workspaces if wanted.keeps(row, kinds.get(row["workspace_id"], ()))]
    listed = paged(_ordered(fitting, kinds, wanted.order), wanted.page)
    with warehouse.read_once():
        rows = _rows(warehouse, listed.rows, kinds)
    return {
        "as_of": known.as_of,
        "changes": known.changes,
        "groups": list(_groups(known.needs)),
        "in_need": len(kinds),
        "industries": sorted({row["industry"] for row in workspaces}),
        "kinds": KINDS,
        "list": listed,
        "look_back": LOOK_BACK.days,
        "not_known": known.not_known,
        "names": {row["workspace_id"]: row["name"] for row in workspaces},
        "orders": ORDERS,
        "organizations": sorted({row["organisation_id"] for row in workspaces if row["organisation_id"]}),
        "rows": rows,
        "total": len(workspaces),
        "wanted": wanted,
    }


def _groups(needs: Sequence[PressingNeed]) -> Iterator[dict[str, Any]]:
    """Needs by kind, the first ones of each, and where the rest is."""
    for kind in KINDS:
        own = [need for need in needs if need.kind == kind.name]
        if own:
            whose = len({need.workspace_id for need in own})
            yield {"kind": kind, "lines": own[:LINES_A_KIND], "count": len(own), "whose": whose}


def _ordered(rows: Sequence[Row], kinds: Mapping[str, Sequence[str]], order: str) -> list[Row]:
    """Workspaces, which come by name, in an order."""
    if order == "name":
        return list(rows)
    if order in ("newest", "oldest"):
        return sorted(rows, key=_newest_post, reverse=order == "newest")
    places = {name: (ORDER[own[0]], -len(own)) for name, own in kinds.items()}
    last = (len(ORDER), 0)
    ranked = [(places.get(row["workspace_id"], last), k) for k, row in enumerate(rows)]
    return [rows[k] for _, k in sorted(ranked)]


def _newest_post(row: Row) -> datetime:
    instant: datetime | None = row["newest_post"]
    return instant or NEVER


def _rows(warehouse: Warehouse, shown: Sequence[Row], kinds: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The workspaces of one page, with counts that are asked for these alone."""
    ids = [str(row["workspace_id"]) for row in shown]
    patterns, champions = pattern_counts(warehouse, ids), champion_counts(warehouse, ids)
    running = ExperimentService(warehouse=warehouse).running_counts(ids)
    return [
        dict(row)
        | {"kinds": [BY_NAME[kind] for kind in kinds.get(name, ())], "patterns": patterns.get(name, {})}
        | {"champions": champions.get(name, 0), "running": running.get(name, 0)}
        for name, row in zip(ids, shown, strict=True)
    ]


def _changes(
    experiments: Sequence[Row], moves: Sequence[Row], debates: Sequence[Row], since: datetime
) -> list[dict[str, Any]]:
    """What ended, began or moved since an instant, newest first."""
    changes = [
        {
            "at": row["recorded_at"],
            "workspace_id": row["workspace_id"],
            "what": f"{row['kind']} of {row['version_name']}",
        }
        | {"about": row["model_type"].replace("_", " ").lower()}
        | {"href": addresses.model(row["workspace_id"], row["model_type"])}
        for row in moves
    ]
    for row in experiments:
        about = {"workspace_id": row["workspace_id"], "about": row["name"]}
        about |= {"href": addresses.experiment(row["experiment_id"])}
        if row["completed_at"] is not None:
            winner = f"ended: {row['winner']} wins" if row["winner"] else "ended without a winner"
            changes.append(about | {"at": row["completed_at"], "what": winner})
        else:
            changes.append(about | {"at": row["started_at"], "what": "started"})
    changes += [
        {"at": row["concluded_at"], "workspace_id": row["workspace_id"], "about": row["problem"]}
        | {"what": f"decided: {row['label']}", "href": addresses.debate(row["debate_id"])}
        for row in debates
        if row["label"] and row["concluded_at"] is not None and row["concluded_at"] >= since
    ]
    return sorted(changes, key=_at, reverse=True)


def _at(change: Row) -> datetime:
    instant: datetime = change["at"]
    return instant
