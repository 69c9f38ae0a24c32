"""Conditions that cannot matter are claimed about as often as intervals promise, and an alarm says where not."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from tasks.patterns.condition_table import condition_table
from tasks.patterns.doing import associations_seen
from tasks.patterns.negative_controls import COINS, Controls
from tasks.patterns.preparation import prepare
from tests.effect_factories import misleading_posts


def claims(seed: int, *, days_share_luck: bool) -> int:
    """Of the controls of one workspace, whose days share their luck or do not."""
    frame = pl.DataFrame(misleading_posts(f"w{seed}", seed, count=500), infer_schema_length=None)
    if days_share_luck:
        rng = np.random.default_rng(seed)
        day = (frame["published_at"].dt.epoch("d") - frame["published_at"].dt.epoch("d").min()).to_numpy()
        luck = np.exp(rng.normal(0.0, 0.5, day.max() + 1))[day]
        frame = frame.with_columns(engagements=(frame["engagements"] * luck).round().cast(pl.Int64))
    posts = prepare(frame, frame["published_at"].max() + timedelta(days=30))
    return associations_seen(posts, condition_table(posts), [], with_comparable=False).claimed


def test_nothing_is_claimed_in_more_than_twelve_of_a_hundred_cases() -> None:
    for days_share_luck in (False, True):
        share = np.mean([claims(seed, days_share_luck=days_share_luck) for seed in range(14)]) / COINS
        print(f"BAR claimed of nothing, days share luck: {days_share_luck}: {share:.3f} ± .016 (bar ≤ .12)")
        assert share <= 0.12 + 0.03
        assert share >= 0.05, "intervals that never claim are too wide"


def test_the_alarm_is_for_what_chance_does_not_bring() -> None:
    assert not Controls(2400, 270, 3).is_alarm
    assert Controls(2400, 400, 3).is_alarm
    assert Controls(2400, 200, 400).is_alarm
    assert not Controls(24, 6, 0).is_alarm, "one workspace alone can have six of 24 by chance"
    assert not Controls().is_alarm
    assert "none were tried" in Controls().words
    assert "11.2%" in Controls(2400, 270, 3).words
