"""`raptorflow doctor`: what is wrong with a home and its stores, and the fix of each; `--fix` does the safe ones."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flows.platform.addresses import answers, running
from tasks.models.store import all_keys
from tasks.models.store.artifact_addresses import moved_addresses, relocate
from tasks.models.store.state import champion_faults, half_moved
from tasks.private_files import NOBODY_ELSE, tighten
from tasks.settings import CHECKOUT, Settings, get_settings, without_password
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.database_copies import is_sqlite, sqlite_file
from tasks.warehouse.frames import newest_instant
from tasks.warehouse.migration import current_revision, expected_revision, is_known_revision

GOOD, WARNING, PROBLEM = "good", "warning", "problem"
LEAST_MEGABYTES = 500
CLOCK = datetime(2025, 1, 1, tzinfo=UTC)  # no machine that runs this code is before it
ABANDONED_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one look found.

    Attributes:
        about: what was looked at.
        status: `good`, `warning` or `problem`.
        what: what is the case.
        fix: what to do about it; empty where nothing is to be done.
        is_safe: whether `--fix` may do it: nothing is lost by it.
    """

    about: str
    status: str
    what: str
    fix: str = ""
    is_safe: bool = False


Look = Callable[[Settings], Iterator[Diagnosis]]


def examine() -> list[Diagnosis]:
    """Look at everything; a look that cannot be taken is a finding itself."""
    findings = []
    for look in LOOKS:
        try:
            findings += list(look(get_settings()))
        except Exception as error:  # noqa: BLE001 - whatever is broken here is what it is asked for
            first_line = (str(error) or type(error).__name__).splitlines()[0]
            findings.append(Diagnosis(look.__name__.strip("_"), PROBLEM, first_line, "see docs/operations.md"))
    return findings


def repair() -> list[str]:
    """Do what is safe to do; says what was done."""
    settings, done = get_settings(), []
    home = settings.home.resolve()
    if closed := tighten(home):
        done.append(f"took other users' rights away from {closed} files and folders")
    warehouse = Warehouse()
    revision = current_revision(warehouse)
    if revision is not None and revision != expected_revision() and is_known_revision(revision):
        done.append(f"upgraded the warehouse from {revision} to {upgrade(warehouse)}")
    if _has_store(settings) and (moved := relocate(settings.mlflow_tracking_uri, settings.mlflow_artifacts)):
        done.append(f"corrected {moved} addresses of model files to this home")
    for path in _abandoned(home):
        shutil.rmtree(path)
        done.append(f"removed {path.name}, which a killed run left")
    return done


def as_rows(findings: list[Diagnosis], for_machines: bool) -> list[dict[str, Any]]:
    """For tables and machines; a person reads what `--fix` does only where there is something to fix."""
    if for_machines:
        return [asdict(finding) for finding in findings]
    return [
        {"about": one.about, "status": one.status, "what": one.what, "fix": one.fix or None}
        | {"done by --fix": ("yes" if one.is_safe else "no") if one.fix else None}
        for one in findings
    ]


def _versions(_: Settings) -> Iterator[Diagnosis]:
    python = ".".join(map(str, sys.version_info[:3]))
    lock = CHECKOUT / "requirements.lock"
    pinned = [line.partition(";")[0].strip() for line in lock.read_text().splitlines() if "==" in line]
    parts = [line.partition("==") for line in pinned]
    wrong = sorted(f"{name}=={wanted}" for name, _, wanted in parts if _installed(name) not in (None, wanted))
    if wrong:
        text = f"Python {python}; {len(wrong)} libraries are not those of the lock: {wrong[0]} is meant"
        yield Diagnosis("versions", WARNING, text, "uv pip sync requirements.lock")
    else:
        yield Diagnosis("versions", GOOD, f"Python {python}, libraries as locked")


def _clock(_: Settings) -> Iterator[Diagnosis]:
    now = datetime.now(UTC)
    if now < CLOCK:
        yield Diagnosis("clock", PROBLEM, f"this machine thinks it is {now:%Y-%m-%d}", "set the clock (NTP)")
        return
    newest = newest_instant(Warehouse()) if current_revision(Warehouse()) else None
    if newest is not None and newest > now + timedelta(days=1):
        text = f"the newest row is of {newest:%Y-%m-%d %H:%M}, later than now"
        yield Diagnosis("clock", WARNING, text, "compare this machine's clock with that of who exports")
    else:
        yield Diagnosis("clock", GOOD, f"{now:%Y-%m-%d %H:%M} UTC")


def _disk(settings: Settings) -> Iterator[Diagnosis]:
    free = shutil.disk_usage(_nearest(settings.home.resolve())).free / 1e6
    if free < LEAST_MEGABYTES:
        text = f"{free:,.0f} MB free where the home is"
        yield Diagnosis("disk", PROBLEM, text, "make room; `raptorflow run housekeeping -p dry_run=false` frees some")
    else:
        yield Diagnosis("disk", GOOD, f"{free:,.0f} MB free")


