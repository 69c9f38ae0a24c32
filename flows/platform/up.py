"""`raptorflow up`: a Prefect server, an MLflow server, the service, two workers and every deployment, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from flows.platform.addresses import Addresses, answers, claimed
from flows.platform.catalogue import FOLDER, wanted_deployments
from flows.platform.children import Child, adopt_orphans, end, end_orphans
from flows.platform.environment import environment, mlflow_store, serves_mlflow
from flows.platform.errors import NoKeysError
from flows.platform.interrupted import mark_interrupted
from flows.platform.janitor import Janitor
from flows.platform.log_lines import in_json, line
from flows.platform.login import new_link
from flows.platform.service_server import require_keys
from flows.platform.watching import watch
from tasks.settings import get_settings, without_password

POOLS = ("light", "heavy")
SECONDS_TO_START = 120.0
Say = Callable[[str], None]


def up(addresses: Addresses, say: Say, folder: Path = FOLDER) -> None:
    """Hold the platform up until a signal ends it; a child that dies is started again."""
    started = time.monotonic()
    say = in_lines_of_json(say) if in_json() else say
    with claimed(addresses) as already:
        if already is not None:
            say(f"it already runs (process {already.pid}): Prefect {already.prefect} · MLflow {already.mlflow}")
            return
        addresses.require_free()
        signal.signal(signal.SIGTERM, _as_interrupt)
        adopt_orphans()
        servers, workers = _servers(addresses), _workers(addresses)
        try:
            _start(addresses, servers, workers, say, folder)
            say(_welcome(addresses, time.monotonic() - started))
            if not any(server.name == "service" for server in servers):
                say(f"  the service is not started: {NoKeysError(addresses.host)}")
            Janitor(POOLS, frozenset(map(worker_name, POOLS)), say).start()
            watch([*servers, *workers], say)
        except KeyboardInterrupt:
            say("stopping")
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            end(workers)
            end(servers)
            end_orphans()
        say("all stopped; `raptorflow up` goes on where this ended")


def _start(addresses: Addresses, servers: list[Child], workers: list[Child], say: Say, folder: Path) -> None:
    for server in servers:
        server.start()
    say("starting; the first time takes up to 40 s")
    from flows.platform.deploying import deploy

    os.environ |= environment(addresses)
    get_settings.cache_clear()
    wanted = wanted_deployments(folder)  # loads every flow while the servers come up
    servers[0].wait_ready(SECONDS_TO_START)
    for change in deploy(folder, wanted):
        say(f"  {change}")
    if interrupted := mark_interrupted():
        say(f"  {interrupted} runs were cut off when the platform last ended: marked crashed, run them again")
    for worker in workers:
        worker.start()
    for child in [*servers[1:], *workers]:
        child.wait_ready(SECONDS_TO_START)


def _servers(addresses: Addresses) -> list[Child]:
    settings, env = get_settings(), environment(addresses)
    logs = settings.home.resolve() / "logs"
    host = ["--host", addresses.host]
    prefect = ["-m", "flows.platform.prefect_server", *host, "--port", str(addresses.prefect_port)]
    children = [
        Child(
            "Prefect",
            prefect,
            env,
            logs / "prefect.log",
            lambda: answers(f"{addresses.prefect_api}/health"),
            in_json(),
        )
    ]
    if serves_mlflow():
        mlflow = ["-m", "flows.platform.mlflow_server", *host, "--port", str(addresses.mlflow_port)]
        ready = f"{addresses.mlflow}/health"
        own = env | mlflow_store()
        children.append(Child("MLflow", mlflow, own, logs / "mlflow.log", lambda: answers(ready), in_json()))
    if may_serve(addresses.host):
        service = ["-m", "flows.platform.service_server", *host, "--port", str(addresses.service_port)]
        healthy = f"{addresses.service}/health"
        children.append(Child("service", service, env, logs / "service.log", lambda: answers(healthy), in_json()))
    return children


def may_serve(host: str) -> bool:
    """Whether the service starts: beyond this machine only where there are keys to it."""
    try:
        require_keys(host)
    except NoKeysError:
        return False
    return True


def _workers(addresses: Addresses) -> list[Child]:
    env, logs = environment(addresses), get_settings().home.resolve() / "logs"
    return [
        Child(
            f"worker {pool}",
            ["-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", worker_name(pool)],
            env,
            logs / f"worker-{pool}.log",
            _polled(pool),
            in_json(),
        )
        for pool in POOLS
    ]


def in_lines_of_json(say: Say) -> Say:
    """Says the same in lines of JSON, for who collects what `up` prints along with the logs."""

    def saying(words: str) -> None:
        for words_of_line in words.splitlines():
            say(line(words_of_line.strip(), datetime.now(UTC), level="INFO", source="raptorflow up"))

    return saying


def worker_name(pool: str) -> str:
    """Of the worker that serves a pool on this machine."""
    return f"{pool}-1"


def _polled(pool: str) -> Callable[[], bool]:
    """A worker is ready when the server has heard of it since this moment."""
    since = datetime.now(UTC)

    def is_ready() -> bool:
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            workers = client.read_workers_for_work_pool(pool)
        return any(worker.last_heartbeat_time and worker.last_heartbeat_time >= since for worker in workers)

    return is_ready


def _welcome(addresses: Addresses, seconds: float) -> str:
    mlflow = without_password(environment(addresses)["MLFLOW_TRACKING_URI"])
    return f"""ready in {seconds:.0f} s
  Open     {new_link(addresses.prefect)}   signs your browser in, once
  Prefect  {addresses.prefect}   flows, schedules, forms
  Reports  {addresses.prefect}/raptorflow/reports/raptorflow   what needs a person, what changed, ways to all reports
  MLflow   {mlflow}/#/models   models, versions, metrics
  Service  {addresses.service}   the API for your application (`raptorflow keys create` lets it in)
First: Deployments → meta-learning → Run → Quick run. Then the reports.
No data yet? `raptorflow sample` writes some; content-ingestion takes it in. `raptorflow status` shows health.
Ctrl-C stops all of it."""


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
