"""What lies in the registry is what was put there, or it is not loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import mlflow.artifacts
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.neighbors import KNeighborsRegressor
from sqlalchemy import select

from tasks.errors import InputError, UnknownNameError
from tasks.models import ModelType, ModelUpdater
from tasks.models.errors import ArtifactRefusedError, RegistryUnreachableError
from tasks.models.records import ModelArtifacts, ModelKey
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.registry.model_folder import file_sha256
from tasks.models.registry.trusted import MODEL_FILE
from tasks.models.serving.raw_rows import _load_pyfunc
from tasks.models.store import ModelStore
from tasks.models.training.evaluation import repeats_reference
from tasks.models.training.importance import importance
from tasks.models.training.model_card import describe
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ModelVersion
from tests.factories import store_content
from tests.tasks.models.model_rows import posts
from tests.tasks.models.worlds import SPEC, champion_of, rows

KEY = ModelKey("acme", ModelType.ENGAGEMENT_PREDICTOR)
ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR
TAGS = {"version_name": "v_20260101_000000", "data_sha256": "d", "spec_sha256": "s"}


@pytest.fixture
def registry(mlflow_store: Path) -> Registry:
    return Registry()


def file_of(home: Path) -> Path:
    return next(home.rglob(MODEL_FILE))


def test_version_comes_back_as_it_was(registry: Registry) -> None:
    trained, _ = champion_of(rows(300, 1))
    number, sha256 = registry.register(KEY, trained.model, TAGS, [{"loss": 1.0}], "card")
    found = registry.find(KEY, {"data_sha256": "d"})
    assert found is not None
    assert (found[0], found[1]["artifact_sha256"], found[1]["version_name"]) == (number, sha256, TAGS["version_name"])
    assert registry.find(KEY, {"data_sha256": "other"}) is None
    loaded = type(trained.model).of(registry.load(KEY, number, sha256))
    assert repeats_reference(loaded, trained.reference)


def test_people_and_mlflow_s_own_loaders_find_all_of_a_version(registry: Registry) -> None:
    trained, _ = champion_of(rows(300, 1))
    data = {"name": "acme content", "digest": "d" * 64, "source_type": "warehouse", "source": "{}"}
    data |= {"schema": "{}", "profile": '{"num_rows": 300}'}
    shown, figures = ModelArtifacts(trained.reference["inputs"], data), {"figures/calibration.png": b"png"}
    worth = [{"loss": 2.0}, {"loss": 1.0}]
    number, _ = registry.register(KEY, trained.model, TAGS | {"git_commit": "c0ffee"}, worth, "# card", shown)
    registry.log_figures(KEY, number, figures)
    version = registry._client.get_model_version(KEY.registered_name, str(number))
    run = registry._client.get_run(version.run_id)
    assert (version.description, run.data.tags["mlflow.note.content"]) == ("# card", "# card")
    assert run.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 1.0})
    history = registry._client.get_metric_history(version.run_id, "loss")
    assert [(found.step, found.value) for found in history] == [(1, 2.0), (2, 1.0)]
    assert [found.dataset.digest for found in run.inputs.dataset_inputs] == ["d" * 36]
    assert [found.path for found in registry._client.list_artifacts(version.run_id, "figures")] == list(figures)
    assert registry._client.get_logged_model(version.tags["model_id"]).metrics[0].value == 1.0
    loaded = mlflow.pyfunc.load_model(version.source)
    assert loaded.metadata.get_input_schema().input_names() == trained.model.columns
    assert np.allclose(loaded.predict(loaded.input_example)["expected_log"], trained.reference["outputs"])


async def test_raw_rows_get_named_outputs_on_the_natural_scale(sqlite_warehouse: Warehouse, registry: Registry) -> None:
    store_content(sqlite_warehouse, posts(300))
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    await updater.check_and_update_models("acme", [ENGAGEMENT, ModelType.TONE_CLASSIFIER])
    uri = {
        one: registry._client.get_model_version(ModelKey("acme", one).registered_name, "1")
        for one in ModelType
        if one in (ENGAGEMENT, ModelType.TONE_CLASSIFIER)
    }
    run = registry._client.get_run(uri[ENGAGEMENT].run_id)
    assert {"mae_log", "baseline_mae_log", "r2", "coverage_90"} == set(run.data.metrics)
    assert {"kind", "ridge_penalty", "tree_share", "shrinkage", "max_iter"} <= set(run.data.params)
    assert run.data.tags["decision"] == "first_champion"
    assert {"gate.gain", "gate.p_value", "mlflow.loggedArtifacts"} <= set(run.data.tags)
    tables = [one.path for one in registry._client.list_artifacts(run.info.run_id, "evaluation")]
    assert tables == ["evaluation/held_out_rows.json", "evaluation/segments.json"]
    assert "Held-out MAE (log)" in uri[ENGAGEMENT].description

    raw = pd.DataFrame({"title": ["", None, "A day"], "body": ["lovely friends", "report margin", None]})
    given = raw.assign(media_type=["video", "photo", "video"], channel="facebook")
    predictor = mlflow.pyfunc.load_model(uri[ENGAGEMENT].source)
    found = predictor.predict(given.assign(published_at=pd.to_datetime(["2026-03-01T09:00:00"] * 3)))
    assert list(found) == ["expected_engagements", "lower_90_engagements", "upper_90_engagements", "expected_log"]
    assert (found["lower_90_engagements"] < found["expected_engagements"]).all()
    assert (found["expected_engagements"] < found["upper_90_engagements"]).all()
    assert found["expected_engagements"][0] > 1.5 * found["expected_engagements"][1]
    assert 10 < found["expected_engagements"][1] < 60
    higher = (
        predictor.predict(given.assign(recent_level=5.0))["expected_log"] - predictor.predict(given)["expected_log"]
    )
    assert (higher > 1.0).all()
    assert len(predictor.predict(raw[["body"]])) == 3
    told = mlflow.pyfunc.load_model(uri[ModelType.TONE_CLASSIFIER].source).predict(raw)
    assert told["label"].tolist()[:2] == ["warm", "dry"]
    assert np.allclose(told["probability_dry"] + told["probability_warm"], 1.0)


async def test_rows_without_a_time_that_can_be_read_are_refused_in_a_line(
    sqlite_warehouse: Warehouse, registry: Registry
) -> None:
    store_content(sqlite_warehouse, posts(300))
    await ModelUpdater(warehouse=sqlite_warehouse).check_and_update_models("acme", [ENGAGEMENT])
    source = registry._client.get_model_version(KEY.registered_name, "1").source
    model = _load_pyfunc(str(mlflow.artifacts.download_artifacts(source)))
    for bad, said in (("soon", "is no time"), (None, "is missing in some rows")):
        rows = pd.DataFrame({"body": ["a", "b"], "published_at": ["2026-03-01T09:00:00Z", bad]})
        with pytest.raises(InputError, match=said):
            model.predict(rows)


def test_changed_file_is_refused(registry: Registry, home: Path) -> None:
    trained, _ = champion_of(rows(300, 1))
    number, sha256 = registry.register(KEY, trained.model, TAGS, [{}], "card")
    with file_of(home).open("ab") as file:
        file.write(b"!")
    with pytest.raises(ArtifactRefusedError, match="sha256"):
        registry.load(KEY, number, sha256)
    file_of(home).unlink()
    with pytest.raises(ArtifactRefusedError, match="missing"):
        registry.load(KEY, number, sha256)


def test_foreign_type_is_refused_even_with_the_right_hash(registry: Registry, home: Path) -> None:
    trained, _ = champion_of(rows(300, 1))
    number, _ = registry.register(KEY, trained.model, TAGS, [{}], "card")
    skops.io.dump({"model": KNeighborsRegressor(), "payload": Path("/etc/passwd")}, file_of(home))
    with pytest.raises(ArtifactRefusedError, match="foreign types"):
        registry.load(KEY, number, file_sha256(file_of(home)))


def test_names_mlflow_refuses_are_written_otherwise(registry: Registry) -> None:
    trained, _ = champion_of(rows(300, 1))
    keys = [ModelKey(name, ENGAGEMENT) for name in ("a/b", "a_b", "a:b", "o'neil & söhne", "50%")]
    for key in keys:
        registry.register(key, trained.model, TAGS, [{}], "card")
        registry.point(key, "champion", 1)
        assert registry.aliases(key) == {"champion": 1}
    assert len({key.registered_name for key in keys}) == len(keys)


class Unavailable(BaseHTTPRequestHandler):
    """A server on which MLflow does not answer; counts who asked."""

    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        self.send_error(503)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where MLflow does not answer; a second try comes at once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setattr(Unavailable, "asked", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Unavailable) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_mlflow_that_is_down_is_asked_again_and_then_one_clear_error(
    sqlite_warehouse: Warehouse, mlflow_store: Path, address: str
) -> None:
    store_content(sqlite_warehouse, posts(150))
    lost = ModelUpdater(warehouse=sqlite_warehouse, registry_address=address)
    with pytest.raises(RegistryUnreachableError, match=f"MLflow does not answer at {address}"):
        asyncio.run(lost.check_and_update_models("acme", [ENGAGEMENT]))
    assert Unavailable.asked == 4, "once, and three times more"
    assert sqlite_warehouse.rows(select(ModelVersion.version_name)) == []
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    first = asyncio.run(updater.check_and_update_models("acme", [ENGAGEMENT]))["ENGAGEMENT_PREDICTOR"]
    store_content(sqlite_warehouse, posts(100, start=150, video=-1.5))
    waits = asyncio.run(updater.check_and_update_models("acme", [ENGAGEMENT], promote=False))["ENGAGEMENT_PREDICTOR"]
    with pytest.raises(RegistryUnreachableError):
        asyncio.run(lost.promote_model("acme", ENGAGEMENT, waits["candidate_version"]))
    assert [found.version_name for found in ModelStore(sqlite_warehouse).deployments(KEY)] == [first["model_version"]]
    assert updater._service.registry.aliases(KEY) == {"champion": 1, "challenger": 2}


async def test_rollback_goes_back_and_refuses_what_is_not_ours(sqlite_warehouse: Warehouse, mlflow_store: Path) -> None:
    for name in ("acme", "rival"):
        store_content(sqlite_warehouse, posts(200, workspace_id=name))
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    first = (await updater.check_and_update_models("acme", [ENGAGEMENT], as_of=new_year))["ENGAGEMENT_PREDICTOR"]
    store_content(sqlite_warehouse, posts(100, start=200, video=-1.5))
    second = (await updater.check_and_update_models("acme", [ENGAGEMENT], promote=False))["ENGAGEMENT_PREDICTOR"]
    assert second["status"] == "challenger"
    seen = await updater.challenger("acme", ENGAGEMENT)
    assert (seen["version_name"], seen["generation"]) == (second["candidate_version"], 1)
    promoted = await updater.promote_model("acme", ENGAGEMENT, expected_generation=1)
    assert promoted["model_version"] == second["candidate_version"]
    back = await updater.rollback_model("acme", ENGAGEMENT, target_version=first["model_version"])
    assert (back["status"], back["model_version"], back["generation"]) == ("rolled_back", first["model_version"], 3)
    with pytest.raises(UnknownNameError, match="unknown version 'v_20000101_000000'"):
        await updater.rollback_model("acme", ENGAGEMENT, target_version="v_20000101_000000")
    rival = (await updater.check_and_update_models("rival", [ENGAGEMENT], as_of=None))["ENGAGEMENT_PREDICTOR"]
    assert rival["model_version"] is not None
    theirs = await updater.rollback_model("rival", ENGAGEMENT, target_version=rival["model_version"])
    assert theirs["status"] == "unchanged"
    mine = first["model_version"]
    for move in (updater.promote_model, updater.rollback_model, updater.pin_version):
        with pytest.raises(UnknownNameError, match=f"unknown version '{mine}'"):
            await move("rival", ENGAGEMENT, mine)


@pytest.mark.benchmark
def test_registering_one_version_warm(registry: Registry) -> None:
    known = rows(300, 1)
    trained, _ = champion_of(known)
    tags = TAGS | {"train_from": "2026-01-05", "train_to": "2026-01-17", "n_train": "300"}

    def bare(i: int) -> None:
        registry.register(KEY, trained.model, TAGS | {"data_sha256": str(i)}, [{"loss": 1.0}], "card")

    def whole(i: int) -> None:
        card, shown = describe(KEY, SPEC, known, trained, importance(trained.held_out), tags)
        registry.register(KEY, trained.model, tags | {"data_sha256": str(i)}, [{"loss": 1.0}], card, shown)

    for what, work in (("", bare), (", with card and data set", whole)):
        wall, cpu = [], []
        for i in range(12):
            started = time.perf_counter(), time.process_time()
            work(i)
            wall.append(time.perf_counter() - started[0])
            cpu.append(time.process_time() - started[1])
        figures = f"{sorted(wall[2:])[5]:.3f} s wall ({min(wall):.3f} at best), {sorted(cpu[2:])[5]:.3f} s CPU"
        print(f"\nBAR register one version, warm, median of 10{what}: {figures} (bar 0.1 s)")


def test_six_threads_that_open_a_new_store_at_once_all_get_their_version(home: Path) -> None:
    """Each has a client of its own, as each chunk of a refresh has; the store's tables are made once."""
    trained, _ = champion_of(rows(300, 1))
    keys = [ModelKey(f"workspace-{i}", ENGAGEMENT) for i in range(5)] + [ModelKey("workspace-0", ENGAGEMENT)]
    found: list[tuple[str, int]] = []

    def register(key: ModelKey) -> None:
        registry = Registry()
        number, sha256 = registry.register(key, trained.model, TAGS, [{"loss": 1.0}], "card")
        registry.point(key, "champion", number)
        assert registry.load(key, number, sha256)
        found.append((key.workspace_id, number))

    threads = [Thread(target=register, args=(key,), daemon=True) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for another that waits for it"
    assert sorted(found) == [("workspace-0", 1), ("workspace-0", 2), *((f"workspace-{i}", 1) for i in range(1, 5))]


def test_two_that_log_the_same_data_at_once_both_get_their_version(registry: Registry) -> None:
    """Two chains train one state of a workspace: MLflow refuses the data set of whichever comes second."""
    trained, _ = champion_of(rows(300, 1))
    client, data = registry._client, {"name": "acme content", "source_type": "warehouse", "source": "{}"}
    log_inputs, tries = client.log_inputs, []

    def at_once(run_id: str, **named: Any) -> None:
        if run_id not in tries:
            meeting.wait(60)
        tries.append(run_id)
        log_inputs(run_id, **named)

    client.log_inputs = at_once
    for digest in "abcdefgh":
        meeting = Barrier(2)
        shown = ModelArtifacts(trained.reference["inputs"], data | {"digest": digest, "schema": "", "profile": ""})
        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(registry.register, KEY, trained.model, TAGS | {"of": one}, [{}], "card", shown)
                for one in "xy"
            ]
            assert both[0].result()[0] != both[1].result()[0]
    assert len(tries) > 16, "none of eight collided: this shows nothing"


def test_an_experiment_that_another_process_has_just_created_is_found(registry: Registry) -> None:
    name = f"ModelUpdater/{ENGAGEMENT.value}"
    assert registry._create_experiment(name, None) == registry._create_experiment(name, None)
