"""The one thing that crosses organizations: noisy sums over every public segment and pattern, once a period.

A unit's estimates are made small enough to be hidden: each clipped and rounded, and all of them together shortened to
one length. The unit of privacy is the organization, or the workspace that has none. A unit answers each pattern through
one of its workspaces, so that all its answers lie in different cells. It answers all patterns that it knows precisely,
in every period: noise is added up over cells by squares, so that asking about everything with more noise in each tells
four times what a few patterns at a time do for the same budget. Which it answers is never decided by how interesting
the estimates are: contributing only what is significant would bias every pooled mean away from zero. The budget goes
where few organizations can be heard: cells of segments, of entries beyond the catalogue's core, and of `product` carry
twice the noise each. Only precision decides who may answer, and that touches nobody else's data, so the sensitivity
stays. Shortening multiplies all that a unit says, counts too, so that what it says of any pattern stays the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from math import ceil, sqrt
from typing import Any

import numpy as np
import polars as pl

from tasks.effects.shared_experiments import most_squared
from tasks.transfer.catalogue import CORE, INDEX, KEYS, LESS
from tasks.transfer.errors import PrivacyInvariantError
from tasks.transfer.privacy import DiscreteGaussian, Noise
from tasks.transfer.records import Floats, Integers
from tasks.transfer.similarity import EVERYONE, SEGMENT_INDEX, SEGMENTS, Profile

MAX_SQUARED = 25.0  # squared length of what a unit says of the catalogue, in units of each number's noise
CLIP = 0.7  # log-lift; a factor of two in either direction
SCALE = 1000  # fixed point: sums of integers have the sensitivity they seem to have
MAX_STANDARD_ERROR = 0.35
MIN_POSTS = 200
COMPONENTS = ("count", "mean", "product")


def _factors() -> Floats:
    factors = np.ones((len(SEGMENTS), len(KEYS), len(COMPONENTS)))
    factors[[name != EVERYONE for name in SEGMENTS]] *= LESS
    factors[:, [key not in CORE for key in KEYS]] *= LESS
    factors[:, :, COMPONENTS.index("product")] *= LESS
    return factors


# What each cell's noise is multiplied by. Noise f times as large on a cell is the same as noise of one scale on a cell
# that is divided by f, so a contribution weighs 1 / f² in the squared sensitivity; everyone's cells first, then its
# segment's.
NOISE_FACTORS = _factors()
SENSITIVITY = ceil(SCALE * sqrt(MAX_SQUARED + most_squared()))

_ABOUT = ("unit_id", "segment", "pattern_key")
_VALUES = ("log_lift", "log_lift_a", "log_lift_b")


def _place(text: str, size: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") % size


def unit_of(workspace_id: str, organisation_id: str | None) -> str:
    """Whose privacy one budget protects."""
    return f"workspace:{workspace_id}" if organisation_id is None else f"organisation:{organisation_id}"


def with_units(workspaces: pl.DataFrame) -> pl.DataFrame:
    """Workspaces (`workspace_id`, `organisation_id`, `industry`, `size`) with `unit_id` and `segment`."""
    rows = workspaces.select("workspace_id", "organisation_id", "industry", "size").rows()
    return workspaces.select("workspace_id").with_columns(
        pl.Series("unit_id", [unit_of(row[0], row[1]) for row in rows], dtype=pl.String),
        pl.Series("segment", [Profile.of(row[2], row[3]).segment for row in rows], dtype=pl.String),
    )


def select_contributions(estimates: pl.DataFrame, workspaces: pl.DataFrame, period: str) -> pl.DataFrame:
    """The estimates each unit contributes in a period.

    Args:
        estimates: `workspace_id`, `pattern_key`, `log_lift`, `log_lift_a`, `log_lift_b`, `standard_error`, `posts`.
        workspaces: `workspace_id`, `unit_id`, `segment` of those that take part; others are left out.
        period: the period's name; decides which of a unit's workspaces answers first.

    Returns:
        At most one row a unit and pattern: `unit_id`, `segment`, `pattern_key` and the estimates.
    """
    precise = pl.col("standard_error").is_between(0.0, MAX_STANDARD_ERROR, closed="right") & (
        pl.col("posts") >= MIN_POSTS
    )
    finite = pl.all_horizontal(pl.col(name).is_not_null() & pl.col(name).is_finite() for name in _VALUES)
    rows = estimates.filter(precise & finite & pl.col("pattern_key").is_in(KEYS)).join(workspaces, on="workspace_id")
    return (
        rows.join(_turns(workspaces, period), on="workspace_id")
        .sort("unit_id", "pattern_key", "answers_first")
        .unique(["unit_id", "pattern_key"], keep="first", maintain_order=True)
        .select("unit_id", "segment", "pattern_key", *_VALUES)
    )


def _turns(workspaces: pl.DataFrame, period: str) -> pl.DataFrame:
    """Which of a unit's workspaces answers first in this period."""
    places = [_place(f"{period}|{name}", 1 << 62) for name in workspaces["workspace_id"]]
    return workspaces.select("workspace_id").with_columns(pl.Series("answers_first", places, dtype=pl.Int64))


