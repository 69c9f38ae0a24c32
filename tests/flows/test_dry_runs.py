"""A dry run of a promotion and of a rollback says which version would serve, and moves nothing; unnamed, they list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.content_ingestion import content_ingestion
from flows.model_promotion import model_promotion
from flows.model_refresh import model_refresh
from flows.model_rollback import model_rollback
from flows.parameters import ContentIngestion, ModelPromotion, ModelRefresh, ModelRollback
from tasks.settings import get_settings
from tests.chain_homes import at_home, posts, store_posts, tables

NAMED = {"workspace_id": "w000", "model_type": "ENGAGEMENT_PREDICTOR"}


@pytest.fixture
def learned(prefect_api: str, home: Path) -> Iterator[Path]:
    """A home with two versions of a model: the first serves."""
    rows = posts(workspaces=1, days=150)
    with temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        for part in (rows[:200], rows):
            store_posts(home, part)
            with at_home(home):
                model_refresh(ModelRefresh(model_types=["ENGAGEMENT_PREDICTOR"], force_retrain=True, promote=False))
        with at_home(home):
            yield home


def test_dry_runs_name_the_versions_and_move_nothing(learned: Path) -> None:
    before = tables(learned)
    first, second = (f"{row[0]}" for row in versions(learned))
    promotion = model_promotion(ModelPromotion.model_validate(NAMED | {"dry_run": True}))
    assert promotion is not None
    assert [(row["version_name"], row["champion"]) for row in promotion["plan"]] == [(second, first)]
    assert tables(learned) == before
    model_promotion(ModelPromotion.model_validate(NAMED))
    after = tables(learned)
    rollback = model_rollback(ModelRollback.model_validate(NAMED | {"dry_run": True}))
    assert [(row["version_name"], row["champion"]) for row in rollback["plan"]] == [(first, second)]
    assert tables(learned) == after != before


def test_with_nothing_named_they_list_what_there_is(learned: Path) -> None:
    names = [row[0] for row in versions(learned)]
    for flow in (model_promotion, model_rollback):
        listed = flow()
        assert listed is not None
        assert sorted(row["version_name"] for row in listed["plan"]) == names


def test_ingestion_with_nothing_named_takes_the_inbox(prefect_api: str, home: Path) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        store_posts(home, posts(workspaces=1, days=1))
        assert content_ingestion()["read"] == 0
        waiting = get_settings().inbox / "workspaces"
        waiting.mkdir(parents=True)
        (waiting / "new.csv").write_text("workspace_id,name,industry,size\nacme,Acme,saas,smb\n")
        assert content_ingestion(ContentIngestion(kind="workspaces"))["written"] == 1


def versions(home: Path) -> list[tuple[str]]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(home / "warehouse.db")) as warehouse:
        question = "SELECT version_name FROM model_version WHERE status = 'registered' ORDER BY registry_version"
        return warehouse.execute(question).fetchall()
