"""From a caller's question to the brief of a debate: its experts, what they may know, what they choose from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.errors import InputError, UnknownNameError, require_between
from tasks.swarm.calibration import calibration_curve
from tasks.swarm.evidence import DIMENSIONS, any_applies, dimension_of, slice_for
from tasks.swarm.findings import Rows, findings_from
from tasks.swarm.learned import comparisons_of, learned_panel
from tasks.swarm.performance import Posterior
from tasks.swarm.posterior import options_from, prior_sd_of
from tasks.swarm.profiles import ExpertAgentProfile, TaskRequirements, with_id, with_role
from tasks.swarm.question import Part, Question, check_options
from tasks.swarm.records import Brief, Engine, EvidenceRef, Expert, LearnedPanel, Option, PartPlan
from tasks.swarm.team import team_for
from tasks.swarm.understanding import understood
from tasks.warehouse.scope import EvidenceScope

TASK_TYPE = "debate"
MOST_EVIDENCE, MOST_EXPERTS = 60, 12
RULES = 5  # of how the panel decides: under other rules the same question is another debate
UNASKED = {"exposures", "merges"}  # of an option: what was made of it is no part of the question


@dataclass(frozen=True, slots=True)
class Roster:
    """All agents, in the order they were registered, and how good each has proved at debates."""

    agents: Sequence[ExpertAgentProfile]
    performance: Mapping[str, Posterior]


@dataclass(frozen=True, slots=True)
class Findings:
    """Rows that hold findings, by table, and the workspaces whose findings they may be."""

    scope: EvidenceScope
    rows: Rows
    as_of: datetime


def debate_brief(
    question: Question, roles: Sequence[Any], roster: Roster, findings: Findings, model: str | None
) -> Brief:
    """The brief: experts with their records, and the evidence that is theirs to know.

    Args:
        roles: roles, or agent ids.
        model: the language model; None lets the evidence panel answer.

    Raises:
        InputError: if a role or an agent is not known, or an agent is named twice.
    """
    profiles = _profiles(roster, roles)
    known = [*findings_from(findings.rows, findings.as_of), *question.extra_evidence]
    engine: Engine = "llm" if model else "evidence_panel"
    prior_sd = prior_sd_of(known)
    # The panel draws its options from the findings; divided by a lead, from what the parts make of them.
    is_open = model is not None or question.splits or question.parts
    drawn = () if is_open else options_from(known, prior_sd, question.problem)
    options = understood(question.problem, question.options, known) or drawn
    is_drawn = engine == "evidence_panel" and not question.options
    evidence = worth_showing(known, options)
    experts = _experts(roster, profiles, evidence)
    graded = _graded(findings.rows.get("debate", ()), engine)
    brief = Brief(
        debate_id="",
        problem=question.problem,
        context=question.context,
        workspace_id=findings.scope.workspace_id,
        scope=findings.scope.kind,
        experts=experts,
        options=options,
        evidence=evidence,
        rounds=question.rounds,
        strategy=question.strategy,
        engine=engine,
        model=model,
        prior_sd=prior_sd,
        calibration=calibration_curve(graded),
        graded_debates=len(graded),
        asks_a_person=question.asks_a_person,
        stop_at_agreement=question.stop_at_agreement,
        splits=question.splits,
        teams=_teams(roster) if question.splits else {},
        parts=tuple(_plan(roster, place, part) for place, part in enumerate(question.parts, start=1)),
        options_exclude=not is_drawn,
        learned=learned_from(findings.rows, options, experts, evidence, prior_sd) if are_texts(options) else None,
    )
    brief = brief.model_copy(update={"fingerprint": fingerprint(brief, question.options)})
    return brief.model_copy(update={"debate_id": question.debate_id or debate_id_for(brief)})


def are_texts(options: Sequence[Option]) -> bool:
    """Whether all there is to choose from are texts that would be published: such can be learned about."""
    return len(options) > 1 and all(option.is_content for option in options)


def learned_from(
    rows: Rows, options: Sequence[Option], experts: Sequence[Expert], evidence: Sequence[EvidenceRef], prior_sd: float
) -> LearnedPanel | None:
    """What models of these experts, learned from a scope's decided experiments and graded debates, say of texts."""
    compared = comparisons_of(rows.get("decided_arm", ()), rows.get("debate", ()))
    if compared is None or not all(option.is_content for option in options):
        return None
    skills = {expert.agent_id: expert.skills for expert in experts}
    return learned_panel(compared, options, skills, evidence, prior_sd)


def part_brief(whole: Brief, plan: PartPlan, roster: Roster) -> Brief:
    """The brief of a part's debate: its own team, and those of the whole's findings that are about its side.

    Made of the whole's brief alone, so that a part is the same debate whenever it is resumed.
    """
    profiles = _profiles(roster, plan.agent_ids)
    is_side = plan.name in DIMENSIONS
    evidence = tuple(item for item in whole.evidence if not is_side or dimension_of(item) == plan.name)
    drawn = options_from(evidence, whole.prior_sd, plan.problem) if whole.engine == "evidence_panel" else ()
    options = understood(plan.problem, plan.options, evidence) or drawn
    changes: dict[str, Any] = {"problem": plan.problem, "part_of": whole.debate_id, "options": options}
    changes |= {"options_exclude": bool(plan.options) or whole.engine == "llm"}
    changes |= {"evidence": evidence, "experts": _experts(roster, profiles, evidence)}
    changes |= {"context": whole.context | {"the whole problem": whole.problem}, "asks_a_person": False}
    part = whole.model_copy(update=changes | {"splits": False, "teams": {}, "parts": (), "learned": None})
    part = part.model_copy(update={"fingerprint": fingerprint(part, plan.options)})
    return part.model_copy(update={"debate_id": debate_id_of_part(whole.debate_id, plan.name)})


