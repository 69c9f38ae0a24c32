"""On real pages, what others know helps a page with fifty posts, and does not harm it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from tests.transfer_pages import (
    Floats,
    Gain,
    comment_volume,
    facebook_pages,
    gains,
    known_effects,
    mean_interval,
)

pytestmark = pytest.mark.real_data

MOST_LOST = 0.03
CHOICES = (0.0, 0.3, 0.6, 0.8, 1.0)  # where the fifty posts of a page lie
RISK = 0.05  # over all pages together


def harmed_beyond_chance(gain: Floats, error: Floats) -> int:
    """Pages that lose more than .03 beyond what their few test posts leave open: one-sided, after Holm (1979)."""
    p = np.sort(ndtr((gain + MOST_LOST) / np.maximum(error, 1e-9)))
    passed = p <= RISK / np.arange(len(p), 0, -1)
    return int(np.logical_and.accumulate(passed).sum())


def worst_by_chance(gain: float, error: Floats) -> tuple[float, float]:
    """What the worst page would show if every page truly gained the same: mean of it, and how often it beats −.03."""
    worst = (gain + error * np.random.default_rng(0).standard_normal((10_000, len(error)))).min(axis=1)
    return float(worst.mean()), float((worst >= -MOST_LOST).mean())


def report(name: str, found: list[Gain]) -> tuple[float, float, int]:
    """Print the bars; lower end of the mean gain's interval, the largest loss, and who lost beyond any doubt."""
    error, followed = np.array([page.error for page in found]), np.array([page.followed for page in found])
    print(
        f"\n{name}: {len(found)} pages, {followed.sum()} told to follow; AUC own {np.mean([p.own for p in found]):.3f}"
    )
    offered = np.array([page.offered for page in found])
    _print(f"unguarded, {name}", offered, error)
    told, error_of_told = np.array([page.gain for page in found]), np.array([page.error_of_told for page in found])
    _print(f"BAR {name}", told, error_of_told)
    return mean_interval(told)[1], float(-told.min()), harmed_beyond_chance(told, error_of_told)


def _print(name: str, gain: Floats, error: Floats) -> None:
    """An error of 0 is a page that keeps its own ranking."""
    mean, low, high = mean_interval(gain)
    lost, harmed = int((gain < -MOST_LOST).sum()), harmed_beyond_chance(gain, error)
    print(f"{name}: gain {mean:+.4f} [{low:+.4f}, {high:+.4f}] (bar > 0); largest loss {-gain.min():.3f} (bar .03)")
    print(f"  pages that lose more than .03: {lost} (bar 0), beyond their standard errors: {harmed}")
    spoken = error > 0
    if not spoken.any():
        print("  none is told to follow: what each has of its own decides")
        return
    worst, free = worst_by_chance(float(gain[spoken].mean()), error[spoken])
    print(
        f"  did all {spoken.sum()} that follow gain alike, the worst would show {worst:+.3f}, none < −.03 in {free:.0%}"
    )


def test_facebook_pages_gain_and_none_is_demonstrably_harmed(shared_data: Path) -> None:
    """With a pool of at most 600 posts a page; the slow test below has all of them."""
    pages = facebook_pages(shared_data, 600)
    low, _, harmed = report("Facebook pages, first 600 posts", gains(pages, known_effects(pages)))
    assert low > 0.0
    assert harmed == 0


@pytest.mark.slow
def test_any_fifty_of_all_posts_of_the_facebook_pages(shared_data: Path) -> None:
    """Five choices of the fifty. How far to follow was chosen on half of the pages, by a hash of their names."""
    pages = facebook_pages(shared_data, 100_000)
    known = known_effects(pages)
    for start in CHOICES:
        low, lost, _ = report(f"Facebook pages, all posts, fifty from {start:.0%} on", gains(pages, known, start))
        assert low > 0.0
        assert lost <= MOST_LOST


@pytest.mark.slow
def test_any_fifty_posts_of_the_comment_volume_pages(shared_data: Path) -> None:
    """The same five choices, of pages of which length and weekday are known alone."""
    pages = comment_volume(shared_data)
    known = known_effects(pages)
    found = [gains(pages, known, start) for start in CHOICES]
    for start, one in zip(CHOICES, found, strict=True):
        _, lost, harmed = report(f"comment volume, fifty from {start:.0%} on", one)
        assert lost <= MOST_LOST
        assert harmed == 0
    mean, low, high = mean_interval(np.mean([[page.gain for page in one] for one in found], axis=0))
    print(f"comment volume, mean of the five choices: gain {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
    assert low >= 0.0


def test_no_comment_volume_page_loses(shared_data: Path) -> None:
    """Two features and fifty posts a page tell next to nothing: who followed all the way gained at one choice of the
    posts and lost .2 at another. Two thirds of the pages are told to keep to their own, the others to follow a little.
    """
    pages = comment_volume(shared_data)
    low, lost, harmed = report("comment volume", gains(pages, known_effects(pages)))
    assert low >= 0.0
    assert lost <= MOST_LOST
    assert harmed == 0
