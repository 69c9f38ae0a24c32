"""A question put to experts: their positions, what changed whose mind, the decision and its price, as a report."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.approvals import ABSTAIN, PersonsVote, ask_async, with_menu
from flows.parameters import DebateSynthesis
from tasks.learnings.steps import remember_after
from tasks.plain_text import markdown
from tasks.reporting import Event, announce, emit, publish_markdown, publish_with_index, published_rows, strong
from tasks.reporting.debate_index import EVERYTHING, debate_index, debate_key
from tasks.swarm.errors import DebateFailedError
from tasks.swarm.limits import configured_limits
from tasks.swarm.messages import Turns
from tasks.swarm.records import Brief
from tasks.swarm.report import headline, story
from tasks.swarm.steps import hold_debate, recent_debates

NAME = "debate-synthesis"
REQUEST = ("problem", "rounds", "consensus_strategy", "context", "workspace_id", "stop_at_agreement", "in_parts")
OWN_LIMITS = ("max_cost", "max_completion_tokens")  # 0 leaves them to the settings
PAYLOAD = ("status", "option", "label", "confidence", "engine", "usage")


@flow(name=NAME, flow_run_name="debate-synthesis · {options}")
def debate_synthesis(options: DebateSynthesis = DebateSynthesis()) -> dict[str, Any]:
    """Debate a problem and publish the story; a retry goes on where the run stopped and repeats no turn."""
    request = options.model_dump(include=set(REQUEST))
    request |= {"options": list(options.options) or None, "debate_id": options.debate_id}
    own = {name: value for name in OWN_LIMITS if (value := getattr(options, name))}
    limits = configured_limits(max_total_tokens=options.max_total_tokens, debate_seconds=options.minutes * 60.0, **own)
    person = partial(persons_vote, hours=options.vote_hours) if options.ask_a_person else None
    result = asyncio.run(hold_debate(request, options.agent_roles, str(flow_run.id), limits, person))
    remember_after(result["workspace_id"], str(flow_run.id))
    publish_markdown(debate_key(result["debate_id"]), story(result), headline(result))
    publish_with_index(debate_index(recent_debates(), published_rows(EVERYTHING).get(EVERYTHING)))
    emit(Event.DEBATE_CONCLUDED, f"debate.{result['debate_id']}", {name: result[name] for name in PAYLOAD})
    announce(f"{result['debate_id']} {headline(result)}")
    if result["status"] == "failed":
        raise DebateFailedError(result["debate_id"], result["reason"])
    return result


async def persons_vote(brief: Brief, _turns: Turns, *, hours: int) -> str | None:
    """Pause the run until a person has voted; None where they abstain."""
    choices = "\n".join(f"- {strong(one.id)} {markdown(one.label)}" for one in brief.options)
    form = with_menu(PersonsVote, "option", [ABSTAIN, *(one.id for one in brief.options)])
    answer = await ask_async(form, f"{markdown(brief.problem)}\n\n{choices}", hours)
    return None if answer.option == ABSTAIN else answer.option
