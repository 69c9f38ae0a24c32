"""Real pages: what posts mention adds findings that hold later, and tells later posts better than other features do.

Settings were chosen on one half of the pages; the figures are of the other half.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from tasks.conditions import TITLE_AND_BODY
from tasks.patterns.analysis import analyze
from tasks.patterns.features import rule_membership
from tasks.patterns.preparation import prepare
from tasks.patterns.records import Pattern, PatternQuery, SearchThresholds
from tasks.statistics.outcome import adjusted_outcome
from tests.tasks.patterns.test_real_pages import TRAINING_SHARE, judged, page_frames


def is_held_out(page: str) -> bool:
    """The half of the pages that no setting was chosen on."""
    return int(hashlib.sha256(page.encode()).hexdigest(), 16) % 2 == 1


def score(frame: pl.DataFrame, patterns: tuple[Pattern, ...], until: datetime) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the log lifts of the patterns each post meets, and its adjusted log engagement; (n,) each."""
    posts = prepare(frame, until)
    lifts = np.log1p([pattern.lift_pct / 100 for pattern in patterns])
    met = [rule_membership(posts.features, pattern.rule).matching for pattern in patterns]
    return lifts @ np.array(met), adjusted_outcome(posts.log_rate, posts.channel, posts.period).residual


@pytest.mark.slow
@pytest.mark.real_data
def test_words_of_real_pages_hold_later(shared_data: Path) -> None:
    count: Counter[bool] = Counter()
    kept, area, top = [], [], []
    for page, frame in page_frames(shared_data):
        if not is_held_out(page):
            continue
        first, last = frame["published_at"].min(), frame["published_at"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        cut = first + TRAINING_SHARE * (last - first)
        past, later = frame.filter(pl.col("published_at") <= cut), frame.filter(pl.col("published_at") > cut)
        found = analyze(past, PatternQuery(page, "social", cut, 365, SearchThresholds())).patterns
        words = tuple(pattern for pattern in found if pattern.rule[0].feature == TITLE_AND_BODY)
        count += Counter({True: len(words), False: len(found) - len(words)})
        verdicts = judged(words, prepare(past, cut), prepare(later, last), page) if words else []
        kept += [np.sign(one.learned) == np.sign(one.later) for one in verdicts]
        if found:
            scores, fared = score(later, found, last)
            best = np.argsort(-scores, kind="stable")[: len(scores) // 5]
            rest = np.setdiff1d(np.arange(len(scores)), best)
            area.append(roc_auc_score(fared > np.median(fared), scores))
            top.append(fared[best].mean() - fared[rest].mean())
    ratio = (count[True] + count[False]) / count[False]
    print(f"\nBAR findings with words to findings without, {len(area)} pages: {ratio:.2f} (bar >= 1.5)")
    print(f"BAR share of {len(kept)} findings about words that keep their sign: {np.mean(kept):.3f} (bar >= 0.95)")
    print(f"BAR later posts by the patterns alone, AUC: {np.mean(area):.3f} (bar >= 0.66)")
    print(f"BAR top fifth by that score to the rest: {np.exp(np.mean(top)):.2f} (bar >= 2.3)")
    assert ratio >= 1.5
    assert np.mean(kept) >= 0.95
    assert np.mean(area) >= 0.66
    assert np.exp(np.mean(top)) >= 2.3
