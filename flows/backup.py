"""`raptorflow backup FILE` and `restore FILE`: everything that cannot be made again, in one file.

One tar file, for its owner alone. Its first member is `manifest.json`: format, version, schema revision, and size and
sha256 of every other member. The warehouse (with the ledger of privacy) is copied first, then MLflow's store, then the
files both speak of: whatever is written meanwhile, each copy only names what a later one holds. Not in it: the inbox,
Prefect's history of runs, and the password, which a restored home makes anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from tasks.errors import InputError
from tasks.models.store.artifact_addresses import relocate
from tasks.private_files import private_folder, tighten
from tasks.settings import Settings, get_settings
from tasks.transfer.service import PublisherService
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.database_copies import (
    copy_database,
    holds_tables,
    is_sqlite,
    load_dump,
    require_sound,
    sqlite_file,
)
from tasks.warehouse.migration import current_revision, is_known_revision, require_current

PACKAGE = "raptorflow-meta-learning"
FORMAT = 1
MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 256 * 2**20
FOLDERS = ("mlflow-artifacts", "snapshots")
DATABASES = ("warehouse", "mlflow")
BLOCK = 1 << 20
RESTORED = "restored"
ROOM_LEFT = 64 * 2**20


def back_up(target: Path) -> dict[str, Any]:
    """Write a backup of the settings' warehouse, MLflow store and files; returns what is in it.

    Raises:
        InputError: if there is a file of that name, or no folder for it.
        CopyFailedError: if a database cannot be copied.
    """
    settings = get_settings()
    if target.exists():
        raise InputError(f"{target} is there already: name another file, or move it away")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}: make it, or name another")
    require_current(Warehouse())
    unfinished = target.with_name(f".{target.name}.part")
    with TemporaryDirectory(dir=private_folder(settings.home.resolve()), prefix=".backup-") as folder:
        copies = _copied_databases(settings, Path(folder))
        files = dict(_members(settings, copies))
        about = _manifest(settings, files)
        try:
            unfinished.touch(mode=0o600)
            with tarfile.open(unfinished, "w") as archive:
                _add_bytes(archive, MANIFEST, json.dumps(about).encode())
                for name, path in files.items():
                    archive.add(path, name, recursive=False)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    return _in_words(about) | {"file": str(target), "megabytes": round(target.stat().st_size / 1e6, 1)}


def restore(source: Path) -> dict[str, Any]:
    """Put a backup into the settings' home and databases, which must be empty; returns what was in it.

    Everything is checked before anything is put in its place, and the warehouse comes last.

    Raises:
        InputError: if the file is no sound backup, is of a newer version, or the place is not empty.
        CopyFailedError: if a database cannot be filled.
    """
    settings = get_settings()
    home = private_folder(settings.home.resolve())
    with _opened(source) as archive, TemporaryDirectory(dir=home, prefix=".restore-") as folder:
        about = _read_manifest(archive, source)
        _require_fitting(about, settings, source)
        _require_empty(about, settings, home)
        _require_room(about, home)
        _extract(archive, about, Path(folder), source)
        _put_in_place(about, settings, Path(folder), home)
    tighten(home)
    revision = upgrade(Warehouse())
    PublisherService().withhold(run_id=RESTORED)  # the lost warehouse may have drawn this period's release
    return _in_words(about) | {"revision": revision, "home": str(home)}


def own_version() -> str:
    """This version; `unknown` where the code runs without having been installed, as in an image."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _copied_databases(settings: Settings, folder: Path) -> dict[str, Path]:
    """A copy of each database, by its name in the archive; an MLflow server that is not ours is left out."""
    copies = {}
    for name, url in zip(DATABASES, _addresses(settings), strict=True):
        if url is None or (name == "mlflow" and is_sqlite(url) and not sqlite_file(url).exists()):
            continue
        member = f"{name}.{'db' if is_sqlite(url) else 'dump'}"
        copy_database(url, folder / member)
        copies[member] = folder / member
    return copies


def _addresses(settings: Settings) -> tuple[str, str | None]:
    mlflow = settings.mlflow_tracking_uri
    return settings.database_url, None if mlflow.startswith(("http://", "https://")) else mlflow


