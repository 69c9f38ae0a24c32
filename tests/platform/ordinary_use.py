"""What a few people and a chain ask of a Prefect server, pressed into minutes; events are numbered, so none is missed.

As a program: `python -m tests.platform.ordinary_use HOME MINUTES PEOPLE PROGRAMS PAUSE`, where HOME is that of a
platform that runs; the two hours of one person and one program, beside `raptorflow up`:

    .venv/bin/python -m tests.platform.ordinary_use .raptorflow 120 1 1 20
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

# What Prefect's pages ask for: the dashboard, the list of runs, one deployment, the reports.
LIMIT = {"limit": 50}
PAGES: list[tuple[str, dict[str, Any]]] = [
    ("/flow_runs/filter", LIMIT | {"sort": "START_TIME_DESC"}),
    ("/flow_runs/count", {}),
    ("/flow_runs/paginate", {"limit": 25, "page": 1}),
    ("/task_runs/filter", LIMIT),
    ("/task_runs/count", {}),
    ("/deployments/paginate", {"limit": 25, "page": 1}),
    ("/work_pools/filter", LIMIT),
    ("/events/filter", {"limit": 50}),
    ("/artifacts/latest/filter", LIMIT),
    ("/logs/filter", LIMIT),
    ("/block_documents/filter", LIMIT),
    ("/ui/flow_runs/count-task-runs", {"flow_run_ids": []}),
]


@dataclass
class Person:
    """Looks at pages, and now and then presses Run and Cancel; a page never tries twice.

    Attributes:
        statuses: how often each HTTP status came.
        seconds: how long each answer took.
        broken: what did not answer at all.
    """

    api: str
    auth: tuple[str, str]
    pause: float
    seed: int
    until: float
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def use(self) -> None:
        """Go on until the time is over."""
        chance = random.Random(self.seed)
        with httpx.Client(auth=self.auth, timeout=60) as browser:
            presses = browser.get(f"{self.api}/deployments/name/no-op/no-op").json()["id"]
            while time.monotonic() < self.until:
                for path, body in PAGES:
                    self._ask(browser, path, body)
                if chance.random() < 0.2:
                    run = self._ask(browser, f"/deployments/{presses}/create_flow_run", {})
                    if run is not None and chance.random() < 0.5:
                        cancel = {"state": {"type": "CANCELLING"}}
                        self._ask(browser, f"/flow_runs/{run['id']}/set_state", cancel)
                time.sleep(self.pause * chance.uniform(0.5, 1.5))

    def _ask(self, browser: httpx.Client, path: str, body: dict[str, Any]) -> Any:
        began = time.monotonic()
        try:
            answer = browser.post(f"{self.api}{path}", json=body)
        except httpx.HTTPError as error:
            self.broken.append(f"{path}: {error!r}")
            return None
        self.seconds.append(time.monotonic() - began)
        self.statuses[answer.status_code] += 1
        return answer.json() if answer.status_code < 300 else None


def kept(database: Path, event: str) -> int:
    """How many different events of that name the server's database holds, read beside the server."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        counted = connection.execute(
            "SELECT count(DISTINCT json_extract(payload, '$.number')) FROM events WHERE event = ?", (event,)
        )
        number: int = counted.fetchone()[0]
    return number


def silent_ends(database: Path) -> list[str]:
    """Runs that ended and whose end is no event, and runs whose event of an end is not what their row says."""
    ends = ("Completed", "Failed", "Crashed", "Cancelled")
    asked = (
        "SELECT r.name || ' ' || r.state_name FROM flow_run r WHERE r.state_name IN (?,?,?,?) AND NOT EXISTS ("
        "SELECT 1 FROM events e WHERE e.resource_id = 'prefect.flow-run.' || r.id "
        "AND e.event = 'prefect.flow-run.' || r.state_name)"
    )
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        return [row[0] for row in connection.execute(asked, ends)]


EVENT = "ordinary-use.counted"
CHAIN = """
import sys, time
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

who, until, pause = sys.argv[1], time.time() + float(sys.argv[2]), float(sys.argv[3])
sent = 0

@task(cache_policy=NO_CACHE)
def chunk(number):
    return number

@flow(name="counted-step")
def step():
    global sent
    [one.result() for one in chunk.map(range(12))]
    create_markdown_artifact("# done", key="counted-step")
    for _ in range(10):
        sent += 1
        emit_event(event="ordinary-use.counted", resource={"prefect.resource.id": "ordinary.use"},
                   payload={"number": f"{who}-{sent}"})

@flow(name="counted-chain")
def chain():
    for _ in range(4):
        step()

chains = 0
while time.time() < until:
    chain()
    chains += 1
    time.sleep(pause)
print(chains, sent)
"""


