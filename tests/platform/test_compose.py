"""compose.yaml without an engine: its own commands, in its own environments, as processes beside a real PostgreSQL.

What is not shown: that the image builds, and that containers find each other by name.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from sqlalchemy import make_url, select

from flows.platform.addresses import free_port
from flows.platform.catalogue import FOLDER
from flows.platform.children import Child, end
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Learning, ModelDeployment, ModelVersion
from tests.factories import store_content
from tests.postgres_databases import POSTGRES_URL, postgres_database
from tests.running_platform import ROOT, eventually
from tests.tasks.models.model_rows import posts

SECRETS = {
    "RAPTORFLOW_AUTH": "admin:a-long-password",
    "POSTGRES_PASSWORD": "pg-password",
    "MLFLOW_USER": "admin",
    "MLFLOW_PASSWORD": "another-long-password",
    "MLFLOW_SECRET_KEY": "any-long-random-text",
}


def interpolated(text: str) -> str:
    """What Compose makes of `${NAME}`, `${NAME:?why}` and `${NAME:-default}`; `$$` is a dollar."""
    filled = re.sub(
        r"(?<!\$)\$\{(\w+)(?::([?-])([^}]*))?\}",
        lambda found: SECRETS.get(found[1], found[3] if found[2] == "-" else "") or "",
        text,
    )
    return filled.replace("$$", "$")


def image_environment(home: Path) -> dict[str, str]:
    """What the Dockerfile sets, with this checkout and home in the places of the image's."""
    text = (FOLDER / "Dockerfile").read_text()
    pairs = re.findall(r"(\w+)=(\S+)", text[text.index("\nENV ") :].partition("\nVOLUME")[0])
    paths = {name: value.replace("/app", str(ROOT)).replace("/data", str(home)) for name, value in pairs}
    return {name: value for name, value in paths.items() if "$" not in value}


class Composed:
    """The compose file on this machine: names become addresses, the image's paths become this test's."""

    def __init__(self, home: Path, databases: dict[str, str]) -> None:
        self.home = home
        self.ports = {name: free_port() for name in ("prefect", "mlflow", "service", "worker-light", "worker-heavy")}
        server = make_url(POSTGRES_URL)
        text = interpolated((FOLDER / "compose.yaml").read_text())
        for name, database in databases.items():
            text = re.sub(rf"//raptorflow@postgres/{name}(?!\w)", f"//{server.username}@PLACE/{database}", text)
        text = text.replace("PLACE", f"{server.host}:{server.port or 5432}").replace("/data", str(home))
        text = text.replace("/tmp/auth.ini", str(home / "auth.ini")).replace("0.0.0.0", "127.0.0.1")
        for name, port in (("prefect", "4200"), ("mlflow", "5000"), ("service", "4300")):
            text = text.replace(f"http://{name}:{port}", f"http://127.0.0.1:{self.ports[name]}")
            text = re.sub(rf"(127\.0\.0\.1:|--port |\")(?:{port})\b", rf"\g<1>{self.ports[name]}", text)
        self.services: dict[str, Any] = yaml.safe_load(text)["services"]

    def environment(self, name: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
        own = {key: "" if value is None else str(value) for key, value in self.services[name]["environment"].items()}
        own |= {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "PREFECT_HOME": str(self.home / name)}
        port = {"PREFECT_WORKER_WEBSERVER_PORT": str(self.ports[name])} if name in self.ports else {}
        return kept | image_environment(self.home) | own | port

    def run(self, name: str, command: list[str], seconds: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(name), capture_output=True, text=True, check=False, timeout=seconds
        )

    def is_healthy(self, name: str) -> bool:
        check = self.services[name]["healthcheck"]["test"]
        return self.run(name, [word for word in check if word != "CMD"]).returncode == 0

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        command = self.services[name]["command"]
        log = self.home / f"{name}.log"
        child = Child(name, ["-c", EXEC, *command], self.environment(name), log, lambda: True)
        child.start()
        try:
            yield
            assert not child.has_ended(), log.read_text()
        finally:
            end([child])


def workspaces(home: Path) -> Path:
    """A file with one workspace."""
    file = home / "workspaces.csv"
    file.write_text("workspace_id,name,industry,size\nacme,Acme,saas,smb\n")
    return file


CLI = ["python", "-m", "flows.cli"]
NIGHT = [*CLI, "run", "meta-learning", "--param", 'model_types=["ENGAGEMENT_PREDICTOR"]']
WORKSPACES = ("acme",)
# Which version the registry's alias names, by model.
CHAMPIONS = """
import json, sys
from mlflow import MlflowClient
models = [one for one in MlflowClient().search_registered_models() if one.name.partition(".")[0] in sys.argv]
print(json.dumps({one.name: one.aliases["champion"] for one in models}))
"""
EXEC = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"


def status_of(address: str, login: str | None = None) -> int:
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Composed]:
    with ExitStack() as stack:
        names = ("raptorflow", "prefect", "mlflow", "mlflow_auth")
        databases = {name: stack.enter_context(postgres_database()) for name in names}
        made = (FOLDER / "postgres-databases.sql").read_text()
        assert set(re.findall(r"CREATE DATABASE (\w+)", made)) == set(names) - {"raptorflow"}
        subprocess.run(
            ["psql", "-q", POSTGRES_URL.replace("+psycopg", "").rpartition("/")[0] + f"/{databases['prefect']}"],
            input=made.partition("\\connect prefect")[2],
            text=True,
            check=True,
        )
        yield Composed(tmp_path, databases)


