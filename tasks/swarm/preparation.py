"""From a caller's question to the brief of a debate: who sits in it, what they may know, what they choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.errors import UnknownNameError
from tasks.swarm import briefing, store
from tasks.swarm.confidence import calibration_curve
from tasks.swarm.dimensions import DIMENSIONS, dimension_of
from tasks.swarm.endpoint import Endpoint
from tasks.swarm.evidence import slice_for
from tasks.swarm.evidence_rows import findings_from
from tasks.swarm.expert_agent_registry import ExpertAgentRegistry
from tasks.swarm.posterior import prior_sd_of
from tasks.swarm.profiles import ExpertAgentProfile, TaskRequirements, with_id, with_role
from tasks.swarm.proposals_from_evidence import options_from
from tasks.swarm.question import Part, Question
from tasks.swarm.records import Brief, Engine, EvidenceRef, Expert, PartPlan
from tasks.swarm.scope import scope_of

TASK_TYPE = "debate"


def prepare(
    registry: ExpertAgentRegistry, question: Question, roles: Sequence[Any], endpoint: Endpoint | None
) -> Brief:
    """The brief: experts with their records, and the evidence that is theirs to know; reads, writes nothing.

    Raises:
        InputError: if a role, an agent or the workspace is not known, or an agent is named twice.
    """
    agents = registry.list_agents()
    profiles = _profiles(agents, roles)
    scope = scope_of(store.workspaces(registry.warehouse), question.workspace_id)
    rows = store.result_rows(registry.warehouse, scope)
    known = [*findings_from(rows, datetime.now(UTC)), *question.extra_evidence]
    engine: Engine = "llm" if endpoint else "evidence_panel"
    prior_sd = prior_sd_of(known)
    # The panel draws its options from the findings; divided by a lead, from what the parts make of them.
    is_open = endpoint is not None or question.splits or question.parts
    options = question.options or (() if is_open else options_from(known, prior_sd, question.problem))
    evidence = briefing.worth_showing(known, options)
    graded = _graded(rows["debate"], engine)
    brief = Brief(
        debate_id="",
        problem=question.problem,
        context=question.context,
        workspace_id=scope.workspace_id,
        scope=scope.kind,
        experts=_experts(registry, profiles, evidence),
        options=options,
        evidence=evidence,
        rounds=question.rounds,
        strategy=question.strategy,
        engine=engine,
        model=endpoint.model if endpoint else None,
        prior_sd=prior_sd,
        calibration=calibration_curve(graded),
        graded_debates=len(graded),
        asks_a_person=question.asks_a_person,
        stop_at_agreement=question.stop_at_agreement,
        splits=question.splits,
        teams=_teams(registry) if question.splits else {},
        parts=tuple(_plan(agents, place, part) for place, part in enumerate(question.parts, start=1)),
    )
    brief = brief.model_copy(update={"fingerprint": briefing.fingerprint(brief, question.options)})
    return brief.model_copy(update={"debate_id": question.debate_id or briefing.debate_id_for(brief)})


def prepare_part(registry: ExpertAgentRegistry, whole: Brief, plan: PartPlan) -> Brief:
    """The brief of a part's debate: its own team, and those of the whole's findings that are about its side.

    Made of the whole's brief alone, so that a part is the same debate whenever it is taken up again.
    """
    profiles = _profiles(registry.list_agents(), plan.agent_ids)
    is_side = plan.name in DIMENSIONS
    evidence = tuple(item for item in whole.evidence if not is_side or dimension_of(item) == plan.name)
    drawn = options_from(evidence, whole.prior_sd, plan.problem) if whole.engine == "evidence_panel" else ()
    changes: dict[str, Any] = {"problem": plan.problem, "part_of": whole.debate_id, "options": plan.options or drawn}
    changes |= {"evidence": evidence, "experts": _experts(registry, profiles, evidence)}
    changes |= {"context": whole.context | {"the whole problem": whole.problem}, "asks_a_person": False}
    part = whole.model_copy(update=changes | {"splits": False, "teams": {}, "parts": ()})
    part = part.model_copy(update={"fingerprint": briefing.fingerprint(part, plan.options)})
    return part.model_copy(update={"debate_id": briefing.debate_id_of_part(whole.debate_id, plan.name)})


def _plan(agents: Sequence[ExpertAgentProfile], place: int, part: Part) -> PartPlan:
    team = tuple(profile.agent_id for profile in _profiles(agents, part.agent_roles))
    options = briefing.check_options(part.options)
    return PartPlan(name=f"part-{place}", problem=part.problem, agent_ids=team, options=options)


def _teams(registry: ExpertAgentRegistry) -> dict[str, tuple[str, ...]]:
    """The best team there is for each side of a problem."""
    needs = {
        name: TaskRequirements(TASK_TYPE, (), preferred_skills=side.skills, min_team_size=2, max_team_size=3)
        for name, side in DIMENSIONS.items()
    }
    return {name: registry.best_team_for(need).members for name, need in needs.items()}


def _profiles(agents: Sequence[ExpertAgentProfile], roles: Sequence[Any]) -> list[ExpertAgentProfile]:
    profiles = [_profile(agents, role) for role in roles]
    briefing.check_experts(profiles)
    return profiles


def _profile(agents: Sequence[ExpertAgentProfile], role: Any) -> ExpertAgentProfile:
    try:
        return with_role(agents, role)
    except UnknownNameError as unknown_role:
        try:
            return with_id(agents, str(role))
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


def _graded(debates: Sequence[Mapping[str, Any]], engine: str) -> list[tuple[float, bool]]:
    return [
        (row["decision"]["raw_confidence"], row["option"] == row["outcome_option"])
        for row in debates
        if row["engine"] == engine and row["option"] is not None
    ]