def _members(settings: Settings, copies: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Every file of the archive by its name there; the databases first. Links are not followed."""
    yield from copies.items()
    for name in FOLDERS:
        top = settings.home.resolve() / name
        for path in sorted(top.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                yield f"{name}/{path.relative_to(top).as_posix()}", path


def _manifest(settings: Settings, files: Mapping[str, Path]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "format": FORMAT,
        "raptorflow": own_version(),
        "created_at": datetime.now(UTC).isoformat(),
    }
    about["revision"] = current_revision(Warehouse())
    about["has_mlflow"] = _addresses(settings)[1] is not None
    return about | {"files": {name: [path.stat().st_size, _sha256(path)] for name, path in files.items()}}


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ── reading: everything in the file is somebody else's word ──────────────────────────────────────────────────────────


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, "r:") as archive:  # never compressed, so it cannot swell
            yield archive
    except FileNotFoundError:
        raise InputError(f"there is no file {source}") from None
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"{source} is no backup of raptorflow: {error}") from error
    except IsADirectoryError:
        raise InputError(f"{source} is a folder: name the file that `raptorflow backup` wrote") from None


def _read_manifest(archive: tarfile.TarFile, source: Path) -> dict[str, Any]:
    first = archive.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > MOST_MANIFEST_BYTES:
        raise InputError(f"{source} is no backup of raptorflow: it does not begin with {MANIFEST}")
    file = archive.extractfile(first)
    assert file is not None, "a regular member has content"
    try:
        about = json.loads(file.read())
        files = about["files"]
        is_sound = all(
            _is_ours(name) and isinstance(size, int) and size >= 0 and isinstance(sha256, str)
            for name, (size, sha256) in files.items()
        )
        kinds = (about["format"], about["revision"], about["raptorflow"], about["has_mlflow"])
        is_sound = is_sound and [type(one) for one in kinds] == [int, str, str, bool]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_sound = False
    if not is_sound:
        raise InputError(f"{source} is no backup of raptorflow: its {MANIFEST} does not say what a backup says")
    return dict(about)


def _is_ours(name: str) -> bool:
    """Whether a member may have this name: a database, or a file beneath one of our folders."""
    if name in {f"{database}.{kind}" for database in DATABASES for kind in ("db", "dump")}:
        return True
    path = PurePosixPath(name)
    parts = path.parts
    is_plain = not path.is_absolute() and ".." not in parts and "\\" not in name and "\0" not in name
    return is_plain and len(parts) > 1 and parts[0] in FOLDERS and str(path) == name


def _require_fitting(about: Mapping[str, Any], settings: Settings, source: Path) -> None:
    if about["format"] > FORMAT or not is_known_revision(about["revision"]):
        raise InputError(
            f"{source} was made by a newer version ({about['raptorflow']}, schema {about['revision']}); "
            f"install that version, this is {own_version()}"
        )
    for name, url in zip(DATABASES, _addresses(settings), strict=True):
        held = next((kind for kind in ("db", "dump") if f"{name}.{kind}" in about["files"]), None)
        if held is None and name == "warehouse":
            raise InputError(f"{source} holds no warehouse")
        wanted = None if url is None else "db" if is_sqlite(url) else "dump"
        if held is not None and held != wanted:
            kinds = {"db": "SQLite", "dump": "PostgreSQL", None: "an MLflow server"}
            variable = "RAPTORFLOW_DATABASE_URL" if name == "warehouse" else "MLFLOW_TRACKING_URI"
            raise InputError(f"the backup's {name} is {kinds[held]} and {variable} names {kinds[wanted]}: change it")


def _require_empty(about: Mapping[str, Any], settings: Settings, home: Path) -> None:
    taken = [home / name for name in FOLDERS if (home / name).is_dir() and any((home / name).iterdir())]
    for name, url in zip(DATABASES, _addresses(settings), strict=True):
        is_meant = url is not None and any(f"{name}.{kind}" in about["files"] for kind in ("db", "dump"))
        if url is not None and is_meant and holds_tables(url):
            taken.append(sqlite_file(url) if is_sqlite(url) else Path(f"the {name}'s database"))
    if taken:
        raise InputError(f"restore wants an empty place, and {taken[0]} is there: set RAPTORFLOW_HOME to a new folder")


def _require_room(about: Mapping[str, Any], home: Path) -> None:
    needed, free = sum(size for size, _ in about["files"].values()), shutil.disk_usage(home).free
    if needed + ROOM_LEFT > free:
        raise InputError(f"the backup unpacks to {needed / 1e6:,.0f} MB, and {home} has room for {free / 1e6:,.0f} MB")


def _extract(archive: tarfile.TarFile, about: Mapping[str, Any], folder: Path, source: Path) -> None:
    """Write every member that the manifest names, each once, with the size and the hash that it says."""
    waiting = dict(about["files"])
    while (member := archive.next()) is not None:
        size, sha256 = waiting.pop(member.name, (-1, ""))
        if not member.isreg() or member.size != size:
            raise InputError(f"{source} holds {member.name!r}, which is not what its {MANIFEST} says")
        content = archive.extractfile(member)
        assert content is not None, "a regular member has content"
        path = folder / member.name
        private_folder(path.parent)
        digest = hashlib.sha256()
        with path.open("xb") as file:
            path.chmod(0o600)
            while block := content.read(BLOCK):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != sha256:
            raise InputError(f"{source} is damaged: {member.name!r} is not what its {MANIFEST} says")
    if waiting:
        raise InputError(f"{source} is cut off: {min(waiting)!r} is missing")
    for database in folder.glob("*.db"):
        require_sound(database)


def _put_in_place(about: Mapping[str, Any], settings: Settings, folder: Path, home: Path) -> None:
    """Files first, then MLflow's store with their new addresses, and last the warehouse, which names them all."""
    for name in FOLDERS:
        if (folder / name).exists():
            shutil.rmtree(home / name, ignore_errors=True)  # it is empty
            (folder / name).replace(home / name)
    warehouse, mlflow = _addresses(settings)
    if mlflow is not None and {"mlflow.db", "mlflow.dump"} & about["files"].keys():
        _fill(mlflow, folder, "mlflow")
        relocate(mlflow, settings.mlflow_artifacts)
    _fill(warehouse, folder, "warehouse")


def _fill(url: str, folder: Path, name: str) -> None:
    if (folder / f"{name}.db").exists():
        private_folder(sqlite_file(url).parent)
        (folder / f"{name}.db").replace(sqlite_file(url))
    elif (folder / f"{name}.dump").exists():
        load_dump(url, folder / f"{name}.dump")


def _in_words(about: Mapping[str, Any]) -> dict[str, Any]:
    models = sum(name.endswith("/model.skops") for name in about["files"])
    return {"revision": about["revision"], "made_by": about["raptorflow"], "created_at": about["created_at"]} | {
        "models": models,
        "snapshots": sum(name.startswith("snapshots/") for name in about["files"]),
        "mlflow": "in it" if about["has_mlflow"] else "on a server of its own: back it up there",
    }