def _permissions(settings: Settings) -> Iterator[Diagnosis]:
    home = settings.home.resolve()
    if not home.exists():
        yield Diagnosis("permissions", WARNING, f"there is no home at {home} yet", "raptorflow init")
        return
    if not os.access(home, os.W_OK):
        yield Diagnosis("permissions", PROBLEM, f"{home} cannot be written", "correct its owner or rights")
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & NOBODY_ELSE:
        yield Diagnosis(
            "permissions", PROBLEM, f"other users can read {home} ({mode:o})", "raptorflow doctor --fix", True
        )
    else:
        yield Diagnosis("permissions", GOOD, f"{home} is its owner's alone")
    for path in _abandoned(home):
        yield Diagnosis(
            "permissions", WARNING, f"{path.name} was left by a killed run", "raptorflow doctor --fix", True
        )


def _schema(settings: Settings) -> Iterator[Diagnosis]:
    if is_sqlite(settings.database_url) and not sqlite_file(settings.database_url).exists():
        yield Diagnosis("schema", WARNING, "there is no warehouse yet", "raptorflow init")
        return
    revision, expected = current_revision(Warehouse()), expected_revision()
    if revision == expected:
        yield Diagnosis("schema", GOOD, f"the warehouse is at {revision}")
    elif revision is not None and not is_known_revision(revision):
        yield Diagnosis(
            "schema", PROBLEM, f"a newer version made it {revision}", "run that version, or restore a backup"
        )
    else:
        text = f"the warehouse is at {revision or 'no schema'}, {expected} is needed"
        by_itself = "" if revision is None else " (or doctor --fix)"  # an empty database may be somebody else's
        yield Diagnosis("schema", PROBLEM, text, f"raptorflow init{by_itself}", revision is not None)


def _models(settings: Settings) -> Iterator[Diagnosis]:
    if not _has_store(settings):
        yield Diagnosis("models", GOOD, "no MLflow store of ours to look at")
        return
    if moved := moved_addresses(settings.mlflow_tracking_uri, settings.mlflow_artifacts):
        text = f"{moved} addresses of model files name another home"
        yield Diagnosis("models", PROBLEM, text, "raptorflow doctor --fix", True)
    if current_revision(Warehouse()) != expected_revision():
        return
    warehouse = Warehouse()
    owners = sorted({key.workspace_id for key in all_keys(warehouse)})
    if begun := sorted(half_moved(warehouse, owners)):
        text = f"a change of champion was begun and not ended in {len(begun)} workspaces: {', '.join(begun)}"
        yield Diagnosis("models", WARNING, text, "raptorflow run model-refresh")
    faults = champion_faults(warehouse, owners, reads_files=True)
    if faults is None:
        text = f"MLflow does not answer at {without_password(settings.mlflow_tracking_uri)}: nobody knows of its models"
        yield Diagnosis("models", WARNING, text, "start it, or change MLFLOW_TRACKING_URI")
    elif faults:
        yield from _models_by_fault({named: fault.what for named, fault in faults.items()})
    elif not moved and not begun:
        yield Diagnosis("models", GOOD, f"all models that serve {len(owners)} workspaces are where MLflow says")


def _models_by_fault(faults: Mapping[tuple[str, str, str], str]) -> Iterator[Diagnosis]:
    """A finding for each kind of fault that names every model with it: by workspace, type and version what is wrong."""
    alike: dict[str, list[str]] = {}
    for (workspace_id, model_type, version_name), what in sorted(faults.items()):
        alike.setdefault(what, []).append(f"{workspace_id}.{model_type} {version_name}")
    for what, models in alike.items():
        many = "1 model that serves is" if len(models) == 1 else f"{len(models)} models that serve are"
        text = f"{many} not as registered, {what}: {', '.join(models)}"
        yield Diagnosis("models", WARNING, text, "raptorflow run model-refresh; or restore a backup")


def _servers(_: Settings) -> Iterator[Diagnosis]:
    here = running()
    if here is None:
        yield Diagnosis("servers", GOOD, "the platform does not run (`raptorflow up` starts it)")
    elif not answers(f"{here.prefect_api}/health", seconds=5):
        yield Diagnosis(
            "servers", PROBLEM, f"Prefect does not answer at {here.prefect_api}", "stop `up`, start it again"
        )
    elif not here.is_local:
        yield Diagnosis("servers", WARNING, f"both servers listen on {here.host}", "put a TLS proxy in front of them")
    else:
        yield Diagnosis("servers", GOOD, f"Prefect answers at {here.prefect_api}, for this machine alone")


LOOKS: tuple[Look, ...] = (_versions, _clock, _disk, _permissions, _schema, _models, _servers)


def _installed(library: str) -> str | None:
    try:
        return version(library.partition("[")[0])
    except PackageNotFoundError:
        return None


def _has_store(settings: Settings) -> bool:
    address = settings.mlflow_tracking_uri
    is_server = address.startswith(("http://", "https://"))
    return not is_server and (not is_sqlite(address) or sqlite_file(address).exists())


def _abandoned(home: Path) -> list[Path]:
    """What a killed backup or restore left, a day ago or more."""
    left = [path for pattern in (".backup-*", ".restore-*") for path in home.glob(pattern)]
    return [path for path in left if time.time() - path.stat().st_mtime > ABANDONED_SECONDS]


def _nearest(path: Path) -> Path:
    return path if path.exists() else _nearest(path.parent)
