"""A workspace of a hundred posts is told what is worth a try, and never as if it were a pattern."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tasks.patterns import PerformanceAnalyzer
from tasks.patterns.steps import kept_state
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Content, PatternFinding, TransferEstimate, TransferRelease, Workspace
from tests.factories import content_row, store, workspace_row
from tests.transfer_factories import NOW, store_siblings

CTA, EMOJI = "content:text:cta", "content:text:emoji"


def publish(warehouse: Warehouse, count: int, **changes: Any) -> None:
    """Posts of a newcomer in a house of siblings, every third with a call to action."""
    store(warehouse, Workspace, [workspace_row(workspace_id="new", organisation_id="house", **changes)])
    times = [NOW - timedelta(days=10) - timedelta(hours=11 * i) for i in range(count)]
    rows = [
        content_row(i, workspace_id="new", published_at=at, has_cta=i % 3 == 0, engagements=100 + 37 * i % 50)
        for i, at in enumerate(times)
    ]
    store(warehouse, Content, rows)


async def analyzed(warehouse: Warehouse) -> dict[str, Any]:
    return await PerformanceAnalyzer(warehouse=warehouse).analyze_patterns("new", "social", as_of=NOW)


async def test_a_hundred_posts_and_siblings_say_what_is_worth_a_try(sqlite_warehouse: Warehouse) -> None:
    store_siblings(sqlite_warehouse, [{CTA: lift, EMOJI: -lift} for lift in (0.4, 0.5, 0.6, 0.5, 0.45, 0.55)])
    publish(sqlite_warehouse, 100)
    found = await analyzed(sqlite_warehouse)
    assert found["status"] == "early_signal"
    assert found["winning_patterns"] == found["losing_patterns"] == []
    assert 1 <= len(found["early_signals"]) <= 5
    assert all(0.75 <= one["confidence"] <= 1.0 for one in found["early_signals"])
    assert found["insights"] == [one["words"] for one in found["early_signals"]]
    assert all(words.startswith("worth a try: ") for words in found["insights"])
    assert found["reason"].startswith("too few posts for patterns: 100 usable posts")
    assert "enough would be 200 posts" in found["reason"]
    assert sqlite_warehouse.rows(select(PatternFinding.__table__)) == []


@pytest.mark.parametrize(("count", "shares", "siblings"), [(40, True, 6), (100, False, 6), (100, True, 0)])
async def test_too_few_posts_nothing_shared_or_nobody_there_say_so(
    sqlite_warehouse: Warehouse, count: int, shares: bool, siblings: int
) -> None:
    if siblings:
        store_siblings(sqlite_warehouse, [{CTA: 0.5, EMOJI: -0.5}] * siblings)
    publish(sqlite_warehouse, count, shares_insights=shares)
    found = await analyzed(sqlite_warehouse)
    assert (found["status"], found["early_signals"]) == ("insufficient_data", [])
    assert found["insights"] == [found["reason"]]


async def test_what_others_know_is_part_of_what_an_answer_of_too_few_posts_rests_on(warehouse: Warehouse) -> None:
    """A sibling that shares no more is heard no longer, and a release that came is: neither waits for a new post."""
    ids = ["new", "other"]
    publish(warehouse, 100)
    store(warehouse, Workspace, [workspace_row(workspace_id="other", organisation_id="elsewhere")])
    await analyzed(warehouse)
    states = [kept_state(warehouse, ids)]
    store_siblings(warehouse, [{CTA: 0.5, EMOJI: -0.5}] * 6)
    states.append(kept_state(warehouse, ids))
    assert kept_state(warehouse, ids) == states[-1]
    with warehouse.begin() as connection:
        shared = Workspace.workspace_id.in_(select(TransferEstimate.workspace_id))
        connection.execute(update(Workspace).where(shared).values(shares_insights=False))
    states.append(kept_state(warehouse, ids))
    release = {"period": "2026-01-05", "status": "published", "catalogue_version": 1, "epsilon": 3.0, "delta": 1e-6}
    store(warehouse, TransferRelease, [release | {"rho": 0.1, "noise_scale": 1.0, "as_of": NOW, "run_id": "r"}])
    states.append(kept_state(warehouse, ids))
    mine = [state["new"] for state in states]
    assert mine[0] == mine[2]
    assert len({*mine}) == 3
    assert len({state["other"] for state in states}) == 1, "who has posts enough, or none, asks nobody"
