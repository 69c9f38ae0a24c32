"""What an organization's pages bring a page with few posts, and whether what is served keeps its word on later posts.

Pages of Facebook stand for the workspaces of one organization. The shares that mix a page's own model with the pool's
were chosen on every second page, with the others as its organization; here it is the other way round. `make bench`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import gmean
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tasks.models.records import ModelType
from tasks.models.specs import load_spec
from tasks.models.training.dataset import TEXT, Examples, examples
from tasks.models.training.estimators import FittedModel, Floats, fit
from tasks.models.training.evaluation import baseline_losses, train
from tasks.models.training.pool import OrganizationPool, Siblings, rows_of_a_member
from tests.tasks.models import drift_looks

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
SPEC = load_spec(ModelType.ENGAGEMENT_PREDICTOR)
MOST_POSTS, LATER, LEAST_LATER = 1_500, 300, 10


@cache
def pages(shared_data: Path) -> dict[str, Examples]:
    """The latest posts of each page, in the order of the pages' names."""
    known = drift_looks.pages(shared_data, 1)
    rows = {page["workspace_id"][0]: examples(page, SPEC) for page in known}
    return {name: rows[name].slice(max(rows[name].n - MOST_POSTS, 0), rows[name].n) for name in sorted(rows)}


def pool_of(members: dict[str, Examples]) -> OrganizationPool:
    most = rows_of_a_member(len(members))
    kept = {name: rows.slice(max(rows.n - most, 0), rows.n) for name, rows in members.items()}
    return OrganizationPool(SPEC, list(kept), lambda: kept)


@cache
def pool_of_every_second(shared_data: Path) -> OrganizationPool:
    return pool_of(dict(list(pages(shared_data).items())[0::2]))


def losses_of_first_recipe(own: Examples, test: Examples) -> Floats:
    """Of the recipe that issue 18 measured against: trees of the raw level on features and 16 hashed words."""
    blank = FittedModel(None, SPEC.features.numeric, SPEC.features.categorical, True, None)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    words = HashingVectorizer(n_features=16, alternate_sign=False, norm=None)
    parts = [
        ("numbers", "passthrough", list(blank.numbers)),
        ("labels", codes, list(blank.labels)),
        ("words", words, TEXT),
    ]
    trees = HistGradientBoostingRegressor(random_state=1, **SPEC.estimator.parameters)
    model = make_pipeline(ColumnTransformer(parts, sparse_threshold=0.0), trees)
    predicted = model.fit(blank.frame(own.features), own.target.to_numpy()).predict(blank.frame(test.features))
    return np.asarray((predicted - test.target.to_numpy()) ** 2)


@pytest.mark.parametrize(("n", "bar"), [(50, 0.82), (100, 0.85), (200, 0.89)])
def test_page_with_few_posts_is_told_better_by_its_organization(shared_data: Path, n: int, bar: float) -> None:
    """The latest n posts before a page's last quarter, beside all posts of 41 other pages up to then."""
    everyone = pages(shared_data)
    names, pool = list(everyone), pool_of_every_second(shared_data)
    ratios = list[tuple[float, float, float]]()
    for name in names[1::2]:
        rows = everyone[name]
        cut = rows.n * 3 // 4
        test = rows.slice(cut, min(cut + LATER, rows.n))
        if cut < n or test.n < LEAST_LATER:
            continue
        own = rows.slice(cut - n, cut)
        lost = fit(SPEC, replace(own, siblings=Siblings(pool, name))).losses(test).mean()
        unchanged = (test.features["recent_level"].to_numpy() - test.target.to_numpy()) ** 2
        others = [losses_of_first_recipe(own, test), fit(SPEC, own).losses(test), unchanged]
        ratios.append(tuple(float(lost / one.mean()) for one in others))  # type: ignore[arg-type]
    first, alone, unchanged_level = gmean(np.array(ratios), axis=0)
    error = float(np.std(np.log(np.array(ratios)), axis=0)[0]) * first / math.sqrt(len(ratios))
    print(f"\nBAR pooling, n = {n}, {len(ratios)} pages, MSE / issue's recipe: {first:.3f} ± {error:.3f} (bar {bar})")
    print(f"BAR pooling, n = {n}, MSE / own model alone: {alone:.3f}; / rolling no change: {unchanged_level:.3f}")
    assert first <= bar


def test_what_is_served_beats_the_trivial_predictor_on_later_posts(shared_data: Path) -> None:
    """Each page's champion of its first three quarters, with all pages as its organization, on the last quarter."""
    everyone = pages(shared_data)
    pool = pool_of(everyone)
    served, worse, scores, months = (
        list[bool](),
        list[bool](),
        list[tuple[float, float]](),
        defaultdict[str, list[float]](list),
    )
    for name, rows in everyone.items():
        cut = rows.n * 3 // 4
        known, later = rows.slice(0, cut), rows.slice(cut, rows.n)
        if cut < SPEC.minimum_pooled_rows:
            continue
        trained = train(SPEC, replace(known, siblings=Siblings(pool, name)))
        if cut >= SPEC.minimum_rows:
            served.append(trained.evaluation.beats_baseline)
        if not trained.evaluation.beats_baseline:
            continue
        model = fit(
            SPEC, replace(known, siblings=Siblings(pool, name))
        )  # of what was known then; `train` also knows now
        lost, trivial = model.losses(later), baseline_losses(known.target, later.target)
        worse.append(bool(lost.mean() > trivial.mean()))
        promised = 1 - trained.held_out.losses.mean() / trained.held_out.baseline_losses.mean()
        scores.append((promised, 1 - lost.mean() / trivial.mean()))
        width = model.half_width or 0.0
        for month, loss in zip(later.times.dt.strftime("%Y-%m").to_list(), lost.tolist(), strict=True):
            months[month].append(float(loss**0.5 <= width))
    share, error = np.mean(worse), np.sqrt(max(float(np.var(worse)), 1 / len(worse)) / len(worse))
    promised, seen = np.median(np.array(scores), axis=0)
    coverage = np.mean(np.concatenate([np.array(one) for one in months.values()]))
    print(f"\nBAR pooling, {len(served)} workspaces of 100 rows or more, with a model: {np.mean(served):.2f} (bar .60)")
    print(f"BAR pooling, {len(worse)} champions worse than trivial on later posts: {share:.3f} ± {error:.3f} (bar .05)")
    print(f"BAR pooling, loss saved of the trivial predictor's, median: promised {promised:.3f}, seen later {seen:.3f}")
    print(
        f"BAR pooling, coverage of 90 % intervals on later posts: {coverage:.3f} (bar .87 to .93); by month: "
        + ", ".join(
            f"{month} {np.mean(one):.2f} ({len(one)})" for month, one in sorted(months.items()) if len(one) >= 200
        )
    )
    assert np.mean(served) >= 0.6
    assert share <= 0.05 + 2 * error
    assert 0.87 <= coverage <= 0.93