@dataclass(frozen=True, slots=True)
class UseReport:
    """What became of it.

    Attributes:
        chains: how many ended.
        sent: numbered events; `kept` of them are in the database.
        silent: runs that ended without an event that says so.
        crashed: runs that nobody killed and that count as crashed.
        refused: answers to a person of 500 or more, and requests without an answer.
        locked: lines of the server's log that say so.
        laid_aside: events that no automation was told of.
        slowest: seconds of the slowest answer to a person; `asked` is how many there were.
    """

    chains: int
    sent: int
    kept: int
    silent: list[str]
    crashed: list[str]
    refused: list[str]
    locked: int
    laid_aside: int
    slowest: float
    asked: int


def use(
    api: str, login: tuple[str, str], home: Path, seconds: float, people: int, programs: int, pause: float
) -> UseReport:
    """Use a platform as it is ordinarily used, and count what became of it.

    Args:
        api: address of Prefect's API.
        login: user and password.
        home: of the platform.
        seconds: for how long.
        people: who look at pages and press buttons, at once.
        programs: chains that run at once.
        pause: seconds between two pages of a person, and between two chains of a program.
    """
    database, log = home / "prefect" / "prefect.db", home / "logs" / "prefect.log"
    lines_before, kept_before, aside_before = _locked_lines(log), kept(database, EVENT), _laid_aside(home)
    silent_before, crashed_before = set(silent_ends(database)), set(_crashed(database))
    environment = os.environ | {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": ":".join(login)}
    environment |= {"PREFECT_LOGGING_LEVEL": "ERROR", "PREFECT_HOME": str(home / "ordinary-use")}
    here = f"{time.time():.0f}"
    arguments = [str(seconds), str(pause)]
    chains = [
        subprocess.Popen(
            [sys.executable, "-c", CHAIN, f"{here}-{one}", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for one in range(programs)
    ]
    visitors = [Person(api, login, pause, one, time.monotonic() + seconds) for one in range(people)]
    threads = [threading.Thread(target=person.use) for person in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = [[int(word) for word in chain.communicate()[0].split()] for chain in chains]
    _until_settled(database)
    statuses = sum((person.statuses for person in visitors), Counter[int]())
    refused = [f"{status} ×{often}" for status, often in statuses.items() if status >= 500]
    return UseReport(
        chains=sum(chain for chain, _ in counted),
        sent=sum(sent for _, sent in counted),
        kept=kept(database, EVENT) - kept_before,
        silent=sorted(set(silent_ends(database)) - silent_before),
        crashed=sorted(set(_crashed(database)) - crashed_before),
        refused=refused + [reason for person in visitors for reason in person.broken],
        locked=_locked_lines(log) - lines_before,
        laid_aside=_laid_aside(home) - aside_before,
        slowest=max((second for person in visitors for second in person.seconds), default=0.0),
        asked=sum(statuses.values()),
    )


def _locked_lines(log: Path) -> int:
    return log.read_text(errors="replace").count("database is locked")


def _laid_aside(home: Path) -> int:
    return len(list((home / "prefect" / "dlq").glob("*")))


def _crashed(database: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        return [
            row[0] for row in connection.execute("SELECT id || ' ' || name FROM flow_run WHERE state_type = 'CRASHED'")
        ]


def _until_settled(database: Path) -> None:
    """Wait until events that are on their way have arrived: none came for ten seconds."""
    before = -1
    while (now := kept(database, EVENT)) != before:
        before = now
        time.sleep(10)


def main() -> None:
    """Use the platform of a home for as long as said, and print what became of it."""
    home, minutes, people, programs, pause = Path(sys.argv[1]), *map(float, sys.argv[2:6])
    where = json.loads((home / "platform.json").read_text())
    login = ("raptorflow", (home / "secret").read_text().strip())
    api = f"http://127.0.0.1:{where['prefect_port']}/api"
    print(json.dumps(asdict(use(api, login, home, minutes * 60, int(people), int(programs), pause)), indent=1))


if __name__ == "__main__":
    main()
