"""How alike workspaces are: by what is public about them, by what works for them, and which are nearest.

What is public is sector × size, from closed lists: whoever is in none of the listed industries is 'other'. Sectors are
coarse on purpose: a segment is repeated only when dozens of workspaces are in it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.statistics.shrinkage import shrink
from tasks.transfer.records import Floats, Integers, Mask

Singles = NDArray[np.float32]

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
SEGMENT_INDEX = {segment: i for i, segment in enumerate(SEGMENTS)}

SAME_INDUSTRY, SAME_SECTOR, SAME_SIZE = 0.7, 0.5, 0.3

EFFECT_SPREAD = 0.2**2  # variance of log-lifts between patterns that a workspace's own are shrunk with
MAX_EFFECT_WEIGHT = 0.3

GROUP = 32  # references that are first represented by their best
ROWS = 128  # queries a block: their products stay in the processor's cache
SPARE = 4  # candidates beyond the top k that single precision may have put in the wrong order


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


def effect_vector(log_lift: Floats, standard_error: Floats) -> Floats:
    """Shrunken log-lifts (K,) over the catalogue; what is not known is 0, which is what shrinkage makes of it."""
    return shrink(np.where(np.isfinite(standard_error), log_lift, 0.0), standard_error, EFFECT_SPREAD).mean


def reliability(standard_error: Floats) -> float:
    """Share of the variance of a vector's entries (K,) that is not noise, over those that are known; 0 for none."""
    known = np.isfinite(standard_error)
    return float(np.mean(EFFECT_SPREAD / (EFFECT_SPREAD + standard_error[known] ** 2))) if known.any() else 0.0


def similarity(
    profiles: tuple[Profile, Profile], effects: tuple[Floats, Floats], errors: tuple[Floats, Floats]
) -> float:
    """Likeness in [0, 1] of two workspaces, or of a workspace and a segment's prototype.

    Metadata counts first. The cosine of the two effect vectors over patterns both know gets at most .3 of the weight,
    as far as both vectors are more than noise: a workspace without posts is judged by its metadata alone.
    """
    metadata = profiles[0].likeness(profiles[1])
    shared: Mask = np.isfinite(errors[0]) & np.isfinite(errors[1])
    trust = MAX_EFFECT_WEIGHT * min(reliability(np.where(shared, error, np.inf)) for error in errors)
    a, b = (np.where(shared, effect_vector(*pair), 0.0) for pair in zip(effects, errors, strict=True))
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    if length == 0.0:
        return metadata
    return float(np.clip((1.0 - trust) * metadata + trust * (1.0 + a @ b / length) / 2.0, 0.0, 1.0))


def nearest(queries: Floats, references: Floats, top_k: int) -> tuple[Integers, Floats]:
    """The `top_k` references most alike to each query by cosine, best first.

    Products are taken in single precision, block by block. The k best lie in the k groups with the best maxima, so
    only those are looked at, and the candidates are compared anew in double precision. A reference is missed only if
    more than four others are as near as single precision can tell (10⁻⁶).

    Args:
        queries: (Q, D). references: (R, D), R ≥ top_k.

    Returns:
        Integers and cosines, (Q, top_k) each.
    """
    from threadpoolctl import threadpool_limits

    near, far = _unit(queries), _unit(references)
    grouped = _grouped(far)
    starts = range(0, len(near), ROWS)

    def block(start: int) -> tuple[Integers, Floats]:
        rows = near[start : start + ROWS]
        candidates = _candidates(rows.astype(np.float32) @ grouped, len(far), min(top_k + SPARE, len(far)))
        cosine = np.einsum("qd,qcd->qc", rows, far[candidates])
        best = np.argsort(-cosine, axis=1, kind="stable")[:, :top_k]
        return np.take_along_axis(candidates, best, axis=1), np.take_along_axis(cosine, best, axis=1)

    # One thread a core, each with its own block: the libraries' threads would wait for each other after every product.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1) or 1) as threads:
        parts = list(threads.map(block, starts))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _grouped(unit: Floats) -> Singles:
    """References (R, D) as columns (D, GROUP · G), filled up with zeros; every G-th column is of one group."""
    groups = -(-len(unit) // GROUP)
    columns = np.zeros((unit.shape[1], GROUP * groups), dtype=np.float32)
    columns[:, : len(unit)] = unit.T
    return columns


def _candidates(products: Singles, references: int, count: int) -> Integers:
    """Integers (q, count) of the largest of the first `references` products (q, GROUP · G), in no order."""
    groups = products.shape[1] // GROUP
    products[:, references:] = -2.0  # beneath every cosine
    best = products.reshape(len(products), GROUP, groups).max(axis=1)
    kept = min(count, groups)
    among = np.argpartition(best, groups - kept, axis=1)[:, groups - kept :]
    members = (np.arange(GROUP)[:, None] * groups + among[:, None, :]).reshape(len(products), -1)
    values = np.take_along_axis(products, members, axis=1)
    chosen = np.argpartition(values, values.shape[1] - count, axis=1)[:, values.shape[1] - count :]
    candidates: Integers = np.take_along_axis(members, chosen, axis=1)
    return candidates


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.where(length > 0, length, 1.0)
    return unit
