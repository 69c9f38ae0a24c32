"""A unit's estimates made small enough to be hidden: at most 20, each clipped and rounded.

The unit of privacy is the organisation, or the workspace that has none. A unit answers each pattern through one of its
workspaces, so that all its answers lie in different cells. Which 20 is decided by rotation, never by how interesting
the estimates are: contributing only what is significant would bias every pooled mean away from zero. Only precision
decides who may answer, and that touches nobody else's data, so the sensitivity stays.
"""

from __future__ import annotations

from hashlib import sha256
from math import ceil, sqrt

import polars as pl

from tasks.transfer.catalogue import KEYS
from tasks.transfer.errors import PrivacyInvariantError
from tasks.transfer.segments import INDEX, LEVELS, Profile

MAX_CONTRIBUTIONS = 20
CLIP = 0.7  # log-lift; a factor of two in either direction
SCALE = 1000  # fixed point: sums of integers have the sensitivity they seem to have
MAX_STANDARD_ERROR = 0.35
MIN_POSTS = 200
COMPONENTS = ("count", "mean", "product")
SENSITIVITY = ceil(SCALE * sqrt(LEVELS * len(COMPONENTS) * MAX_CONTRIBUTIONS))

_VALUES = ("log_lift", "log_lift_a", "log_lift_b")


def _place(text: str, size: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") % size


# Neighbours in the catalogue are alike (hours); a window over this order is a mixture.
_ROTATION = {key: i for i, key in enumerate(sorted(KEYS, key=lambda key: sha256(key.encode()).digest()))}


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
        period: the period's name; turns the rotation.

    Returns:
        At most 20 rows a unit, one a pattern: `unit_id`, `segment`, `pattern_key` and the estimates.
    """
    precise = pl.col("standard_error").is_between(0.0, MAX_STANDARD_ERROR, closed="right") & (
        pl.col("posts") >= MIN_POSTS
    )
    finite = pl.all_horizontal(pl.col(name).is_not_null() & pl.col(name).is_finite() for name in _VALUES)
    rows = estimates.filter(precise & finite & pl.col("pattern_key").is_in(KEYS)).join(workspaces, on="workspace_id")
    turn = (pl.col("rotation") - pl.col("offset")) % len(KEYS)
    return (
        rows.join(_turns(workspaces, period), on="workspace_id")
        .with_columns(pl.col("pattern_key").replace_strict(_ROTATION, return_dtype=pl.Int64).alias("rotation"))
        .sort("unit_id", turn, "answers_first")
        .unique(["unit_id", "pattern_key"], keep="first", maintain_order=True)
        .filter(pl.int_range(pl.len()).over("unit_id") < MAX_CONTRIBUTIONS)
        .select("unit_id", "segment", "pattern_key", *_VALUES)
    )


def _turns(workspaces: pl.DataFrame, period: str) -> pl.DataFrame:
    """Where each unit's window starts in this period, and which of its workspaces answers first."""
    rows = workspaces.select("workspace_id", "unit_id").rows()
    return workspaces.select("workspace_id").with_columns(
        pl.Series("offset", [_place(f"{period}|{unit}", len(KEYS)) for _, unit in rows], dtype=pl.Int64),
        pl.Series("answers_first", [_place(f"{period}|{name}", 1 << 62) for name, _ in rows], dtype=pl.Int64),
    )


def fixed_point(contributions: pl.DataFrame) -> pl.DataFrame:
    """Clip and round towards zero: `count`, `mean` and `product`, integers in [−1000, 1000].

    `product` multiplies the estimates of two halves of the posts: its mean is μ² + τ², free of sampling error.
    """
    half_a, half_b = _fixed("log_lift_a"), _fixed("log_lift_b")
    return contributions.select(
        "unit_id",
        "segment",
        "pattern_key",
        pl.lit(SCALE, dtype=pl.Int64).alias("count"),
        _fixed("log_lift").alias("mean"),
        (half_a * half_b / SCALE).cast(pl.Int64).alias("product"),  # a cast cuts towards zero
    )


def _fixed(name: str) -> pl.Expr:
    return (pl.col(name).clip(-CLIP, CLIP) / CLIP * SCALE).cast(pl.Int64)


def require_bounded(contributions: pl.DataFrame) -> None:
    """Check what the privacy proof assumes, on the very rows that are about to be summed.

    Raises:
        PrivacyInvariantError: if a unit contributes too much.
    """
    if contributions.is_empty():
        return
    per_unit = contributions.group_by("unit_id").agg(pl.len(), pl.col("pattern_key").n_unique().alias("distinct"))
    repeated = bool((per_unit["len"] != per_unit["distinct"]).any())
    most = int(per_unit.select(pl.col("len").max()).item())
    largest = int(contributions.select(pl.max_horizontal(pl.col(name).abs().max() for name in COMPONENTS)).item())
    if most > MAX_CONTRIBUTIONS or repeated or largest > SCALE:
        raise PrivacyInvariantError(f"{MAX_CONTRIBUTIONS} distinct values of at most {SCALE} a unit")
    if not contributions["segment"].is_in(list(INDEX)).all():
        raise PrivacyInvariantError("the public segments")
