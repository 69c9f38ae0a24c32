"""Where MLflow's store says that model files lie: its addresses are absolute, so a store that moved must be told."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import Connection, Engine, bindparam, create_engine, text
from sqlalchemy.pool import NullPool

# Every column of MLflow's tables that holds the address of files.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
FOLDER = "mlflow-artifacts"


def file_path(address: str) -> Path:
    """The file at an address: one with a scheme writes blanks, umlauts and percent signs of a path in its own way."""
    return Path(unquote(address.removeprefix("file://"))) if address.startswith("file://") else Path(address)


def moved_addresses(url: str, folder: Path) -> int:
    """How many addresses name a folder of artifacts other than this one."""
    with _engine(url).connect() as connection:
        return sum(len(_elsewhere(connection, table, column, folder)) for table, column in ADDRESSES)


def relocate(url: str, folder: Path) -> int:
    """Let every address beneath another folder of artifacts lie beneath this one; returns how many changed."""
    changed = 0
    with _engine(url).begin() as connection:
        for table, column in ADDRESSES:
            statement = text(f"UPDATE {table} SET {column} = :new WHERE {column} = :old")
            pairs = _elsewhere(connection, table, column, folder)
            if pairs:
                connection.execute(statement.bindparams(bindparam("new"), bindparam("old")), pairs)
            changed += len(pairs)
    return changed


def _elsewhere(connection: Connection, table: str, column: str, folder: Path) -> list[dict[str, str]]:
    """Addresses beneath another folder of artifacts, with what they are to be."""
    addresses = connection.execute(text(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")).scalars()
    pairs = []
    for address in map(str, addresses):
        new = _beneath(address, folder)
        if new is not None and new != address:
            pairs.append({"old": address, "new": new})
    return pairs


def _beneath(address: str, folder: Path) -> str | None:
    """The same file's address beneath a folder of artifacts; None for what lies in none, or on another machine."""
    scheme = "file://" if address.startswith("file://") else ""
    path = file_path(address)
    if not path.is_absolute():
        return None
    parts = path.parts
    if FOLDER not in parts:
        return None
    last = len(parts) - 1 - parts[::-1].index(FOLDER)
    inside = parts[last + 1 :]
    if ".." in inside:
        return None
    new = folder.joinpath(*inside)
    return new.as_uri() if scheme else str(new)


def _engine(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)
