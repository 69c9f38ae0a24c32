"""A debate's trace: a span a turn with prompt, reply, tokens and cost; nothing of MLflow where no server is set."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.platform.addresses import free_port
from tasks.settings import get_settings
from tasks.swarm import AgentDebateOrchestrator, Endpoint, Limits
from tasks.swarm.tracing import EXPERIMENT, USAGE, spans_of, trace_debate
from tasks.warehouse import Warehouse
from tests.fake_llm import fake_llm

Case = dict[str, Any]
ROLES = ["viral_engineer", "seo_expert"]
SECRET = "sk-secret-77"


async def held(warehouse: Warehouse, debate_id: str = "d1") -> Case:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        return {"option": "A"} if phase in ("propose", "vote") else None

    with fake_llm(script) as fake:
        limits = Limits(prompt_price=1.0, completion_price=2.0)
        endpoint = Endpoint("malformed*1", fake.url, SECRET)
        experts = AgentDebateOrchestrator(warehouse=warehouse, endpoint=endpoint, limits=limits)
        return await experts.orchestrate_debate(
            "Which one?", ROLES, 2, "synthesis", options=["One", "Two"], debate_id=debate_id, stop_at_agreement=False
        )


async def test_a_span_a_turn_with_all_it_asked_and_cost(sqlite_warehouse: Warehouse) -> None:
    before = time.time()
    result = await held(sqlite_warehouse)
    spans = spans_of(result)
    assert len(spans) == len(result["transcript"]["turns"]) == 9
    assert sum(one.attributes[USAGE]["total_tokens"] for one in spans) == 10 * 120, "the repair is paid too"
    assert sum(one.attributes["cost"] for one in spans) == pytest.approx(result["usage"]["cost"])
    assert all(before - 1 <= one.began <= one.ended <= time.time() for one in spans)
    repaired = next(one for one in spans if one.attributes["calls"] == 2)
    assert [len(messages) for messages in repaired.inputs] == [2, 4]
    assert len(repaired.outputs["replies"]) == 2
    assert SECRET not in json.dumps([one.inputs for one in spans])


async def test_without_a_server_nothing_is_written_and_a_server_that_is_away_costs_a_warning(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    result = await held(sqlite_warehouse)
    assert not trace_debate(result)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:hunter2@mlflow.example.org")
    get_settings.cache_clear()

    def away(*_: Any) -> None:
        raise ConnectionError("no answer from http://someone:hunter2@mlflow.example.org\x1b[2J")

    monkeypatch.setattr("tasks.swarm.tracing._write", away)
    with caplog.at_level(logging.WARNING):
        again = await held(sqlite_warehouse, "d2")
    assert again["status"] == "decided"
    assert "the trace of debate d2 was not written: ConnectionError" in caplog.text
    assert "hunter2" not in caplog.text
    assert "\x1b" not in caplog.text


def test_a_debate_without_a_server_does_not_import_mlflow(sqlite_warehouse: Warehouse) -> None:
    child = (
        "import asyncio, sys\n"
        "from tasks.swarm import AgentDebateOrchestrator, Endpoint\n"
        "from tasks.warehouse import Warehouse\n"
        "given = {'warehouse': Warehouse(sys.argv[1]), 'endpoint': Endpoint('ok', sys.argv[2], 'k')}\n"
        "experts = AgentDebateOrchestrator(**given)\n"
        "asyncio.run(experts.orchestrate_debate('Which?', ['seo_expert'], 1, options=['One', 'Two']))\n"
        "print([name for name in ('mlflow', 'openai') if name in sys.modules])\n"
    )
    with fake_llm() as fake:
        command = [sys.executable, "-c", child, sqlite_warehouse.url, fake.url]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=Path.cwd())
    assert ended.stdout.strip() == "[]"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--default-artifact-root", str(tmp_path / "a")]
    process = subprocess.Popen(
        [*command, *store], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).read()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it has children of its own
        process.wait(20)


@pytest.mark.slow
async def test_a_real_server_shows_the_trace(
    sqlite_warehouse: Warehouse, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    get_settings.cache_clear()
    result = await held(sqlite_warehouse)
    client = mlflow.MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (trace,) = client.search_traces(experiment_ids=[experiment.experiment_id])
    spans = trace.data.spans
    assert len(spans) == 1 + 9
    root = next(one for one in spans if one.parent_id is None)
    assert root.outputs["label"] == "One"
    assert trace.info.tags["debate_id"] == result["debate_id"]
    turns = [one for one in spans if one.parent_id is not None]
    assert all(one.parent_id == root.span_id for one in turns)
    assert sum(one.attributes[USAGE]["total_tokens"] for one in turns) == 1200
    assert "You are one of several experts" in json.dumps(turns[0].inputs)
    assert SECRET not in json.dumps([one.to_dict() for one in spans])
