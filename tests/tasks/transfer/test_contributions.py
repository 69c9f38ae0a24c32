"""What leaves a workspace is small, bounded and chosen without looking at how interesting it is."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tasks.effects.shared_experiments import most_squared
from tasks.transfer.catalogue import BY_KEY, CORE, INSIGHT_TYPES, KEYS
from tasks.transfer.errors import PrivacyInvariantError
from tasks.transfer.release import (
    CLIP,
    COMPONENTS,
    MAX_SQUARED,
    NOISE_FACTORS,
    SCALE,
    SENSITIVITY,
    exact_sums,
    fixed_point,
    require_bounded,
    select_contributions,
    sum_rows,
    sums_from_rows,
    with_units,
)
from tasks.transfer.similarity import EVERYONE, SEGMENT_INDEX, SEGMENTS, Profile
from tests.transfer_factories import crowd


def workspaces(names: list[str], **changes: object) -> pl.DataFrame:
    rows = {"organisation_id": None, "industry": "saas", "size": "smb"} | changes
    return with_units(
        pl.DataFrame([{"workspace_id": name} | rows for name in names], schema_overrides={"organisation_id": pl.String})
    )


def test_catalogue_is_small_public_and_covers_the_four_types() -> None:
    assert len(KEYS) == len(set(KEYS)) <= 200
    assert {pattern.insight_type for pattern in BY_KEY.values()} == set(INSIGHT_TYPES)
    assert len(SEGMENTS) == len(set(SEGMENTS))


def test_an_industry_outside_the_public_list_does_not_make_a_segment() -> None:
    assert Profile.of("Left-handed scissors", "smb").segment == "other/smb"
    assert Profile.of(" SaaS ", "huge").segment == "technology/smb"


def test_a_unit_contributes_each_pattern_once() -> None:
    chosen = select_contributions(crowd(3), workspaces(["w0", "w1", "w2"]), "2026-01-01")
    assert chosen.group_by("unit_id").len()["len"].to_list() == [len(KEYS)] * 3
    assert chosen.select("unit_id", "pattern_key").is_unique().all()


def test_an_organization_is_one_unit_however_many_workspaces_it_has() -> None:
    together = workspaces([f"w{i}" for i in range(6)], organisation_id="house")
    chosen = select_contributions(crowd(6), together, "2026-01-01")
    assert chosen.height == chosen["pattern_key"].n_unique() == len(KEYS)


def test_the_choice_does_not_look_at_the_estimates() -> None:
    names = workspaces(["w0", "w1"])
    before = select_contributions(crowd(2, seed=1), names, "2026-01-01").select("unit_id", "pattern_key")
    after = select_contributions(crowd(2, seed=2, spread=3.0), names, "2026-01-01").select("unit_id", "pattern_key")
    assert before.equals(after)


def test_who_says_much_is_shortened_as_a_whole_and_who_says_little_is_not() -> None:
    much = fixed_point(select_contributions(crowd(1), workspaces(["w0"]), "2026-01-01"))
    few = crowd(1).filter(pl.col("pattern_key").is_in(sorted(CORE)[:5]))
    little = fixed_point(select_contributions(few, workspaces(["w0"]), "2026-01-01"))
    assert little["count"].to_list() == [SCALE] * 5
    (count,) = much["count"].unique()
    assert 0.3 * SCALE < count < SCALE, "counts are shortened with what they count, so that means stay"
    both = much.join(little, on="pattern_key", suffix="_alone")
    kept = both["mean"].to_numpy() / both["count"].to_numpy()
    assert kept == pytest.approx(both["mean_alone"].to_numpy() / SCALE, abs=0.005)


def test_one_unit_does_not_change_what_another_contributes() -> None:
    estimates = crowd(5)
    alone = select_contributions(estimates, workspaces(["w0"]), "2026-01-01")
    among = select_contributions(estimates, workspaces([f"w{i}" for i in range(5)]), "2026-01-01")
    assert among.filter(pl.col("unit_id") == "workspace:w0").equals(alone)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), None])
@pytest.mark.parametrize("column", ["log_lift", "log_lift_a", "standard_error"])
def test_non_finite_and_imprecise_estimates_never_reach_the_sum(bad: float | None, column: str) -> None:
    estimates = crowd(1).with_columns(pl.lit(bad, dtype=pl.Float64).alias(column))
    assert select_contributions(estimates, workspaces(["w0"]), "2026-01-01").is_empty()


def test_few_posts_contribute_nothing() -> None:
    estimates = crowd(1).with_columns(pl.lit(199, dtype=pl.Int64).alias("posts"))
    assert select_contributions(estimates, workspaces(["w0"]), "2026-01-01").is_empty()


def test_values_are_clipped_and_rounded_towards_zero() -> None:
    rows = (
        crowd(1)
        .head(4)
        .with_columns(
            unit_id=pl.lit("u"),
            segment=pl.lit("technology/smb"),
            log_lift=pl.Series([9.0, -9.0, CLIP * 0.0019, -CLIP * 0.0019]),
            log_lift_a=pl.Series([9.0, -9.0, CLIP, -CLIP / 2]),
            log_lift_b=pl.Series([9.0, 9.0, -CLIP, CLIP / 2]),
        )
    )
    values = fixed_point(rows)
    assert values["mean"].to_list() == [SCALE, -SCALE, 1, -1]
    assert values["product"].to_list() == [SCALE, -SCALE, -SCALE, -SCALE // 4]
    require_bounded(values)


def test_the_most_extreme_unit_stays_within_the_sensitivity() -> None:
    """Two neighboring data sets: with and without one unit at the bound of everything."""
    extreme = crowd(1).with_columns(log_lift=pl.lit(50.0), log_lift_a=pl.lit(50.0), log_lift_b=pl.lit(50.0))
    values = fixed_point(select_contributions(extreme, workspaces(["w0"]), "2026-01-01"))
    moved = np.linalg.norm(exact_sums(values) / NOISE_FACTORS)  # in units of each cell's noise
    assert moved <= SCALE * np.sqrt(MAX_SQUARED)
    whole = np.sqrt(moved**2 + SCALE**2 * most_squared())  # with what its experiments say
    assert whole <= SENSITIVITY
    assert whole > 0.99 * SENSITIVITY  # the noise is not made for more than there is


def test_unclipped_or_repeated_contributions_stop_the_release() -> None:
    values = fixed_point(select_contributions(crowd(1), workspaces(["w0"]), "2026-01-01"))
    with pytest.raises(PrivacyInvariantError, match="no release"):
        require_bounded(values.with_columns(mean=pl.lit(SCALE + 1)))
    with pytest.raises(PrivacyInvariantError):
        require_bounded(pl.concat([values.head(1), values.head(1)]))
    with pytest.raises(PrivacyInvariantError):
        require_bounded(values.with_columns(segment=pl.lit("left-handed/smb")))


def test_every_contribution_enters_its_segment_and_everyone() -> None:
    values = fixed_point(select_contributions(crowd(4), workspaces([f"w{i}" for i in range(4)]), "2026-01-01"))
    sums = exact_sums(values)
    assert (sums[SEGMENT_INDEX[EVERYONE]] == sums[SEGMENT_INDEX["technology/smb"]]).all()
    assert sums[SEGMENT_INDEX[EVERYONE], :, 0].sum() == values["count"].sum()
    assert sums.shape == (len(SEGMENTS), len(KEYS), len(COMPONENTS))


def test_sums_survive_the_way_through_rows() -> None:
    sums = np.arange(len(SEGMENTS) * len(KEYS) * 3, dtype=np.int64).reshape(len(SEGMENTS), len(KEYS), 3)
    assert (sums_from_rows(reversed(sum_rows(sums, "2026-01-01"))) == sums).all()
    assert (sums_from_rows([{"segment": "gone/smb", "sums": {"gone": [1, 2, 3]}}]) == 0).all()
