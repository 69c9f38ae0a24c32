"""Prefect tasks of debates: one a turn. Retries stand in the language model's module, nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.context import AsyncClientContext

from tasks.swarm.agent_debate_orchestrator import AgentDebateOrchestrator
from tasks.swarm.debate_runner import AskPerson, Take, in_thread
from tasks.swarm.debate_service import DebateService
from tasks.swarm.limits import Limits
from tasks.swarm.messages import Turn, TurnRequest
from tasks.swarm.question import MOST_ROUNDS
from tasks.swarm.registry_service import RegistryService
from tasks.warehouse import open_warehouse

# A stage's requests leave before Prefect begins to write: it computes what they do not wait for.
HEAD_START_SECONDS = 0.02
DEBATES_LISTED = 500


@task(name="debate-turn", task_run_name="{key}", cache_policy=NO_CACHE, retries=0, persist_result=False)
async def debate_turn(key: str, turn: Awaitable[Turn]) -> Turn:  # noqa: ARG001 - the key names the task run
    """One turn of a debate; it is stored before this task ends, so that a retry of the flow does not repeat it."""
    return await turn


class TurnTasks:
    """A Prefect task a turn, beside the debate: what Prefect writes down about one turn keeps no other waiting."""

    def __init__(self) -> None:
        self._noted: list[asyncio.Task[Turn]] = []

    async def take(self, take: Take, request: TurnRequest) -> Turn:
        """Take a turn, and have it noted."""
        turn = asyncio.ensure_future(take())
        self._noted.append(asyncio.ensure_future(self._note(request.key, turn)))
        return await turn

    async def _note(self, key: str, turn: asyncio.Future[Turn]) -> Turn:
        await asyncio.sleep(HEAD_START_SECONDS)
        return await debate_turn(key, _Shared(turn))

    async def noted(self) -> None:
        """Wait until every turn is noted. A turn that failed has raised where it was taken; a note that failed is
        logged in the run and changes no decision."""
        for ended in await asyncio.gather(*self._noted, return_exceptions=True):
            if isinstance(ended, BaseException):
                get_run_logger().warning("a turn's task run did not end well: %s", ended)


@dataclass(frozen=True, slots=True)
class _Shared:
    """A turn that two wait for; Prefect looks into a task's arguments, and would wait for a bare one by itself."""

    turn: asyncio.Future[Turn]

    def __await__(self) -> Generator[Any, None, Turn]:
        return self.turn.__await__()


@task(name="recent-debates", cache_policy=NO_CACHE)
def recent_debates() -> list[dict[str, Any]]:
    """The newest debates of all workspaces."""
    return DebateService(RegistryService(open_warehouse())).recent(None, DEBATES_LISTED)


async def hold_debate(
    request: dict[str, Any], agent_roles: Sequence[str], run_id: str, limits: Limits, ask_person: AskPerson | None
) -> dict[str, Any]:
    """Hold a debate, or go on with the one this flow run began.

    Args:
        request: further arguments of `AgentDebateOrchestrator.orchestrate_debate`.
    """
    tasks = TurnTasks()
    orchestrator = AgentDebateOrchestrator(
        max_rounds=MOST_ROUNDS, around=tasks.take, limits=limits, ask_person=ask_person
    )
    # What has turned out since is evidence now. Meanwhile one client is made for all turns: a task that finds none
    # makes its own, and reads every certificate for it.
    grading = orchestrator.grade_decided(request.get("workspace_id"))
    _, client = await asyncio.gather(grading, in_thread(AsyncClientContext))
    async with client:
        try:
            return await orchestrator.orchestrate_debate(**request, agent_roles=agent_roles, run_id=run_id)
        finally:
            await tasks.noted()
