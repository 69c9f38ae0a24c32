"""A debate as the guide returns it: decision, reasoning, proposals, critiques, transcript."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.swarm.messages import PHASES, Closing, Critique, Integration, Proposal, Turn, Turns, Vote, turn_key
from tasks.swarm.panel import NOTICE, label_of, weighed
from tasks.swarm.protocol import results_of_parts, with_options
from tasks.swarm.records import Brief, ConsensusStrategy, Expert


def result_of(
    brief: Brief,
    turns: Turns,
    decision: Mapping[str, Any],
    exchanges: Mapping[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    """The guide's keys, and beside them the decision's own."""
    settled = with_options(brief, turns)
    people = {expert.agent_id: expert for expert in brief.experts}
    ordered = in_order(brief, turns)
    guide = {
        "decision": _decision_text(settled, turns, decision),
        "reasoning": reasoning(settled, turns, decision),
        "confidence": decision["confidence"],
        "proposals": [_proposal(people[t.agent_id], t) for t in ordered if isinstance(t.message, Proposal)],
        "critiques": [_critique(people[t.agent_id], t, turns) for t in ordered if isinstance(t.message, Critique)],
        "transcript": transcript(settled, ordered, exchanges),
        "debate_id": brief.debate_id,
    }
    rest = {name: value for name, value in decision.items() if name not in guide}
    votes = [
        {"agent_id": turn.agent_id} | turn.message.model_dump(mode="json")
        for turn in ordered
        if isinstance(turn.message, Vote)
    ]
    parts = [
        {"name": name, "label": part.option.label if part.option else None}
        | part.model_dump(mode="json", include={"problem", "debate_id", "status", "confidence", "reason"})
        for name, part in results_of_parts(brief, turns)
    ]
    about = {"workspace_id": brief.workspace_id, "scope": brief.scope, "parts": parts}
    return guide | rest | {"votes": votes} | about


def reasoning(brief: Brief, turns: Turns, decision: Mapping[str, Any]) -> str:
    """Who argued what, what the evidence says, and what would change the answer."""
    lines = [f"{NOTICE} {weighed(brief)}"] if brief.engine == "evidence_panel" else []
    closing = _closing_text(turns, decision)
    lines += [closing] if closing else []
    lines += [f"- {', '.join(names)} {argument}" for argument, names in _experts_by_argument(brief, turns).items()]
    count = decision["count"]
    if count["valid"]:
        shares = ", ".join(f"{option} {share:.0%}" for option, share in count["shares"].items())
        notes = f" ({'; '.join(count['notes'])})" if count["notes"] else ""
        lines.append(f"Vote ({count['method']}, {count['outcome']}): {shares}{notes}.")
    if decision["reason"]:
        lines.append(f"{decision['status']}: {decision['reason']}.")
    return "\n".join(lines)


def _experts_by_argument(brief: Brief, turns: Turns) -> dict[str, list[str]]:
    """Experts by their last argument, in their order: those with the same option and reason stand together."""
    arguments: dict[str, list[str]] = {}
    for expert in brief.experts:
        proposal = _last_proposal(turns, expert.agent_id)
        if proposal is None:
            continue
        if proposal.option is None:
            text = f"abstaining: {proposal.abstain_reason or 'no reason given'}."
        else:
            label = label_of(brief.options, proposal.option)
            argument = " ".join(part for part in (proposal.claim, proposal.reasoning) if part)
            text = f"for '{label}': {argument.removeprefix(f'{label}: ')}"
        arguments.setdefault(text, []).append(expert.name)
    return arguments


def transcript(brief: Brief, ordered: list[Turn], exchanges: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The whole record: the question, the evidence, and each turn down to request and response."""
    turns = [turn.model_dump(mode="json") | {"exchanges": exchanges.get(turn.key, [])} for turn in ordered]
    return {"brief": brief.model_dump(mode="json"), "turns": turns}


def in_order(brief: Brief, turns: Turns) -> list[Turn]:
    """Turns as they were due: by round, phase and the experts' order."""
    place = {expert.agent_id: i for i, expert in enumerate(brief.experts)}
    return sorted(
        turns.values(),
        key=lambda turn: (turn.round, PHASES.index(turn.phase), place.get(turn.agent_id, len(place)), turn.agent_id),
    )


def _decision_text(brief: Brief, turns: Turns, decision: Mapping[str, Any]) -> str | None:
    if decision["option"] is None:
        return None
    label = str(decision["label"])
    if brief.strategy is not ConsensusStrategy.SYNTHESIS:
        return label
    closing = _closing_text(turns, decision)
    if closing:
        return f"{label} — {closing}"
    also = "; ".join(one["label"] for one in decision.get("also", ()))
    return f"{label}. Beside it: {also}" if also else label


def _closing_text(turns: Turns, decision: Mapping[str, Any]) -> str:
    """What the closing says of what was decided; nothing where it is about a merged option that was refused."""
    closing = next(
        (t.message for t in turns.values() if t.phase == "synthesis" and isinstance(t.message, Closing)), None
    )
    is_refused = isinstance(closing, Integration) and bool(closing.parts) and not decision.get("merged")
    return closing.text if closing is not None and not is_refused else ""


def _last_proposal(turns: Turns, agent_id: str) -> Proposal | None:
    proposed = [t for t in turns.values() if t.agent_id == agent_id and isinstance(t.message, Proposal)]
    last = max(proposed, key=lambda turn: turn.round, default=None)
    return last.message if last is not None and isinstance(last.message, Proposal) else None


def _proposal(expert: Expert, turn: Turn) -> dict[str, Any]:
    proposal = turn.message
    assert isinstance(proposal, Proposal)
    return {
        "proposal_id": turn.key,
        "agent_id": expert.agent_id,
        "agent_name": expert.name,
        "agent_role": expert.role,
        "proposal": proposal.claim,
        "reasoning": proposal.reasoning or proposal.abstain_reason or "",
        "confidence": None if proposal.confidence is None else proposal.confidence / 100.0,
        "round_number": turn.round,
        "option": proposal.option,
        "evidence_ids": list(proposal.evidence_ids),
        "status": turn.status,
    }


def _critique(expert: Expert, turn: Turn, turns: Turns) -> dict[str, Any]:
    critique = turn.message
    assert isinstance(critique, Critique)
    return {
        "critic_id": expert.agent_id,
        "critic_name": expert.name,
        "target_proposal_id": _target(turn, critique, turns),
        "strengths": [critique.strength] if critique.strength else [],
        "weaknesses": [critique.weakness] if critique.weakness else [],
        "suggestions": [critique.suggestion] if critique.suggestion else [],
        "agreement_level": critique.agreement / 100.0,
        "kind": critique.kind,
        "evidence_id": critique.evidence_id,
        "round_number": turn.round,
        "status": turn.status,
    }


def _target(turn: Turn, critique: Critique, turns: Turns) -> str | None:
    agent = turn.shown_as.get(critique.target or "")
    if agent is None:
        return None
    for number in range(turn.round, 0, -1):
        for phase in ("refine", "propose"):
            key = turn_key(number, phase, agent)
            if key in turns:
                return key
    return None
