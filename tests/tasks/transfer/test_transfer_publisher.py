"""Contributing and releasing: charged once, published once, gone when asked."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import delete, select, update

from tasks.effects.shared_experiments import ROWS
from tasks.transfer import store as transfer_store
from tasks.transfer.catalogue import KEYS
from tasks.transfer.errors import BrokenChainError, BudgetSpentError, NobodySharesError
from tasks.transfer.privacy import period_of
from tasks.transfer.release import SCALE, with_units
from tasks.transfer.released_experiments import EXPERIMENTS
from tasks.transfer.similarity import EVERYONE, SEGMENTS
from tasks.transfer.transfer_publisher import TransferPublisher
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Base,
    Content,
    StepOutcome,
    TransferCharge,
    TransferEstimate,
    TransferRelease,
    TransferSum,
    Workspace,
)
from tests.factories import content_row, store, workspace_row
from tests.transfer_factories import NOW, SeededNoise, crowd, no_noise, store_crowd

LATER = NOW + timedelta(days=30)
OPENED = (period_of(LATER), LATER, "r2")
UNIT = (TransferCharge.period == OPENED[0]) & (TransferCharge.unit_id == "workspace:w1")


def publisher(warehouse: Warehouse, *, days: int = 0, noise: Any = None) -> TransferPublisher:
    return TransferPublisher(
        noise=noise or SeededNoise(), clock=lambda: NOW + timedelta(days=days), warehouse=warehouse
    )


def rows_of(warehouse: Warehouse, *tables: type[Base]) -> list[list[dict[str, Any]]]:
    return [warehouse.rows(select(table.__table__).order_by(*table.__table__.primary_key)) for table in tables]


def everyone_count(warehouse: Warehouse) -> int:
    newest = select(TransferSum.sums).where(TransferSum.segment == EVERYONE).order_by(TransferSum.period.desc())
    # whoever answers all patterns is shortened to about .7 in each
    return round(sum(numbers[0] for numbers in warehouse.rows(newest)[0]["sums"].values()) / (0.7 * SCALE * len(KEYS)))


async def test_a_release_holds_every_segment_and_pattern_also_where_nobody_is(warehouse: Warehouse) -> None:
    store_crowd(warehouse, crowd(2))
    released = await publisher(warehouse).release(run_id="r1")
    (sums,) = rows_of(warehouse, TransferSum)
    assert released.status == "published"
    every = {row["segment"]: set(row["sums"]) for row in sums}
    assert every.pop(EXPERIMENTS) == set(ROWS)
    assert every == {segment: set(KEYS) for segment in SEGMENTS}


async def test_the_same_period_twice_is_one_release_and_one_charge(warehouse: Warehouse) -> None:
    store_crowd(warehouse, crowd(3))
    await publisher(warehouse).release(run_id="r1")
    before = rows_of(warehouse, TransferCharge, TransferRelease, TransferSum)
    again = await publisher(warehouse, days=1, noise=SeededNoise(9)).release(run_id="r2")
    assert rows_of(warehouse, TransferCharge, TransferRelease, TransferSum) == before
    assert (again.status, again.as_of) == ("published", NOW)
    assert len(before[0]) == 3


async def test_killed_between_charge_and_release_it_ends_in_the_same_tables(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_crowd(warehouse, crowd(3))

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(transfer_store, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            publisher(warehouse)._service.release(run_id="r1")
    charges, pending, sums = rows_of(warehouse, TransferCharge, TransferRelease, TransferSum)
    assert (len(charges), pending[0]["status"], sums) == (3, "pending", [])
    await publisher(warehouse).release(run_id="r2")
    after, published, sums = rows_of(warehouse, TransferCharge, TransferRelease, TransferSum)
    assert after == charges
    assert published == [pending[0] | {"status": "published", "chain_hash": published[0]["chain_hash"]}]
    assert len(sums) == len(SEGMENTS) + 1  # and experiments


async def test_of_two_draws_only_the_first_is_ever_seen(warehouse: Warehouse) -> None:
    store_crowd(warehouse, crowd(2))
    await publisher(warehouse).release(run_id="r1")
    (before,) = rows_of(warehouse, TransferSum)
    period = before[0]["period"]
    assert not transfer_store.publish(
        warehouse, period, [row | {"sums": {}} for row in before], {"chain_hash": "0" * 64}
    )
    assert rows_of(warehouse, TransferSum) == [before]


async def test_a_release_that_an_older_version_opened_says_the_noise_that_was_drawn(warehouse: Warehouse) -> None:
    """It was charged then; what is drawn, and which catalogue it is of, is this version's."""
    store_crowd(warehouse, crowd(3))
    service = publisher(warehouse)._service
    sharing = with_units(transfer_store.sharing_workspaces(warehouse))
    service._reserve(warehouse, sharing, period_of(NOW), NOW, "r1")
    ((opened,),) = rows_of(warehouse, TransferRelease)
    older = {"noise_scale": opened["noise_scale"] / 2.0, "catalogue_version": opened["catalogue_version"] - 1}
    with warehouse.begin() as connection:
        connection.execute(update(TransferRelease).values(**older))
    released = service.release(run_id="r2")
    ((published,),) = rows_of(warehouse, TransferRelease)
    assert published == opened | {"status": "published", "chain_hash": published["chain_hash"]}
    assert released.noise_scale == opened["noise_scale"]


