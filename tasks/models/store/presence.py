"""Whether registered models are still there, without opening one and without MLflow's five seconds of import.

MLflow's own tables answer where the store is a database, and the size and time of change of a model's file where it
lies on this machine; its REST interface where the store is a server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tasks.models.registry.model_folder import MODEL_FILE
from tasks.settings import get_settings

VERSIONS = "SELECT name, version, source FROM model_versions WHERE name IN :names AND current_stage <> :deleted"
MISSING = "missing"
DELETED = "Deleted_Internal"  # how MLflow's SQL store marks a version that was deleted
PAGE = 1000
FRESH_SECONDS = 30  # a listing of a server is asked for again after so long

# Of each version in the registry, what would change if its file did; of a file elsewhere nothing is known.
Present = dict[tuple[str, int], str]


def present_versions(registered_names: Sequence[str]) -> Present | None:
    """The versions of these models that the registry of the settings holds; None where it does not answer."""
    address = get_settings().mlflow_tracking_uri
    if address.startswith(("http://", "https://")):
        listing = _listed(address, int(time.monotonic() // FRESH_SECONDS))
        names = set(registered_names)
        return None if listing is None else {key: seen for key, seen in listing.items() if key[0] in names}
    return _stored(address, registered_names) if registered_names else {}


def _stored(address: str, names: Sequence[str]) -> Present | None:
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).exists():
        return {}
    statement = text(VERSIONS).bindparams(bindparam("names", expanding=True))
    try:
        with create_engine(address, poolclass=NullPool).connect() as connection:
            rows = connection.execute(statement, {"names": list(names), "deleted": DELETED}).all()
    except SQLAlchemyError:
        return None
    return {(str(name), int(version)): _file(str(source)) for name, version, source in rows}


def _file(source: str) -> str:
    """Size and time of change of a model's file on this machine; `missing` where there is none any more."""
    if "://" in source and not source.startswith("file://"):
        return "elsewhere"
    try:
        state = (Path(source.removeprefix("file://")) / MODEL_FILE).stat()
    except OSError:
        return MISSING
    return f"{state.st_size} {state.st_mtime_ns}"


@lru_cache(maxsize=1)
def _listed(address: str, _moment: int) -> Present | None:
    """Every version that a server knows: it has no question for several names."""
    import httpx

    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    listing: Present = {}
    parameters: dict[str, Any] = {"max_results": PAGE}
    try:
        with httpx.Client(auth=(user, password or "") if user else None, timeout=30) as client:
            while True:
                answer = client.get(f"{address.rstrip('/')}/api/2.0/mlflow/model-versions/search", params=parameters)
                page = answer.raise_for_status().json()
                for one in page.get("model_versions", []):
                    listing[one["name"], int(one["version"])] = "elsewhere"
                if not page.get("next_page_token"):
                    return listing
                parameters["page_token"] = page["next_page_token"]
    except (httpx.HTTPError, ValueError):
        return None
