"""Which workspaces are alike by what is public about them: sector × size, from closed lists.

Sectors are coarse on purpose: a segment speaks only when dozens of workspaces are in it.
"""

from __future__ import annotations

from dataclasses import dataclass

# fmt: off
SECTORS = {
    "consumer": (
        "ecommerce", "retail", "food", "fashion", "beauty", "fitness", "hospitality", "travel", "automotive",
        "real_estate", "home", "consumer_goods",
    ),
    "technology": ("saas", "technology", "software", "hardware", "telecommunications"),
    "finance": ("finance", "banking", "insurance", "fintech"),
    "media": (
        "media", "news", "publishing", "entertainment", "sports", "gaming", "music", "culture", "science_education",
    ),
    "services": ("professional_services", "consulting", "marketing", "legal", "recruiting", "logistics"),
    "industry": ("manufacturing", "construction", "energy", "agriculture", "chemicals"),
    "public": ("healthcare", "education", "nonprofit", "government"),
    "other": (),
}
# fmt: on
_SECTOR_OF = {industry: sector for sector, industries in SECTORS.items() for industry in industries}
SIZES = ("smb", "mid", "enterprise")
EVERYONE = "everyone"  # one more segment, which every contribution also enters
SEGMENTS = (EVERYONE, *(f"{sector}/{size}" for sector in SECTORS for size in SIZES))
INDEX = {segment: i for i, segment in enumerate(SEGMENTS)}
LEVELS = 2  # segments each contribution enters: its own and everyone

SAME_INDUSTRY, SAME_SECTOR, SAME_SIZE = 0.7, 0.5, 0.3


@dataclass(frozen=True, slots=True)
class Profile:
    """What is public about a workspace, or about all of a segment (which has no industry of its own)."""

    industry: str | None
    sector: str
    size: str

    @classmethod
    def of(cls, industry: str, size: str) -> Profile:
        """A workspace's; an industry outside the lists is of the sector 'other', a size outside them is 'smb'."""
        name = industry.strip().lower().replace(" ", "_").replace("-", "_")
        return cls(name, _SECTOR_OF.get(name, "other"), size if size in SIZES else SIZES[0])

    @classmethod
    def of_segment(cls, segment: str) -> Profile:
        """A segment's; `everyone` is like nobody in particular."""
        sector, _, size = segment.partition("/")
        return cls(None, sector, size or SIZES[0])

    @property
    def segment(self) -> str:
        """The segment it lies in."""
        return f"{self.sector}/{self.size}"

    def likeness(self, other: Profile) -> float:
        """Between 0 and 1: .7 for the same industry or .5 for the same sector, up to .3 for nearness in size."""
        if self.sector != other.sector:
            business = 0.0
        else:
            exact = None in (self.industry, other.industry) or self.industry == other.industry
            business = SAME_INDUSTRY if exact else SAME_SECTOR
        steps = abs(SIZES.index(self.size) - SIZES.index(other.size))
        return business + SAME_SIZE * (1.0 - steps / (len(SIZES) - 1))