def worth_showing(known: Sequence[EvidenceRef], options: Sequence[Option]) -> tuple[EvidenceRef, ...]:
    """Findings about the options, then the newest of the rest, up to 60; chosen by age, never by size of effect."""
    unique = {item.id: item for item in known}.values()
    ranked = sorted(unique, key=lambda item: (not any_applies([item], options), item.age_days, item.id))
    return tuple(sorted(ranked[:MOST_EVIDENCE], key=lambda item: item.id))


def fingerprint(brief: Brief, options: Sequence[Option]) -> str:
    """The question as a hash: equal questions to equal experts are one debate, whatever evidence came since."""
    question = brief.model_dump(
        mode="json", include={"problem", "context", "workspace_id", "rounds", "strategy", "engine", "model"}
    )
    question |= {"experts": [expert.agent_id for expert in brief.experts]}
    question |= brief.model_dump(mode="json", include={"splits", "parts", "part_of"})
    question |= {"asks_a_person": brief.asks_a_person, "stop_at_agreement": brief.stop_at_agreement}
    return _sha(
        question
        | {"options": [option.model_dump(mode="json", exclude=UNASKED, exclude_none=True) for option in options]}
    )


def debate_id_for(brief: Brief) -> str:
    """An id made of the question and of what was known: asking again finds the debate instead of paying again."""
    known_then = brief.model_dump(mode="json", include={"experts", "evidence", "prior_sd", "calibration"})
    for item in known_then["evidence"]:
        item.pop("age_days")  # tomorrow the same findings are a day older, and the same
        item.pop("is_text")  # it follows from the arm, and debates of older versions are to be found again
    if brief.learned is not None:
        known_then["learned"] = brief.learned.model_dump(mode="json")
    rules = {"rules": RULES} if brief.engine == "evidence_panel" else {}  # models' replies are paid: they stay found
    return "debate-" + _sha({"asked": brief.fingerprint} | rules | known_then)[:24]


def debate_id_of_part(whole_id: str, name: str) -> str:
    """A part's id follows from the whole's, so that it is found again."""
    return "part-" + _sha({"whole": whole_id, "part": name})[:24]


def _plan(roster: Roster, place: int, part: Part) -> PartPlan:
    team = tuple(profile.agent_id for profile in _profiles(roster, part.agent_roles))
    return PartPlan(name=f"part-{place}", problem=part.problem, agent_ids=team, options=check_options(part.options))


def _teams(roster: Roster) -> dict[str, tuple[str, ...]]:
    """The best team there is for each side of a problem."""
    needs = {
        name: TaskRequirements(TASK_TYPE, (), preferred_skills=side.skills, min_team_size=2, max_team_size=3)
        for name, side in DIMENSIONS.items()
    }
    return {name: team_for(need, roster.agents, roster.performance).members for name, need in needs.items()}


def _profiles(roster: Roster, roles: Sequence[Any]) -> list[ExpertAgentProfile]:
    profiles: list[ExpertAgentProfile] = []
    for role in roles:  # a role named twice means two agents of it, where there are two
        left = [one for one in roster.agents if one not in profiles]
        try:
            profiles.append(_profile(left, role))
        except UnknownNameError:
            profiles.append(_profile(roster.agents, role))
    _check_experts(profiles)
    return profiles


def _profile(agents: Sequence[ExpertAgentProfile], role: Any) -> ExpertAgentProfile:
    try:
        return with_role(agents, role)
    except UnknownNameError as unknown_role:
        try:
            return with_id(agents, str(role))
        except UnknownNameError:
            raise unknown_role from None


def _check_experts(profiles: Sequence[ExpertAgentProfile]) -> None:
    """At least one expert, none twice."""
    if not profiles:
        raise InputError("no agents: name at least one role, or assemble a team with `assemble_team`")
    require_between("number of agents", len(profiles), 1, MOST_EXPERTS)
    ids = [profile.agent_id for profile in profiles]
    twice = sorted({agent_id for agent_id in ids if ids.count(agent_id) > 1})
    if twice:
        raise InputError(
            f"duplicate agent {', '.join(twice)}; name each role once (agents that share a role: pass their agent ids)"
        )


def _experts(
    roster: Roster, profiles: Sequence[ExpertAgentProfile], evidence: Sequence[EvidenceRef]
) -> tuple[Expert, ...]:
    """The experts as the debate will remember them."""
    return tuple(_expert(profile, roster.performance[profile.agent_id], evidence) for profile in profiles)


def _expert(profile: ExpertAgentProfile, performance: Posterior, evidence: Sequence[EvidenceRef]) -> Expert:
    levels = {skill.skill.value: skill.effective_level for skill in profile.skills}
    return Expert(
        agent_id=profile.agent_id,
        role=profile.role.value,
        name=profile.name,
        system_prompt=profile.system_prompt,
        temperature=profile.temperature,
        model=profile.model,
        skills={skill: round(level, 6) for skill, level in levels.items()},
        weight=performance.log_odds,
        graded=performance.graded,
        evidence_ids=slice_for(levels, evidence),
    )


def _graded(debates: Sequence[Mapping[str, Any]], engine: str) -> list[tuple[float, bool]]:
    return [
        (row["decision"]["raw_confidence"], row["option"] == row["outcome_option"])
        for row in debates
        if row["engine"] == engine and row["option"] is not None
    ]


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
