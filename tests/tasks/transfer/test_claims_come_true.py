"""What is stated with .8, .9, .95 or .99 is right so often later, and effects are as large as stated."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.conditions import WEEKDAYS
from tasks.transfer.catalogue import INDEX, INSIGHT_TYPES, KEYS
from tasks.transfer.estimates import workspace_estimates
from tasks.transfer.insights import InsightEvidence, describe
from tasks.transfer.pools import own_of, passes, sibling_pool, siblings_of
from tasks.transfer.prediction import predict
from tasks.transfer.records import Floats, Insight
from tests.transfer_pages import END, facebook_pages, known_effects

OWN_POSTS = (0, 50, 100, 200, 500)
LEVELS = ((0.75, 0.85), (0.85, 0.925), (0.925, 0.97), (0.97, 1.01))
MIN_LATER = 150


def told_about(insight: Insight) -> tuple[list[int], float]:
    """Places in the catalogue of what an insight is about, and the direction it states."""
    about = insight["metadata"]
    if "pattern" in about:
        return [INDEX[about["pattern"]]], 1.0 if about["direction"] == "do" else -1.0
    if "optimal_hours" in about:
        return [INDEX[f"timing:hour:{hour:02}"] for hour in about["optimal_hours"]], 1.0
    return [INDEX[f"timing:weekday:{WEEKDAYS.index(day)}"] for day in about["optimal_days"]], 1.0


def judged(insight: Insight, later: Floats, error: Floats) -> tuple[float, float, float, float, float] | None:
    """Stated confidence, whether later posts have the sign, stated and later log-lift, whether the interval held."""
    places, direction = told_about(insight)
    places = [i for i in places if np.isfinite(error[i])]
    if not places:
        return None
    weight = 1.0 / error[places] ** 2
    found, spread = float(weight @ later[places] / weight.sum()), float(1.0 / np.sqrt(weight.sum()))
    low, high = np.log1p(np.array(insight["metadata"]["interval_95"]))
    reach = np.hypot((high - low) / 2.0, 1.96 * spread)  # what later posts show has an error of its own
    stated = abs(float(np.log1p(insight["effect_size"])))
    held = abs(found - (low + high) / 2.0) <= reach
    return insight["confidence"], float(direction * found > 0), stated, direction * found, float(held)


def report(name: str, claims: Floats, page: Floats) -> dict[str, float]:
    """Print stated beside right, with the standard error over pages; return the figures that bars are about."""
    pages = np.unique(page)
    rng, off = np.random.default_rng(0), []
    for _ in range(400):
        rows = np.concatenate([np.flatnonzero(page == one) for one in rng.choice(pages, len(pages))])
        off.append(claims[rows, 1].mean() - claims[rows, 0].mean())
    stated, right, lift, later, held = claims.mean(axis=0)
    print(
        f"\nBAR {name}: {len(claims)} claims, stated {stated:.3f}, right {right:.3f} (± {np.std(off):.3f}); log-lift "
        f"stated {lift:.3f}, later {later:.3f}; 95 % intervals held {held:.3f}"
    )
    for low, high in LEVELS:
        some = claims[(claims[:, 0] >= low) & (claims[:, 0] < high)]
        if len(some):
            print(f"  stated {some[:, 0].mean():.3f}: right {some[:, 1].mean():.3f} of {len(some)}")
    return {"off": right - stated, "held": held, "lift": lift / later, "error": float(np.std(off))}


def world(rng: np.random.Generator, targets: int, weeks: float) -> tuple[Floats, Floats]:
    """Simulated claims about later months, and whose they are; most effects are none, and weeks drift."""
    size = len(KEYS)
    claims: list[tuple[float, ...]] = []
    pages: list[int] = []
    for target in range(targets):
        shared = rng.normal(0.0, 0.3, size) * (rng.random(size) < 0.3)
        effects = shared + 0.2 * rng.standard_normal((21, size))
        error = rng.uniform(0.1, 0.3, (21, size))
        seen = effects + np.hypot(error, 0.15) * rng.standard_normal((21, size))  # siblings' effects drift too
        pool = sibling_pool(seen[1:], error[1:])
        own_error = np.hypot(rng.uniform(0.15, 0.5, size), 0.35 / np.sqrt(weeks))
        own = effects[0] + own_error * rng.standard_normal(size)
        usable = passes(pool, 3)
        evidence = InsightEvidence(pool, predict(pool, own, own_error, usable=usable), usable, "UTC")
        later_error = np.full(size, 0.05)
        later = effects[0] + np.hypot(0.15, later_error) * rng.standard_normal(size)
        found = [judged(one, later, later_error) for one in describe(evidence, INSIGHT_TYPES, 0.6)[:5]]
        claims += [one for one in found if one is not None]
        pages += [target] * sum(one is not None for one in found)
    return np.array(claims), np.array(pages, dtype=np.float64)


@pytest.mark.parametrize("weeks", [1.0, 12.0])
def test_simulated_claims_are_right_as_often_as_stated(weeks: float) -> None:
    claims, page = world(np.random.default_rng(5), 60, weeks)
    found = report(f"simulated, {weeks:.0f} weeks of own posts", claims, page)
    assert abs(found["off"]) <= 0.03 + 2.0 * found["error"]
    assert found["lift"] == pytest.approx(1.0, abs=0.1)
    assert found["held"] > 0.92


def of_pages(pages: dict[str, pl.DataFrame], chosen: list[str], own_posts: int) -> tuple[Floats, Floats]:
    """Claims about these pages' later posts, from their first `own_posts` and all other pages."""
    known = known_effects(pages)
    names = known["workspace_id"].unique().sort().to_numpy()
    everyone = siblings_of(known)
    claims: list[tuple[float, ...]] = []
    page: list[int] = []
    for number, name in enumerate(chosen):
        rows = pages[name]
        if rows.height < own_posts + MIN_LATER:
            continue
        own = own_of(workspace_estimates(rows.head(own_posts), END), "media", "smb")
        later = own_of(workspace_estimates(rows.slice(own_posts), END), "media", "smb")
        pool = sibling_pool(everyone.effect[names != name], everyone.error[names != name])
        usable = passes(pool, 3)
        evidence = InsightEvidence(pool, predict(pool, own.effect[0], own.error[0], usable=usable), usable, "UTC")
        for insight in describe(evidence, INSIGHT_TYPES, 0.6)[:5]:
            one = judged(insight, later.effect[0], later.error[0])
            claims += [one] if one else []
            page += [number] if one else []
    return np.array(claims), np.array(page, dtype=np.float64)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("half", [0, 1])
def test_claims_about_real_pages_are_right_as_often_as_stated(shared_data: Path, half: int) -> None:
    """The constants of `prediction.py` were chosen on half 0; half 1 was looked at once before."""
    pages = facebook_pages(shared_data, 100_000)
    chosen = [name for name in pages if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == half]
    parts = [of_pages(pages, chosen, count) for count in OWN_POSTS]
    for count, (claims, page) in zip(OWN_POSTS, parts, strict=True):
        report(f"half {half}, {count} own posts", claims, page)
    claims, page = (np.concatenate([part[i] for part in parts[1:]]) for i in (0, 1))
    found = report(f"half {half}, with own posts", claims, page)
    assert abs(found["off"]) <= 0.03
    assert 0.92 <= found["held"] <= 0.97
