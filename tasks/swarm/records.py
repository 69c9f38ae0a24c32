"""What a debate begins with, typed: its question, its experts, their evidence, the answers to choose from.

All records are frozen and go to JSON and back unchanged, so that a debate is its record.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from tasks.conditions import Condition

Engine = Literal["llm", "evidence_panel"]
Scalar = bool | int | float | str


class ConsensusStrategy(StrEnum):
    """How the experts' votes become a decision."""

    MAJORITY_VOTE = "majority_vote"
    WEIGHTED_VOTE = "weighted_vote"
    SYNTHESIS = "synthesis"
    MODERATOR = "moderator"


class Record(BaseModel):
    """Base of all messages."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Option(Record):
    """One of the answers the debate may give; the set is closed before anybody votes.

    Attributes:
        attributes: features of what would be published, by column of the content table.
        is_status_quo: changes nothing, so its effect is 0 by definition.
        is_content: a text that would be published: beside what its features say, it has an effect of its own.
        exposures: how much of the content that it asks for is what a subject of the evidence is about, 0 to 1, by
            `evidence.subject_of`: read from its words, where its attributes do not say.
        title, body: the text that would be published.
        merges: options that it puts together.
    """

    id: str
    label: str
    attributes: dict[str, Scalar] = {}
    is_status_quo: bool = False
    is_content: bool = False
    exposures: dict[str, float] = {}
    title: str | None = None
    body: str | None = None
    merges: tuple[str, ...] = ()


def _without_level(condition: Condition) -> dict[str, Any]:
    """A finding's condition as debates store it: a level is what patterns keep beside it."""
    return {name: value for name, value in condition.as_dict().items() if name != "level"}


StoredCondition = Annotated[Condition, PlainSerializer(_without_level)]


class EvidenceRef(Record):
    """One finding of the warehouse.

    Attributes:
        kind: `experiment` (randomized), `transfer`, `pattern` (association), `debate` (graded earlier one), or `part`
            (what a part of this debate decided).
        effect: log ratio of the metric with against without, e.g. log(1.2) for 20 % more.
        se: standard error of `effect`, above 0.
        conditions: what an option must be like for this to be about it; all must hold.
        terms: words of which an option's label must hold one, where it has no attributes to compare.
        tags: skills that earn it.
        age_days: days between its observation and the debate.
        share: how much of today's content meets the conditions, 0 to 1; None where it is not known.
        is_calibrated: whether `effect` is what experiments on other conditions make of an association, so that what is
            usual among effects is in it already.
        is_text: whether it is of one text against others: nobody can do again what a headline of one story did.
    """

    id: str
    kind: Literal["experiment", "transfer", "pattern", "debate", "part"]
    statement: str
    metric: str
    effect: float
    se: float = Field(gt=0)
    n: int | None = None
    conditions: tuple[StoredCondition, ...] = ()
    terms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    age_days: float = Field(default=0.0, ge=0)
    share: float | None = Field(default=None, ge=0, le=1)
    is_calibrated: bool = False
    is_text: bool = False


class Recollection(Record):
    """Something that was learned before, as a debate is reminded of it: never evidence, and never counted."""

    kind: str
    statement: str
    basis: str
    still_true: str
    standing: str


class Expert(Record):
    """An expert as this debate knows it: frozen when the debate begins.

    Attributes:
        skills: effective level by skill tag.
        weight: log-odds of being right, from graded history; the weight of a vote.
        evidence_ids: the slice of evidence that its skills earn.
    """

    agent_id: str
    role: str
    name: str
    system_prompt: str = ""
    temperature: float = 0.7
    model: str | None = None
    skills: dict[str, float] = {}
    weight: float
    graded: int = 0
    evidence_ids: tuple[str, ...] = ()


class LearnedModel(Record):
    """One of the models that the panel learned: by name (`learned.panel`), how much of what decides is its, and how
    often it told right alone which of two texts did better, on comparisons held out."""

    name: str
    share: float
    right: float


class LearnedPanel(Record):
    """What the experts' models, learned from a workspace's graded comparisons, say of the texts to choose from.

    Attributes:
        experiments, debates: how many were learned from, in all `pairs` of texts.
        right: how often what decides told right which of two did better, on comparisons held out.
        best, best_right: the best model alone.
        is_together: whether the models decide together; else the best decides alone, as the others added nothing.
        held: models by expert.
        scores: log ratios by option, as they count for the panel, and for each expert alone.
        findings_count: by how much findings about conditions count more or less than elsewhere.
    """

    experiments: int
    debates: int
    pairs: int
    right: float
    best: str
    best_right: float
    is_together: bool
    models: tuple[LearnedModel, ...]
    held: dict[str, tuple[str, ...]]
    scores: dict[str, float]
    of_experts: dict[str, dict[str, float]]
    findings_count: float = 1.0


class PartPlan(Record):
    """One part of a problem, and the agents that debate it.

    Attributes:
        name: unique in the debate; a key of `evidence.DIMENSIONS` where the part is about that kind of evidence.
    """

    name: str
    problem: str
    agent_ids: tuple[str, ...]
    options: tuple[Option, ...] = ()


class Brief(Record):
    """Everything a debate was begun with; with the turns it gives the decision, and nothing else does.

    Attributes:
        scope: whose findings its evidence may hold, see `tasks.swarm.findings`.
        splits: whether the lead divides the problem first; `teams` says who then debates which part.
        parts: those that the caller has named.
        part_of: the debate it is a part of.
        recalled: what the platform's memory holds about the problem, within the scope.
        options_exclude: whether one option rules the others out; several that were drawn from findings can be done.
        learned: what models learned from the workspace's graded comparisons say of the options; None where they are no
            texts, or too little was compared.
        impressions_a_week: of the workspace's posts of late; None where there is no workspace, or none were counted.
    """

    debate_id: str
    fingerprint: str = ""
    problem: str
    context: dict[str, Any] = {}
    workspace_id: str | None = None
    scope: Literal["workspace", "organisation", "shared"] = "workspace"
    experts: tuple[Expert, ...]
    options: tuple[Option, ...] = ()
    evidence: tuple[EvidenceRef, ...] = ()
    rounds: int
    strategy: ConsensusStrategy
    engine: Engine
    model: str | None = None
    prior_sd: float = 0.1
    calibration: tuple[tuple[float, float], ...] = ()
    graded_debates: int = 0
    asks_a_person: bool = False
    stop_at_agreement: bool = True
    splits: bool = False
    teams: dict[str, tuple[str, ...]] = {}
    parts: tuple[PartPlan, ...] = ()
    part_of: str | None = None
    options_exclude: bool = True
    recalled: tuple[Recollection, ...] = ()
    learned: LearnedPanel | None = None
    impressions_a_week: float | None = None
