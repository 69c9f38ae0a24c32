"""A debate as a report people read: the question, positions, changes of mind, the decision and its price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.plain_text import code, markdown
from tasks.swarm.panel import measured
from tasks.swarm.records import EvidenceRef

Result = Mapping[str, Any]
MOST_QUOTED = 300
FIRST_TAKER = "takes_first_option:"
PRICES = markdown("RAPTORFLOW_LLM_PROMPT_PRICE and RAPTORFLOW_LLM_COMPLETION_PRICE")


def story(result: Result) -> str:
    """The result of a debate as Markdown; what people and models wrote is quoted, never markup."""
    sections = (_head, _parts, _positions, _minds, _critiques, _decision, _evidence)
    return "\n\n".join([*(text for section in sections for text in section(result)), _price(result)])


def headline(result: Result) -> str:
    """The debate in one line."""
    chosen = result["label"] or "no decision"
    confidence = "" if result["confidence"] is None else f", confidence {result['confidence']:.0%}"
    return f"{result['status'].replace('_', ' ')}: {chosen}{confidence}"


def _head(result: Result) -> Iterator[str]:
    brief = result["transcript"]["brief"]
    yield "# Debate"
    yield _quote(brief["problem"])
    if not result["llm_used"]:
        yield "*Evidence panel: a statistical procedure. No language model was used.*"
    yield f"**{_plain(headline(result))}**"
    if result["reason"]:
        yield f"Reason: {_plain(result['reason'])}."
    if "suspected_injection" in result["flags"]:
        warning = "⚠ A text in this debate holds the markup of chats with models, which no reader is shown."
        yield f"{warning} It changed no vote; please check it."
    yield "\n".join(f"- **{_plain(option['id'])}** {_plain(option['label'])}" for option in result["options"])


def _parts(result: Result) -> Iterator[str]:
    if not result["parts"]:
        return
    yield "## Parts"
    yield "\n".join(
        f"- *{_plain(part['problem'])}* {_part_answer(part)} · {code(part['debate_id'])}" for part in result["parts"]
    )


def _part_answer(part: Mapping[str, Any]) -> str:
    if part["label"] is None:
        return f"No decision ({_plain(part['reason'] or part['status'])})"
    return f"**{_plain(part['label']).rstrip('.')}**, confidence {part['confidence']:.0%}"


def _positions(result: Result) -> Iterator[str]:
    """Everybody's last position; those with the same option and reason are quoted once."""
    yield "## Positions"
    labels = {option["id"]: option["label"] for option in result["options"]}
    latest = {proposal["agent_id"]: proposal for proposal in result["proposals"]}
    first = {proposal["agent_id"]: proposal for proposal in reversed(result["proposals"])}
    experts: dict[tuple[str, str], list[str]] = {}
    for agent, proposal in latest.items():
        began, held = first[agent]["option"], proposal["option"]
        moved = f" (began with {_plain(began)})" if began not in (held, None) else ""
        claim = proposal["proposal"].removeprefix(f"{labels.get(held)}: ")
        who = experts.setdefault((held or "abstaining", f"{claim} {proposal['reasoning']}".strip()), [])
        who.append(f"**{_plain(proposal['agent_name'])}**{moved}")
    for (held, argued), names in experts.items():
        yield f"{', '.join(names)} — {_plain(held)}"
        yield _quote(argued)


def _minds(result: Result) -> Iterator[str]:
    if not result["changes"]:
        return
    yield "## Changes of mind"
    lines = []
    for change in result["changes"]:
        evidence = ", ".join(code(item) for item in change["because_evidence_ids"])
        unheard = "by its argument" if change["because"] == "argument" else "citing nothing new: **not counted**"
        because = f"by {evidence}" if evidence else unheard
        who = _named(result, change["agent_id"])
        lines.append(f"- {who}: {_plain(change['from_option'])} → {_plain(change['to_option'])}, {because}")
    yield "\n".join(lines)


