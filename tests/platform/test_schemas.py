"""What is written for Kubernetes and Compose, held to the schemas of those who read it.

The schemas are large and others': tools that carry them are installed for the test alone, which skips where they cannot
be had. What is known of them, and was once wrong here, is held in the default suite by lists of our own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.platform.catalogue import FOLDER, read_yaml
from flows.platform.service_server import OPEN_PATHS
from tests.running_platform import ROOT

# Every field that we write, in its place; a server takes others for typing errors, or forgets them without a word.
JOB = {"parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished", "template"}
POD = {"restartPolicy", "serviceAccountName", "securityContext", "volumes", "containers"}
CONTAINER = {"name", "image", "args", "env", "envFrom", "volumeMounts", "resources"}
DEPLOYMENT = {"replicas", "strategy", "selector", "template"}
SERVED_POD = {"securityContext", "terminationGracePeriodSeconds", "volumes", "containers"}
SERVED_CONTAINER = {"name", "image", "args", "envFrom", "ports", "securityContext", "volumeMounts", "resources"}
SERVED_CONTAINER |= {"startupProbe", "livenessProbe", "readinessProbe"}
PROBE = {"httpGet", "periodSeconds", "failureThreshold"}
KUBERNETES = ("1.28", "1.37")
VALIDATE_JOB = """
import json, sys, kubernetes_validate
for version in sys.argv[2:]:
    kubernetes_validate.validate(json.loads(sys.argv[1]), version, strict=True)
"""
# The schema of docker-compose 1 is older than the name of a project.
VALIDATE_COMPOSE = """
import json, sys, compose, jsonschema
from pathlib import Path
schema = json.loads((Path(compose.__file__).parent / "config" / "compose_spec.json").read_text())
document = json.loads(sys.argv[1])
document.pop("name")
jsonschema.Draft7Validator(schema).validate(document)
"""


def jobs() -> list[dict[str, Any]]:
    """The Jobs of both pools as a worker fills them in."""
    filled = []
    for pool in read_yaml("work-pools.yaml", FOLDER / "kubernetes")["work_pools"]:
        template = pool["base_job_template"]
        values = {name: shown.get("default") for name, shown in template["variables"]["properties"].items()}
        values |= {"name": "run", "command": ["python"], "labels": {"a": "b"}}
        values["env"] = [{"name": name, "value": value} for name, value in values["env"].items()]
        filled.append(_filled(template["job_configuration"]["job_manifest"], values))
    return filled


def served() -> list[dict[str, Any]]:
    """What starts the service on a cluster: a Deployment and a Service."""
    return list(yaml.safe_load_all((FOLDER / "kubernetes" / "service.yaml").read_text(encoding="utf-8")))


def _filled(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    for name, known in values.items():
        if value == f"{{{{ {name} }}}}":
            return known
        value = value.replace(f"{{{{ {name} }}}}", str(known)) if isinstance(value, str) else value
    return value


def validated(tmp_path: Path, program: str, packages: list[str], *arguments: str, instead: str = "") -> None:
    """Run a program with packages of its own; `instead` names what is taken for what they ask for."""
    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "own" / "bin" / "python"
    (tmp_path / "instead.txt").write_text(instead)
    install = [uv, "pip", "install", "--quiet", "--python", python, "--override", tmp_path / "instead.txt", *packages]
    for command in ([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "own"], install):
        got = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=300)
        if got.returncode:
            pytest.skip(f"{packages} cannot be had: {got.stderr.strip()[-200:]}")
    ran = subprocess.run([str(python), "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_every_field_of_a_job_stands_where_kubernetes_reads_it() -> None:
    for job in jobs():
        assert job["spec"].keys() <= JOB
        pod = job["spec"]["template"]["spec"]
        assert pod.keys() <= POD
        assert [container.keys() - CONTAINER for container in pod["containers"]] == [set()]
        assert "{{" not in json.dumps(job)


def test_the_service_of_a_cluster_is_the_one_of_the_compose_file_and_leads_to_it() -> None:
    deployment, service = served()
    composed = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"]["service"]
    assert deployment["spec"].keys() <= DEPLOYMENT
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod.keys() <= SERVED_POD
    assert container.keys() <= SERVED_CONTAINER
    assert container["args"] == composed["command"]
    assert find_spec(composed["command"][2]) is not None
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[name].keys() == PROBE
        assert container[name]["httpGet"]["path"] in OPEN_PATHS
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert [port["targetPort"] for port in service["spec"]["ports"]] == [container["ports"][0]["name"]]
    assert deployment["spec"]["replicas"] == 1, "limits of keys are counted in one process"


@pytest.mark.slow
def test_kubernetes_takes_the_jobs_and_the_service(tmp_path: Path) -> None:
    for place, document in enumerate([jobs()[0], *served()]):
        folder = tmp_path / str(place)
        folder.mkdir()
        validated(folder, VALIDATE_JOB, ["kubernetes-validate==1.37.0"], json.dumps(document), *KUBERNETES)


@pytest.mark.slow
def test_compose_takes_the_file(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text())
    packages = ["docker-compose==1.29.2", "setuptools<81"]
    validated(tmp_path, VALIDATE_COMPOSE, packages, json.dumps(document), instead="pyyaml>=6\n")
