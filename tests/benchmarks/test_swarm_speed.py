"""How long the swarm takes beside what it waits for; the least of several runs, because the machine is shared."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np
import pytest

from tasks.swarm import AgentDebateOrchestrator, Endpoint
from tasks.swarm.team import Need, best_team
from tasks.warehouse import Warehouse
from tests.fake_llm import fake_llm
from tests.tasks.swarm.test_llm_debate import EVIDENCE, OPTIONS, ROLES, stubborn
from tests.tasks.swarm.test_panel import run, synthetic
from tests.tasks.swarm.test_team import candidates

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize(("agents", "bound"), [(7, 0.005), (20, 0.5), (200, 0.5)])
def test_team_optimum(agents: int, bound: float) -> None:
    people = candidates(random.Random(3), agents)
    people[0].levels.update(data_analysis=0.8, storytelling=0.7)
    wanted = Need(("data_analysis", "storytelling"), ("brand_voice", "shareability"), 3, 5, 0.3)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        best_team(people, wanted)
        seconds.append(time.perf_counter() - started)
    print(f"BAR team optimum, {agents} agents: {min(seconds[1:]):.4f} s (bar {bound} s)")


def test_a_decision_of_the_panel() -> None:
    brief, _ = synthetic(np.random.default_rng(2), 0, 0.1)
    seconds = []
    for _ in range(50):
        started = time.perf_counter()
        run(brief)
        seconds.append(time.perf_counter() - started)
    print(f"BAR panel decision, whole debate in memory: {min(seconds) * 1000:.1f} ms (bar 10 ms)")


async def bare(url: str, waves: tuple[int, ...], bodies: list[dict[str, Any]]) -> None:
    """The same requests by the SDK alone, wave by wave."""
    import openai

    http = openai.DefaultAsyncHttpx2Client(trust_env=False, verify=False)  # as ours to a loopback address
    async with openai.AsyncOpenAI(api_key="sk-x", base_url=url, max_retries=0, http_client=http) as client:
        left = iter(bodies)
        for size in waves:
            asked = [client.chat.completions.create(**next(left)) for _ in range(size)]
            await asyncio.gather(*asked)


def _serve(pipe: Connection) -> None:
    """The slow endpoint, until it is asked what it was asked."""
    with fake_llm(stubborn) as fake:
        pipe.send(fake.url)
        while pipe.recv():
            pipe.send((fake.calls, fake.waves, fake.bodies))


@contextmanager
def endpoint_apart() -> Iterator[tuple[str, Connection]]:
    """The endpoint in a process of its own, as endpoints are: what it computes is not ours to wait for."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        ours.send(False)
        process.join(10)


async def test_four_agents_two_rounds_without_prefect(sqlite_warehouse: Warehouse) -> None:
    asked: dict[str, Any] = {"problem": "Which one?", "agent_roles": ROLES, "rounds": 2, "options": OPTIONS}
    seconds, alone, cpu = [], [], []
    for number in range(9):
        with endpoint_apart() as (url, pipe):
            experts = AgentDebateOrchestrator(warehouse=sqlite_warehouse, endpoint=Endpoint("slow:0.2", url, "sk-x"))
            started, worked = time.perf_counter(), time.process_time()
            await experts.orchestrate_debate(**asked, extra_evidence=EVIDENCE, debate_id=f"d{number}")
            seconds.append(time.perf_counter() - started)
            cpu.append(time.process_time() - worked)
            pipe.send(True)
            calls, waves, bodies = pipe.recv()
            assert (calls, waves) == (17, 5)
            started = time.perf_counter()
            await bare(url, (4, 4, 4, 4, 1), bodies)
            alone.append(time.perf_counter() - started)
    print(
        f"BAR 4 agents x 2 rounds at 200 ms, without Prefect: median {median(seconds[1:]):.3f}, least "
        f"{min(seconds[1:]):.3f} of 1.0 s (bar 1.10); the SDK alone {median(alone[1:]):.3f} and {min(alone[1:]):.3f}; "
        f"least CPU {min(cpu[1:]) * 1000:.0f} ms"
    )
