"""Debates in parts, read from the record: who debates what, and what the parts' decisions are to the whole.

Every expert of the whole is shown each part's decision. It is no evidence of its own: it rests on findings that the
whole counts already, so it moves nobody's arithmetic.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from tasks.swarm.messages import PartResult, Split, Turn, TurnRequest, Turns, Usage, turn_key
from tasks.swarm.posterior import options_from, status_quo
from tasks.swarm.records import Brief, EvidenceRef, Option, PartPlan

FEWEST_PARTS = 2


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


def findings_of_parts(brief: Brief, turns: Turns) -> tuple[EvidenceRef, ...]:
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


def options_from_parts(brief: Brief, turns: Turns) -> tuple[Option, ...]:
    """What the panel chooses from where nobody named options: the parts' decisions, or the strongest findings."""
    chosen = {result.option.label: result.option for _, result in results_of_parts(brief, turns) if result.option}
    changes = [option for option in chosen.values() if not option.is_status_quo]
    if not changes:
        return options_from(brief.evidence, brief.prior_sd, brief.problem)
    named = zip(string.ascii_uppercase, changes, strict=False)
    kept = [option.model_copy(update={"id": letter}) for letter, option in named]
    return (*kept, status_quo(string.ascii_uppercase[len(kept)]))


def turn_of_part(request: TurnRequest, plan: PartPlan, result: Mapping[str, Any]) -> Turn:
    """What a part's debate came to, as a turn of the whole; one that nobody answered is failed, and asked again."""
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
