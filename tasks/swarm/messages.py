"""The messages of a debate: one pydantic model a phase, from which its schema, prompt and parsing follow; one a turn.

The order of a model's fields is the order in which a language model is asked for them: text first, then the choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tasks.swarm.records import Option, Record
from tasks.swarm.replies import (
    Answers,
    Choice,
    Citation,
    Citations,
    Name,
    OptionIds,
    Percent,
    QuestionsByDimension,
    Target,
    Text,
    WhyAbstained,
    WordOf,
)

Phase = Literal[
    "split",
    "part",
    "options",
    "propose",
    "critique",
    "refine",
    "vote",
    "human",
    "merge",
    "ratify",
    "synthesis",
    "moderate",
    "moderate_reversed",
]
PHASES: tuple[Phase, ...] = Phase.__args__  # type: ignore[attr-defined]
FlawKind = Literal[
    "contradicted_by", "not_significant", "stale", "wrong_audience", "unsupported", "brand_risk", "no_flaw"
]
FLAW_KINDS: tuple[str, ...] = FlawKind.__args__  # type: ignore[attr-defined]


class Proposal(Record):
    """What an expert holds: an option, or None with a reason to abstain."""

    reasoning: Annotated[str, Text()] = ""
    claim: Annotated[str, Text()] = ""
    evidence_ids: Annotated[tuple[str, ...], Citations()] = ()
    option: Annotated[str | None, Choice(may_abstain=True)]
    confidence: Annotated[int | None, Percent()] = Field(default=None, ge=0, le=100)
    abstain_reason: Annotated[str | None, WhyAbstained()] = None


class Critique(Record):
    """The flaw that matters most among the others' proposals; `target` is an anonymous name such as P2."""

    strength: Annotated[str, Text()] = ""
    weakness: Annotated[str, Text()] = ""
    suggestion: Annotated[str, Text()] = ""
    target: Annotated[str | None, Target()]
    kind: Annotated[FlawKind, WordOf(FLAW_KINDS)] = "no_flaw"
    evidence_id: Annotated[str | None, Citation()] = None
    agreement: Annotated[int, Percent(otherwise=0)] = Field(default=50, ge=0, le=100)


class Vote(Record):
    """A vote after the last refinement; only these, and the last positions where none was cast, are counted."""

    reason: Annotated[str, Text()] = ""
    evidence_ids: Annotated[tuple[str, ...], Citations()] = ()
    option: Annotated[str | None, Choice(may_abstain=True)]
    confidence: Annotated[int | None, Percent()] = Field(default=None, ge=0, le=100)


class Closing(Record):
    """Prose for the option already voted, or a moderator's verdict; neither decides alone."""

    text: Annotated[str, Text("summary", times=2, takes_anything=True)] = ""
    dissent: Annotated[str, Text()] = ""
    option: Annotated[str | None, Choice("decision")]


class Integration(Closing):
    """A closing of a divided vote, which may put options together instead; then the text is about that."""

    parts: Annotated[tuple[str, ...], OptionIds("merge")] = ()
    label: Annotated[str, Name("merged_label")] = ""


class Verdict(Closing):
    """A moderator's closing; stored and read back as any other."""

    text: Annotated[str, Text("reason")] = ""
    dissent: str = ""
    option: Annotated[str | None, Choice()]


class OptionList(Record):
    """The answers an expert suggests where the caller gave none."""

    labels: Annotated[tuple[str, ...], Answers()]


class Merger(Record):
    """Options of a tied vote that are put together, and what that is called; none where they exclude each other."""

    reasoning: Annotated[str, Text()] = ""
    parts: Annotated[tuple[str, ...], OptionIds("merge")] = ()
    label: Annotated[str, Name("merged_label")] = ""


class Split(Record):
    """How the lead divides the problem: one question a part, by the part's name; none where it is best left whole."""

    reasoning: Annotated[str, Text()] = ""
    questions: Annotated[dict[str, str], QuestionsByDimension()]


class PartResult(Record):
    """What a part's own debate came to, and where its record is."""

    problem: str
    debate_id: str
    status: str
    option: Option | None = None
    confidence: float | None = None
    reason: str | None = None


Message = Proposal | Critique | Vote | Closing | OptionList | Split | PartResult | Merger | Integration


class Usage(Record):
    """What a turn cost.

    Attributes:
        unmeasured_calls: calls whose endpoint gave no usage: unknown, not free.
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
    message: Message | None = None
    shown_as: dict[str, str] = Field(default_factory=dict)
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


Turns = Mapping[str, Turn]


def turn_key(round_number: int, phase: str, agent_id: str) -> str:
    """A turn's place in the debate, unique within it."""
    return f"{round_number}:{phase}:{agent_id}"