@pytest.mark.slow
@pytest.mark.postgres
def test_the_services_of_the_compose_file_work_together_and_ask_for_passwords(composed: Composed) -> None:
    prefect, mlflow = (f"http://127.0.0.1:{composed.ports[name]}" for name in ("prefect", "mlflow"))
    with composed.running("prefect"), composed.running("mlflow"):
        eventually(lambda: composed.is_healthy("prefect"))
        eventually(lambda: status_of(f"{mlflow}/health") == 200)
        applied = composed.run("deploy", composed.services["deploy"]["command"])
        assert applied.returncode == 0, applied.stderr
        assert "deployment meta-learning: created" in applied.stdout
        assert status_of(f"{prefect}/api/admin/version") == 401
        assert status_of(f"{prefect}/api/admin/version", SECRETS["RAPTORFLOW_AUTH"]) == 200
        models = f"{mlflow}/api/2.0/mlflow/registered-models/search"
        assert status_of(models) == 401
        assert status_of(models, f"{SECRETS['MLFLOW_USER']}:{SECRETS['MLFLOW_PASSWORD']}") == 200
        with composed.running("worker-light"), composed.running("worker-heavy"):
            with SyncPrefectClient(f"{prefect}/api", auth_string=SECRETS["RAPTORFLOW_AUTH"]) as client:
                for flow in ("housekeeping", "meta-learning"):
                    deployment = client.read_deployment_by_name(f"{flow}/{flow}")
                    run = client.create_flow_run_from_deployment(deployment.id)
                    state = eventually(lambda: client.read_flow_run(run.id).state, lambda now: now.is_final())  # noqa: B023
                    assert state.name == "Completed", (flow, state)
            eventually(lambda: status_of(f"http://127.0.0.1:{composed.ports['worker-heavy']}/health") == 200)


