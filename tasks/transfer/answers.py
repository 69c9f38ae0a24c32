"""One answer from what an organisation and a release know: the guide's keys, and where the answer stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.transfer.insights import Evidence, by_strength, coverage_of, shown_count
from tasks.transfer.pools import MIN_RELEASED_SOURCES
from tasks.transfer.records import Insight, TransferInsights


@dataclass(frozen=True, slots=True)
class Source:
    """One pool, how many workspaces stand behind it, and when it was gathered."""

    evidence: Evidence
    workspaces: float
    as_of: datetime
    stale: bool

    @property
    def mode(self) -> str:
        """Where the knowledge comes from."""
        return self.evidence.pool.mode

    @property
    def speaks(self) -> bool:
        """Whether any of it may be repeated."""
        return bool(self.evidence.usable.any())

    @property
    def contradicted(self) -> int:
        """Patterns of which the target's own data says the opposite."""
        return int((self.evidence.prediction.contradicted & self.evidence.usable).sum())


def merged(found: Sequence[Sequence[Insight]]) -> list[Insight]:
    """Insights of several sources, strongest first; what an earlier source says, a later one does not repeat."""
    kept: dict[str, Insight] = {}
    for insights in found:
        kept |= {insight["insight_id"]: insight for insight in insights if insight["insight_id"] not in kept}
    return sorted(kept.values(), key=by_strength)


def answer(
    target: Mapping[str, Any], sources: Sequence[Source], insights: list[Insight], top_k: int, min_sources: int
) -> TransferInsights:
    """What `get_transfer_insights` returns; without insights, why, and what would be enough."""
    best = next((source for source in sources if source.speaks), sources[-1] if sources else None)
    covered = best is not None and best.speaks
    return TransferInsights(
        insights=insights[:top_k],
        similar_workspaces=shown_count(best.workspaces, best.mode) if best else 0,
        coverage=coverage_of(best.workspaces, best.mode) if best and covered else "insufficient",
        metadata={
            "target_industry": target["industry"],
            "target_size": target["size"],
            "total_insights_found": len(insights),
            "contradicted_by_own_data": sum(source.contradicted for source in sources),
            "mode": best.mode if best and covered else None,
            "benefit": _benefit(best) if best and covered else None,
            "needed_workspaces": {
                "same_organisation": min_sources,
                "private_release": max(min_sources, MIN_RELEASED_SOURCES),
            },
        },
        status=_status(target, insights, covered),
        as_of=best.as_of.isoformat() if best else None,
        stale=best.stale if best else False,
    )


def _benefit(source: Source) -> dict[str, Any] | None:
    """What following the insights should add to ranking posts by own data alone; see `tasks.transfer.benefit`."""
    benefit = source.evidence.benefit
    if benefit is None:
        return None
    expected, deviation = round(benefit.expected, 4), round(benefit.deviation, 4)
    return {"expected_auc_gain": expected, "standard_deviation": deviation, "worthwhile": benefit.worthwhile}


def _status(target: Mapping[str, Any], insights: Sequence[Insight], covered: bool) -> str:
    if not target["shares_insights"]:
        return "not_sharing"
    if insights:
        return "ok"
    return "insufficient_confidence" if covered else "insufficient_coverage"
