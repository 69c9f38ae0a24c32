"""A debate as a story people read: the question, each position, what changed whose mind, the decision, its price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Result = Mapping[str, Any]
MOST_QUOTED = 300


def story(result: Result) -> str:
    """The result of a debate as Markdown; what people and models wrote is quoted, never markup."""
    parts = [*_head(result), *_positions(result), *_minds(result), *_critiques(result), *_decision(result)]
    return "\n\n".join([*parts, _price(result)])


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
        yield f"Why it ended so: {_plain(result['reason'])}."
    if "suspected_injection" in result["flags"]:
        yield "⚠ A text in this debate addresses the model rather than the reader. It changed no vote; look at it."
    yield "\n".join(f"- **{_plain(option['id'])}** {_plain(option['label'])}" for option in result["options"])


def _positions(result: Result) -> Iterator[str]:
    yield "## Positions"
    latest = {proposal["agent_id"]: proposal for proposal in result["proposals"]}
    first = {proposal["agent_id"]: proposal for proposal in reversed(result["proposals"])}
    for agent, proposal in latest.items():
        began = first[agent]["option"]
        moved = f" (began with {began})" if began != proposal["option"] else ""
        held = proposal["option"] or "abstains"
        yield f"**{_plain(proposal['agent_name'])}** — {_plain(held)}{_plain(moved)}"
        yield _quote(f"{proposal['proposal']} {proposal['reasoning']}")


def _minds(result: Result) -> Iterator[str]:
    if not result["changes"]:
        return
    yield "## What changed whose mind"
    lines = []
    for change in result["changes"]:
        evidence = ", ".join(change["because_evidence_ids"])
        because = f"by {evidence}" if evidence else "citing nothing new: **not counted**"
        lines.append(f"- {change['agent_id']}: {change['from_option']} → {change['to_option']}, {because}")
    yield "\n".join(lines)


def _critiques(result: Result) -> Iterator[str]:
    told = [one for one in result["critiques"] if one["weaknesses"]]
    if not told:
        return
    yield "## Critiques"
    yield "\n".join(
        f"- {_plain(one['critic_name'])} on {_plain(str(one['target_proposal_id']))}, "
        f"{one['kind']}: {_plain(' '.join(one['weaknesses']))}"
        for one in told
    )


def _decision(result: Result) -> Iterator[str]:
    yield "## Decision"
    if result["decision"]:
        yield _quote(result["decision"])
    count = result["count"]
    shares = " · ".join(f"{option} {share:.0%}" for option, share in count["shares"].items()) or "no valid vote"
    notes = _plain("; ".join(count["notes"]))
    yield f"Vote ({count['method']}): {shares} — {count['outcome'].replace('_', ' ')}. {notes}"
    if result["confidence"] is not None:
        basis = result["confidence_basis"].replace("_", " ")
        yield f"Confidence {result['confidence']:.0%} ({basis}); agreement {result['agreement']:.0%}, another matter."
    if result["dissent"]:
        yield f"Dissent: {', '.join(result['dissent'])}."
    baseline = result["baseline"]
    if baseline and result["llm_used"]:
        yield f"The evidence panel alone says {baseline['option']} ({baseline['confidence']:.0%})."


def _price(result: Result) -> str:
    usage = result["usage"]
    tokens = usage["prompt_tokens"] + usage["completion_tokens"]
    cost = "" if usage["cost"] is None else f", cost {usage['cost']:.4f}"
    blind = f", {usage['unmeasured_calls']} of them unmeasured" if usage["unmeasured_calls"] else ""
    rounds = f"{result['rounds_run']} round{'s' if result['rounds_run'] != 1 else ''}, ended by {result['stop_reason']}"
    return f"## Price\n\n{rounds} · {usage['calls']} calls{blind} · {tokens:,} tokens{cost} · `{result['debate_id']}`"


def _quote(text: str) -> str:
    return f"> {_plain(text)}"


def _plain(text: str) -> str:
    """On one line, without what Markdown or HTML would take for its own."""
    flat = " ".join(str(text).split())
    for sign in "\\`*_[]<>|#":
        flat = flat.replace(sign, f"&#{ord(sign)};" if sign in "<>" else f"\\{sign}")
    return flat if len(flat) <= 2 * MOST_QUOTED else flat[: 2 * MOST_QUOTED] + "…"
