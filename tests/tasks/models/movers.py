"""Promoters that run in processes of their own, so that they can be killed for real."""

from __future__ import annotations

import os
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from tasks.models.errors import PromotionConflictError
from tasks.models.records import ModelKey, ModelType, Version
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.registry.promotion import Promoter
from tasks.models.store import ModelStore
from tasks.models.training.evaluation import TrainedModel
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tests.subprocess_helper import in_subprocess
from tests.tasks.models.worlds import champion_of, rows

KEY = ModelKey("acme", ModelType.ENGAGEMENT_PREDICTOR)
VERSIONS = 4
WON, CONFLICT = 0, 3


def register_versions(store: ModelStore, registry: Registry, trained: TrainedModel | None = None) -> list[str]:
    """Register the same model as versions 1…4 of acme; returns their names."""
    trained, known = trained or champion_of(rows(300, 1))[0], rows(1, 1)
    names = [f"v_2026010{number}_000000" for number in range(1, VERSIONS + 1)]
    for name in names:
        about = {"data_sha256": name, "spec_sha256": "s"}
        number, sha256 = registry.register(KEY, trained.model, about | {"version_name": name}, [{}], "card")
        more = {"golden": trained.reference, "status": "registered", "decision": "promote", "evaluation": {}}
        version = Version(
            name, registry_version=number, artifact_sha256=sha256, train_to=known.times[0], n_rows=300, **about, **more
        )
        remembered = {"gate": None, "train_from": known.times[0], "snapshot_sha256": None, "git_commit": None}
        store.add_version(KEY, version, remembered | {"run_id": "test"})
    return names


def start(address: str, home: Path, *given: object) -> BaseProcess:
    """Let a process move the champion.

    Given: target's name, kind, and optionally the generation expected, a barrier, and an event that says it begins.
    """
    return in_subprocess(_move, address, str(home), *given)


def _move(
    address: str,
    home: str,
    target: str,
    kind: str,
    expected: int | None = None,
    barrier: Barrier | None = None,
    begins: Event | None = None,
) -> None:
    os.environ["RAPTORFLOW_HOME"] = home
    get_settings.cache_clear()
    promoter = Promoter(ModelStore(Warehouse(address)), Registry())
    version = promoter.store.version(KEY, target)
    assert version is not None
    promoter.verify(KEY, version)
    if barrier is not None:
        barrier.wait(120)
    if begins is not None:
        begins.set()
    try:
        promoter.move(KEY, version, kind, "test", "tester", "run", expected)
    except PromotionConflictError:
        os._exit(CONFLICT)
    os._exit(WON)
