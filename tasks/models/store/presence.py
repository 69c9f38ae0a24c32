"""Whether registered models and their aliases are as they were, without opening a model and without importing MLflow.

MLflow's own tables answer where the store is a database, and the size and time of change of a model's file where it
lies on this machine; its REST interface where the store is a server.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import BindParameter, bindparam, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tasks.models.registry.trusted import MODEL_FILE
from tasks.models.store.artifact_addresses import file_path
from tasks.settings import get_settings

VERSIONS = "SELECT name, version, source FROM model_versions WHERE name IN :names AND current_stage <> :deleted"
ALIASES = "SELECT name, alias, version FROM registered_model_aliases WHERE name IN :names ORDER BY name, alias"
MISSING = "missing"
DELETED = "Deleted_Internal"  # how MLflow's SQL store marks a version that was deleted
PAGE = 1000
FRESH_SECONDS = 30  # a listing of a server is asked for again after so long


@dataclass
class Present:
    """What a registry holds.

    Attributes:
        files: by model and version, what would change if its file did; of a file elsewhere nothing is known.
        aliases: by model, which alias points to which version.
    """

    files: dict[tuple[str, int], str] = field(default_factory=dict)
    aliases: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def present_models(registered_names: Sequence[str]) -> Present | None:
    """What the registry of the settings holds of these models, at least; None where it does not answer."""
    address = get_settings().mlflow_tracking_uri
    if address.startswith(("http://", "https://")):
        return _listed(address, int(time.monotonic() // FRESH_SECONDS))
    return _stored(address, registered_names) if registered_names else Present()


def _stored(address: str, names: Sequence[str]) -> Present | None:
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).exists():
        return Present()
    present = Present()
    expanding: BindParameter[Any] = bindparam("names", expanding=True)
    try:
        with create_engine(address, poolclass=NullPool).connect() as connection:
            values = {"names": list(names), "deleted": DELETED}
            for name, version, source in connection.execute(text(VERSIONS).bindparams(expanding), values):
                present.files[str(name), int(version)] = _file(str(source))
            for name, alias, version in connection.execute(text(ALIASES).bindparams(expanding), {"names": list(names)}):
                present.aliases[str(name)].append(f"{alias} {version}")
    except SQLAlchemyError:
        return None
    return present


def _file(source: str) -> str:
    """Size and time of change of a model's file on this machine; `missing` where there is none any more."""
    if "://" in source and not source.startswith("file://"):
        return "elsewhere"
    try:
        state = (file_path(source) / MODEL_FILE).stat()
    except OSError:
        return MISSING
    return f"{state.st_size} {state.st_mtime_ns}"


@lru_cache(maxsize=1)
def _listed(address: str, _moment: int) -> Present | None:
    """Everything that a server holds: it has no question for several names."""
    import httpx

    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    present = Present()
    try:
        with httpx.Client(auth=(user, password or "") if user else None, timeout=30) as client:
            for one in _pages(client, f"{address.rstrip('/')}/api/2.0/mlflow/model-versions/search", "model_versions"):
                present.files[one["name"], int(one["version"])] = "elsewhere"
            address = f"{address.rstrip('/')}/api/2.0/mlflow/registered-models/search"
            for one in _pages(client, address, "registered_models"):
                pairs = sorted(f"{alias['alias']} {alias['version']}" for alias in one.get("aliases", []))
                present.aliases[one["name"]] = pairs
    except (httpx.HTTPError, ValueError, KeyError):
        return None
    return present


def _pages(client: Any, address: str, kind: str) -> Iterator[dict[str, Any]]:
    parameters: dict[str, Any] = {"max_results": PAGE}
    while True:
        page = client.get(address, params=parameters).raise_for_status().json()
        yield from page.get(kind, [])
        if not page.get("next_page_token"):
            return
        parameters["page_token"] = page["next_page_token"]
