"""How far one reads to follow a piece of work: files visited, calls between files, returns to a file left before.

Only the guide's classes and `ingest` are used, so that the same file measures any state of the house.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import polars as pl
import pytest

from tasks.content.sample import simulate
from tasks.content.sample.agency import AGENCY
from tasks.experiments import ExperimentEngine
from tasks.models import ModelType, ModelUpdater
from tasks.patterns import PerformanceAnalyzer
from tasks.swarm import AgentDebateOrchestrator, AgentRole
from tasks.warehouse.ingestion import ingest

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).resolve().parents[2]
ROOMS = tuple(f"{ROOT / top}/" for top in ("tasks", "flows"))
WORKSPACE = AGENCY[0].workspace_id
LOOKBACK_DAYS = 365

Function = tuple[str, str]  # file, name within it


class Way:
    """The functions of tasks/ and flows/ that call each other from file to file, each pair once, in order."""

    def __init__(self) -> None:
        self.calls: dict[tuple[Function, Function], None] = {}
        self._submitters: dict[int, Function | None] = {}

    def event(self, frame: FrameType, event: str, _: object) -> None:
        """What the interpreter reports; work for another thread remembers who handed it over."""
        if event != "call":
            return
        code = frame.f_code
        if code is ThreadPoolExecutor.submit.__code__:
            self._submitters[id(frame.f_locals["fn"])] = self._caller(frame)
        elif code is threading.Thread.start.__code__:
            self._submitters[id(frame.f_locals["self"])] = self._caller(frame)
        elif code.co_filename.startswith(ROOMS) and code.co_name != "<module>":
            self._called(_function(frame), self._caller(frame))

    def _called(self, callee: Function, caller: Function | None) -> None:
        if caller is not None and caller[0] != callee[0]:
            self.calls.setdefault((caller, callee))

    def _caller(self, frame: FrameType) -> Function | None:
        above = frame.f_back
        while above is not None:
            code = above.f_code
            if code.co_filename.startswith(ROOMS):
                return _function(above)
            if code.co_filename.endswith("concurrent/futures/thread.py") and code.co_name == "run":
                return self._submitters.get(id(above.f_locals["self"].fn))
            if code is threading.Thread.run.__code__ and id(above.f_locals["self"]) in self._submitters:
                return self._submitters[id(above.f_locals["self"])]
            above = above.f_back
        return None

    def length(self, room: str = "") -> str:
        """The way in figures; given a room, only what one of its files asks of another."""
        calls = [(caller, callee) for (caller, _), (callee, _) in self.calls if room in caller and room in callee]
        here = calls[0][0]
        visited, returns = {here}, 0
        for _, file in calls:
            returns += file != here and file in visited
            visited.add(file)
            here = file
        return f"{len(visited)} files, {len(calls)} calls from file to file, {returns} returns to a file left before"


def _function(frame: FrameType) -> Function:
    return frame.f_code.co_filename, frame.f_code.co_qualname


@contextmanager
def traced() -> Iterator[Way]:
    """Follow this thread and all that begin in it."""
    way = Way()
    threading.setprofile(way.event)
    sys.setprofile(way.event)
    try:
        yield way
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def follow(name: str, room: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Print the way that a piece of work takes through the house, and give its result."""
    with traced() as way:
        result = asyncio.run(work())
    assert way.calls, "nothing of the house was called: the trace is broken"
    print(f"\nWAY {name}: {way.length()}")
    print(f"WAY {name}, within {room}: {way.length(f'/tasks/{room}/')}")
    return result


