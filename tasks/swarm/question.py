"""A caller's question to a debate, every part of it checked before anything is stored or paid."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.errors import InputError, OutOfRangeError, require_between
from tasks.swarm.profiles import known, require_text
from tasks.swarm.records import ConsensusStrategy, EvidenceRef, Option, Scalar

LONGEST_PROBLEM = 20_000
LONGEST_CONTEXT = 100_000
LONGEST_LABEL = 500
LONGEST_BODY = 20_000
LONGEST_BEGINNING = 80
LONGEST_TITLE = 200
MOST_ROUNDS, MOST_OPTIONS, MOST_PARTS = 5, 8, 6
CONTENT_KEYS = ("title", "body", "media_type")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a problem, and the team that debates it: roles or agent ids."""

    problem: str
    agent_roles: Sequence[str]
    options: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A caller's question, checked."""

    problem: str
    rounds: int
    strategy: ConsensusStrategy
    context: dict[str, Any]
    options: tuple[Option, ...]
    workspace_id: str | None
    debate_id: str | None
    extra_evidence: tuple[EvidenceRef, ...] = ()
    asks_a_person: bool = False
    stop_at_agreement: bool = True
    splits: bool = False
    parts: tuple[Part, ...] = ()

    @classmethod
    def checked(cls, given: Mapping[str, Any], most_rounds: int) -> Question:
        """The question, if every part of it is in order.

        Args:
            given: the arguments of `AgentDebateOrchestrator.orchestrate_debate`, and `asks_a_person`.

        Raises:
            InputError: for the first part that is not, with what to do about it.
        """
        debate_id = given["debate_id"]
        return cls(
            problem=check_problem(given["problem"]),
            rounds=check_rounds(given["rounds"], most_rounds),
            strategy=check_strategy(given["strategy"]),
            context=check_context(given["context"]),
            options=check_options(given["options"]),
            workspace_id=given["workspace_id"],
            debate_id=None if debate_id is None else require_text("debate_id", debate_id, 128),
            extra_evidence=tuple(given["extra_evidence"]),
            asks_a_person=given["asks_a_person"],
            stop_at_agreement=bool(given["stop_at_agreement"]),
            splits=given["in_parts"] is True,
            parts=_parts(given["in_parts"]),
        )


def check_problem(problem: Any) -> str:
    """The problem, if it is not blank and within 20,000 characters."""
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
    plain: dict[str, Any] = json.loads(text)
    return plain


def check_options(options: Any) -> tuple[Option, ...]:
    """The closed set of answers, from labels or from dictionaries (`label`, `id`, `title`, `body`, `attributes`…)."""
    if options is None:
        return ()
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise InputError("options must be a list of labels or dictionaries")
    require_between("number of options", len(options), 2, MOST_OPTIONS)
    checked = tuple(option_of(given, letter) for given, letter in zip(options, string.ascii_uppercase, strict=False))
    checked = _told_apart(checked)
    for what, values in (("id", [one.id for one in checked]), ("label", [one.label for one in checked])):
        if len(set(values)) < len(values):
            raise InputError(f"two options share the {what} of another; make each different")
    return checked


def choices(answers: Sequence[str] | None, texts: Sequence[str] | None) -> list[str | dict[str, str]] | None:
    """Options from answers, or from texts that would be published; None where neither is given.

    Raises:
        InputError: if both are.
    """
    if answers and texts:
        raise InputError("options are answers or texts to publish: name --option or --text, not both")
    if texts:
        return [{"body" if "\n" in text or len(text) > LONGEST_TITLE else "title": text} for text in texts]
    return list(answers) if answers else None


def _told_apart(options: Sequence[Option]) -> tuple[Option, ...]:
    """Texts that share a title and differ in their bodies are called by their ids too."""
    bodies: dict[str, set[str | None]] = {}
    for option in options:
        bodies.setdefault(option.label, set()).add(option.body)
    titles = [option.label for option in options]
    return tuple(
        option.model_copy(update={"label": f"{option.label} ({option.id})"})
        if titles.count(option.label) == len(bodies[option.label]) > 1
        else option
        for option in options
    )


def _parts(given: Any) -> tuple[Part, ...]:
    """The caller's parts; none where the lead divides the problem, or it is not divided."""
    if isinstance(given, bool):
        return ()
    if not isinstance(given, Sequence) or not all(isinstance(one, Part) for one in given):
        raise InputError("in_parts is True, False, or a list of Part(problem, agent_roles, options)")
    if not given:
        raise InputError("no parts: give at least one Part, True to let the lead divide the problem, or leave it out")
    require_between("number of parts", len(given), 1, MOST_PARTS)
    for part in given:
        check_problem(part.problem)
    return tuple(given)


def option_of(given: Any, letter: str) -> Option:
    """An option from a label or a dictionary; `letter` is its id where it names none.

    Raises:
        InputError: if it is neither, or holds what no option has.
    """
    if isinstance(given, Option):
        return given
    if isinstance(given, str):
        given = {"label": given}
    if not isinstance(given, Mapping):
        raise InputError(f"an option must be text or a dictionary with a label, not {type(given).__name__}")
    unknown = sorted(set(given) - {"id", "label", "attributes", "is_status_quo", *CONTENT_KEYS})
    if unknown:
        raise InputError(f"unknown key of an option: {', '.join(unknown)}; known: id, label, title, body, attributes")
    texts = {key: _text_of(given, key, longest) for key, longest in (("title", LONGEST_LABEL), ("body", LONGEST_BODY))}
    heading = given.get("label") or texts["title"] or _beginning(texts["body"])
    label = require_text("option label", heading, LONGEST_LABEL)
    option_id = require_text("option id", given.get("id") or letter, 32)
    attributes = _features(given) | dict(given.get("attributes") or {})
    kinds = {
        "is_status_quo": bool(given.get("is_status_quo")),
        "is_content": any(given.get(k) for k in CONTENT_KEYS[:2]),
    }
    return Option(id=option_id, label=label, attributes=attributes, **kinds, **texts)


def _text_of(given: Mapping[str, Any], key: str, longest: int) -> str | None:
    return require_text(f"option {key}", given[key], longest) if given.get(key) else None


def _beginning(body: str | None) -> str | None:
    """What a text without a title is called."""
    return body if body is None or len(body) <= LONGEST_BEGINNING else body[:LONGEST_BEGINNING].rstrip() + "…"


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
