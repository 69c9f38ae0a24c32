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

from sqlalchemy import BindParameter, Engine, bindparam, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tasks.models.registry.trusted import MODEL_FILE
from tasks.models.store.artifact_addresses import file_path
from tasks.settings import get_settings

VERSIONS = "SELECT name, version, source FROM model_versions WHERE name IN :names AND current_stage <> :deleted"
ALIASES = "SELECT name, alias, version FROM registered_model_aliases WHERE name IN :names ORDER BY name, alias"
ALIASES_OF = "SELECT alias, version FROM registered_model_aliases WHERE name = :name"
SOURCE_OF = """SELECT source FROM model_versions
    WHERE name = :name AND version = :version AND current_stage <> :deleted"""
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
        paths: by model and version, where its file lies, of those on this machine.
    """

    files: dict[tuple[str, int], str] = field(default_factory=dict)
    aliases: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    paths: dict[tuple[str, int], Path] = field(default_factory=dict)


def present_models(registered_names: Sequence[str]) -> Present | None:
    """What the registry of the settings holds of these models, at least; None where it does not answer."""
    address = get_settings().mlflow_tracking_uri
    if address.startswith(("http://", "https://")):
        return _listed(address, int(time.monotonic() // FRESH_SECONDS))
    return _stored(address, registered_names) if registered_names else Present()


def stored_aliases(address: str, name: str) -> dict[str, int] | None:
    """Aliases of a registered model by MLflow's own tables, in a tenth of the time its client takes; None for a store
    that is no database, or whose tables cannot be read.
    """
    rows = _asked(address, ALIASES_OF, {"name": name})
    return None if rows is None else {str(alias): int(version) for alias, version in rows}


def stored_source(address: str, name: str, version: int) -> str | None:
    """Where the files of a version lie by MLflow's own tables; None where they have no such version, or for a store
    that is no database, or whose tables cannot be read.
    """
    rows = _asked(address, SOURCE_OF, {"name": name, "version": version, "deleted": DELETED})
    return str(rows[0][0]) if rows and rows[0][0] else None


def _asked(address: str, question: str, values: dict[str, Any]) -> list[tuple[Any, ...]] | None:
    is_new_file = address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).exists()
    if address.startswith(("http://", "https://")) or is_new_file:  # whoever opens a file creates it
        return None
    try:
        with _engine(address).connect() as connection:
            return [tuple(row) for row in connection.execute(text(question), values)]
    except SQLAlchemyError:
        return None


@lru_cache(maxsize=8)
def _engine(address: str) -> Engine:
    """Holds no connection: nothing outlasts a question."""
    return create_engine(address, poolclass=NullPool)


def _stored(address: str, names: Sequence[str]) -> Present | None:
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).exists():
        return Present()
    present = Present()
    expanding: BindParameter[Any] = bindparam("names", expanding=True)
    try:
        with _engine(address).connect() as connection:
            values = {"names": list(names), "deleted": DELETED}
            for name, version, source in connection.execute(text(VERSIONS).bindparams(expanding), values):
                path = _path(str(source))
                present.files[str(name), int(version)] = "elsewhere" if path is None else _file(path)
                if path is not None:
                    present.paths[str(name), int(version)] = path
            for name, alias, version in connection.execute(text(ALIASES).bindparams(expanding), {"names": list(names)}):
                present.aliases[str(name)].append(f"{alias} {version}")
    except SQLAlchemyError:
        return None
    return present


def _path(source: str) -> Path | None:
    """Where a model's file lies on this machine; None for one elsewhere."""
    if "://" in source and not source.startswith("file://"):
        return None
    return file_path(source) / MODEL_FILE


def _file(path: Path) -> str:
    """Size and time of change of a model's file; `missing` where there is none any more."""
    try:
        state = path.stat()
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
