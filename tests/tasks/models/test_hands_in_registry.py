"""What somebody does in MLflow's page, or another program in its store: said in one line, put right, served never."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from starlette.testclient import TestClient

from flows import doctor, listing
from service.app import create_app
from tasks.models import ModelType
from tasks.models.errors import ArtifactRefusedError, NoChampionError, RegistryFilesError, RegistryRefusedError
from tasks.models.records import ModelKey
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.registry.trusted import MODEL_FILE
from tasks.models.service import ModelService
from tasks.models.specs import load_spec
from tasks.models.store import list_models
from tasks.models.store.artifact_addresses import file_path
from tasks.models.store.state import champion_faults, model_state
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, open_warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

ENGAGEMENT, TONE = ModelType.ENGAGEMENT_PREDICTOR, ModelType.TONE_CLASSIFIER
KEY, RIVAL = ModelKey("acme", ENGAGEMENT), ModelKey("rival", ENGAGEMENT)
NAME = KEY.registered_name
ROWS = 150
NIGHT = datetime(2027, 6, 1, 2, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("mlflow_store")


@pytest.fixture
def warehouse(sqlite_template: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A home with one champion; pictures, which take half of a refresh, are not looked at."""
    monkeypatch.setattr("tasks.models.refresh.figures_of", no_figures)
    shutil.copy(sqlite_template, home / "warehouse.db")
    warehouse = open_warehouse()
    store_content(warehouse, posts(ROWS))
    assert refresh(warehouse, 0)["status"] == "first_champion"
    return warehouse


def no_figures(*_: object) -> dict[str, bytes]:
    return {"figures/none.png": b""}


def refresh(warehouse: Warehouse, night: int, workspace: str = "acme", **options: Any) -> dict[str, Any]:
    """What a new process finds, which has read no model yet."""
    moment = NIGHT + timedelta(days=night)
    results = ModelService(warehouse).check_and_update_models(workspace, [ENGAGEMENT], as_of=moment, **options)
    return dict(results[ENGAGEMENT.value])


def client() -> MlflowClient:
    address = Registry().address
    return MlflowClient(address, address)


def with_rival(warehouse: Warehouse) -> Any:
    """Another workspace of quite another level has a champion too; returns its version in MLflow."""
    store_content(warehouse, posts(ROWS, workspace_id="rival", seed=5, level=6.0))
    refresh(warehouse, 0, "rival")
    return client().get_model_version(RIVAL.registered_name, "1")


def next_champion(warehouse: Warehouse, night: int) -> str:
    store_content(warehouse, posts(60, start=ROWS + 60 * night))
    refresh(warehouse, night, force_retrain=True, promote=False)
    return str(ModelService(warehouse).promote_model("acme", ENGAGEMENT)["model_version"])


def no_address(home: Path) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as store, store:
        store.execute("UPDATE model_versions SET source = NULL")


def folder_for_file(home: Path) -> None:
    for path in list(home.rglob(MODEL_FILE)):
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("hurt", [no_address, folder_for_file])
def test_an_address_without_a_file_is_a_missing_file_and_wedges_nobody(
    warehouse: Warehouse, home: Path, hurt: Callable[[Path], None]
) -> None:
    lost = ModelService(warehouse).promoter.champion(KEY)
    hurt(home)
    healed = refresh(warehouse, 1)
    assert healed["status"] == "first_champion"
    assert healed["reason"].startswith(f"{lost} was withdrawn, as nothing before it can serve: its file is missing")
    assert refresh(warehouse, 2)["status"] == "unchanged"