async def test_what_is_withheld_while_it_is_drawn_is_not_told_as_published(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_crowd(warehouse, crowd(2))
    publish, other = transfer_store.publish, publisher(warehouse)._service

    def after_a_restore(*arguments: Any) -> bool:
        other.withhold(run_id="restored")
        return publish(*arguments)

    monkeypatch.setattr(transfer_store, "publish", after_a_restore)
    with pytest.raises(BudgetSpentError):
        await publisher(warehouse).release(run_id="r1")
    assert rows_of(warehouse, TransferSum) == [[]]


async def test_a_spent_budget_is_not_spent_again(warehouse: Warehouse) -> None:
    store_crowd(warehouse, crowd(2))
    await publisher(warehouse).release(run_id="r1")
    with warehouse.begin() as connection:
        connection.execute(delete(TransferSum))
        connection.execute(delete(TransferRelease))
    with pytest.raises(BudgetSpentError, match="budget of period"):
        await publisher(warehouse).release(run_id="r2")
    assert rows_of(warehouse, TransferSum) == [[]]


async def test_what_a_lost_warehouse_may_have_drawn_is_not_drawn_again(warehouse: Warehouse) -> None:
    """The backup is from before the draw, or from between the charge and the draw; the next period is free again."""
    store_crowd(warehouse, crowd(2))
    publisher(warehouse)._service.withhold(run_id="restored")
    with pytest.raises(BudgetSpentError):
        await publisher(warehouse).release(run_id="r1")
    assert [len(rows) for rows in rows_of(warehouse, TransferCharge, TransferRelease, TransferSum)] == [2, 1, 0]
    assert (await publisher(warehouse, days=30).release(run_id="r2")).status == "published"
    before = rows_of(warehouse, TransferRelease, TransferSum)
    publisher(warehouse, days=30)._service.withhold(run_id="restored")
    assert rows_of(warehouse, TransferRelease, TransferSum) == before  # this one is known


@pytest.mark.parametrize("table", [TransferSum, TransferCharge])
async def test_nothing_is_drawn_on_top_of_a_changed_release_or_ledger(warehouse: Warehouse, table: type[Base]) -> None:
    store_crowd(warehouse, crowd(2))
    await publisher(warehouse).release(run_id="r1")
    later = publisher(warehouse, days=30)._service
    later._reserve(warehouse, with_units(transfer_store.sharing_workspaces(warehouse)), *OPENED)
    changed = update(TransferSum).values(sums={}) if table is TransferSum else delete(TransferCharge).where(UNIT)
    with warehouse.begin() as connection:
        connection.execute(changed)
    with pytest.raises(BrokenChainError, match="was changed after it was written"):
        later.release(run_id="r2")
    assert len(rows_of(warehouse, TransferSum)[0]) == len(SEGMENTS) + 1


async def test_a_period_is_not_spent_on_nobody(warehouse: Warehouse) -> None:
    with pytest.raises(NobodySharesError):
        await publisher(warehouse).release(run_id="r1")
    store_crowd(warehouse, crowd(1))
    assert (await publisher(warehouse).release(run_id="r2")).status == "published"


async def test_a_clock_set_back_opens_no_new_period(warehouse: Warehouse) -> None:
    store_crowd(warehouse, crowd(2))
    await publisher(warehouse).release(run_id="r1")
    with pytest.raises(BudgetSpentError):
        await publisher(warehouse, days=-60).release(run_id="r2")
    assert len(rows_of(warehouse, TransferRelease)[0]) == 1


async def test_who_joins_after_the_charge_waits_for_the_next_period(warehouse: Warehouse) -> None:
    store_crowd(warehouse, crowd(2))
    await publisher(warehouse).release(run_id="r1")
    with warehouse.begin() as connection:
        connection.execute(delete(TransferSum))
        connection.execute(update(TransferRelease).values(status="pending"))
    store_crowd(warehouse, crowd(5))
    await publisher(warehouse, noise=no_noise).release(run_id="r2")
    assert everyone_count(warehouse) == 2


async def test_a_workspace_that_leaves_is_gone_from_the_next_release(warehouse: Warehouse) -> None:
    store_crowd(warehouse, crowd(4))
    await publisher(warehouse, noise=no_noise).release(run_id="r1")
    assert everyone_count(warehouse) == 4
    with warehouse.begin() as connection:
        connection.execute(update(Workspace).where(Workspace.workspace_id == "w2").values(shares_insights=False))
    await publisher(warehouse, days=30, noise=no_noise).release(run_id="r2")
    assert everyone_count(warehouse) == 3
    (estimates,) = rows_of(warehouse, TransferEstimate)
    assert "w2" not in {row["workspace_id"] for row in estimates}


def posts(workspace_id: str, count: int = 60) -> list[dict[str, Any]]:
    times = [NOW - timedelta(days=200) + timedelta(hours=31 * i) for i in range(count)]
    return [
        content_row(i, workspace_id=workspace_id, published_at=at, local_hour=at.hour, has_cta=i % 3 == 0)
        for i, at in enumerate(times)
    ]


async def test_contributing_twice_leaves_the_same_rows(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    store(warehouse, Content, posts("acme"))
    outcomes = await publisher(warehouse).contribute(["acme"], run_id="r1")
    before = rows_of(warehouse, TransferEstimate)
    await publisher(warehouse).contribute(["acme"], run_id="r1")
    assert rows_of(warehouse, TransferEstimate) == before
    assert [outcome.status for outcome in outcomes] == ["done"]
    assert len(before[0]) > 10


async def test_one_failing_workspace_is_recorded_and_the_rest_goes_on(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store(
        warehouse,
        Workspace,
        [
            workspace_row(),
            workspace_row(workspace_id="globex"),
            workspace_row(workspace_id="shy", shares_insights=False),
        ],
    )
    store(warehouse, Content, posts("acme") + posts("globex") + posts("shy"))
    import tasks.transfer.service as module

    read = module.content_frame

    def broken(source: Any, workspace_id: str) -> pl.DataFrame:
        if workspace_id == "globex":
            raise RuntimeError("globex is odd: 31415")
        return read(source, workspace_id)

    monkeypatch.setattr(module, "content_frame", broken)
    with caplog.at_level(logging.DEBUG):
        outcomes = await publisher(warehouse).contribute(["acme", "globex", "shy", "nobody"], run_id="r1")
    assert {o.workspace_id: o.status for o in outcomes} == {
        "acme": "done", "globex": "failed", "shy": "skipped", "nobody": "failed",
    }  # fmt: skip
    recorded = {row["workspace_id"]: row for row in warehouse.rows(select(StepOutcome.__table__))}
    assert "31415" in recorded["globex"]["reason"]
    assert "one workspace could not be estimated" in caplog.text
    assert "globex" not in caplog.text
    assert "31415" not in caplog.text
    (estimates,) = rows_of(warehouse, TransferEstimate)
    assert {row["workspace_id"] for row in estimates} == {"acme"}
