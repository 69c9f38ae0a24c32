"""Which turns are due, from the brief and the turns so far; nothing else is remembered.

A debate is this function applied until nothing is due: the same for a fresh, a resumed and a replayed one.

Round 0: where the problem is debated in parts, the lead's split and what each part's team decided; the lead's options,
where the caller named none. Round 1: independent proposals → (agreement ends it, unless every round is to be held) →
critiques; round 2…: refinements → critiques; after the last round votes, where asked for a person's vote, where a vote
was divided what the lead puts together of it and a vote on that (`merging`), and the closing. With one round the
proposals are the votes: nothing came in between that could change them.

Every expert of the whole is shown what a part's team decided. It is no evidence of its own: it rests on findings that
the whole counts already, so it changes no expert's arithmetic.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.swarm.counting import HUMAN, counted, first_count, merged_ids
from tasks.swarm.merging import can_merge, with_merged
from tasks.swarm.messages import (
    OptionList,
    PartResult,
    Phase,
    Split,
    Turn,
    TurnRequest,
    Turns,
    Usage,
    turn_key,
)
from tasks.swarm.positions import agreement_reached, ballots
from tasks.swarm.posterior import options_from, status_quo
from tasks.swarm.records import Brief, ConsensusStrategy, EvidenceRef, Option, PartPlan
from tasks.swarm.understanding import understood

EXPERT_PHASES = ("propose", "critique", "refine", "vote")
LETTERS = string.ascii_uppercase
FEWEST_PARTS = 2


def due(brief: Brief, turns: Turns) -> list[TurnRequest]:
    """The turns that may be taken now, in parallel; empty when the debate is over."""
    for stage in _stages(brief, turns):
        missing = [request for request in stage if request.key not in turns]
        if missing:
            return missing
    return []


def options_of(brief: Brief, turns: Turns) -> tuple[Option, ...]:
    """The closed set of answers: the caller's, or those proposed first."""
    if brief.options:
        return brief.options
    if brief.engine == "evidence_panel":
        return _options_from_parts(brief, turns)
    turn = turns.get(turn_key(0, "options", _lead(brief, {})))
    if turn is None or not isinstance(turn.message, OptionList):
        return ()
    proposed = [Option(id=letter, label=label) for letter, label in zip(LETTERS, turn.message.labels, strict=False)]
    return understood(brief.problem, proposed, brief.evidence)


def with_options(brief: Brief, turns: Turns) -> Brief:
    """The brief with the options that are in force, and with what its parts decided among every expert's evidence."""
    of_parts = _findings_of_parts(brief, turns)
    ids = tuple(item.id for item in of_parts)
    experts = tuple(one.model_copy(update={"evidence_ids": (*one.evidence_ids, *ids)}) for one in brief.experts)
    known = {"evidence": (*brief.evidence, *of_parts), "experts": experts} if of_parts else {}
    settled = brief.model_copy(update=known | {"options": options_of(brief, turns)})
    return settled.model_copy(update={"options": with_merged(settled, turns)})


def plans_of(brief: Brief, turns: Turns) -> tuple[PartPlan, ...]:
    """The parts: the caller's, or those the lead has divided the problem into; a single one is the whole again."""
    if brief.parts:
        return brief.parts
    split = next((turn.message for turn in turns.values() if isinstance(turn.message, Split)), None)
    if split is None or len(split.questions) < FEWEST_PARTS:
        return ()
    return tuple(
        PartPlan(name=name, problem=question, agent_ids=brief.teams[name])
        for name, question in sorted(split.questions.items())
    )


def results_of_parts(brief: Brief, turns: Turns) -> list[tuple[str, PartResult]]:
    """What the parts came to, by name, in the order of the plan."""
    held = [(plan.name, turns.get(turn_key(0, "part", plan.name))) for plan in plans_of(brief, turns)]
    return [(name, turn.message) for name, turn in held if turn is not None and isinstance(turn.message, PartResult)]


def turn_of_part(request: TurnRequest, plan: PartPlan, result: Mapping[str, Any]) -> Turn:
    """What a part's debate came to, as a turn of the whole; one that got no answer is failed, and held again."""
    options = [Option.model_validate(one) for one in result["transcript"]["brief"]["options"]]
    option = next((one for one in options if one.id == result["option"]), None)
    is_failed = option is None and result["status"] in ("failed", "budget_exhausted")
    outcome = {key: result[key] for key in ("debate_id", "status", "confidence", "reason")}
    return Turn(
        **request.model_dump(),
        status="failed" if is_failed else "valid",
        message=PartResult(problem=plan.problem, option=option, **outcome),
        excuse=result["reason"] if is_failed else None,
        usage=Usage.model_validate(result["usage"]),
    )


def rounds_run(turns: Turns) -> int:
    """How many rounds of positions were held."""
    return max((turn.round for turn in turns.values() if turn.phase in ("propose", "refine")), default=0)


def stop_reason(brief: Brief, turns: Turns) -> str:
    """Why the debate went no further."""
    flags = {flag for turn in turns.values() for flag in turn.flags}
    for flag in ("budget_exhausted", "deadline"):
        if flag in flags:
            return flag
    settled = with_options(brief, turns)
    if _agreed(settled, turns, rounds_run(turns)):
        return "agreement"
    return "max_rounds" if rounds_run(turns) == brief.rounds else "nobody_left"


