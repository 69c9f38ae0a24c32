"""PerformanceAnalyzer: the guide's class, an async face of `PatternService`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from tasks.patterns.recommendations import Recommendations
from tasks.patterns.records import SearchThresholds
from tasks.patterns.service import PatternService
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import Source


class PerformanceAnalyzer:
    """Finds what makes a workspace's content win or lose.

    Rules are tested on all posts, adjusted for channel, season and timing, held to a false discovery rate over all that
    was searched, and shrunken. They are associations, not causes.

    Args:
        min_confidence: lowest probability that a reported direction is right.
        min_sample_size: fewest matching posts, and fewest that are known not to match.
        min_effect_size: |difference| worth reporting, in standard deviations of adjusted engagement; 0.2 is about
            ±20 % for typical content, 0.3 about ±30 %. Left out is what has a chance of less than a fourth to reach it.
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
        false_discovery_rate: float = 0.05,
        min_rows: int = 200,
        min_weeks: int = 8,
        warehouse: Warehouse | None = None,
    ) -> None:
        thresholds = SearchThresholds(
            min_confidence, min_sample_size, min_effect_size, false_discovery_rate, min_rows, min_weeks
        )
        self._service = PatternService(thresholds, warehouse)

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
            run_id: the run it belongs to; kept beside the result, never part of it.

        Returns:
            `winning_patterns`, `losing_patterns`, `insights`, `statistics`, and `status`, `reason`, `gone_patterns`,
            `early_signals`: with 50 posts and more that are too few for patterns, at most five things worth a try, from
            these posts and from what the organization or the private release knows.

        Raises:
            UnknownNameError: if there is no such workspace or content type.
            OutOfRangeError: if a number is outside its bounds.
        """
        return await asyncio.to_thread(
            self._service.analyze_patterns,
            *(workspace_id, content_type, lookback_days, min_samples),
            source=source,
            as_of=as_of,
            run_id=run_id,
        )

    async def get_pattern_recommendations(self, workspace_id: str, task_type: str, top_k: int = 3) -> Recommendations:
        """What the latest stored analyses advise for a task, best first; the list's `status` says why it is short.

        Raises:
            UnknownNameError: if there is no such workspace or task type.
            OutOfRangeError: if `top_k` is not a positive whole number.
        """
        return await asyncio.to_thread(self._service.get_pattern_recommendations, workspace_id, task_type, top_k)

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
        return await asyncio.to_thread(
            self._service.explain,
            *(workspace_id, content_type, lookback_days, min_samples),
            doubly_robust=doubly_robust,
            source=source,
            as_of=as_of,
        )