@pytest.mark.parametrize("tags", [{"version_name": "v_20270601_020000"}, None])
def test_a_version_made_by_hand_with_our_tags_is_not_taken_for_one_that_a_killed_run_left(
    warehouse: Warehouse, tags: dict[str, str] | None
) -> None:
    """None: all tags of another workspace's version, and its file, under the hash of tonight's rows."""
    theirs = with_rival(warehouse)
    service = ModelService(warehouse)
    store_content(warehouse, posts(60, start=ROWS))
    data = service._rows(load_spec(ENGAGEMENT), "acme", None, None).sha256
    forged = dict(theirs.tags) if tags is None else tags
    forged |= {"data_sha256": data, "spec_sha256": load_spec(ENGAGEMENT).sha256}
    client().create_model_version(NAME, theirs.source, tags=forged)
    client().delete_model_version(NAME, "1")
    healed = refresh(warehouse, 1)
    assert (healed["status"], Registry().aliases(KEY)) == ("first_champion", {"champion": 3})
    expected = service.predict("acme", ENGAGEMENT, ["c1"])[0]["output"]["expected"]
    assert isinstance(expected, float)
    assert expected < 4.6, "rival's posts have some 6"


def test_a_number_that_another_workspace_s_model_took_is_nobody_s_previous_champion(warehouse: Warehouse) -> None:
    first = ModelService(warehouse).promoter.champion(KEY)
    second = next_champion(warehouse, 1)
    theirs = with_rival(warehouse)
    client().delete_registered_model(NAME)
    client().create_registered_model(NAME)
    for _ in (first, second):
        client().create_model_version(NAME, theirs.source, tags=theirs.tags)
    client().set_registered_model_alias(NAME, "champion", "2")
    client().set_registered_model_alias(NAME, "previous", "1")
    healed = refresh(warehouse, 2)
    assert healed["status"] == "first_champion"
    assert "alias previous pointed to version 1 in MLflow: removed" in healed["reason"]
    assert f"{second} was withdrawn, as nothing before it can serve: its file is not the one" in healed["reason"]
    assert Registry().aliases(KEY) == {"champion": 3}


def test_files_that_cannot_be_written_fail_the_type_that_has_to_write_and_are_not_called_silence(
    warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_content(warehouse, posts(60, start=ROWS))
    champion = ModelService(warehouse).promoter.champion(KEY)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(home / "mlflow-artifacts"))

    with monkeypatch.context() as patch:
        patch.setattr(LocalArtifactRepository, "log_artifacts", read_only)
        failed = refresh(warehouse, 1, force_retrain=True)
    assert failed["status"] == "failed"
    assert failed["reason"].startswith("MLflow answers at sqlite:")
    assert "but its files cannot be read or written: [Errno 30] Read-only file system" in failed["reason"]
    assert ModelService(warehouse).promoter.champion(KEY) == champion
    assert refresh(warehouse, 2, force_retrain=True)["status"] in ("promoted", "challenger", "unchanged")


def test_another_store_between_nights_has_no_model_and_the_first_one_has_them_still(
    warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ModelService(warehouse).promoter.champion(KEY)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'other.db'}")
        get_settings.cache_clear()
        there = refresh(warehouse, 1)
        assert f"{first} was withdrawn, as nothing before it can serve: its file is missing" in there["reason"]
    get_settings.cache_clear()
    back = refresh(warehouse, 2)
    assert back["status"] == "first_champion"
    assert Registry().aliases(KEY)["champion"] == 2, "number 1 is another model in either store"
    assert refresh(warehouse, 3)["status"] == "unchanged"


def test_a_lost_version_that_serves_nobody_does_not_keep_the_answer_from_standing(
    warehouse: Warehouse, home: Path
) -> None:
    next_champion(warehouse, 1)
    refresh(warehouse, 2)
    stood = model_state(warehouse, ["acme"])["acme"]
    assert stood is not None
    file_of("1").unlink()
    lost = model_state(warehouse, ["acme"])["acme"]
    assert lost not in (None, stood), "it is looked at once more, and then stands"
    file_of("2").unlink()
    assert model_state(warehouse, ["acme"])["acme"] is None, "the next night puts it right"


def file_of(number: str) -> Path:
    return file_path(client().get_model_version(NAME, number).source) / MODEL_FILE


