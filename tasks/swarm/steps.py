"""Prefect tasks of this room: one a turn. Trying again stands in the language model's module, nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import AsyncClientContext

from tasks.swarm.agent_debate_orchestrator import AgentDebateOrchestrator
from tasks.swarm.briefing import MOST_ROUNDS
from tasks.swarm.conducting import AskPerson, Take
from tasks.swarm.limits import Limits
from tasks.swarm.messages import Turn, TurnRequest


@task(name="debate-turn", task_run_name="{key}", cache_policy=NO_CACHE, retries=0, persist_result=False)
async def debate_turn(key: str, take: Take) -> Turn:  # noqa: ARG001 - the key names the task run
    """One turn of a debate; it is stored before this task ends, so that a retry of the flow does not repeat it."""
    return await take()


async def as_task(take: Take, request: TurnRequest) -> Turn:
    """Take a turn as a Prefect task of its own."""
    return await debate_turn(request.key, take)


def hold_debate(
    asked: dict[str, Any], agent_roles: Sequence[str], run_id: str, limits: Limits, ask_person: AskPerson | None
) -> dict[str, Any]:
    """Hold a debate, or go on with the one this flow run began."""
    orchestrator = AgentDebateOrchestrator(max_rounds=MOST_ROUNDS, around=as_task, limits=limits, ask_person=ask_person)

    async def grade_and_debate() -> dict[str, Any]:
        await orchestrator.grade_decided(asked.get("workspace_id"))  # what has turned out since is evidence now
        # One client for all turns: a task that finds none makes its own, and reads every certificate for it.
        async with AsyncClientContext.get_or_create():
            return await orchestrator.orchestrate_debate(**asked, agent_roles=agent_roles, run_id=run_id)

    return asyncio.run(grade_and_debate())
