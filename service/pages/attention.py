"""What needs a person, over all workspaces: found in the rooms' own lists, in the order in which it presses. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.pages import addresses
from tasks.experiments.headline import need_of
from tasks.warehouse.outcomes import FAILED, SKIPPED

Row = Mapping[str, Any]
FAILURE, APPROVAL, EXPERIMENT, DRIFT, WAITS, UNDECIDED, TOO_LITTLE = (
    *("failed", "approval", "experiment", "drift", "waits", "undecided"),
    "too-little",
)


@dataclass(frozen=True, slots=True)
class NeedKind:
    """One kind of need: its name in addresses, its heading, its word in a list, and where its lines come from."""

    name: str
    heading: str
    word: str
    source: str


KINDS = (
    NeedKind(FAILURE, "Failed", "failed", "The newest outcome of each step and workspace."),
    NeedKind(APPROVAL, "Waiting for an approval", "approval", "Runs that Prefect holds until a form is filled in."),
    NeedKind(EXPERIMENT, "Experiments with an answer", "answer", "The newest look at each running experiment."),
    NeedKind(DRIFT, "Models that drift", "drift", "The newest drift check of each version that serves."),
    NeedKind(WAITS, "Versions that wait", "waits", "Registered versions newer than the one that serves."),
    NeedKind(UNDECIDED, "Debates without a decision", "undecided", "The newest debates that ended."),
    NeedKind(TOO_LITTLE, "Too little data", "too little data", "Steps that were skipped, with what they need."),
)
BY_NAME = {kind.name: kind for kind in KINDS}
ORDER = {kind.name: place for place, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class PressingNeed:
    """One thing that needs a person.

    Attributes:
        kind: a name of `KINDS`.
        workspace_id: whose; None where it is nobody's.
        about: which part of it, such as an experiment's name.
        what: one sentence.
        href: where to go.
    """

    kind: str
    workspace_id: str | None
    about: str
    what: str
    href: str


def needs_of(
    outcomes: Sequence[Row],
    experiments: Sequence[Row],
    drifting: Sequence[Row],
    waiting: Sequence[Row],
    debates: Sequence[Row],
    approvals: Sequence[PressingNeed] = (),
) -> list[PressingNeed]:
    """All needs, the most pressing kind first.

    Args:
        outcomes: of `unfinished_outcomes`.
        experiments: of `ExperimentService.waiting_experiments`.
        drifting: of `drifting_champions`.
        waiting: of `waiting_versions`.
        debates: of `DebateService.recent`.
        approvals: of `approvals.waiting_approvals`.
    """
    return [
        *_of_steps(outcomes, FAILED, FAILURE),
        *approvals,
        *_of_experiments(experiments),
        *(_of_model(row, DRIFT, _drift_in_words(row)) for row in drifting),
        *(_of_model(row, WAITS, f"{row['version_name']} is newer than what serves, and waits") for row in waiting),
        *(_of_debate(row) for row in debates if _is_undecided(row)),
        *_of_steps(outcomes, SKIPPED, TOO_LITTLE),
    ]


def by_workspace(needs: Iterable[PressingNeed]) -> dict[str, list[str]]:
    """Kinds of needs by workspace, the most pressing first."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for need in needs:
        if need.workspace_id is not None and need.kind not in kinds[need.workspace_id]:
            kinds[need.workspace_id].append(need.kind)
    return {name: sorted(own, key=ORDER.__getitem__) for name, own in kinds.items()}


def _of_steps(outcomes: Sequence[Row], status: str, kind: str) -> list[PressingNeed]:
    return [
        PressingNeed(
            kind, row["workspace_id"], row["step"], row["reason"] or status, addresses.workspace(row["workspace_id"])
        )
        for row in outcomes
        if row["status"] == status
    ]


def _of_experiments(experiments: Sequence[Row]) -> list[PressingNeed]:
    return [
        PressingNeed(EXPERIMENT, row["workspace_id"], row["name"], what, addresses.experiment(row["experiment_id"]))
        for row in experiments
        if (what := need_of(row)) is not None
    ]


def _of_model(row: Row, kind: str, what: str) -> PressingNeed:
    href = addresses.model(row["workspace_id"], row["model_type"])
    return PressingNeed(kind, row["workspace_id"], row["model_type"].replace("_", " ").lower(), what, href)


def _drift_in_words(row: Row) -> str:
    return f"{row['drift_status']}: drift score {row['drift_score']:.2f} of {row['version_name']}"


def _of_debate(row: Row) -> PressingNeed:
    what = f"{row['status'].replace('_', ' ')}: no decision"
    return PressingNeed(UNDECIDED, row["workspace_id"], row["problem"], what, addresses.debate(row["debate_id"]))


def _is_undecided(row: Row) -> bool:
    return not row["label"] and row["status"] not in ("running", "insufficient_evidence")
