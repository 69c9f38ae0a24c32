"""What goes into production: a lock without test tools, an image and services that may do little."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
# The words of the Compose specification that this file may use, by the kind of value that each takes.
SERVICE_WORDS: dict[str, tuple[type, ...]] = {
    "build": (dict,), "image": (str,), "command": (list,), "restart": (str,), "read_only": (bool,), "tmpfs": (list,),
    "cap_drop": (list,), "security_opt": (list,), "pids_limit": (int,), "mem_limit": (str,), "logging": (dict,),
    "environment": (dict,), "volumes": (list,), "ports": (list,), "depends_on": (dict,), "healthcheck": (dict,),
}  # fmt: skip
HEALTH_WORDS = {"test", "interval", "retries", "timeout", "start_period"}


def pins(name: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return dict(found)


def base_name(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ]", requirement)[0].lower().replace("_", "-")


def test_the_production_lock_is_a_part_of_the_tested_one_without_its_tools() -> None:
    production, tested = pins("requirements-production.lock"), pins("requirements.lock")
    assert {name: tested.get(name) for name in production} == production
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {base_name(one) for one in project["project"]["dependencies"]}
    tools = {base_name(one) for one in project["dependency-groups"]["dev"]}
    assert wanted <= set(production)
    # A few tools are needed by what runs: those alone may stay.
    assert tools & set(production) <= {"uv"}
    assert not {"pytest", "mypy", "ruff", "hypothesis", "playwright"} & set(production)


def test_the_image_takes_that_lock_names_its_base_and_is_not_root() -> None:
    text = (ROOT / "deployments" / "Dockerfile").read_text()
    assert re.search(r"^FROM python:\d+\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)
    assert "requirements-production.lock" in text
    assert "requirements.lock" not in text
    assert re.search(r"^USER raptorflow$", text, re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_what_compose_knows_and_may_do_little(name: str) -> None:
    service = SERVICES[name]
    for word, value in service.items():
        assert isinstance(value, SERVICE_WORDS[word]), (name, word)
    assert set(service.get("healthcheck", {})) <= HEALTH_WORDS
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert service["mem_limit"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"], "a log that nobody turns over fills the disk"
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), "the host's loopback alone"
    if name != "deploy":  # which ends by itself
        assert service["healthcheck"]["test"]
    if service["image"] == "raptorflow":
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    else:
        assert re.fullmatch(r"\w+:\d+\.\d+-\w+", service["image"]), "pinned"


def test_volumes_that_services_mount_are_declared() -> None:
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert {name for name in mounted if not name.startswith(".")} == set(COMPOSE["volumes"])
