"""Work that is handed over a chunk at a time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
from prefect import Flow, Task, tags
from prefect.context import TagsContext
from prefect_dask.task_runners import DaskTaskRunner

from flows.chunks import each_chunk
from flows.dask_runner import ClusterTaskRunner
from flows.model_refresh import model_refresh
from flows.pattern_learning import pattern_learning
from flows.transfer_learning import transfer_learning
from tasks.warehouse.snapshots import Chain, ChunkSnapshot, Snapshot


class TagsAtSubmit:
    """Stands for a task: its answer is what tags a run of it would carry."""

    name = "look"

    def submit(self, chunk: int) -> Future[tuple[int, set[str]]]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda tags_then: (chunk, tags_then), set(TagsContext.get().current_tags))


def test_a_chunks_run_carries_no_tag_under_which_the_server_would_be_asked_for_a_place() -> None:
    work = cast("Task[..., tuple[int, set[str]]]", TagsAtSubmit())
    with tags("chain"):
        assert each_chunk(work, [1, 2]) == [(1, set()), (2, set())]
        assert TagsContext.get().current_tags == {"chain"}


def test_a_clusters_tasks_are_not_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[Any] = []

    class Client:
        def submit(self, *_arguments: Any, pure: bool = True, **_named: Any) -> Mock:
            submitted.append(pure)
            return Mock()

    only = Client()
    monkeypatch.setattr(DaskTaskRunner, "client", property(lambda _self: only))
    runner = ClusterTaskRunner(address="tcp://127.0.0.1:9")
    with runner:
        for _ in range(2):
            runner.submit(Mock(), {})
    assert submitted == [False, False]


@pytest.mark.parametrize("called", [pattern_learning, transfer_learning, model_refresh], ids=lambda one: one.name)
def test_what_a_chain_hands_on_is_not_written_into_the_runs_it_calls(called: Flow[..., Any]) -> None:
    window = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    frozen = Snapshot(Path("content.parquet"), 1, "0" * 64, window)
    names = [f"w{k}" for k in range(10_000)]
    chunk = ChunkSnapshot(names, frozen, frozen, fingerprints={name: {"content": "f" * 64} for name in names})
    chain = Chain("run", [chunk])
    given = called.validate_parameters({"chain": chain})
    assert given["chain"] is chain, "nor is it copied"
    assert called.serialize_parameters(given)["chain"] == "<Chain>"
