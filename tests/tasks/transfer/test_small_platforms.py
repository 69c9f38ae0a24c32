"""A hundred organizations hear something from each other after three periods, and it is right as often as stated."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.transfer import TransferLearner
from tasks.transfer.catalogue import CORE, INDEX, INSIGHT_TYPES
from tasks.transfer.estimates import workspace_estimates
from tasks.transfer.insights import InsightEvidence, describe
from tasks.transfer.pools import averaged, own_of, pool_for, siblings_of, workspaces_needed
from tasks.transfer.prediction import predict
from tasks.transfer.privacy import PERIOD, PrivacyBudget
from tasks.transfer.records import Insight, Released
from tasks.transfer.release import SCALE, SENSITIVITY, private_sums, select_contributions, with_units
from tasks.transfer.service import PublisherService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.transfer_factories import NOW, SeededNoise, crowd, store_crowd
from tests.transfer_pages import END, facebook_pages

PERIODS = 3
WORLDS = 10


def pick(when: datetime) -> datetime:
    return when


async def told_after(warehouse: Warehouse, periods: int) -> int:
    for period in range(periods):
        when = NOW + period * PERIOD
        service = PublisherService(noise=SeededNoise(period), clock=partial(pick, when), warehouse=warehouse)
        service.release(run_id="r")
    found = await TransferLearner(warehouse=warehouse).get_transfer_insights("new", as_of=NOW + periods * PERIOD)
    return int(found["metadata"]["total_insights_found"])


async def test_a_hundred_organizations_hear_something_after_three_periods(sqlite_warehouse: Warehouse) -> None:
    store_crowd(sqlite_warehouse, crowd(100, tuple(sorted(CORE)), seed=1))
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new")])
    assert await told_after(sqlite_warehouse, PERIODS) >= 3


def test_averaged_releases_are_as_noisy_as_they_say() -> None:
    """Also where a period cost less than another, and one was left out."""
    rng, budgets, ages = np.random.default_rng(0), (3.0, 1.0, 3.0), (0, 1, 3)
    exact = np.zeros((1, 40_000, 3))
    releases = []
    for epsilon, age in zip(budgets, ages, strict=True):
        budget = PrivacyBudget(epsilon)
        scale = budget.noise_scale(SENSITIVITY)
        sums = np.rint(exact + rng.normal(0.0, scale, exact.shape)).astype(np.int64)
        about = Released(str(age), "published", epsilon, 1e-6, budget.rho, scale / SCALE, NOW - age * PERIOD)
        releases.append((about, sums))
    together = averaged(releases)
    assert np.std(together.sums) / SCALE == pytest.approx(together.noise_scale, rel=0.02)
    assert together.noise_scale < min(one.noise_scale for one, _ in releases)
    assert together.as_of == NOW


def test_the_number_that_is_needed_falls_with_the_noise() -> None:
    noise = PrivacyBudget().noise_scale(SENSITIVITY) / SCALE
    first, third, silent = (workspaces_needed(noise / np.sqrt(periods), 3) for periods in (1, 3, 10_000))
    assert 50 == silent <= third < first < 100
    assert workspaces_needed(noise, 500) == 500


def insights_of(estimates: pl.DataFrame, organizations: int, periods: int, seed: int) -> list[Insight]:
    """What a newcomer is told after so many releases of organizations, each a page drawn with replacement."""
    names = estimates["workspace_id"].unique().sort().to_list()
    drawn = np.random.default_rng(seed).integers(0, len(names), organizations)
    ids = [f"w{i}" for i in range(organizations)]
    pages = pl.DataFrame({"drawn": ids, "workspace_id": [names[i] for i in drawn]})
    rows = pages.join(estimates, on="workspace_id").drop("workspace_id").rename({"drawn": "workspace_id"})
    labels = {"organisation_id": None, "industry": "news", "size": "mid"}
    workspaces = with_units(
        pl.DataFrame([{"workspace_id": name} | labels for name in ids], schema_overrides={"organisation_id": pl.String})
    )
    budget, noise, releases = PrivacyBudget(3.0), SeededNoise(seed), []
    scale = budget.noise_scale(SENSITIVITY)
    for period in range(periods):
        when = NOW + timedelta(days=30 * period)
        about = Released(
            when.date().isoformat(), "published", budget.epsilon, budget.delta, budget.rho,
            scale / SCALE, when,
        )  # fmt: skip
        releases.append((about, private_sums(select_contributions(rows, workspaces, about.period), scale, noise)))
    release = averaged(releases[::-1])
    own = own_of(estimates.clear(), "news", "mid")
    pool, usable = pool_for(own, release.sums, release.noise_scale, min_sources=3, threshold=0.7)
    told = predict(pool, own.effect[0], own.error[0], usable=usable)
    return describe(InsightEvidence(pool, told, usable, "UTC"), INSIGHT_TYPES, 0.6)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(("organizations", "least"), [(100, 3), (200, 6)])
def test_organizations_of_resampled_pages(shared_data: Path, organizations: int, least: int) -> None:
    """Right is judged on the pages themselves, precise effects alone: a newcomer is one of them."""
    pages = {name: rows for name, rows in facebook_pages(shared_data, 100_000).items() if rows.height >= 200}
    labels = {"industry": pl.lit("news"), "size": pl.lit("mid")}
    estimates = pl.concat(
        [
            workspace_estimates(rows, END).with_columns(workspace_id=pl.lit(name), **labels)
            for name, rows in pages.items()
        ]
    )
    everyone = siblings_of(estimates)
    counts, stated, right = [], [], []
    for seed in range(WORLDS):
        insights = insights_of(estimates, organizations, PERIODS, seed)
        counts.append(len(insights))
        for insight in insights:
            place = INDEX.get(insight["metadata"].get("pattern", ""))
            if place is None:
                continue
            precise = everyone.error[:, place] < 0.25
            stated.append(insight["confidence"])
            right.append(float(np.mean(everyone.effect[precise, place] * insight["effect_size"] > 0)))
    print(
        f"BAR {organizations} organizations, {PERIODS} periods at ε = 3: {np.mean(counts):.1f} insights (fewest "
        f"{min(counts)}, bar {least}); stated {np.mean(stated):.3f}, right {np.mean(right):.3f}"
    )
    assert min(counts) >= least
    assert np.mean(right) >= np.mean(stated) - 0.03
