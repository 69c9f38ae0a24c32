"""Estimators as the specs ask for them, in threads and read back."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
import skops.io
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier

from tasks.models import ModelType
from tasks.models.registry.model_folder import MODEL_FILE, TRUSTED_TYPES, write_model_folder
from tasks.models.specs import load_spec
from tasks.models.training import estimators
from tasks.models.training.dataset import examples
from tests.tasks.models.model_rows import posts


def test_text_model_of_very_many_rows_hashes_its_words_and_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "HASHING_ROWS", 300)
    spec = load_spec(ModelType.TONE_CLASSIFIER)
    for n, words, model in ((300, TfidfVectorizer, LogisticRegression), (301, HashingVectorizer, SGDClassifier)):
        frame = pl.DataFrame(posts(n), infer_schema_length=None)
        known = examples(frame, spec)
        fitted = estimators.fit(spec, known)
        columns, last = (part for _, part in fitted.estimator.steps)
        assert (type(columns.named_transformers_["words"]), type(last)) == (words, model)
        write_model_folder(fitted, tmp_path / str(n))
        loaded = estimators.FittedModel.of(skops.io.load(tmp_path / str(n) / MODEL_FILE, trusted=TRUSTED_TYPES))
        assert loaded.columns == fitted.columns
        assert (loaded.predict(known.features) == fitted.predict(known.features)).all()


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads that take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1_000)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("impatient")
def test_threads_that_predict_at_once_warn_of_nothing() -> None:
    """Where they take scikit-learn's warning filters from each other, every call from then on warns."""
    spec = load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    known = examples(pl.DataFrame(posts(200), infer_schema_length=None), spec)
    model = estimators.fit(spec, known)
    with warnings.catch_warnings(record=True) as said, ThreadPoolExecutor(4) as threads:
        warnings.simplefilter("always")
        assert set(threads.map(lambda _: len(model.predict(known.features)), range(200))) == {200}
    assert [str(one.message) for one in said] == []
