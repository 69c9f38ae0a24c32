"""The dictionary the guide promises."""

from __future__ import annotations

from typing import Any

from tasks.patterns.records import Analysis
from tasks.patterns.wording import insights


def as_result(analysis: Analysis) -> dict[str, Any]:
    """An analysis with the guide's keys, and `status`, `reason` and `gone_patterns` beside them."""
    winning, losing = (
        [pattern.to_dict() for pattern in analysis.patterns if pattern.pattern_type == kind]
        for kind in ("winning", "losing")
    )
    counts = {"winning_pattern_count": len(winning), "losing_pattern_count": len(losing)}
    return {
        "status": analysis.status,
        "reason": analysis.reason,
        "workspace_id": analysis.question.workspace_id,
        "content_type": analysis.question.content_type,
        "analysis_id": analysis.question.analysis_id,
        "winning_patterns": winning,
        "losing_patterns": losing,
        "gone_patterns": [pattern.to_dict() for pattern in analysis.gone],
        "insights": insights(analysis.patterns, analysis.reason),
        "statistics": {"sample_count": 0, **analysis.statistics, **counts},
    }
