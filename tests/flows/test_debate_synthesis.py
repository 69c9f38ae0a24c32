"""In Prefect a debate is one task a turn, costs little more than outside, and a retry of the run repeats no turn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, os, sys, threading, time
from flows.runtime import load_flow, embedded
from tests.fake_llm import fake_llm

# A tie for the person to break; else three of four, who are too few to agree at once.
PLACES = {"Viral": "A", "Conversion": "B", "Behavioral": "B", "Search": "A" if sys.argv[2] == "person" else "B"}

def split(phase, body, schema):
    option = next(o for who, o in PLACES.items() if f"are {who}" in body["messages"][0]["content"])
    return {"option": option} if phase in ("propose", "vote") else None

def vote():
    # a person who finds the paused run in the UI and fills in its form
    from prefect.client.orchestration import get_client
    from prefect.flow_runs import resume_flow_run
    with get_client(sync_client=True) as client:
        while True:
            for run in client.read_flow_runs():
                if run.state and run.state.is_paused():
                    resume_flow_run(run.id, run_input={"option": "B"})
                    return
            time.sleep(0.5)

delay, mode = sys.argv[1:]
from tasks.settings import get_settings
with fake_llm(split) as fake:
    os.environ |= {"OPENAI_BASE_URL": fake.url, "OPENAI_API_KEY": "sk-x", "RAPTORFLOW_LLM_MODEL": f"slow:{delay}"}
    get_settings.cache_clear()
    flow = load_flow("debate-synthesis")
    assert not flow.parameters.required, "it runs from the UI with nothing filled in"
    from flows.parameters import DebateSynthesis
    roles = ["viral_engineer", "copywriting_ninja", "psychology_specialist", "seo_expert"]
    def options(problem, **more):
        return DebateSynthesis(problem=problem, agent_roles=roles, options=["Do one", "Do two"], **more)
    seconds, ran = [], []
    flow = flow.with_options(on_running=[lambda _flow, run, _state: ran.append(run.id)])
    with embedded():
        if mode == "retry":
            from tasks.swarm import store
            real, left = store.conclude_debate, [1]
            def breaking(*args):
                if left:
                    left.pop()
                    raise RuntimeError("killed at the end")
                return real(*args)
            store.conclude_debate = breaking
            result = flow.with_options(retries=1)(options("Which one?"))
        elif mode == "person":
            threading.Thread(target=vote, daemon=True).start()
            result = flow(options("Which one?", ask_a_person=True))
        else:
            for number in range(6):
                began = time.perf_counter()
                result = flow(options(f"Which one, {number}?"))
                seconds.append(time.perf_counter() - began)
    from prefect.client.orchestration import get_client
    patience, tasks = time.monotonic() + 60, []  # the server records task runs from events, a little later
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    with get_client(sync_client=True) as client:  # other tests' debates are on the same server
        ours = FlowRunFilter(id=FlowRunFilterId(any_=ran))
        while len(tasks) < 4 and time.monotonic() < patience:
            time.sleep(0.5)
            turns = client.read_task_runs(flow_run_filter=ours, limit=200)
            tasks = [run for run in turns if run.name.split(":")[1:2] == ["propose"]]
    told = {"proposals": len(tasks), "option": result["option"], "tally": result["count"]["tally"]}
    print(json.dumps(told | {"calls": fake.calls, "status": result["status"], "seconds": seconds}))
"""


def run(environment: dict[str, str], delay: float, mode: str) -> dict[str, Any]:
    command = [sys.executable, "-c", SCRIPT, str(delay), mode]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_retry_of_the_run_repeats_no_turn(chain_environment: dict[str, str]) -> None:
    found = run(chain_environment, 0.01, "retry")
    assert found["status"] in ("decided", "leaning", "undecided")
    assert found["calls"] == 17
    assert found["proposals"] == 4, "a task a turn, under the turn's name; none again in the retry"


@pytest.mark.slow
def test_a_person_votes_in_the_prefect_form(chain_environment: dict[str, str]) -> None:
    found = run(chain_environment, 0.01, "person")
    assert found["tally"] == {"A": 2, "B": 3}
    assert found["option"] == "B"


@pytest.mark.benchmark
def test_what_prefect_costs(chain_environment: dict[str, str]) -> None:
    found = run(chain_environment, 0.2, "speed")
    assert found["calls"] == 6 * 17
    seconds = found["seconds"][1:]  # the first one imports
    print(
        f"BAR 4 agents x 2 rounds at 200 ms, inside Prefect: median {median(seconds):.3f}, least {min(seconds):.3f} "
        "of 1.0 s (bar 1.35)"
    )
