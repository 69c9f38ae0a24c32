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
from tasks.models.training.estimators import fit
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
    theirs = min(losses_of_plain_models(known, test, (1.0, 3.0)))
    ours = log_loss(truth, predicted, labels=names)
    print(f"\nBAR seven emotions, macro F1: {macro:.3f} (bar .575)")
    print(f"BAR seven emotions, log loss: {ours:.3f} (bar: the better of two plain models, {theirs:.3f})")
    print(f"BAR texts, CPU of training and evaluating 41,000: {seconds:.1f} s (bar 12)")
    assert macro >= 0.575
    assert ours <= theirs


def losses_of_plain_models(known: pl.DataFrame, test: pl.DataFrame, strengths: tuple[float, ...]) -> list[float]:
    """Log losses of words and pairs of them under logistic regression, one for each strength of the fit."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    counted, unseen = words.fit_transform(known[TEXT]), words.transform(test[TEXT])
    plain = [LogisticRegression(C=one, max_iter=150).fit(counted, known["label"]) for one in strengths]
    return [log_loss(test["label"], one.predict_proba(unseen), labels=one.classes_) for one in plain]


def test_topics_of_news_are_told_at_least_as_well_as_by_a_tuned_plain_model(shared_data: Path) -> None:
    """Five parts of the news, each told by a model of the other four; nothing was chosen on these parts."""
    frame = pl.read_parquet(shared_data / "bbc_news" / "bbc_train.parquet").select(text="Text", label="Category")
    frame = frame.unique(TEXT, keep="first", maintain_order=True).sample(fraction=1.0, shuffle=True, seed=18)
    place = np.arange(len(frame)) % 5
    right, lost, plain = [], [], []
    for part in range(5):
        known, test = frame.filter(place != part), frame.filter(place == part)
        model = fit(load_spec(ModelType.TOPIC_CLASSIFIER), drift_looks.in_order(known.select(TEXT), known["label"]))
        predicted, truth = model.predict(test.select(TEXT)), test["label"].to_numpy().astype(str)
        right += (np.array(model.classes)[model.chosen(predicted)] == truth).tolist()
        lost.append(log_loss(truth, predicted, labels=list(model.classes or ())))
        plain.append(losses_of_plain_models(known, test, (10.0, 100.0)))
    accuracy, error = float(np.mean(right)), float(np.std(right) / np.sqrt(len(right)))
    theirs = float(np.mean(plain, axis=0).min())
    print(f"\nBAR news, accuracy of {len(right)} in five parts: {accuracy:.3f} ± {error:.3f} (bar .965)")
    print(f"BAR news, log loss: {np.mean(lost):.3f} (bar: the better of two plain models, {theirs:.3f})")
    assert accuracy >= 0.965
    assert np.mean(lost) <= theirs


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
