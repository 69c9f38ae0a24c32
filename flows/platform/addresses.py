"""Where the platform listens, and what is written down about a platform that runs."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from flows.platform.errors import PortInUseError
from tasks.private_files import private_folder
from tasks.settings import get_settings

ANYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Host and ports of a platform, and the process that holds it up."""

    host: str = "127.0.0.1"
    prefect_port: int = 4200
    mlflow_port: int = 5000
    service_port: int = 4300
    pid: int = 0

    @property
    def reached_at(self) -> str:
        """The name this machine itself uses: a server that listens everywhere is still called locally."""
        return reached_at(self.host)

    @property
    def prefect(self) -> str:
        """The Prefect UI."""
        return f"http://{self.reached_at}:{self.prefect_port}"

    @property
    def prefect_api(self) -> str:
        """What PREFECT_API_URL is to be."""
        return f"{self.prefect}/api"

    @property
    def mlflow(self) -> str:
        """The MLflow UI, and its tracking address."""
        return f"http://{self.reached_at}:{self.mlflow_port}"

    @property
    def service(self) -> str:
        """The HTTP API and its pages."""
        return f"http://{self.reached_at}:{self.service_port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self.host)

    def require_free(self) -> None:
        """Raise `PortInUseError` if a port is taken."""
        for what, port, option in (
            ("the Prefect server", self.prefect_port, "--prefect-port"),
            ("the MLflow server", self.mlflow_port, "--mlflow-port"),
            ("the service", self.service_port, "--service-port"),
        ):
            require_free_port(self.host, what, port, option)


def reached_at(host: str) -> str:
    """The name under which this machine reaches a server of its own."""
    if host in ANYWHERE:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def is_local(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def require_free_port(host: str, what: str, port: int, option: str) -> None:
    """Raise `PortInUseError` if a port is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise PortInUseError(what, port, option) from error


def answers(url: str, seconds: float = 2.0) -> bool:
    """Whether a health page says all is well; a page that asks for a password answers too."""
    try:
        with urlopen(Request(url), timeout=seconds) as response:
            return bool(response.status == 200)
    except HTTPError as error:
        return error.code == 401
    except (URLError, OSError):
        return False


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
    return port


@contextmanager
def claimed(addresses: Addresses) -> Iterator[Addresses | None]:
    """Hold this home's platform; gives the addresses of one that already runs, or None once it is ours.

    The lock goes with its process, so that a killed platform never seems to run.
    """
    home = get_settings().home.resolve()
    private_folder(home)
    with (home / "platform.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield running() or Addresses()
            return
        written = _state()
        written.write_text(json.dumps(asdict(addresses) | {"pid": os.getpid()}))
        try:
            yield None
        finally:
            written.unlink(missing_ok=True)


def running() -> Addresses | None:
    """The platform of this home, if its process lives."""
    try:
        addresses = Addresses(**json.loads(_state().read_text()))
        os.kill(addresses.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return addresses


def _state() -> Path:
    return get_settings().home.resolve() / "platform.json"
