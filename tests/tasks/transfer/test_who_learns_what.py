"""No row, artifact, log line, error or return value tells one organization another's id, name or raw value."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.transfer import TransferLearner, TransferPublisher
from tasks.transfer import steps as transfer_steps
from tasks.transfer.catalogue import KEYS
from tasks.transfer.service import PublisherService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Base, Content, StepOutcome, TransferEstimate, Workspace
from tests.factories import content_row, store, workspace_row
from tests.transfer_factories import NOW, SeededNoise, estimate_rows

SECRET = "zanzibar"
OTHERS = ("acme", "globex")
RAW = 7_654_321
SECRET_WORDS = (SECRET, "Secret Spice", str(RAW), "saffron")
SHARED_TABLES = ("transfer_release", "transfer_sum")
OWN_KEYS = {"transfer_estimate": "workspace_id", "transfer_charge": "unit_id", "step_outcome": "workspace_id"}


def posts(workspace_id: str, engagements: int, body: str) -> list[dict[str, Any]]:
    times = [NOW - timedelta(days=300) + timedelta(hours=29 * i) for i in range(220)]
    return [
        content_row(
            *(i,),
            **{"workspace_id": workspace_id, "published_at": at, "local_hour": at.hour, "body": body},
            **{
                "has_cta": i % 3 == 0,
                "engagements": engagements + engagements // 50 * (i % 11),
                "impressions": 9_000_000,
            },
        )
        for i, at in enumerate(times)
    ]


@pytest.fixture
def town(sqlite_warehouse: Warehouse) -> Warehouse:
    """Three organizations, one of which has something to hide, and a sibling of another."""
    names = {SECRET: "Secret Spice", "acme": "Acme", "globex": "Globex"}
    rows = [workspace_row(workspace_id=key, name=name, organisation_id=f"org-{key}") for key, name in names.items()]
    store(sqlite_warehouse, Workspace, rows)
    store(sqlite_warehouse, Content, posts(SECRET, RAW, "saffron for sale"))
    for name in OTHERS:
        store(sqlite_warehouse, Content, posts(name, 100, "tea"))
    return sqlite_warehouse


async def night(town: Warehouse, days: int = 0) -> list[Any]:
    """Everything a night returns."""
    publisher = TransferPublisher(noise=SeededNoise(days), clock=lambda: NOW + timedelta(days=days), warehouse=town)
    outcomes = await publisher.contribute([SECRET, *OTHERS], run_id="night")
    assert {outcome.status for outcome in outcomes} == {"done"}
    return [await publisher.release(run_id="night")]


def secrets_of(town: Warehouse) -> set[str]:
    """What must not be seen: ids, names, words, raw counts, and each exact estimate of the secret workspace."""
    own = town.rows(select(TransferEstimate.__table__).where(TransferEstimate.workspace_id == SECRET))
    exact = {repr(row[name]) for row in own for name in ("log_lift", "standard_error", "log_lift_a") if row[name]}
    assert len(exact) > 20
    return {*SECRET_WORDS, *exact}


def assert_silent(text: str, secrets: set[str], where: str) -> None:
    found = [secret for secret in secrets if secret in text]
    assert not found, f"{where} tells {found[:3]}"


async def test_tables_hold_the_secret_only_under_its_own_key(town: Warehouse) -> None:
    await night(town)
    secrets = secrets_of(town)
    for table in Base.metadata.sorted_tables:
        own_key = OWN_KEYS.get(table.name)
        for row in town.rows(select(table)):
            if table.name in ("workspace", "content", "ingestion_run"):
                continue
            if own_key and SECRET in str(row[own_key]):
                continue
            assert_silent(json.dumps(row, default=str), secrets, f"table {table.name}")


async def test_shared_tables_have_no_column_that_could_name_anyone(town: Warehouse) -> None:
    for name in SHARED_TABLES:
        columns = set(Base.metadata.tables[name].columns.keys())
        assert not {"workspace_id", "organisation_id", "unit_id", "name", "workspaces", "contributors"} & columns


async def test_answers_to_others_hold_nothing_of_the_secret(town: Warehouse) -> None:
    returned = await night(town)
    secrets = secrets_of(town)
    learner = TransferLearner(min_confidence=0.0, similarity_threshold=0.0, warehouse=town)
    for target in OTHERS:
        returned.append(await learner.get_transfer_insights(target, top_k=200, as_of=NOW))
        returned.append(repr(await learner.compute_workspace_similarity(target, OTHERS[0])))
        similarity = await learner.compute_workspace_similarity(target, SECRET)
        returned += [repr(similarity), similarity.mode]
    assert_silent(repr(returned), secrets, "a return value")


async def test_the_secret_changes_nothing_for_others_but_through_the_release(town: Warehouse) -> None:
    """The same release, another secret: whatever is answered is the same to the last digit."""
    await night(town)
    learner = TransferLearner(min_confidence=0.0, similarity_threshold=0.0, warehouse=town)

    async def answers() -> str:
        told = [await learner.get_transfer_insights(target, top_k=200, as_of=NOW) for target in OTHERS]
        return json.dumps([*told, await learner.compute_workspace_similarity("acme", SECRET)])

    before = await answers()
    store(town, TransferEstimate, estimate_rows(SECRET, dict.fromkeys(KEYS, -3.0), standard_error=0.001))
    assert await answers() == before


async def test_logs_and_errors_name_nobody(
    town: Warehouse, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.transfer.service as module

    read = module.content_frame

    def odd(source: Any, workspace_id: str) -> Any:
        if workspace_id == SECRET:
            raise ValueError(f"{SECRET} of Secret Spice has {RAW} saffron")
        return read(source, workspace_id)

    monkeypatch.setattr(module, "content_frame", odd)
    publisher = TransferPublisher(noise=SeededNoise(), clock=lambda: NOW, warehouse=town)
    with caplog.at_level(logging.DEBUG):
        await publisher.contribute([SECRET, *OTHERS], run_id="night")
        await publisher.release(run_id="night")
        await TransferLearner(warehouse=town).get_transfer_insights("acme", as_of=NOW)
        with pytest.raises(ValueError, match="unknown workspace 'zanzi'") as refused:
            await TransferLearner(warehouse=town).get_transfer_insights("zanzi")
    assert_silent(caplog.text, {*SECRET_WORDS}, "a log line")
    assert_silent(str(refused.value), {*SECRET_WORDS}, "an error")
    (kept,) = town.rows(select(StepOutcome.__table__).where(StepOutcome.workspace_id == SECRET))
    assert (kept["status"], str(RAW) in kept["reason"]) == ("failed", True)  # the operator finds it under its own key


async def test_what_the_flow_publishes_is_the_releases_price_alone(
    town: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifact is made from this step's result and nothing else: see flows/transfer_learning.py."""
    returned = await night(town)
    monkeypatch.setattr(PublisherService, "release", lambda *_, **__: returned[0])
    shown = transfer_steps.release_insights.fn(3.0, 1e-6, "night")
    assert set(shown) == {
        *("period", "status", "epsilon", "delta", "rho", "noise_scale", "as_of", "epsilon_after_a_year"),
    }
    assert shown["epsilon_after_a_year"] == pytest.approx(11.65, abs=0.1)
    assert_silent(repr(shown), secrets_of(town), "an artifact")
