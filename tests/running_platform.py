"""`raptorflow up` as people run it, in a home and on ports of its own, with the probes beside the real flows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from flows.platform.addresses import free_port
from flows.platform.catalogue import FOLDER
from flows.platform.children import descendants
from flows.platform.login import USER, Login

ROOT = Path(__file__).resolve().parents[1]
PROBES = ("no_op", "lasts", "alone")
FOREIGN_NAME = "evil.example"  # a name whose owner has pointed it at this machine
SCHEDULED_EVERY_SECONDS = 15
SECONDS_OF_SILENCE = 60  # after which a run counts as crashed; two of its signs of life, three in deployments/


# On a machine that does much else, everything here takes longer: waits are multiplied by this.
PATIENCE = float(os.environ.get("RAPTORFLOW_TEST_PATIENCE", "1"))


@dataclass(frozen=True)
class RunningPlatform:
    """A platform that runs, and how to talk to it."""

    home: Path
    folder: Path
    prefect: str
    mlflow: str
    process: subprocess.Popen[bytes]
    log: Path

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = without_logins() | {"RAPTORFLOW_HOME": str(self.home)}
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    @property
    def login(self) -> Login:
        """What the platform made for itself, as it does on a person's machine."""
        return Login(f"{USER}:{(self.home / 'secret').read_text().strip()}")

    @property
    def prefect_settings(self) -> dict[Any, Any]:
        """What points a Prefect client of this process at the platform."""
        return {PREFECT_API_URL: f"{self.prefect}/api", PREFECT_API_AUTH_STRING: self.login.text}

    @property
    def mlflow_settings(self) -> dict[str, str]:
        """What points an MLflow client at the platform."""
        login = {"MLFLOW_TRACKING_USERNAME": self.login.user, "MLFLOW_TRACKING_PASSWORD": self.login.password}
        return {"MLFLOW_TRACKING_URI": self.mlflow} | login

    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(f"{self.prefect}/api", auth_string=self.login.text)

    def start(self, deployment: str, parameters: dict[str, Any] | None = None) -> Any:
        """Ask for a run, as the UI does; gives its id."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            return client.create_flow_run_from_deployment(found.id, parameters=parameters).id

    def fires(self, deployment: str, wanted: bool) -> None:
        """Switch a deployment's schedule on or off, as a person does in the UI."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            client.update_deployment_schedule(found.id, found.schedules[0].id, active=wanted)

    def state(self, run_id: Any) -> Any:
        with self.client() as client:
            return client.read_flow_run(run_id).state

    def wait(self, run_id: Any, state: str, seconds: float = 180) -> Any:
        """The run's state once it has that name; fails if it ends in another."""
        reached = eventually(lambda: self.state(run_id), lambda now: now.name == state or now.is_final(), seconds)
        assert reached.name == state, reached
        return reached

    def processes(self, words: str) -> list[int]:
        """Processes below the platform with these words in their command line or environment."""
        return [pid for pid in descendants(self.process.pid) if words in about(pid)]

    def says(self, words: str, seconds: float = 180) -> None:
        eventually(self.log.read_text, lambda text: words in text, seconds)


def eventually(ask: Callable[[], Any], until: Callable[[Any], bool] = bool, seconds: float = 180) -> Any:
    """The answer once it is as wanted; fails with the last answer."""
    end = time.monotonic() + seconds * PATIENCE
    while not until(found := ask()):
        assert time.monotonic() < end, f"after {seconds} s still {found!r}"
        time.sleep(0.1)
    return found


def with_probes(folder: Path) -> Path:
    """The real deployments/ and the probes, one of which has a schedule that fires often, once it is switched on."""
    folder.mkdir(parents=True)
    (folder / "work-pools.yaml").write_text((FOLDER / "work-pools.yaml").read_text())
    patient = (FOLDER / "automations.yaml").read_text()
    (folder / "automations.yaml").write_text(patient.replace("within: 90", f"within: {SECONDS_OF_SILENCE}"))
    wanted = yaml.safe_load((FOLDER / "prefect.yaml").read_text())
    for name in PROBES:
        entry = {"name": name.replace("_", "-"), "entrypoint": f"tests.platform.probes.{name}"}
        entry |= {"work_pool": wanted["definitions"]["light"], "tags": ["raptorflow"]}
        if name == "no_op":
            entry["schedules"] = [{"slug": "soon", "interval": SCHEDULED_EVERY_SECONDS}]
        if name == "alone":
            entry["concurrency_limit"] = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
        wanted["deployments"].append(entry)
    (folder / "prefect.yaml").write_text(yaml.safe_dump(wanted))
    return folder


def without_logins() -> dict[str, str]:
    """The environment of a person who has set no password: tests of this process may have."""
    return {name: value for name, value in os.environ.items() if "AUTH_STRING" not in name}


def about(pid: int) -> str:
    """Command line and environment of a process; empty once it is gone."""
    try:
        return " ".join(Path(f"/proc/{pid}/{name}").read_text().replace("\0", " ") for name in ("cmdline", "environ"))
    except OSError:
        return ""


def lives(pid: int) -> bool:
    """Whether a process still does anything; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def running_platform(base: Path) -> Iterator[RunningPlatform]:
    """The platform, up; at the end Ctrl-C has to end all of it."""
    home, folder, log = base / "home", with_probes(base / "deployments"), base / "up.log"
    ports = free_port(), free_port()
    command = [sys.executable, "-m", "flows.cli", "up", "--folder", str(folder)]
    command += ["--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1]), "--service-port", str(free_port())]
    environment = {"PREFECT_WORKER_QUERY_SECONDS": "1"} | without_logins() | {"RAPTORFLOW_HOME": str(home)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
    try:
        eventually(log.read_text, lambda text: "ready in" in text or process.poll() is not None, 150)
        assert process.poll() is None, log.read_text()
        platform = RunningPlatform(home, folder, prefect, mlflow, process, log)
        platform.fires("no-op/no-op", False)  # each of its runs is a process, which the others would wait for
        yield platform
        started = descendants(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60 * PATIENCE)
    assert process.returncode == 0, log.read_text()
    eventually(lambda: [pid for pid in started if lives(pid)], lambda left: not left, 5)