def _critiques(result: Result) -> Iterator[str]:
    critiques = [one for one in result["critiques"] if one["weaknesses"]]
    if not critiques:
        return
    yield "## Critiques"
    yield "\n".join(
        f"- {_plain(one['critic_name'])} on {_named(result, str(one['target_proposal_id']).rpartition(':')[2])}, "
        f"{one['kind'].replace('_', ' ')}: {_plain(' '.join(one['weaknesses']))}"
        for one in critiques
    )


def _evidence(result: Result) -> Iterator[str]:
    """The findings that somebody cited, by the ids they are cited with."""
    cited = {item for message in (*result["proposals"], *result["votes"]) for item in message["evidence_ids"]}
    known = [EvidenceRef.model_validate(one) for one in result["transcript"]["brief"]["evidence"]]
    used = [item for item in known if item.id in cited]
    if used:
        yield "## Evidence cited"
        yield "\n".join(f"- {code(item.id)} {_plain(measured(item))}" for item in used)


def _named(result: Result, agent_id: str) -> str:
    names = {one["agent_id"]: one["name"] for one in result["transcript"]["brief"]["experts"]}
    return _plain(names.get(agent_id, agent_id))


def _decision(result: Result) -> Iterator[str]:
    yield "## Decision"
    if result["decision"]:
        yield _quote(result["decision"])
    count = result["count"]
    shares = " · ".join(f"{_plain(option)} {share:.0%}" for option, share in count["shares"].items()) or "no valid vote"
    notes = _plain("; ".join(count["notes"]))
    yield f"Vote ({count['method']}): {shares} — {count['outcome'].replace('_', ' ')}. {notes}"
    if result["confidence"] is not None:
        basis = result["confidence_basis"].replace("_", " ")
        yield f"Confidence {result['confidence']:.0%} ({basis}); agreement {result['agreement']:.0%} of the vote."
    if "leaning" in result["flags"]:
        yield "No option is much likelier than not to be the best: a direction to test, not a decision."
    yield from _order(result)
    if result["dissent"]:
        yield f"Dissent: {_plain(', '.join(result['dissent']))}."
    baseline = result["baseline"]
    if baseline and result["llm_used"]:
        yield f"The evidence panel alone chooses {_plain(baseline['option'])} ({baseline['confidence']:.0%})."


def _order(result: Result) -> Iterator[str]:
    """Who has chosen by the order of the options."""
    for flag in result["flags"]:
        if flag.startswith(FIRST_TAKER):
            who = _named(result, flag.removeprefix(FIRST_TAKER))
            yield f"{who} named whatever stood first in its list each time: its vote says little."
    if "choices_follow_order" in result["flags"]:
        yield "Each expert named what stood first in its own list: the vote says little."


def _price(result: Result) -> str:
    usage = result["usage"]
    tokens = usage["prompt_tokens"] + usage["completion_tokens"]
    blind = f", {usage['unmeasured_calls']} of them unmeasured" if usage["unmeasured_calls"] else ""
    rounds = f"{result['rounds_run']} round{'s' if result['rounds_run'] != 1 else ''}, ended by {result['stop_reason']}"
    calls = f"{usage['calls']} calls{blind} · {tokens:,} tokens, {_cost(usage)}"
    return f"## Price\n\n{rounds} · {calls} · {code(result['debate_id'])}"


def _cost(usage: Mapping[str, Any]) -> str:
    """What the endpoint was paid, in the currency of the settings' prices."""
    if not usage["calls"]:
        return "no cost"
    if usage["cost"] is None:
        return "cost unknown" if usage["unmeasured_calls"] == usage["calls"] else f"cost unknown: set {PRICES}"
    return f"cost {'at least ' if usage['unmeasured_calls'] else ''}{usage['cost']:.4f}"


def _quote(text: str) -> str:
    return f"> {_plain(text)}"


def _plain(text: str) -> str:
    """On one line, escaped, and not too long."""
    flat = " ".join(str(text).split())
    return markdown(flat if len(flat) <= 2 * MOST_QUOTED else flat[: 2 * MOST_QUOTED] + "…")