@pytest.fixture(scope="module", autouse=True)
def all_imported() -> None:
    """What modules do when they are imported is no part of a way."""
    for path in sorted(path for top in ("tasks", "flows") for path in (ROOT / top).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if ".migrations." not in name:
            importlib.import_module(name)


def _rows(path: Path) -> pl.DataFrame:
    rows = pl.read_csv(path, try_parse_dates=True) if path.suffix == ".csv" else pl.read_parquet(path)
    return rows.filter(workspace_id=WORKSPACE)


@pytest.fixture
def files(home: Path, tmp_path: Path) -> dict[str, Path]:
    """The sample's first workspace, ingested; its posts are files: the older ones, and all of them."""
    written = simulate(tmp_path).files
    workspaces, posts = (_rows(written[kind]) for kind in ("workspaces", "content"))
    last = posts["published_at"].max()
    paths = {name: tmp_path / f"{name}.parquet" for name in ("workspace", "older", "all")}
    workspaces.write_parquet(paths["workspace"])
    posts.filter(pl.col("published_at") < last - timedelta(days=45)).write_parquet(paths["older"])
    posts.write_parquet(paths["all"])
    ingest("workspaces", [paths["workspace"]])
    return paths


def test_a_row_becomes_a_pattern(files: dict[str, Path]) -> None:
    async def work() -> Any:
        ingest("content", [files["all"]])
        return await PerformanceAnalyzer().analyze_patterns(WORKSPACE, "social", lookback_days=LOOKBACK_DAYS)

    patterns = follow("(a) a workspace's content rows to a reported pattern", "patterns", work)
    assert patterns["winning_patterns"] or patterns["losing_patterns"]


def test_an_outcome_becomes_an_analysis(files: dict[str, Path]) -> None:
    engine = ExperimentEngine()

    async def start() -> list[tuple[str, str]]:
        experiment = await engine.create_experiment(
            name="Hook",
            workspace_id=WORKSPACE,
            variants=[{"name": "control", "description": "as now"}, {"name": "curiosity", "description": "a gap"}],
            metric_name="engagement_rate",
        )
        await engine.start_experiment(experiment.experiment_id)
        return [(experiment.experiment_id, await engine.assign_variant(experiment.experiment_id)) for _ in range(60)]

    assigned = asyncio.run(start())

    async def work() -> Any:
        for i, (experiment_id, variant_id) in enumerate(assigned):
            await engine.record_outcome(experiment_id=experiment_id, variant_id=variant_id, outcome=0.1 + i % 5 / 100)
        return await engine.analyze_experiment(assigned[0][0])

    analysis = follow("(b) an outcome recorded to an analysis", "experiments", work)
    assert sum(arm.n for arm in analysis["variants"]) == len(assigned)


def test_a_problem_is_debated(files: dict[str, Path]) -> None:
    ingest("content", [files["all"]])
    asyncio.run(PerformanceAnalyzer().analyze_patterns(WORKSPACE, "social", lookback_days=LOOKBACK_DAYS))

    async def work() -> Any:
        return await AgentDebateOrchestrator(max_rounds=3).orchestrate_debate(
            problem="Which posts should we publish more of?",
            agent_roles=[AgentRole.VIRAL_ENGINEER, AgentRole.COPYWRITING_NINJA, AgentRole.PSYCHOLOGY_SPECIALIST],
            rounds=2,
            context={"workspace_id": WORKSPACE},
            workspace_id=WORKSPACE,
        )

    debate = follow("(c) a problem through a panel's debate", "swarm", work)
    assert (debate["engine"], debate["status"]) == ("evidence_panel", "decided")


def test_a_model_type_is_refreshed(files: dict[str, Path]) -> None:
    wanted = [ModelType.ENGAGEMENT_PREDICTOR]
    ingest("content", [files["older"]])
    first = asyncio.run(ModelUpdater().check_and_update_models(WORKSPACE, wanted))
    assert first["ENGAGEMENT_PREDICTOR"]["status"] == "first_champion"
    ingest("content", [files["all"]])

    async def work() -> Any:
        return await ModelUpdater().check_and_update_models(WORKSPACE, wanted, force_retrain=True)

    second = follow("(d) a model type through a refresh", "models", work)
    assert second["ENGAGEMENT_PREDICTOR"]["status"] == "challenger"