def test_doctor_and_list_say_what_is_wrong_with_what_serves_until_it_is_put_right(
    warehouse: Warehouse, home: Path
) -> None:
    home.chmod(0o700)
    version = list_models(warehouse)[0]["version_name"]

    def said() -> list[str]:
        return [one.what for one in doctor.examine() if one.about == "models"]

    assert said() == ["all models that serve 1 workspaces are where MLflow says"]
    file_of("1").write_bytes(b"another workspace's")
    about = "1 model that serves is not as registered"
    assert said() == [f"{about}, its file is not the one registered (sha256): {NAME} {version}"]
    client().set_registered_model_alias(NAME, "champion", "1")
    client().delete_registered_model_alias(NAME, "champion")
    key = ("acme", ENGAGEMENT.value, version)
    assert {name: fault.what for name, fault in (champion_faults(warehouse) or {}).items()} == {
        key: "alias champion is missing"
    }
    file_of("1").unlink()
    assert said() == [f"{about}, its file is missing: {NAME} {version}"]
    assert [row["status"] for row in listing.models(None)] == ["champion, but its file is missing"]
    refresh(warehouse, 1)
    assert said() == ["all models that serve 1 workspaces are where MLflow says"]
    assert [row["status"] for row in listing.models(None)] == ["champion"]


def no_file() -> None:
    file_of("1").unlink()


def half_a_file() -> None:
    file_of("1").write_bytes(file_of("1").read_bytes()[:1000])


def no_alias() -> None:
    client().delete_registered_model_alias(NAME, "champion")


def alias_elsewhere() -> None:
    client().create_model_version(NAME, client().get_model_version(NAME, "1").source)
    client().set_registered_model_alias(NAME, "champion", "2")


@pytest.mark.parametrize(
    ("hurt", "what", "then", "predicts"),
    [
        pytest.param(
            *(
                no_file,
                "its file is missing",
                "may be refused until the next refresh lets the version before it serve",
                False,
            ),
            marks=pytest.mark.slow,
        ),
        (half_a_file, "its file is not the one registered", "the version before it serve, or trains another", False),
        pytest.param(
            *(no_alias, "alias champion is missing", "by this version; the next refresh points", True),
            marks=pytest.mark.slow,
        ),
        (alias_elsewhere, "alias champion points to version 2", "predictions go on by this version", True),
    ],
)
def test_pages_say_what_is_wrong_with_what_serves_and_what_happens_next_and_both_are_so(
    warehouse: Warehouse, hurt: Callable[[], None], what: str, then: str, predicts: bool
) -> None:
    addresses = ("/models", f"/model?id=acme&type={ENGAGEMENT.value}", "/workspace?id=acme")
    app = create_app(warehouse)
    browser = TestClient(app)

    def texts() -> list[str]:
        answers = [browser.get(address) for address in addresses]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        return [answer.text.lower() for answer in answers]

    faultless = texts()
    assert not any("the next refresh" in text or "as registered" in text for text in faultless)
    hurt()
    for text in texts():
        line = next((line for line in text.splitlines() if then in line), "")
        assert what in line, "both in one line"
    assert "1 model needs a person" in browser.get("/models").text
    service = ModelService(warehouse)
    if predicts:
        assert service.predict("acme", ENGAGEMENT, ["c1"])
    else:
        with pytest.raises((ArtifactRefusedError, NoChampionError, RegistryFilesError, RegistryRefusedError)):
            service.predict("acme", ENGAGEMENT, ["c1"])
    healed = refresh(warehouse, 1)
    assert healed["status"] == ("unchanged" if predicts else "first_champion")
    assert not any("the next refresh" in text or "as registered" in text for text in texts())
    app.state.warehouse.close()


def test_pages_say_that_mlflow_is_silent(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    get_settings.cache_clear()
    app = create_app(warehouse)
    for address in ("/models", f"/model?id=acme&type={ENGAGEMENT.value}"):
        assert "MLflow does not answer, so nobody knows" in TestClient(app).get(address).text
    assert TestClient(app).get("/workspace?id=acme").status_code == 200
    app.state.warehouse.close()
