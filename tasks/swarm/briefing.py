"""From what a caller asks to a brief: everything is checked here, before anything is stored or paid."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from tasks.errors import InputError, OutOfRangeError, require_between
from tasks.swarm.evidence import applies_to
from tasks.swarm.profiles import ExpertAgentProfile, known, require_text
from tasks.swarm.records import Brief, ConsensusStrategy, EvidenceRef, Expert, Option, Scalar

LONGEST_PROBLEM = 20_000
LONGEST_CONTEXT = 100_000
LONGEST_LABEL = 500
MOST_EVIDENCE = 60
MOST_ROUNDS, MOST_OPTIONS, MOST_EXPERTS = 5, 8, 12
CONTENT_KEYS = ("title", "body", "media_type")


def check_problem(problem: Any) -> str:
    """The problem, if it says something within 20,000 characters."""
    return require_text("problem", problem, LONGEST_PROBLEM).strip()


def check_rounds(rounds: Any, most: int) -> int:
    """A whole number of rounds from 1 to the orchestrator's most."""
    if isinstance(rounds, bool) or not isinstance(rounds, int):
        raise OutOfRangeError("rounds", rounds, f"a whole number between 1 and {most}")
    require_between("rounds", rounds, 1, most)
    return rounds


def check_strategy(strategy: Any) -> ConsensusStrategy:
    """A consensus strategy, from itself or its value."""
    return known(ConsensusStrategy, strategy, "consensus strategy")


def check_context(context: Any) -> dict[str, Any]:
    """The context, if it is a JSON object of at most 100,000 characters."""
    if context is None:
        return {}
    if not isinstance(context, Mapping):
        raise InputError(f"context must be a dictionary, not {type(context).__name__}; wrap it as {{'value': …}}")
    try:
        text = json.dumps(context, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"context is not JSON ({error}); pass text, numbers, lists and dictionaries only") from None
    if len(text) > LONGEST_CONTEXT:
        raise OutOfRangeError("length of context as JSON", len(text), f"at most {LONGEST_CONTEXT} characters")
    found: dict[str, Any] = json.loads(text)
    return found


def check_experts(profiles: Sequence[ExpertAgentProfile]) -> None:
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


def check_options(options: Any) -> tuple[Option, ...]:
    """The closed set of answers, from labels or from dictionaries (`label`, `id`, `title`, `body`, `attributes`…)."""
    if options is None:
        return ()
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise InputError("options must be a list of labels or dictionaries")
    require_between("number of options", len(options), 2, MOST_OPTIONS)
    found = tuple(_option(given, letter) for given, letter in zip(options, string.ascii_uppercase, strict=False))
    for what, values in (("id", [one.id for one in found]), ("label", [one.label for one in found])):
        if len(set(values)) < len(values):
            raise InputError(f"two options share the {what} of another; make each different")
    return found


def check_id(debate_id: Any) -> str:
    """An id that names a debate."""
    return require_text("debate_id", debate_id, 128)


def worth_showing(known: Sequence[EvidenceRef], options: Sequence[Option]) -> tuple[EvidenceRef, ...]:
    """What speaks about the options, then the newest of the rest, up to 60; chosen by age, never by size of effect."""
    unique = {item.id: item for item in known}.values()

    def order(item: EvidenceRef) -> tuple[bool, float, str]:
        return (not any(applies_to(item, option) for option in options), item.age_days, item.id)

    return tuple(sorted(sorted(unique, key=order)[:MOST_EVIDENCE], key=lambda item: item.id))


def expert_of(profile: ExpertAgentProfile, weight: float, graded: int, evidence_ids: tuple[str, ...]) -> Expert:
    """The expert as the debate will remember it."""
    return Expert(
        agent_id=profile.agent_id,
        role=profile.role.value,
        name=profile.name,
        system_prompt=profile.system_prompt,
        temperature=profile.temperature,
        model=profile.model,
        skills={skill.skill.value: round(skill.effective_level, 6) for skill in profile.skills},
        weight=weight,
        graded=graded,
        evidence_ids=evidence_ids,
    )


def fingerprint(brief: Brief, asked_options: Sequence[Option]) -> str:
    """What was asked, as a hash: equal questions to equal experts are one debate, whatever evidence came since."""
    asked = brief.model_dump(
        mode="json", include={"problem", "context", "workspace_id", "rounds", "strategy", "engine", "model"}
    )
    asked |= {"experts": [expert.agent_id for expert in brief.experts]}
    asked |= brief.model_dump(mode="json", include={"splits", "parts", "part_of"})
    asked |= {"asks_a_person": brief.asks_a_person, "stop_at_agreement": brief.stop_at_agreement}
    return _sha(asked | {"options": [option.model_dump(mode="json") for option in asked_options]})


def debate_id_for(brief: Brief) -> str:
    """An id made of the question and of what was known: asking again finds the debate instead of paying again."""
    known_then = brief.model_dump(mode="json", include={"experts", "evidence", "prior_sd", "calibration"})
    for item in known_then["evidence"]:
        item.pop("age_days")  # tomorrow the same findings are a day older, and the same
    return "debate-" + _sha({"asked": brief.fingerprint} | known_then)[:24]


def debate_id_of_part(whole_id: str, name: str) -> str:
    """A part's id follows from the whole's, so that it is found again."""
    return "part-" + _sha({"whole": whole_id, "part": name})[:24]


def _option(given: Any, letter: str) -> Option:
    if isinstance(given, Option):
        return given
    if isinstance(given, str):
        given = {"label": given}
    if not isinstance(given, Mapping):
        raise InputError(f"an option must be text or a dictionary with a label, not {type(given).__name__}")
    unknown = sorted(set(given) - {"id", "label", "attributes", "is_status_quo", *CONTENT_KEYS})
    if unknown:
        raise InputError(f"unknown key of an option: {', '.join(unknown)}; known: id, label, title, body, attributes")
    label = require_text("option label", given.get("label") or given.get("title"), LONGEST_LABEL)
    option_id = require_text("option id", given.get("id") or letter, 32)
    attributes = _features(given) | dict(given.get("attributes") or {})
    kinds = {
        "is_status_quo": bool(given.get("is_status_quo")),
        "is_content": any(given.get(k) for k in CONTENT_KEYS[:2]),
    }
    return Option(id=option_id, label=label, attributes=attributes, **kinds)


def _features(given: Mapping[str, Any]) -> dict[str, Scalar]:
    """Features of the text an option would publish, as ingestion derives them; none where it gives no text."""
    if not any(given.get(key) for key in CONTENT_KEYS):
        return {}
    from tasks.content import CATALOGUE
    from tasks.content.features import with_features

    timing = {"published_at": pl.Series([0], dtype=pl.Datetime("us", "UTC")), "workspace_id": ["option"]}
    words = {key: pl.Series([given.get(key)], dtype=pl.String) for key in CONTENT_KEYS}
    row = with_features(pl.DataFrame(timing | words), {"option": "UTC"}).row(0, named=True)
    names = [feature.name for feature in CATALOGUE if feature.group != "timing"]
    return {name: row[name] for name in names if row[name] is not None}


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
