"""The backlog of a workspace's candidate experiments, and what decided experiments made its defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
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
from tasks.effects.loop.defaults import DecidedExperiment, Default, ProgramDefaults, defaults_of, sets_apart
from tasks.effects.loop.drafts import DraftedExperiment, LoopTerms, drafted
from tasks.effects.loop.retests import DefaultInDoubt, in_doubt, retest
from tasks.effects.program_summary import StoredExperiment, against_holdout
from tasks.effects.store import experiments_of, pairs_of_organization, pairs_of_workspace, shown_arms
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
        candidates: list[Candidate | None] = [
            of_pattern(row, traffic[row["content_type"]])
            for row in patterns
            if row["content_type"] in traffic and not is_tested(arms, row["pattern_key"], store.rule_of(row["details"]))
        ]
        for analysis in analyses:
            candidates += self._signals(workspace_id, analysis, traffic)
        for row in store.unsettled_debates(self._warehouse, workspace_id):
            if (row["decision"].get("experiment") or {}).get("name") not in names:
                candidates.append(of_debate(row, traffic_of(posts), workspace_id))
        if posts:
            candidates += self._retests(workspace_id, patterns, traffic_of(posts), declared, now)
        fresh = {
            one.key: one for one in candidates if one and (one.source == "pattern" or not is_tested(arms, one.key, ()))
        }
        return ranked(list(fresh.values()), workspace_id, now.date())

    def traffic(self, workspace_id: str, now: datetime) -> Traffic:
        """What a workspace's posts got in a week, over the last weeks in which there were any."""
        return traffic_of(store.recent_posts(self._warehouse, workspace_id, now))

    def _signals(self, workspace_id: str, analysis: Row, traffic: dict[str, Traffic]) -> Sequence[Candidate]:
        signals, content_type = analysis["statistics"].get("early_signals", ()), analysis["content_type"]
        if not signals or content_type not in traffic:
            return ()
        pairs = pairs_of_workspace(self._warehouse, workspace_id, content_type)
        pairs += pairs_of_organization(self._warehouse, workspace_id, content_type)
        outcome = pairs[0].outcome if pairs else UNNAMED_OUTCOME
        return of_signals(signals, traffic[content_type], pairs, workspace_id, outcome)

    def _retests(
        self, workspace_id: str, patterns: Sequence[Row], traffic: Traffic, declared: Sequence[Row], now: datetime
    ) -> list[Candidate]:
        """Experiments that hold defaults in doubt against what was before; none of what one compares just now."""
        decided = store.decided_experiments(self._warehouse, workspace_id)
        due = self._in_doubt(workspace_id, defaults_of(decided).defaults, decided, patterns, now)
        shown = shown_arms(self._warehouse, workspace_id) if due else []
        ended = {one.experiment_id for one in decided}
        still_open: dict[str, dict[str, Mapping[str, Value]]] = {}
        for row in declared:
            if row.get("experiment_id") is not None and row["experiment_id"] not in ended:
                still_open.setdefault(row["experiment_id"], {})[row["variant"]] = row["changes"]
        made = []
        for one in due:
            metric = usual_metric_of([row for row in shown if row["metric"] == one.default.experiment.metric_name])
            is_compared = any(sets_apart(one.default, arms) for arms in still_open.values())
            if metric is not None and metric.kind != "ratio" and not is_compared:
                made.append(retest(one, traffic, metric))
        return made

    def _in_doubt(
        self,
        workspace_id: str,
        defaults: Sequence[Default],
        decided: Sequence[DecidedExperiment],
        patterns: Sequence[Row],
        now: datetime,
    ) -> list[DefaultInDoubt]:
        """Defaults that stand and are due, by their age, by what posts show now, and by the holdout group."""
        if all(one.retired_at is not None for one in defaults):
            return []
        of_metric: dict[str, list[StoredExperiment]] = {}
        for stored in experiments_of(self._warehouse, workspace_id):
            of_metric.setdefault(str(stored.arms[0]["metric"]), []).append(stored)
        lifts = {metric: against_holdout(some) for metric, some in of_metric.items()}
        holdouts = {metric: lift for metric, lift in lifts.items() if lift is not None}
        return in_doubt(defaults, decided, patterns, holdouts, now)

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
        withdrawn = store.withdrawn_names(self._warehouse, workspace_id)
        return [
            drafted(proposal, workspace_id, terms, usual, defined, withdrawn)
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

    def became(self, workspace_id: str, key: str, experiment_id: str) -> bool:
        """Keep which experiment an approved draft became; False where the approval was taken back meanwhile."""
        return store.note_end(self._warehouse, workspace_id, key, experiment_id=experiment_id)

    def leave(self, workspace_id: str, key: str, why: str) -> None:
        """Keep why an approved draft becomes no experiment."""
        store.note_end(self._warehouse, workspace_id, key, answer=store.LEFT, reason=why)

    def withdraw(self, row: Row, actor: str, reason: str, now: datetime) -> bool:
        """Turn an approval into a refusal: what it was about rests, and is then proposed again.

        False where it is no approval any more, or became an experiment since the row was read.
        """
        seen = {"experiment_id": row["experiment_id"]}
        about = {"actor": visible(actor)[:LONGEST_ACTOR], "reason": visible(reason), "answered_at": now}
        return store.note_end(
            self._warehouse, row["workspace_id"], row["proposal_key"], seen, answer=store.DECLINED, **about
        )

    def tested_elsewhere(self, workspace_id: str, key: str, name: str) -> str | None:
        """Another experiment, by name, whose arms differ in what this key stands for; None where there is none."""
        others = [row for row in store.declared_arms(self._warehouse, workspace_id) if row["experiment"] != name]
        names = dict.fromkeys(row["experiment"] for row in others)
        of_each = ((one, as_declared([row for row in others if row["experiment"] == one])) for one in names)
        return next((str(one) for one, arms in of_each if is_tested(arms, key, ())), None)

    def settle(self, workspace_id: str) -> ProgramDefaults:
        """Write what decided experiments made the workspace's defaults, and retire what later ones refuted.

        The same however often it runs, whoever was killed in between: it follows from the sealed decisions alone.
        """
        return self._settled(workspace_id, store.decided_experiments(self._warehouse, workspace_id))

    def _settled(self, workspace_id: str, decided: Sequence[DecidedExperiment]) -> ProgramDefaults:
        program = defaults_of(decided)
        store.save_defaults(self._warehouse, workspace_id, program.defaults)
        return program

    def defaults(self, workspace_id: str) -> list[Row]:
        """Defaults, those that stand first, then retired ones, then winners that are not proven enough.

        What is due for another test says why under `in_doubt`.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        find_workspace(self._warehouse, workspace_id)
        decided = store.decided_experiments(self._warehouse, workspace_id)
        program = self._settled(workspace_id, decided)
        return self._with_standing(workspace_id, store.stored_defaults(self._warehouse, workspace_id), program, decided)

    def known_defaults(self, workspace_id: str) -> list[Row]:
        """The same from the sealed decisions alone, for those who only look: nothing is written.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        find_workspace(self._warehouse, workspace_id)
        decided = store.decided_experiments(self._warehouse, workspace_id)
        program = defaults_of(decided)
        return self._with_standing(workspace_id, store.rows_of(workspace_id, program.defaults), program, decided)

    def _with_standing(
        self, workspace_id: str, rows: Sequence[Row], program: ProgramDefaults, decided: Sequence[DecidedExperiment]
    ) -> list[Row]:
        due: dict[str, str] = {}
        if any(one.retired_at is None for one in program.defaults):
            patterns = store.newest_patterns(self._warehouse, workspace_id)
            doubts = self._in_doubt(workspace_id, program.defaults, decided, patterns, datetime.now(UTC))
            due = {one.default.experiment.experiment_id: one.words for one in doubts}
        standing = [
            row | {"standing": "retired" if row["retired_at"] else "current", "in_doubt": due.get(row["experiment_id"])}
            for row in rows
        ]
        return standing + [_not_proven(workspace_id, one) for one in program.withheld]


def _not_proven(workspace_id: str, one: Default) -> Row:
    return {
        "workspace_id": workspace_id,
        "experiment_id": one.experiment.experiment_id,
        "experiment_name": one.experiment.name,
        "metric_name": one.experiment.metric_name,
        "statement": one.statement,
        "p_value": one.experiment.p_value,
        "level": one.level,
        "standing": "not_proven_enough",
    }
