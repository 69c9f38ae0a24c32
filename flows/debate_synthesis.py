"""A question put to experts: their positions, what changed whose mind, the decision and its price, as a report."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.approvals import ABSTAIN, PersonsVote, ask_beside, with_menu
from flows.parameters import DebateSynthesis
from tasks.plain_text import markdown
from tasks.reporting import announce, artifact_key, emit, publish_markdown, strong
from tasks.swarm.errors import DebateFailedError
from tasks.swarm.limits import Limits
from tasks.swarm.positions import Turns
from tasks.swarm.records import Brief
from tasks.swarm.report import headline, story
from tasks.swarm.steps import hold_debate

NAME = "debate-synthesis"
ASKED = ("problem", "rounds", "consensus_strategy", "context", "workspace_id", "stop_at_agreement", "in_parts")


@flow(name=NAME, flow_run_name="debate-synthesis · {options}")
def debate_synthesis(options: DebateSynthesis = DebateSynthesis()) -> dict[str, Any]:
    """Debate a problem and publish the story; a retry goes on where the run stopped and repeats no turn."""
    asked = options.model_dump(include=set(ASKED))
    asked |= {"options": list(options.options) or None, "debate_id": options.debate_id}
    limits = Limits(max_total_tokens=options.max_total_tokens, debate_seconds=options.minutes * 60.0)

    async def ask_person(brief: Brief, _turns: Turns) -> str | None:
        told = "\n".join(f"- {strong(one.id)} {markdown(one.label)}" for one in brief.options)
        form = with_menu(PersonsVote, "option", [ABSTAIN, *(one.id for one in brief.options)])
        answer = await ask_beside(form, f"{markdown(brief.problem)}\n\n{told}", options.vote_hours)
        return None if answer.option == ABSTAIN else answer.option

    asks = ask_person if options.ask_a_person else None
    result = hold_debate(asked, options.agent_roles, str(flow_run.id), limits, asks)
    publish_markdown(artifact_key(NAME, result["debate_id"]), story(result), headline(result))
    told = {key: result[key] for key in ("status", "option", "label", "confidence", "engine", "usage")}
    emit("raptorflow.debate.concluded", f"debate.{result['debate_id']}", told)
    announce(f"{result['debate_id']} {headline(result)}")
    if result["status"] == "failed":
        raise DebateFailedError(result["debate_id"], result["reason"])
    return result
