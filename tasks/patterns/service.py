"""The patterns of a workspace: reads its posts, finds patterns, keeps them, and recommends from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tasks.effects.service import EffectService
from tasks.errors import OutOfRangeError, UnknownNameError, require_between, require_whole
from tasks.patterns import store
from tasks.patterns.analysis import analyze
from tasks.patterns.applicability import known_content_types, require_task_type, with_tasks
from tasks.patterns.doing import with_effects
from tasks.patterns.early_signals import with_early_signals
from tasks.patterns.history import GONE, with_history
from tasks.patterns.others_experiments import experiments_of_others
from tasks.patterns.recommendations import Recommendations, recommend, why
from tasks.patterns.records import Pattern, PatternQuery, SearchThresholds
from tasks.patterns.robustness import explain
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.calendar_range import FIRST, LAST
from tasks.warehouse.frames import Source, content_frame, find_workspace
from tasks.warehouse.snapshots import Snapshot

BY_HAND = "by-hand"  # run_id of an analysis outside of any run
INSTANT = timedelta(microseconds=1)  # windows exclude their end; the newest post itself belongs in
MOST_DAYS = 36_525  # a hundred years
MOST_ROWS = 1_000_000_000
NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # `as_of` of a workspace that has published nothing


@dataclass(frozen=True, slots=True)
class PatternInputs:
    """A query and the rows to answer it from.

    Attributes:
        frame: rows of the query's content type.
        others: rows of the workspace's other content types, by type.
    """

    query: PatternQuery
    frame: pl.DataFrame
    others: dict[str, pl.DataFrame]


class PatternService:
    """What `PerformanceAnalyzer` does, synchronously; arguments, results and errors are documented there."""

    def __init__(self, thresholds: SearchThresholds | None = None, warehouse: Warehouse | None = None) -> None:
        self.thresholds = thresholds or SearchThresholds()
        _require_sound(self.thresholds)
        self._warehouse = warehouse

    def analyze_patterns(
        self,
        workspace_id: str,
        content_type: str,
        lookback_days: int = 90,
        min_samples: int = 50,
        source: Source | None = None,
        as_of: datetime | None = None,
        run_id: str | None = None,
    ) -> dict[str, Any]:
        """Find patterns, keep them in the warehouse, and return them."""
        if run_id is not None:
            _require_text(run_id=run_id)
        warehouse = self._open()
        inputs = self._read(workspace_id, content_type, lookback_days, min_samples, source, as_of)
        before = store.previous_topics(warehouse, inputs.query)
        effects, run = EffectService(warehouse), run_id or BY_HAND
        arms = effects.arms(workspace_id)
        analysis = analyze(inputs.frame, inputs.query, before, with_comparable=arms is not None)
        released = experiments_of_others(warehouse, workspace_id, as_of)
        analysis = with_effects(with_tasks(analysis, inputs.others), effects, arms, run, released)
        analysis = with_early_signals(warehouse, analysis, inputs.frame, as_of)
        analysis = with_history(analysis, store.previous_patterns(warehouse, inputs.query))
        store.save(warehouse, analysis, run)
        return analysis.as_dict()

    def get_pattern_recommendations(self, workspace_id: str, task_type: str, top_k: int = 3) -> Recommendations:
        """What the latest stored analyses advise for a task, best first."""
        require_whole("top_k", top_k, 1, MOST_ROWS)
        _require_text(workspace_id=workspace_id, task_type=task_type)
        require_task_type(task_type)
        warehouse = self._open()
        find_workspace(warehouse, workspace_id)
        analyses = store.latest_analyses(warehouse, workspace_id)
        patterns = [
            (analysis["content_type"], pattern)
            for analysis in analyses
            for pattern in store.patterns_of(warehouse, analysis["analysis_id"])
        ]
        recommendations = recommend(patterns, task_type, top_k)
        return Recommendations(recommendations, *why(analyses, task_type, len(recommendations)))

    def stored_patterns(self, workspace_id: str) -> list[tuple[str, Pattern]]:
        """Content type and pattern of the newest analyses of a workspace, without those that are gone.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        warehouse = self._open()
        find_workspace(warehouse, workspace_id)
        return [
            (analysis["content_type"], pattern)
            for analysis in store.latest_analyses(warehouse, workspace_id)
            for pattern in store.patterns_of(warehouse, analysis["analysis_id"])
            if pattern.trend != GONE
        ]

    def analyses(self, workspace_id: str) -> list[dict[str, Any]]:
        """The newest analysis of each content type: when, how far back, and what came of it."""
        return store.latest_analyses(self._open(), workspace_id)

    def explain(
        self,
        workspace_id: str,
        content_type: str,
        lookback_days: int = 90,
        min_samples: int = 50,
        doubly_robust: bool = False,
        source: Source | None = None,
        as_of: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """How far each pattern's raw lift survives adjustment; nothing is written."""
        if not isinstance(doubly_robust, bool):  # "no" would be a yes
            raise OutOfRangeError("doubly_robust", doubly_robust, "True or False")
        inputs = self._read(workspace_id, content_type, lookback_days, min_samples, source, as_of)
        before = store.previous_topics(self._open(), inputs.query)
        patterns = analyze(inputs.frame, inputs.query, before).patterns
        return explain(inputs.frame, inputs.query, patterns, before, doubly_robust=doubly_robust)

    def _open(self) -> Warehouse:
        self._warehouse = open_warehouse(self._warehouse)
        return self._warehouse

    def _read(
        self,
        workspace_id: str,
        content_type: str,
        lookback_days: int,
        min_samples: int,
        source: Source | None,
        as_of: datetime | None,
    ) -> PatternInputs:
        """Find the workspace, settle the instant, read the window."""
        require_whole("lookback_days", lookback_days, 1, MOST_DAYS)
        require_whole("min_samples", min_samples, 1, MOST_ROWS)
        _require_text(workspace_id=workspace_id, content_type=content_type)
        _require_instant(as_of)
        _require_source(source)
        warehouse = self._open()
        find_workspace(warehouse, workspace_id)
        newest = store.content_types(warehouse, workspace_id)
        _require_content_type(content_type, set(newest))
        until = (as_of or _newest(source, workspace_id, newest) or NEVER).astimezone(UTC)
        since = until - timedelta(days=lookback_days)
        rows = content_frame(source or warehouse, workspace_id, since=since, until=until + INSTANT)
        by_type = {str(key[0]): frame for key, frame in rows.partition_by("content_type", as_dict=True).items()}
        raised = replace(self.thresholds, min_rows=max(self.thresholds.min_rows, min_samples))
        query = PatternQuery(workspace_id, content_type, until, lookback_days, raised)
        return PatternInputs(query, by_type.pop(content_type, rows.clear()), by_type)


def _require_sound(thresholds: SearchThresholds) -> None:
    require_between("min_confidence", thresholds.min_confidence, 0.0, 1.0)
    require_between("min_effect_size", thresholds.min_effect_size, 0.0, 5.0)
    require_between("false_discovery_rate", thresholds.false_discovery_rate, 0.0, 0.5)
    require_whole("min_sample_size", thresholds.min_sample_size, 10, MOST_ROWS)
    require_whole("min_rows", thresholds.min_rows, 60, MOST_ROWS)
    require_whole("min_weeks", thresholds.min_weeks, 4, MOST_ROWS)


def _require_text(**named: object) -> None:
    """Raise `OutOfRangeError` unless each value is text that a database can hold."""
    for name, value in named.items():
        if not isinstance(value, str) or "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise OutOfRangeError(name, value, "a name as text")


def _require_source(source: object) -> None:
    if source is not None and not isinstance(source, Warehouse | Snapshot):
        raise OutOfRangeError("source", source, "a Warehouse, a Snapshot or None")


def _require_instant(as_of: object) -> None:
    """A date, or text that looks like one, names no instant."""
    if as_of is None:
        return
    if not isinstance(as_of, datetime) or as_of.utcoffset() is None:
        raise OutOfRangeError("as_of", as_of, "a datetime with a time zone")
    if not FIRST <= as_of <= LAST:
        raise OutOfRangeError("as_of", as_of, f"between {FIRST:%Y} and {LAST:%Y}")


def _require_content_type(content_type: str, known: set[str]) -> None:
    """A type not published yet is no mistake if some task is about it: the status will say that there is no data."""
    if content_type not in known and content_type not in known_content_types():
        raise UnknownNameError("content type", content_type, known | known_content_types())


def _newest(source: Source | None, workspace_id: str, by_type: dict[str, datetime]) -> datetime | None:
    """When the workspace published last: in the source, or by content type in the warehouse."""
    if source is None or isinstance(source, Warehouse):
        return max(by_type.values(), default=None)
    newest = source.scan().filter(pl.col("workspace_id") == workspace_id).select(pl.col("published_at").max())
    instant: datetime | None = newest.collect().item()
    return instant
