"""Which workspaces are alike by what is public about them: industry × size, from closed lists."""

from __future__ import annotations

# fmt: off
INDUSTRIES = (
    "saas", "technology", "ecommerce", "retail", "finance", "insurance", "healthcare", "education", "media", "news",
    "entertainment", "sports", "gaming", "travel", "hospitality", "food", "fashion", "beauty", "automotive",
    "real_estate", "professional_services", "manufacturing", "nonprofit", "other",
)
# fmt: on
SIZES = ("smb", "mid", "enterprise")
EVERYONE = "everyone"  # one more segment, which every contribution also enters
SEGMENTS = (EVERYONE, *(f"{industry}/{size}" for industry in INDUSTRIES for size in SIZES))
INDEX = {segment: i for i, segment in enumerate(SEGMENTS)}
LEVELS = 2  # segments each contribution enters: its own and everyone
INDUSTRY_WEIGHT = 0.7


def segment_of(industry: str, size: str) -> str:
    """The segment of a workspace; an industry outside the list is 'other', a size outside it 'smb'."""
    name = industry.strip().lower().replace(" ", "_").replace("-", "_")
    return f"{name if name in INDUSTRIES else 'other'}/{size if size in SIZES else 'smb'}"


def metadata_similarity(a: str, b: str) -> float:
    """Likeness in [0, 1] of two segments: .7 for the same industry, up to .3 for nearness in size."""
    (industry_a, size_a), (industry_b, size_b) = a.split("/"), b.split("/")
    steps = abs(SIZES.index(size_a) - SIZES.index(size_b))
    return INDUSTRY_WEIGHT * (industry_a == industry_b) + (1.0 - INDUSTRY_WEIGHT) * (1.0 - steps / (len(SIZES) - 1))
