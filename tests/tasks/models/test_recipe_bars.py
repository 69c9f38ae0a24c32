"""How good each recipe is on real data in time order, and what it costs. `make bench` runs these.

The engagement recipe was chosen on every third page of 500 posts or more, 3,000 of each at most; this is on all pages.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import gmean
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from tasks.models.records import ModelType
from tasks.models.specs import load_spec
from tasks.models.training.candidates import _trained
from tasks.models.training.dataset import TEXT, examples
from tasks.models.training.evaluation import train
from tests.tasks.models import drift_looks

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
MOST_POSTS = 3_000


def test_engagement_beats_no_change_and_its_intervals_hold(shared_data: Path) -> None:
    """On each page's newest third or quarter, by a model of the posts before; no change is the level at each post."""
    spec = load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    ratios, covered, served, seconds, rows_learned = [], [], [], 0.0, 0
    for page in drift_looks.pages(shared_data, 1):
        rows = examples(page, spec)
        rows = rows.slice(max(rows.n - MOST_POSTS, 0), rows.n)
        if rows.n < spec.minimum_rows:
            continue
        started = time.process_time()
        trained = train(spec, rows)
        seconds, rows_learned = seconds + time.process_time() - started, rows_learned + rows.n
        served.append(trained.evaluation.beats_baseline)
        held_out = trained.held_out
        if rows.n >= 500:
            no_change = (held_out.rows.features["recent_level"] - held_out.rows.target).to_numpy() ** 2
            ratios.append(held_out.losses.mean() / no_change.mean())
            covered.append(trained.evaluation.metrics["coverage_90"])
    ratio, coverage = float(gmean(ratios)), float(np.mean(covered))
    print(f"\nBAR engagement, MSE / rolling no change, {len(ratios)} pages of 500 or more: {ratio:.3f} (bar .64)")
    print(f"BAR engagement, share of {len(served)} workspaces with a model: {np.mean(served):.2f} (bar .60)")
    print(f"BAR engagement, coverage of 90 % intervals, mean of pages: {coverage:.3f} (bar .87 to .93)")
    print(
        f"BAR engagement, CPU of training and evaluating 2,000 rows: {seconds / rows_learned * 2_000:.2f} s (bar 1.2 s)"
    )
    assert ratio <= 0.64
    assert np.mean(served) >= 0.6
    assert 0.87 <= coverage <= 0.93


def test_seven_emotions_are_told_at_least_as_well_as_by_a_tuned_plain_model(shared_data: Path) -> None:
    frame = pl.read_parquet(shared_data / "goemotions" / "goemotions.parquet")
    mood = {emotion: mood for mood, emotions in drift_looks.MOODS.items() for emotion in emotions.split()}
    frame = frame.filter(~pl.col("labels").str.contains(","))
    frame = frame.select("split", TEXT, label=pl.col("label_names").replace_strict(mood))
    known, test = (frame.filter(pl.col("split") == part) for part in ("train", "test"))
    started = time.process_time()
    model = train(load_spec(ModelType.TONE_CLASSIFIER), drift_looks.in_order(known.select(TEXT), known["label"])).model
    seconds = (time.process_time() - started) * 41_000 / len(known)
    predicted, truth = model.predict(test.select(TEXT)), test["label"].to_numpy().astype(str)
    names = list(model.classes or ())
    macro = f1_score(truth, np.array(names)[model.chosen(predicted)], average="macro")
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    theirs = []
    for strength in (1.0, 3.0):
        plain = LogisticRegression(C=strength, max_iter=150).fit(words.fit_transform(known[TEXT]), known["label"])
        theirs.append(log_loss(truth, plain.predict_proba(words.transform(test[TEXT])), labels=plain.classes_))
    ours = log_loss(truth, predicted, labels=names)
    print(f"\nBAR seven emotions, macro F1: {macro:.3f} (bar .575)")
    print(f"BAR seven emotions, log loss: {ours:.3f} (bar: the better of two plain models, {min(theirs):.3f})")
    print(f"BAR texts, CPU of training and evaluating 41,000: {seconds:.1f} s (bar 12)")
    assert macro >= 0.575
    assert ours <= min(theirs)


def test_calls_of_the_last_quarter_are_ranked_by_a_model_that_is_registered(shared_data: Path) -> None:
    spec = load_spec(ModelType.CONVERSION_PREDICTOR)
    rows = examples(drift_looks.bank_touches(shared_data), spec.model_copy(update={"maximum_rows": 50_000}))
    cut = int(rows.n * 0.75)
    trained, learned = _trained(spec, rows.slice(cut - spec.maximum_rows, cut))
    later = rows.slice(cut, rows.n)
    auc = roc_auc_score(later.target.to_numpy().astype(str) == "1", trained.model.predict_rows(later)[:, 1])
    print(f"\nBAR bank, AUC of the last quarter: {auc:.3f} (bar .72), learned from the newest {learned.n:,} calls")
    assert trained.evaluation.beats_baseline
    assert auc >= 0.72
