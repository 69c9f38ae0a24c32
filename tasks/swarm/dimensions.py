"""The sides of a marketing problem that can be debated apart: what is said, when, where, and what was tried as a whole.

A lead divides a problem along them; each has its own evidence and the skills that are at home with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.swarm.records import EvidenceRef
from tasks.swarm.skills import SkillTag as Tag

TIMING = {"local_hour", "local_weekday", "is_weekend"}
CHANNEL = {"channel", "content_type", "media_type"}


@dataclass(frozen=True, slots=True)
class Dimension:
    """One side of a problem: what is asked about it, and the skills of the team that answers."""

    question: str
    skills: tuple[Tag, ...]


DIMENSIONS = {
    "content": Dimension(
        "What should the content itself be like?",
        (Tag.PERSUASIVE_WRITING, Tag.HEADLINE_WRITING, Tag.EMOTIONAL_TRIGGERS, Tag.STORYTELLING),
    ),
    "timing": Dimension("When should it be published?", (Tag.TREND_ANALYSIS, Tag.DATA_ANALYSIS)),
    "channel": Dimension(
        "Where and in which form should it be published?",
        (Tag.VIRAL_MECHANICS, Tag.SHAREABILITY, Tag.SEMANTIC_SEO),
    ),
    "strategy": Dimension(
        "What of that which was tried as a whole should be kept?",
        (Tag.DATA_ANALYSIS, Tag.INSIGHT_GENERATION, Tag.BRAND_VOICE),
    ),
}


def dimension_of(item: EvidenceRef) -> str:
    """The side a finding is about; what has no conditions, or conditions on several sides, is about the whole."""
    sides = {_side(condition.feature) for condition in item.conditions}
    return sides.pop() if len(sides) == 1 else "strategy"


def _side(feature: str) -> str:
    return "timing" if feature in TIMING else "channel" if feature in CHANNEL else "content"
