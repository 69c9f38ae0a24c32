"""From a caller's question to the brief of a debate: who sits in it, what they may know, what they choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.errors import UnknownNameError
from tasks.swarm import briefing, store
from tasks.swarm.confidence import calibration_curve
from tasks.swarm.endpoint import Endpoint
from tasks.swarm.evidence import slice_for
from tasks.swarm.evidence_rows import findings_from
from tasks.swarm.expert_agent_registry import ExpertAgentRegistry
from tasks.swarm.posterior import prior_sd_of
from tasks.swarm.profiles import ExpertAgentProfile
from tasks.swarm.proposals_from_evidence import options_from
from tasks.swarm.records import Brief, ConsensusStrategy, EvidenceRef, Expert, Option
from tasks.warehouse.frames import find_workspace

TASK_TYPE = "debate"


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller asked, checked."""

    problem: str
    rounds: int
    strategy: ConsensusStrategy
    context: dict[str, Any]
    options: tuple[Option, ...]
    workspace_id: str | None
    debate_id: str | None
    extra_evidence: tuple[EvidenceRef, ...] = ()
    asks_a_person: bool = False

    @classmethod
    def checked(cls, asked: Mapping[str, Any], most_rounds: int) -> Question:
        """The question, if every part of it is in order.

        Raises:
            InputError: for the first part that is not, with what to do about it.
        """
        debate_id = asked["debate_id"]
        return cls(
            problem=briefing.check_problem(asked["problem"]),
            rounds=briefing.check_rounds(asked["rounds"], most_rounds),
            strategy=briefing.check_strategy(asked["strategy"]),
            context=briefing.check_context(asked["context"]),
            options=briefing.check_options(asked["options"]),
            workspace_id=asked["workspace_id"],
            debate_id=None if debate_id is None else briefing.check_id(debate_id),
            extra_evidence=tuple(asked["extra_evidence"]),
            asks_a_person=asked["asks_a_person"],
        )


def prepare(
    registry: ExpertAgentRegistry, question: Question, roles: Sequence[Any], endpoint: Endpoint | None
) -> Brief:
    """The brief: experts with their records, and the evidence that is theirs to know; reads, writes nothing.

    Raises:
        InputError: if a role, an agent or the workspace is not known, or an agent is named twice.
    """
    profiles = [_profile(registry, role) for role in roles]
    briefing.check_experts(profiles)
    if question.workspace_id is not None:
        find_workspace(registry.warehouse, question.workspace_id)
    rows = store.result_rows(registry.warehouse, question.workspace_id)
    known = [*findings_from(rows, datetime.now(UTC)), *question.extra_evidence]
    engine = "llm" if endpoint else "evidence_panel"
    prior_sd = prior_sd_of(known)
    options = question.options or (() if endpoint else options_from(known, prior_sd))
    evidence = briefing.worth_showing(known, options)
    graded = _graded(registry, engine, question.workspace_id)
    brief = Brief(
        debate_id="",
        problem=question.problem,
        context=question.context,
        workspace_id=question.workspace_id,
        experts=_experts(registry, profiles, evidence),
        options=options,
        evidence=evidence,
        rounds=question.rounds,
        strategy=question.strategy,
        engine="llm" if endpoint else "evidence_panel",
        model=endpoint.model if endpoint else None,
        prior_sd=prior_sd,
        calibration=calibration_curve(graded),
        graded_debates=len(graded),
        asks_a_person=question.asks_a_person,
    )
    brief = brief.model_copy(update={"fingerprint": briefing.fingerprint(brief, question.options)})
    return brief.model_copy(update={"debate_id": question.debate_id or briefing.debate_id_for(brief)})


def _profile(registry: ExpertAgentRegistry, role: Any) -> ExpertAgentProfile:
    try:
        return registry.get_agent(role=role)
    except UnknownNameError as unknown_role:
        try:
            return registry.get_agent(agent_id=str(role))
        except UnknownNameError:
            raise unknown_role from None


def _experts(
    registry: ExpertAgentRegistry, profiles: Sequence[ExpertAgentProfile], evidence: Sequence[EvidenceRef]
) -> tuple[Expert, ...]:
    record = registry.performance([profile.agent_id for profile in profiles], TASK_TYPE)
    found = []
    for profile in profiles:
        skills = {skill.skill.value: skill.effective_level for skill in profile.skills}
        past = record[profile.agent_id]
        found.append(briefing.expert_of(profile, past.log_odds, past.graded, slice_for(skills, evidence)))
    return tuple(found)


def _graded(registry: ExpertAgentRegistry, engine: str, workspace_id: str | None) -> list[tuple[float, bool]]:
    return [
        (row["decision"]["raw_confidence"], row["option"] == row["outcome_option"])
        for row in store.graded_debates(registry.warehouse, workspace_id)
        if row["engine"] == engine and row["option"] is not None
    ]
