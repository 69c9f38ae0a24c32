"""What deployments/ asks for, read and checked: every entrypoint is loaded, every form is taken from its flow."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from flows.platform.errors import DeploymentFileError
from tasks.settings import CHECKOUT

if TYPE_CHECKING:
    from prefect import Flow

FOLDER = CHECKOUT / "deployments"
# What a chain hands to its flows in Python; nobody types it into a form.
NOT_ON_FORMS = frozenset({"chain"})


@dataclass(frozen=True, slots=True)
class WantedDeployment:
    """One deployment of prefect.yaml with its flow.

    Attributes:
        name: of the deployment; its flow has the same.
        flow: the loaded flow.
        fields: what the Prefect API is to hold, in its own words.
        schedules: Prefect schedules by slug, as in the file.
    """

    name: str
    flow: Flow[..., Any]
    fields: dict[str, Any]
    schedules: dict[str, dict[str, Any]]


def read_yaml(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """One file of deployments/."""
    try:
        read = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DeploymentFileError(f"{folder.name}/{name}", error) from error
    if not isinstance(read, dict):
        raise DeploymentFileError(f"{folder.name}/{name}", "it is not a mapping")
    return read


def wanted_deployments(folder: Path = FOLDER) -> list[WantedDeployment]:
    """All deployments of prefect.yaml, in its order.

    Raises:
        DeploymentFileError: if an entrypoint does not load or an entry lacks what it needs.
    """
    read = read_yaml("prefect.yaml", folder)
    return [_wanted(entry, read.get("pull") or []) for entry in read["deployments"]]


def load(entrypoint: str) -> Flow[..., Any]:
    """The flow at `package.module.function`."""
    module, _, attribute = entrypoint.rpartition(".")
    try:
        entry_flow: Flow[..., Any] = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise DeploymentFileError(f"entrypoint {entrypoint}", f"{type(error).__name__}: {error}") from error
    return entry_flow


def form(flow: Flow[..., Any]) -> dict[str, Any]:
    """The JSON schema the UI makes a form of: what a person fills in, and nothing else."""
    from prefect.utilities.callables import parameter_schema

    schema = parameter_schema(flow).model_dump_for_openapi()
    shown = {name: field for name, field in schema["properties"].items() if name not in NOT_ON_FORMS}
    schema["properties"] = {name: _as_shown(field) for name, field in shown.items()}
    schema["definitions"] = _reachable(schema["properties"], schema.get("definitions", {}))
    return schema


def _as_shown(field: dict[str, Any]) -> dict[str, Any]:
    """A parameter under a capital, whose default leaves out what is empty: a date that may stay empty is no null."""
    field = field | {"title": str(field["title"]).capitalize()}
    default = field.get("default")
    if not isinstance(default, dict):
        return field
    return field | {"default": {name: value for name, value in default.items() if value is not None}}


def _wanted(entry: dict[str, Any], pull: list[dict[str, Any]]) -> WantedDeployment:
    try:
        name, pool, limit = entry["name"], entry["work_pool"], entry.get("concurrency_limit")
        schedules = {schedule["slug"]: schedule for schedule in entry.get("schedules", [])}
    except KeyError as error:
        raise DeploymentFileError(f"deployment {entry.get('name', entry)}", f"{error} is missing") from error
    flow = load(entry["entrypoint"])
    fields = {
        "entrypoint": entry["entrypoint"],
        "description": entry.get("description") or flow.description,
        "tags": entry.get("tags", []),
        "parameters": entry.get("parameters", {}),
        "parameter_openapi_schema": form(flow),
        "enforce_parameter_schema": True,
        "work_pool_name": pool["name"],
        "work_queue_name": pool.get("work_queue_name", "default"),
        "job_variables": pool.get("job_variables", {}),
        "pull_steps": entry.get("pull", pull),
        "concurrency_limit": limit["limit"] if limit else None,
        "concurrency_options": {"collision_strategy": limit.get("collision_strategy", "ENQUEUE")} if limit else None,
    }
    return WantedDeployment(name, flow, fields, schedules)


def _reachable(value: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Those definitions that a schema refers to, directly or through others."""
    reachable: dict[str, Any] = {}
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            name = str(here.get("$ref", "")).removeprefix("#/definitions/")
            if name in definitions and name not in reachable:
                reachable[name] = definitions[name]
                waiting.append(definitions[name])
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
    return dict(sorted(reachable.items()))
