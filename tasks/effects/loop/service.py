"""The backlog of a workspace's candidate experiments, and what decided experiments made its defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tasks.content.media import MEDIA_TYPES
from tasks.effects.arms import PATTERN, Value, usual_metric_of
from tasks.effects.declared import MEDIA, OF_TEXT, features_in_doubt, new_labels, require_declarable
from tasks.effects.loop import store
from tasks.effects.loop.backlog import Candidate, RankedExperiment, ranked
from tasks.effects.loop.candidates import (
    Traffic,
    as_declared,
    is_tested,
    of_debate,
    of_pattern,
    of_signals,
    traffic_of,
)
from tasks.effects.loop.defaults import Default, defaults_of
from tasks.effects.loop.drafts import DraftedExperiment, LoopTerms, drafted
from tasks.effects.store import pairs_of_organization, pairs_of_workspace, shown_arms
from tasks.plain_text import visible
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import find_workspace

Row = dict[str, Any]
UNNAMED_OUTCOME = "engagement"
LONGEST_ACTOR = 128


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
            if row["content_type"] in traffic and not is_tested(arms, row["pattern_key"], store.rule_of(row["details"]))
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

    def require_changes(self, workspace_id: str, changes: Sequence[Mapping[str, Value]]) -> None:
        """Raise unless what arms declare to change are conditions that content of the workspace can meet.

        Raises:
            InputError: with what to write instead.
        """
        declared = [(name, value) for arm in changes for name, value in arm.items()]
        names = {name for name, _ in declared}
        attributes = store.attribute_labels(self._warehouse, workspace_id) if features_in_doubt(names) else ()
        patterns = store.declarable_keys(self._warehouse, workspace_id) if PATTERN in names else ()
        for name, value in declared:
            require_declarable(name, value, attributes, patterns)

    def new_labels(self, workspace_id: str, changes: Sequence[Mapping[str, Value]]) -> list[str]:
        """In words, labels that arms declare and no post of the workspace has."""
        declared = [pair for arm in changes for pair in arm.items() if isinstance(pair[1], str)]
        columns = {name for name, _ in declared} & {MEDIA, *OF_TEXT}
        known = {name: store.labels_of_posts(self._warehouse, workspace_id, name) for name in columns}
        if MEDIA in known:
            known[MEDIA] |= set(MEDIA_TYPES)
        if features_in_doubt([name for name, _ in declared]):
            known |= store.attribute_labels(self._warehouse, workspace_id)
        return new_labels(declared, known)

    def drafts(
        self, workspace_id: str, terms: LoopTerms, defined: Mapping[str, Mapping[str, Any]], now: datetime
    ) -> list[DraftedExperiment]:
        """The backlog as definitions, without what was approved before or declined of late.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        since = now - timedelta(weeks=terms.weeks_declined)
        closed = {
            row["proposal_key"]
            for row in self.answers(workspace_id)
            if row["answer"] != store.DECLINED or row["answered_at"] > since
        }
        usual = usual_metric_of(shown_arms(self._warehouse, workspace_id))
        return [
            drafted(proposal, workspace_id, terms, usual, defined)
            for proposal in self.backlog(workspace_id, now)
            if proposal.candidate.key not in closed
        ]

    def answer(self, drafts: Sequence[DraftedExperiment], actor: str, reason: str, now: datetime, *, yes: bool) -> int:
        """Keep what was answered to drafts, definitions and all; what was approved once stays as it was."""
        rows = [
            {"workspace_id": one.workspace_id, "proposal_key": one.key, "name": one.name, "source": one.source}
            | {"by_lot": one.by_lot, "answer": store.APPROVED if yes else store.DECLINED}
            | {"definition": dict(one.definition), "claim": dict(one.claim), "answered_at": now}
            | {"actor": visible(actor)[:LONGEST_ACTOR], "reason": visible(reason), "experiment_id": None}
            for one in drafts
        ]
        return store.save_answers(self._warehouse, rows)

    def answers(self, workspace_id: str) -> list[Row]:
        """All that was answered, in order."""
        return store.answers(self._warehouse, workspace_id)

    def became(self, workspace_id: str, key: str, experiment_id: str) -> None:
        """Keep which experiment an approved draft became."""
        store.note_end(self._warehouse, workspace_id, key, experiment_id=experiment_id)

    def leave(self, workspace_id: str, key: str, why: str) -> None:
        """Keep why an approved draft becomes no experiment."""
        store.note_end(self._warehouse, workspace_id, key, answer=store.LEFT, reason=why)

    def tested_elsewhere(self, workspace_id: str, key: str, name: str) -> str | None:
        """Another experiment, by name, whose arms differ in what this key stands for; None where there is none."""
        others = [row for row in store.declared_arms(self._warehouse, workspace_id) if row["experiment"] != name]
        names = dict.fromkeys(row["experiment"] for row in others)
        of_each = ((one, as_declared([row for row in others if row["experiment"] == one])) for one in names)
        return next((str(one) for one, arms in of_each if is_tested(arms, key, ())), None)

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
