"""Text models on real texts, beside the plain reference in the same run: `make bench` runs these."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline

from tasks.models.records import ModelType
from tasks.models.specs import load_spec
from tasks.models.training.dataset import TEXT, Examples
from tasks.models.training.estimators import fit
from tests.factories import START

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
TRAIN_ROWS = 12_000


def goemotions(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, ModelType]:
    frame = pl.read_parquet(folder / "goemotions" / "goemotions.parquet")
    frame = frame.filter(~pl.col("labels").str.contains(",")).select(TEXT, "split", label="label_names")
    train = frame.filter(pl.col("split") == "train").sample(TRAIN_ROWS, seed=1)
    return train, frame.filter(pl.col("split") == "test"), ModelType.TONE_CLASSIFIER


def bbc(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, ModelType]:
    frame = pl.read_parquet(folder / "bbc_news" / "bbc_train.parquet").select(text="Text", label="Category")
    frame = frame.sample(fraction=1.0, shuffle=True, seed=1)
    cut = int(len(frame) * 0.7)
    return frame[:cut], frame[cut:], ModelType.TOPIC_CLASSIFIER


def twitter(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, ModelType]:
    """Split by id: paraphrases of one tweet never stand on both sides."""
    frame = pl.read_parquet(folder / "twitter_entity_sentiment" / "train.parquet").drop_nulls()
    frame = frame.select(TEXT, "id", label="sentiment")
    held_out = pl.col("id").hash(seed=1) % 5 == 0
    train = frame.filter(~held_out).sample(TRAIN_ROWS, seed=1)
    return train, frame.filter(held_out), ModelType.SENTIMENT_ANALYZER


def as_examples(frame: pl.DataFrame) -> Examples:
    times = pl.Series([START + timedelta(minutes=i) for i in range(len(frame))])
    keys = pl.Series([str(i) for i in range(len(frame))])
    return Examples(frame.select(TEXT), frame["label"], keys, times)


@pytest.mark.parametrize("data", [goemotions, bbc, twitter])
def test_text_model_is_at_least_the_plain_reference(shared_data: Path, data) -> None:  # type: ignore[no-untyped-def]
    train, test, model_type = data(shared_data)
    model = fit(load_spec(model_type), as_examples(train))
    assert model.classes is not None
    chosen = np.array(model.classes)[model.predict(test.select(TEXT)).argmax(axis=1)]
    reference = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=300))
    reference.fit(train[TEXT].to_list(), train["label"].to_list())
    theirs = reference.predict(test[TEXT].to_list())
    truth = test["label"].to_numpy()
    ours, plain = (f1_score(truth, found, average="macro") for found in (chosen, theirs))
    print(f"\nBAR {data.__name__} macro-F1: {ours:.3f} (bar: plain TF-IDF + logistic regression, {plain:.3f})")
    if data is bbc:
        print(f"BAR bbc accuracy: {(chosen == truth).mean():.3f} (bar .960, INDEX.md, another split)")
    assert ours >= plain
