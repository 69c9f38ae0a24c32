"""The debate's messages, typed: what experts are given, what they say, and what comes of it.

All are frozen and go to JSON and back unchanged, so that a debate is its record.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Phase = Literal[
    "options", "propose", "critique", "refine", "vote", "human", "synthesis", "moderate", "moderate_reversed"
]
Scalar = bool | int | float | str
FlawKind = Literal[
    "contradicted_by", "not_significant", "stale", "wrong_audience", "unsupported", "brand_risk", "no_flaw"
]
FLAW_KINDS: tuple[str, ...] = FlawKind.__args__  # type: ignore[attr-defined]


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
    """

    id: str
    label: str
    attributes: dict[str, Scalar] = {}
    is_status_quo: bool = False
    is_content: bool = False


class Condition(Record):
    """A condition on one feature: `==`, `>=`, `<`, or `between` (low inclusive, high exclusive)."""

    feature: str
    op: Literal["==", ">=", "<", "between"]
    value: Scalar | tuple[float, float]


class EvidenceRef(Record):
    """One finding of the warehouse.

    Attributes:
        kind: `experiment` (randomised), `transfer`, `pattern` (association), or `debate` (graded earlier one).
        effect: log ratio of the metric with against without, e.g. log(1.2) for 20 % more.
        se: standard error of `effect`, above 0.
        conditions: what an option must be like for this to speak about it; all must hold.
        terms: words of which an option's label must hold one, where it has no attributes to compare.
        tags: skills that are at home with it.
        age_days: days between its observation and the debate.
    """

    id: str
    kind: Literal["experiment", "transfer", "pattern", "debate"]
    statement: str
    metric: str
    effect: float
    se: float = Field(gt=0)
    n: int | None = None
    conditions: tuple[Condition, ...] = ()
    terms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    age_days: float = Field(default=0.0, ge=0)


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


class Brief(Record):
    """Everything a debate was begun with; with the turns it gives the decision, and nothing else does."""

    debate_id: str
    fingerprint: str = ""
    problem: str
    context: dict[str, Any] = {}
    workspace_id: str | None = None
    experts: tuple[Expert, ...]
    options: tuple[Option, ...] = ()
    evidence: tuple[EvidenceRef, ...] = ()
    rounds: int
    strategy: ConsensusStrategy
    engine: Literal["llm", "evidence_panel"]
    model: str | None = None
    prior_sd: float = 0.1
    calibration: tuple[tuple[float, float], ...] = ()
    graded_debates: int = 0
    asks_a_person: bool = False


class Proposal(Record):
    """What an expert holds: an option, or None with a reason to abstain."""

    option: str | None
    claim: str = ""
    reasoning: str = ""
    evidence_ids: tuple[str, ...] = ()
    confidence: int | None = Field(default=None, ge=0, le=100)
    abstain_reason: str | None = None


class Critique(Record):
    """The flaw that matters most among the others' proposals; `target` is an anonymous name such as P2."""

    target: str | None
    kind: FlawKind = "no_flaw"
    evidence_id: str | None = None
    strength: str = ""
    weakness: str = ""
    suggestion: str = ""
    agreement: int = Field(default=50, ge=0, le=100)


class Vote(Record):
    """A vote after the last refinement; only these, and the last positions where none was cast, are counted."""

    option: str | None
    reason: str = ""
    evidence_ids: tuple[str, ...] = ()
    confidence: int | None = Field(default=None, ge=0, le=100)


class Closing(Record):
    """Prose for the option already voted, or a moderator's verdict; neither decides alone."""

    option: str | None
    text: str = ""
    dissent: str = ""


class OptionList(Record):
    """The answers an expert suggests where the caller gave none."""

    labels: tuple[str, ...]


Message = Proposal | Critique | Vote | Closing | OptionList


class Usage(Record):
    """What a turn cost.

    Attributes:
        unmeasured_calls: calls whose endpoint told no usage: unknown, not free.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unmeasured_calls: int = 0
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        """Both together; a cost is known only where every part's is."""
        both_free = self.cost is None and other.cost is None
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            unmeasured_calls=self.unmeasured_calls + other.unmeasured_calls,
            cost=None if both_free else (self.cost or 0.0) + (other.cost or 0.0),
        )


class Turn(Record):
    """One message of one expert, and how it came about.

    Attributes:
        status: `valid` (a choice to abstain is one), `repaired` (valid after asking again), `abstained` (answered,
            but with nothing usable) or `failed` (no answer came).
        shown_as: anonymous names of the proposals it was shown, by agent.
        flags: such as `unknown_evidence:2`.
        excuse: why it failed or abstained.
    """

    round: int
    phase: Phase
    agent_id: str
    status: Literal["valid", "repaired", "abstained", "failed"] = "valid"
    message: Proposal | Critique | Vote | Closing | OptionList | None = None
    shown_as: dict[str, str] = {}
    flags: tuple[str, ...] = ()
    excuse: str | None = None
    usage: Usage = Usage()

    @property
    def key(self) -> str:
        """Its place in the debate."""
        return turn_key(self.round, self.phase, self.agent_id)


class TurnRequest(Record):
    """A turn that is due."""

    round: int
    phase: Phase
    agent_id: str

    @property
    def key(self) -> str:
        """Its place in the debate."""
        return turn_key(self.round, self.phase, self.agent_id)


class Ballot(Record):
    """One expert's vote as it is counted; `ranking` where it ranks all options, best first."""

    agent: str
    option: str | None
    ranking: tuple[str, ...] = ()


class Count(Record):
    """What a rule makes of the ballots.

    Attributes:
        outcome: `majority`, `plurality`, `tie`, `no_quorum`.
        agreement: share of valid ballots (or of weight) for the decision; not a probability of being right.
        notes: rules applied, such as how a tie was broken.
    """

    method: str
    decision: str | None
    outcome: Literal["majority", "plurality", "tie", "no_quorum"]
    tally: dict[str, int] = {}
    shares: dict[str, float] = {}
    agreement: float = 0.0
    tied: tuple[str, ...] = ()
    valid: int = 0
    invalid: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    condorcet_winner: str | None = None
    has_cycle: bool = False
    notes: tuple[str, ...] = ()


class Standing(Record):
    """An option as the evidence sees it: posterior of its effect (log ratio), and how likely it is the best."""

    option: str
    mean: float
    sd: float
    probability_best: float
    evidence_ids: tuple[str, ...] = ()


def turn_key(round_number: int, phase: str, agent_id: str) -> str:
    """A turn's place in the debate, unique within it."""
    return f"{round_number}:{phase}:{agent_id}"