def _findings_of_parts(brief: Brief, turns: Turns) -> tuple[EvidenceRef, ...]:
    """The parts' decisions as the experts of the whole are shown them."""
    return tuple(
        EvidenceRef(
            id=f"part-{name}",
            kind="part",
            statement=f"on '{result.problem}' the part's team decided '{result.option.label}'",
            metric=f"decision of a part, confidence {result.confidence or 0.0:.0%}",
            effect=0.0,
            se=1.0,
        )
        for name, result in results_of_parts(brief, turns)
        if result.option is not None
    )


def _options_from_parts(brief: Brief, turns: Turns) -> tuple[Option, ...]:
    """The panel's options where the caller named none: the parts' decisions, or the strongest findings."""
    chosen = {result.option.label: result.option for _, result in results_of_parts(brief, turns) if result.option}
    changes = [option for option in chosen.values() if not option.is_status_quo]
    if not changes:
        return options_from(brief.evidence, brief.prior_sd, brief.problem)
    named = zip(LETTERS, changes, strict=False)
    kept = [option.model_copy(update={"id": letter}) for letter, option in named]
    return (*kept, status_quo(LETTERS[len(kept)]))


def _stages(brief: Brief, turns: Turns) -> Iterator[list[TurnRequest]]:
    """Each stage, made only when all earlier ones are complete."""
    if brief.splits:
        yield [TurnRequest(round=0, phase="split", agent_id=_lead(brief, {}))]
    if plans := plans_of(brief, turns):
        yield [TurnRequest(round=0, phase="part", agent_id=plan.name) for plan in plans]
    if not brief.options and brief.engine == "llm":
        yield [TurnRequest(round=0, phase="options", agent_id=_lead(brief, {}))]
    settled = with_options(brief, turns)
    if not settled.options and brief.engine == "llm":
        return
    yield from _rounds(settled, turns)
    if brief.asks_a_person:
        yield [TurnRequest(round=brief.rounds, phase="human", agent_id=HUMAN)]
    if brief.engine != "llm" or not _is_worth_going_on(settled, turns):
        return
    yield from _close(settled, turns)


def _close(brief: Brief, turns: Turns) -> Iterator[list[TurnRequest]]:
    """The closing of what was decided, and the vote on what is merged: of a tied vote before it, else after."""
    lead = _lead(brief, turns)
    is_tied = first_count(brief, turns).decision is None
    if is_tied and can_merge(brief, turns):
        yield [TurnRequest(round=brief.rounds, phase="merge", agent_id=lead)]
    if is_tied and merged_ids(brief):
        yield _all(brief, turns, brief.rounds, "ratify")
    if _is_closed_by_someone(brief, turns):
        yield _closing(brief, lead)
    if not is_tied and merged_ids(brief):
        yield _all(brief, turns, brief.rounds, "ratify")


def _is_closed_by_someone(brief: Brief, turns: Turns) -> bool:
    """Whether a closing is due: a moderator's in any case, a synthesis of what was decided only."""
    return brief.strategy is not ConsensusStrategy.SYNTHESIS or counted(brief, turns).decision is not None


def _rounds(brief: Brief, turns: Turns) -> Iterator[list[TurnRequest]]:
    for number in range(1, brief.rounds + 1):
        yield _all(brief, turns, number, "propose" if number == 1 else "refine")
        if _agreed(brief, turns, number) or not _is_worth_going_on(brief, turns):
            return
        if number < brief.rounds:
            yield _all(brief, turns, number, "critique")
    if brief.rounds > 1:
        yield _all(brief, turns, brief.rounds, "vote")


def _agreed(brief: Brief, turns: Turns, number: int) -> bool:
    return brief.stop_at_agreement and agreement_reached(brief, turns, number)


def _all(brief: Brief, turns: Turns, number: int, phase: Phase) -> list[TurnRequest]:
    """A turn of everybody whose model still answers."""
    lost = _lost(turns)
    return [
        TurnRequest(round=number, phase=phase, agent_id=expert.agent_id)
        for expert in brief.experts
        if lost.get(expert.agent_id, (number, phase)) == (number, phase)
    ]


def _closing(brief: Brief, lead: str) -> list[TurnRequest]:
    phases: Mapping[ConsensusStrategy, tuple[Phase, ...]] = {
        ConsensusStrategy.SYNTHESIS: ("synthesis",),
        ConsensusStrategy.MODERATOR: ("moderate", "moderate_reversed"),
    }
    return [TurnRequest(round=brief.rounds, phase=phase, agent_id=lead) for phase in phases.get(brief.strategy, ())]


def _is_worth_going_on(brief: Brief, turns: Turns) -> bool:
    """Whether somebody holds a position, and more than half can still answer: else nothing can be decided."""
    able = len(brief.experts) - len(_lost(turns))
    return able * 2 > len(brief.experts) and any(ballot.option is not None for ballot in ballots(brief, turns))


def _lost(turns: Turns) -> dict[str, tuple[int, str]]:
    """Experts whose model did not answer, and where."""
    return {t.agent_id: (t.round, t.phase) for t in turns.values() if t.status == "failed" and t.phase in EXPERT_PHASES}


def _lead(brief: Brief, turns: Turns) -> str:
    """The expert with the best record whose model answers leads; ties go to the first."""
    able = [expert for expert in brief.experts if expert.agent_id not in _lost(turns)] or list(brief.experts)
    return max(able, key=lambda expert: expert.weight).agent_id
