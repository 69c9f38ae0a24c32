"""The backlog of a workspace's candidate experiments, and what decided experiments made its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tasks.effects.loop import store
from tasks.effects.loop.backlog import Candidate, RankedExperiment, ranked
from tasks.effects.loop.candidates import (
    Traffic,
    as_declared,
    is_tested,
    of_debate,
    of_pattern,
    of_signals,
    rule_of,
    traffic_of,
)
from tasks.effects.loop.defaults import Default, defaults_of
from tasks.effects.store import pairs_of_organization, pairs_of_workspace
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import find_workspace

Row = dict[str, Any]
UNNAMED_OUTCOME = "engagement"


class LoopService:
    """Reads one workspace at a time."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def backlog(self, workspace_id: str, now: datetime) -> list[RankedExperiment]:
        """Candidate experiments that pay, the most worth first, but for one place in ten that is drawn by lot.

        What an experiment tests or tested is not among them, drafts included.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        find_workspace(self._warehouse, workspace_id)
        posts = store.recent_posts(self._warehouse, workspace_id, now)
        types = {row["content_type"] for row in posts}
        traffic = {name: traffic_of([row for row in posts if row["content_type"] == name]) for name in types}
        declared = store.declared_arms(self._warehouse, workspace_id)
        arms, names = as_declared(declared), {row["experiment"] for row in declared}
        analyses = store.newest_analyses(self._warehouse, workspace_id)
        patterns = store.patterns_in(self._warehouse, workspace_id, [one["analysis_id"] for one in analyses])
        candidates = [
            of_pattern(row, traffic[row["content_type"]])
            for row in patterns
            if row["content_type"] in traffic and not is_tested(arms, row["pattern_key"], rule_of(row["details"]))
        ]
        for analysis in analyses:
            candidates += self._signals(workspace_id, analysis, traffic)
        for row in store.unsettled_debates(self._warehouse, workspace_id):
            if (row["decision"].get("experiment") or {}).get("name") not in names:
                candidates.append(of_debate(row, traffic_of(posts), workspace_id))
        fresh = {
            one.key: one for one in candidates if one and (one.source == "pattern" or not is_tested(arms, one.key, ()))
        }
        return ranked(list(fresh.values()), workspace_id, now.date())

    def _signals(self, workspace_id: str, analysis: Row, traffic: dict[str, Traffic]) -> Sequence[Candidate]:
        signals, content_type = analysis["statistics"].get("early_signals", ()), analysis["content_type"]
        if not signals or content_type not in traffic:
            return ()
        pairs = pairs_of_workspace(self._warehouse, workspace_id, content_type)
        pairs += pairs_of_organization(self._warehouse, workspace_id, content_type)
        outcome = pairs[0].outcome if pairs else UNNAMED_OUTCOME
        return of_signals(signals, traffic[content_type], pairs, workspace_id, outcome)

    def settle(self, workspace_id: str) -> list[Default]:
        """Write what decided experiments made the workspace's defaults, and retire what later ones refuted.

        The same however often it runs, whoever was killed in between: it follows from the sealed decisions alone.

        Returns:
            Winners that are no default, because the program's online level asks for more proof.
        """
        program = defaults_of(store.decided_experiments(self._warehouse, workspace_id))
        store.save_defaults(self._warehouse, workspace_id, program.defaults)
        return program.withheld

    def defaults(self, workspace_id: str) -> list[Row]:
        """Defaults, those that stand first, then retired ones, then winners that are not proven enough.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        find_workspace(self._warehouse, workspace_id)
        withheld = self.settle(workspace_id)
        return _with_standing(workspace_id, store.stored_defaults(self._warehouse, workspace_id), withheld)

    def known_defaults(self, workspace_id: str) -> list[Row]:
        """The same from the sealed decisions alone, for those who only look: nothing is written.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        find_workspace(self._warehouse, workspace_id)
        program = defaults_of(store.decided_experiments(self._warehouse, workspace_id))
        return _with_standing(workspace_id, store.rows_of(workspace_id, program.defaults), program.withheld)


def _with_standing(workspace_id: str, rows: Sequence[Row], withheld: Sequence[Default]) -> list[Row]:
    not_proven = [
        {
            "workspace_id": workspace_id,
            "experiment_id": one.experiment.experiment_id,
            "experiment_name": one.experiment.name,
            "metric_name": one.experiment.metric_name,
            "statement": one.statement,
            "p_value": one.experiment.p_value,
            "level": one.level,
            "standing": "not_proven_enough",
        }
        for one in withheld
    ]
    return [row | {"standing": "retired" if row["retired_at"] else "current"} for row in rows] + not_proven
