"""PerformanceAnalyzer: reads a workspace's posts, finds and confirms patterns, keeps them, and recommends from them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from tasks.errors import require_between
from tasks.patterns import store
from tasks.patterns.analysis import analyse
from tasks.patterns.applicability import with_tasks
from tasks.patterns.errors import require_count
from tasks.patterns.history import with_history
from tasks.patterns.reading import Request, read
from tasks.patterns.recommendations import Recommendations, recommend, why
from tasks.patterns.records import Analysis, Thresholds
from tasks.patterns.result import as_result
from tasks.patterns.scrutiny import explain
from tasks.patterns.task_types import require_task_type
from tasks.patterns.wording import insights
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import Source, find_workspace

BY_HAND = "by-hand"  # run_id of an analysis that no run asked for


class PerformanceAnalyzer:
    """Finds what makes a workspace's content win or lose.

    Rules are searched on one half of the weeks and confirmed on the other, adjusted for channel, season and timing,
    held to a false discovery rate, and shrunken. They are associations, not causes.

    Args:
        min_confidence: lowest probability that a reported direction is right.
        min_sample_size: fewest matching posts in the half that confirms.
        min_effect_size: smallest reported |difference| in standard deviations of adjusted engagement; 0.2 is about
            ±20 % for typical content, 0.3 about ±30 %.
        false_discovery_rate: highest expected share of false patterns among those reported.
        min_rows: fewest usable posts; fewer give status `insufficient_data`, whatever `min_samples` says.
        min_weeks: fewest distinct weeks.
        warehouse: where to read and write; None opens the settings' one at first use.
    """

    def __init__(
        self,
        min_confidence: float = 0.7,
        min_sample_size: int = 30,
        min_effect_size: float = 0.3,
        *,
        false_discovery_rate: float = 0.10,
        min_rows: int = 200,
        min_weeks: int = 8,
        warehouse: Warehouse | None = None,
    ) -> None:
        require_between("min_confidence", min_confidence, 0.0, 1.0)
        require_between("min_effect_size", min_effect_size, 0.0, 5.0)
        require_between("false_discovery_rate", false_discovery_rate, 0.0, 0.5)
        require_count("min_sample_size", min_sample_size, 10)
        require_count("min_rows", min_rows, 60)
        require_count("min_weeks", min_weeks, 4)
        self.thresholds = Thresholds(
            min_confidence, min_sample_size, min_effect_size, false_discovery_rate, min_rows, min_weeks
        )
        self._warehouse = warehouse

    async def analyze_patterns(
        self,
        workspace_id: str,
        content_type: str,
        lookback_days: int = 90,
        min_samples: int = 50,
        *,
        source: Source | None = None,
        as_of: datetime | None = None,
        run_id: str | None = None,
    ) -> dict[str, Any]:
        """Find patterns, keep them in the warehouse, and return them.

        Args:
            workspace_id: whose content.
            content_type: social, blog, email, …
            lookback_days: how far back to look. 90 days are about twelve weeks; a year finds far more.
            min_samples: fewest usable posts. It can raise the analyzer's floor of `min_rows`, not lower it.
            source: rows to read instead of the warehouse's, such as a snapshot.
            as_of: last instant that counts; None takes the newest post of the workspace.
            run_id: the run that asks; kept beside the result, never part of it.

        Returns:
            `winning_patterns`, `losing_patterns`, `insights`, `statistics`, and `status`, `reason`, `gone_patterns`.

        Raises:
            UnknownNameError: if there is no such workspace or content type.
            OutOfRangeError: if a number is outside its bounds.
        """
        require_count("lookback_days", lookback_days, 1)
        require_count("min_samples", min_samples, 1)
        request = Request(workspace_id, content_type, lookback_days, min_samples, source, as_of)
        return as_result(await asyncio.to_thread(self._answer, request, run_id or BY_HAND))

    async def get_pattern_recommendations(self, workspace_id: str, task_type: str, top_k: int = 3) -> Recommendations:
        """What the latest stored analyses advise for a task, best first; the list's `status` says why it is short.

        Raises:
            UnknownNameError: if there is no such workspace or task type.
            OutOfRangeError: if `top_k` is not a positive whole number.
        """
        require_count("top_k", top_k, 1)
        require_task_type(task_type)
        return await asyncio.to_thread(self._recommend, workspace_id, task_type, top_k)

    async def explain(
        self,
        workspace_id: str,
        content_type: str,
        lookback_days: int = 90,
        min_samples: int = 50,
        *,
        doubly_robust: bool = False,
        source: Source | None = None,
        as_of: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Show how far each pattern's raw lift survives adjustment, and which confounder moved it.

        Args as in `analyze_patterns`; nothing is written. With `doubly_robust`, each pattern also gets an effect
        adjusted for all other features by two models, with diagnostics of overlap. Still an association.
        """
        require_count("lookback_days", lookback_days, 1)
        require_count("min_samples", min_samples, 1)
        request = Request(workspace_id, content_type, lookback_days, min_samples, source, as_of)
        return await asyncio.to_thread(self._explain, request, doubly_robust)

    def _open(self) -> Warehouse:
        self._warehouse = open_warehouse(self._warehouse)
        return self._warehouse

    def _answer(self, request: Request, run_id: str) -> Analysis:
        warehouse = self._open()
        material = read(warehouse, request, self.thresholds)
        analysis = with_tasks(analyse(material.frame, material.question), material.others)
        analysis = with_history(analysis, store.previous_patterns(warehouse, material.question))
        store.save(warehouse, analysis, insights(analysis.patterns, analysis.reason), run_id)
        return analysis

    def _explain(self, request: Request, doubly_robust: bool) -> list[dict[str, Any]]:
        material = read(self._open(), request, self.thresholds)
        found = analyse(material.frame, material.question).patterns
        return explain(material.frame, material.question, found, doubly_robust=doubly_robust)

    def _recommend(self, workspace_id: str, task_type: str, top_k: int) -> Recommendations:
        warehouse = self._open()
        find_workspace(warehouse, workspace_id)
        analyses = store.latest_analyses(warehouse, workspace_id)
        patterns = [
            (analysis["content_type"], pattern)
            for analysis in analyses
            for pattern in store.patterns_of(warehouse, analysis["analysis_id"])
        ]
        found = recommend(patterns, task_type, top_k)
        return Recommendations(found, *why(analyses, task_type, len(found)))
