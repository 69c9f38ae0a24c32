"""What somebody deletes, truncates or moves in MLflow or on disk stops no workspace: the next refresh puts it right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tasks.models import ModelType
from tasks.models.errors import (
    NoChampionError,
    NoPreviousChampionError,
    RegistryRefusedError,
    RegistryUnreachableError,
)
from tasks.models.records import WITHDRAWAL, ModelKey, PredictionBatch
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.service import ModelService
from tasks.models.serving.gate import breached_limit
from tasks.models.specs import ServingLimits
from tasks.models.steps import outcome
from tasks.models.store import list_models
from tasks.models.store.state import model_state
from tasks.warehouse import Warehouse
from tasks.warehouse.outcomes import FAILED
from tests.factories import START, store_content, store_touches
from tests.tasks.models.model_rows import calls, posts

ENGAGEMENT, TONE = ModelType.ENGAGEMENT_PREDICTOR, ModelType.TONE_CLASSIFIER
KEY = ModelKey("acme", ENGAGEMENT)
NIGHT = datetime(2027, 6, 1, 2, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("mlflow_store")


@pytest.fixture
def service(sqlite_warehouse: Warehouse) -> ModelService:
    """A workspace with one champion of each of two types."""
    store_content(sqlite_warehouse, posts(300))
    return ModelService(warehouse=sqlite_warehouse)


def refresh(service: ModelService, night: int = 0, **options: Any) -> dict[str, Any]:
    """What a new process finds, which has read no model yet."""
    fresh = ModelService(warehouse=service.store.warehouse)
    moment = NIGHT + timedelta(days=night)
    return dict(fresh.check_and_update_models("acme", [ENGAGEMENT], as_of=moment, **options)[ENGAGEMENT.value])


def client(service: ModelService) -> MlflowClient:
    return MlflowClient(service.registry.address, service.registry.address)


def truncate(service: ModelService, home: Path) -> None:
    for path in home.rglob("model.skops"):
        path.write_bytes(path.read_bytes()[:1000])


def delete_artifacts(service: ModelService, home: Path) -> None:
    shutil.rmtree(home / "mlflow-artifacts")


def delete_version(service: ModelService, home: Path) -> None:
    client(service).delete_model_version(KEY.registered_name, "1")


def delete_model(service: ModelService, home: Path) -> None:
    client(service).delete_registered_model(KEY.registered_name)


def delete_everything(service: ModelService, home: Path) -> None:
    """The registered model, its experiment, and its files."""
    experiment = client(service).get_experiment_by_name(f"ModelUpdater/{ENGAGEMENT.value}")
    assert experiment is not None
    delete_model(service, home)
    client(service).delete_experiment(experiment.experiment_id)
    delete_artifacts(service, home)


@pytest.mark.parametrize("lose", [truncate, delete_artifacts, delete_version, delete_model, delete_everything])
def test_a_lost_first_champion_is_withdrawn_and_another_trained(
    service: ModelService, home: Path, lose: Callable[[ModelService, Path], None]
) -> None:
    first = refresh(service)
    lose(service, home)
    second = refresh(service, 1)
    assert second["status"] == "first_champion"
    assert second["model_version"] != first["model_version"]
    assert second["reason"].startswith(
        f"{first['model_version']} was withdrawn, as nothing before it can serve: its file"
    )
    assert {row["model_version"] for row in service.predict("acme", ENGAGEMENT, ["c1"])} == {second["model_version"]}
    assert refresh(service, 2)["status"] == "unchanged"
    changes = service.store.deployments(KEY)
    assert [change.kind for change in changes] == ["promotion", WITHDRAWAL, "promotion"]
    serving = {row["version_name"]: row["share_percent"] for row in list_models(service.store.warehouse)}
    assert serving == {second["model_version"]: 100}, "learned from the same rows, it takes the lost one's place"


def test_where_too_few_rows_are_left_nothing_serves_and_everybody_is_told(service: ModelService, home: Path) -> None:
    first = refresh(service)["model_version"]
    delete_version(service, home)
    few = refresh(service, (START - NIGHT).days + 2)  # before most of the posts
    assert (few["status"], few["model_version"]) == ("withdrawn", None)
    assert first in few["reason"]
    assert "needed" in few["reason"]
    why = f"acme.ENGAGEMENT_PREDICTOR has no champion: {first} was withdrawn: its file is missing"
    for asked in (
        lambda: service.predict("acme", ENGAGEMENT, ["c1"]),
        lambda: service.rollback_model("acme", ENGAGEMENT),
    ):
        with pytest.raises(NoChampionError, match=why):
            asked()
    assert [row["share_percent"] for row in list_models(service.store.warehouse)] == [0]
    assert Registry().aliases(KEY) == {}


def test_a_lost_champion_gives_way_to_the_last_one_that_can_be_read(service: ModelService, home: Path) -> None:
    names = three_champions(service)
    client(service).delete_model_version(KEY.registered_name, "3")
    client(service).delete_model_version(KEY.registered_name, "2")
    undone = refresh(service, 9)
    assert (undone["status"], undone["model_version"]) == ("rolled_back", names[0])
    assert Registry().aliases(KEY) == {"champion": 1}
    assert refresh(service, 10)["status"] != "failed"
    with pytest.raises(NoPreviousChampionError, match=f"nothing served .* before {names[0]}: name the version"):
        service.rollback_target("acme", ENGAGEMENT)


def test_promotion_and_rollback_skip_what_is_gone(service: ModelService) -> None:
    names = three_champions(service)
    client(service).delete_model_version(KEY.registered_name, "2")
    back = service.rollback_model("acme", ENGAGEMENT)
    assert back["model_version"] == names[0]
    again = service.promote_model("acme", ENGAGEMENT, names[2])
    assert (again["model_version"], Registry().aliases(KEY)) == (names[2], {"champion": 3, "previous": 1})


def three_champions(service: ModelService) -> list[str]:
    """The same recipe on growing data, each promoted by hand."""
    names = [refresh(service)["model_version"]]
    for night in (1, 2):
        store_content(service.store.warehouse, posts(60, start=300 + 60 * night))
        refresh(service, night, force_retrain=True, promote=False)
        names.append(service.promote_model("acme", ENGAGEMENT)["model_version"])
    assert len(set(names)) == 3
    return names


def test_moved_aliases_are_put_back_and_said(service: ModelService) -> None:
    three_champions(service)
    mlflow = client(service)
    mlflow.set_registered_model_alias(KEY.registered_name, "champion", "1")
    mlflow.delete_registered_model_alias(KEY.registered_name, "previous")
    mlflow.set_registered_model_alias(KEY.registered_name, "challenger", "1")
    found = refresh(service, 5)
    assert Registry().aliases(KEY) == {"champion": 3, "previous": 2}
    assert found["reason"].startswith(
        "alias champion pointed to version 1 in MLflow: it points to 3 again; "
        "alias previous was missing in MLflow: it points to 2 again; "
        "alias challenger pointed to version 1 in MLflow: removed; "
    )
    assert "alias" not in refresh(service, 6)["reason"]


def test_an_older_challenger_is_not_offered_over_a_newer_champion(service: ModelService) -> None:
    refresh(service)
    store_content(service.store.warehouse, posts(60, start=300))
    older = refresh(service, 1, force_retrain=True, promote=False)["candidate_version"]
    store_content(service.store.warehouse, posts(60, start=360))
    newer = refresh(service, 2, force_retrain=True, promote=False)["candidate_version"]
    assert older != newer
    service.promote_model("acme", ENGAGEMENT, newer)
    with pytest.raises(Exception, match="a version that is older than the champion is promoted by its name"):
        service.promote_model("acme", ENGAGEMENT)
    assert service.promote_model("acme", ENGAGEMENT, older)["model_version"] == older


def test_one_type_that_fails_leaves_the_others_alone_and_the_workspace_is_not_done(
    service: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.models.refresh.Refresh._train_candidate", failing_for(ENGAGEMENT))
    results = service.check_and_update_models("acme", [ENGAGEMENT, TONE])
    assert (results[ENGAGEMENT.value]["status"], results[TONE.value]["status"]) == ("failed", "first_champion")
    ended = outcome("acme", results)
    assert (ended.status, ended.reason) == (FAILED, "ENGAGEMENT_PREDICTOR: ZeroDivisionError: of a test")
    assert set(ended.result["models"]) == set(results)


def failing_for(model_type: ModelType) -> Callable[..., Any]:
    from tasks.models.refresh import Refresh

    train = Refresh._train_candidate

    def failing(self: Any, *given: Any) -> Any:
        if self.key.model_type == model_type:
            raise ZeroDivisionError("of a test\nand more")
        return train(self, *given)

    return failing


@pytest.mark.parametrize("body", [None, "👍"])
def test_content_without_words_leaves_every_model_type_with_an_answer(
    sqlite_warehouse: Warehouse, body: str | None
) -> None:
    """Everything that is read from words is unknown in every row; labels were given by hand."""
    unknown = ("body_words", "word_count", "character_count", "capitals_share", "readability", "sentiment_score")
    silent: dict[str, Any] = dict.fromkeys(unknown) | {
        "title": None,
        "body": body,
        "sentiment": "positive",
        "topic": "x",
    }
    rows = [
        row | silent | ({"sentiment": "negative", "topic": "y"} if i % 3 else {}) for i, row in enumerate(posts(300))
    ]
    store_content(sqlite_warehouse, rows)
    results = ModelService(warehouse=sqlite_warehouse).check_and_update_models("acme")
    assert {name: found["status"] for name, found in results.items()} == {
        "ENGAGEMENT_PREDICTOR": "first_champion",
        "TONE_CLASSIFIER": "not_better_than_baseline",
        "CONVERSION_PREDICTOR": "insufficient_data",
        "SENTIMENT_ANALYZER": "not_better_than_baseline",
        "TOPIC_CLASSIFIER": "not_better_than_baseline",
    }


def test_a_column_that_is_known_only_in_the_latest_rows_stops_no_training(sqlite_warehouse: Warehouse) -> None:
    rows = [row | ({} if i >= 170 else {"readability": None}) for i, row in enumerate(posts(200))]
    store_content(sqlite_warehouse, rows)
    store_touches(
        sqlite_warehouse, [row | {"attributes": late(row["attributes"], i)} for i, row in enumerate(calls(300))]
    )
    results = ModelService(warehouse=sqlite_warehouse).check_and_update_models("acme")
    assert "failed" not in {found["status"] for found in results.values()}, results
    assert results["CONVERSION_PREDICTOR"]["status"] == "first_champion"


def late(attributes: dict[str, Any], i: int) -> dict[str, Any]:
    return attributes | ({"new": float(i)} if i >= 280 else {})


def test_a_refusal_is_not_taken_for_silence(service: ModelService) -> None:
    refresh(service)
    with pytest.raises(RegistryRefusedError, match=r"MLflow at sqlite:.* refused: "):
        Registry().point(KEY, "no/alias", 1)
    assert Registry().point(KEY, "champion", 77) is False


def registrable(service: ModelService) -> tuple[Any, dict[str, str], list[dict[str, float]], str]:
    version = service.store.version(KEY, service.promoter.champion(KEY) or "")
    assert version is not None
    return service.promoter.load(KEY, version), {"version_name": "v"}, [{}], "card"


def test_a_registration_that_fails_or_was_killed_leaves_no_run_that_seems_to_run(
    service: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(service)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    given = registrable(service)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_model_artifacts", full)
        with pytest.raises(Exception, match="No space left"):
            Registry().register(KEY, *given)
    mlflow, experiment = client(service), client(service).get_experiment_by_name(f"ModelUpdater/{ENGAGEMENT.value}")
    assert experiment is not None
    killed = mlflow.create_run(experiment.experiment_id, start_time=1).info.run_id
    assert Registry().close_abandoned_runs(datetime.now(UTC)) == 1
    states = sorted(run.info.status for run in mlflow.search_runs([experiment.experiment_id]))
    assert states == ["FAILED", "FAILED", "FINISHED"]
    assert mlflow.get_run(killed).info.status == "FAILED"


def test_pictures_come_after_the_alias_and_a_refresh_killed_before_them_is_made_up_for(
    service: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_time = list[dict[str, int]]()

    def killed(registry: Registry, key: ModelKey, *_: object) -> None:
        at_the_time.append(registry.aliases(key))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "log_figures", killed)
        with pytest.raises(KeyboardInterrupt):
            refresh(service)
    assert at_the_time == [{"champion": 1}]
    run = client(service).get_model_version(KEY.registered_name, "1").run_id
    assert client(service).list_artifacts(run, "figures") == []
    assert refresh(service)["status"] == "unchanged"
    shown = {one.path.removeprefix("figures/") for one in client(service).list_artifacts(run, "figures")}
    assert shown == {"calibration.png", "residuals.png", "importance.png"}
    monkeypatch.setattr(Registry, "log_figures", killed)
    assert refresh(service)["status"] == "unchanged", "they are drawn once"


def test_a_registry_that_is_away_when_pictures_are_drawn_fails_nothing_and_the_next_night_draws(
    service: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(registry: Registry, *_: object) -> None:
        raise RegistryUnreachableError(registry.address, "connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "log_figures", away)
        first = refresh(service)
    assert first["status"] == "first_champion"
    assert "its figures are drawn by the next refresh: MLflow does not answer at" in first["reason"]
    warehouse = service.store.warehouse
    assert model_state(warehouse, ["acme"]) == {"acme": None}, "the answer does not stand, or no night would draw"
    again = refresh(service)
    assert (again["status"], again["model_version"]) == ("unchanged", first["model_version"])
    assert "figures" not in again["reason"]
    run = client(service).get_model_version(KEY.registered_name, "1").run_id
    assert len(client(service).list_artifacts(run, "figures")) == 3
    assert model_state(warehouse, ["acme"])["acme"] is not None


def test_pictures_that_are_due_are_not_made_of_the_few_rows_that_are_left(
    service: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows end a fit on the rows before them; so few are no model's evaluation."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "log_figures", killed)
        with pytest.raises(KeyboardInterrupt):
            refresh(service)
    run = client(service).get_model_version(KEY.registered_name, "1").run_id
    assert refresh(service, (START - NIGHT).days + 2)["status"] == "insufficient_data"
    assert client(service).list_artifacts(run, "figures") == []
    assert refresh(service)["status"] == "unchanged"


def test_failures_from_before_a_repair_do_not_count_against_the_model() -> None:
    def batches(*errors: str | None) -> list[PredictionBatch]:
        return [PredictionBatch("v", 10, 0.1, error, NIGHT) for error in errors]

    limits = ServingLimits()
    missing, wrong = "ArtifactRefusedError: its file is missing", "ValueError: no"
    assert breached_limit(batches(*[missing] * 30), limits) is None, "files are checked apart"
    assert breached_limit(batches(*[None] * 20, *[wrong] * 30), limits) is None, "repaired"
    assert breached_limit(batches(*[None] * 19, *[wrong] * 30), limits) is not None


def test_the_champion_is_kept_by_retention_whatever_became_of_its_alias(service: ModelService) -> None:
    names = three_champions(service)
    service.rollback_model("acme", ENGAGEMENT, names[0])
    for alias in ("champion", "previous", "challenger"):
        Registry().unpoint(KEY, alias)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.models.registry.retention.KEEP_LAST", 1)
        patch.setattr("tasks.models.registry.retention.datetime", Later)
        gone = {row["version"] for row in service.delete_old_versions(1, dry_run=True)}
    assert names[0] not in gone
    assert gone == {names[1]}


class Later(datetime):
    """A clock a year on."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=365)