def fixed_point(contributions: pl.DataFrame) -> pl.DataFrame:
    """Clip, shorten and round toward zero: `count`, `mean` and `product`, integers in [−1000, 1000].

    All numbers of a unit are multiplied by the same, so that together they are no longer than the noise is made for.
    `product` multiplies the estimates of two halves of the posts: its mean is μ² + τ², free of sampling error.
    """
    clipped = contributions.select(
        *_ABOUT,
        pl.lit(1.0).alias("count"),
        _clipped("log_lift").alias("mean"),
        (_clipped("log_lift_a") * _clipped("log_lift_b")).alias("product"),
    )
    share = (pl.lit(MAX_SQUARED) / _squared().sum().over("unit_id")).sqrt().clip(upper_bound=1.0)
    # A cast cuts toward zero.
    return clipped.select(*_ABOUT, *((pl.col(name) * share * SCALE).cast(pl.Int64) for name in COMPONENTS))


def _clipped(name: str) -> pl.Expr:
    return pl.col(name).clip(-CLIP, CLIP) / CLIP


def _squared() -> pl.Expr:
    """Squared length of a row in everyone's cells and its segment's, in units of each number's noise."""
    numbers = pl.col("count") ** 2 + pl.col("mean") ** 2 + pl.col("product") ** 2 / LESS**2
    core = pl.col("pattern_key").is_in(CORE)
    return numbers * (1.0 + LESS**-2) * pl.when(core).then(1.0).otherwise(LESS**-2)


def require_bounded(contributions: pl.DataFrame) -> None:
    """Check what the privacy proof assumes, on the very rows that are about to be summed.

    Raises:
        PrivacyInvariantError: if a unit contributes too much.
    """
    if contributions.is_empty():
        return
    scaled = contributions.with_columns(pl.col(name).cast(pl.Float64) / SCALE for name in COMPONENTS)
    repeated = contributions.select(pl.struct("unit_id", "pattern_key").is_duplicated().any()).item()
    longest = float(scaled.group_by("unit_id").agg(_squared().sum().alias("squared"))["squared"].max())  # type: ignore[arg-type]
    largest = int(contributions.select(pl.max_horizontal(pl.col(name).abs().max() for name in COMPONENTS)).item())
    if longest > MAX_SQUARED or repeated or largest > SCALE:
        raise PrivacyInvariantError(f"distinct values of at most {SCALE} a unit, of squared length {MAX_SQUARED:g}")
    if not contributions["segment"].is_in(list(SEGMENT_INDEX)).all():
        raise PrivacyInvariantError("the public segments")


def private_sums(contributions: pl.DataFrame, scale: float, noise: Noise | None = None) -> Integers:
    """Sums (segments, patterns, 3) of `count`, `mean` and `product` in fixed point, noise added.

    Each contribution enters its own segment and everyone: the sum of 24 noisy segments would carry √24 times a
    segment's noise. The noise's scale is multiplied by the cell's factor in `NOISE_FACTORS`.

    Args:
        contributions: rows of `select_contributions`.
        scale: standard deviation of the noise, in fixed point: what a budget buys at `SENSITIVITY`.
        noise: OpenDP's discrete Gaussian unless given.

    Raises:
        PrivacyInvariantError: if a unit contributes more than the noise is made for.
    """
    values = fixed_point(contributions)
    require_bounded(values)
    sums = exact_sums(values)
    for factor in np.unique(NOISE_FACTORS):
        cells = np.equal(NOISE_FACTORS, factor)
        sums[cells] = (noise or DiscreteGaussian())(sums[cells], scale * float(factor))
    return sums


def exact_sums(values: pl.DataFrame) -> Integers:
    """Exact sums (segments, patterns, 3) of fixed-point contributions; never leaves this process."""
    sums = np.zeros((len(SEGMENTS), len(KEYS), len(COMPONENTS)), dtype=np.int64)
    own = values["segment"].replace_strict(SEGMENT_INDEX, return_dtype=pl.Int64).to_numpy()
    pattern = values["pattern_key"].replace_strict(INDEX, return_dtype=pl.Int64).to_numpy()
    amounts = values.select(COMPONENTS).to_numpy()
    for segment in (own, np.full_like(own, SEGMENT_INDEX[EVERYONE])):
        np.add.at(sums, (segment, pattern), amounts)
    return sums


def sum_rows(sums: Integers, period: str) -> list[dict[str, Any]]:
    """Sums as rows of the table: one a segment, pattern key to its three numbers."""
    return [
        {"period": period, "segment": segment, "sums": dict(zip(KEYS, sums[i].tolist(), strict=True))}
        for i, segment in enumerate(SEGMENTS)
    ]


def sums_from_rows(rows: Iterable[Mapping[str, Any]]) -> Integers:
    """The inverse of `sum_rows`; what is no longer in the catalogue is left out, what is new there is 0."""
    sums = np.zeros((len(SEGMENTS), len(KEYS), len(COMPONENTS)), dtype=np.int64)
    for row in rows:
        known = row["sums"] if row["segment"] in SEGMENT_INDEX else {}
        for key, numbers in known.items():
            if key in INDEX:
                sums[SEGMENT_INDEX[row["segment"]], INDEX[key]] = numbers
    return sums