@pytest.mark.slow
@pytest.mark.postgres
def test_two_nights_at_once_promote_each_model_once_and_tell_each_finding_once(composed: Composed) -> None:
    """Two containers of one night: MLflow is a server, Prefect's events and the warehouse are PostgreSQL's."""
    with composed.running("prefect"), composed.running("mlflow"):
        eventually(lambda: composed.is_healthy("prefect"))
        eventually(lambda: status_of(f"http://127.0.0.1:{composed.ports['mlflow']}/health") == 200)
        assert composed.run("deploy", [*CLI, "init"]).returncode == 0
        warehouse = Warehouse(composed.environment("deploy")["RAPTORFLOW_DATABASE_URL"])
        store_content(warehouse, [row for name in WORKSPACES for row in posts(300, workspace_id=name)])
        with ThreadPoolExecutor(2) as nights:
            ended = list(nights.map(lambda _: composed.run("deploy", NIGHT, seconds=900), range(2)))
        assert [night.returncode for night in ended] == [0, 0], [night.stderr for night in ended]
        changes = warehouse.rows(select(ModelDeployment.__table__).order_by(ModelDeployment.workspace_id))
        promoted = Counter((row["workspace_id"], row["model_type"], row["phase"]) for row in changes)
        types = ("ENGAGEMENT_PREDICTOR",)
        assert promoted == Counter(
            (name, kind, at) for name in WORKSPACES for kind in types for at in ("opened", "closed")
        )
        versions = warehouse.rows(select(ModelVersion.__table__).where(ModelVersion.status == "registered"))
        stored = {
            (row["workspace_id"], row["model_type"], row["version_name"]): row["registry_version"] for row in versions
        }
        for row in changes:
            of_model = (row["workspace_id"], row["model_type"], row["version_name"])
            assert of_model in stored, "nothing is journaled for a version whose insert lost"
        champions = json.loads(composed.run("deploy", ["python", "-c", CHAMPIONS, *WORKSPACES]).stdout)
        assert champions == {
            f"{name}.{kind}": str(stored[name, kind, version]) for name, kind, version in served(changes)
        }
        told = eventually(lambda: findings_told(composed), bool)
        learnings = warehouse.rows(select(Learning.learning_id, Learning.told_at))
        assert sum(told) == len(learnings) > 0
        assert all(row["told_at"] for row in learnings)
        warehouse.engine.dispose()


def served(changes: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """What each change of champion put in its place."""
    return {(row["workspace_id"], row["model_type"], row["version_name"]) for row in changes}


def findings_told(composed: Composed) -> list[int]:
    """How many findings each message was about."""
    api = f"http://127.0.0.1:{composed.ports['prefect']}/api"
    wanted = {"filter": {"event": {"name": ["raptorflow.findings.told"]}}, "limit": 50}
    with SyncPrefectClient(api, auth_string=SECRETS["RAPTORFLOW_AUTH"]) as client:
        events = client.request("POST", "/events/filter", json=wanted).json()["events"]
    return [event["payload"]["n_found"] for event in events]


@pytest.mark.slow
@pytest.mark.postgres
def test_the_service_of_the_compose_file_starts_once_there_is_a_key(composed: Composed) -> None:
    for command in (["init"], ["ingest", "workspaces", str(workspaces(composed.home))]):
        done = composed.run("deploy", [*CLI, *command])
        assert done.returncode == 0, done.stderr
    wide_open = [word.replace("127.0.0.1", "0.0.0.0") for word in composed.services["service"]["command"]]
    refused = composed.run("service", wide_open).stderr
    assert "the service has no keys" in refused
    assert "Traceback" not in refused
    made = composed.run("deploy", [*CLI, "keys", "create", "shop", "--workspace", "acme", "--scope", "read"])
    service = f"http://127.0.0.1:{composed.ports['service']}"
    with composed.running("service"):
        eventually(lambda: composed.is_healthy("service"))
        assert status_of(f"{service}/") == 401
        assert status_of(f"{service}/", SECRETS["RAPTORFLOW_AUTH"]) == 200
        assert status_of(f"{service}/v1/patterns") == 401
        key = {"Authorization": f"Bearer {made.stdout.split()[0]}"}
        with urllib.request.urlopen(urllib.request.Request(f"{service}/v1/patterns", headers=key)) as answer:
            assert answer.status == 200
