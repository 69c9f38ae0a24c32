"""Estimators as the specs ask for them, in threads and read back."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import skops.io

from tasks.models import ModelType
from tasks.models.registry.model_folder import write_model_folder
from tasks.models.registry.trusted import MODEL_FILE, TRUSTED_TYPES
from tasks.models.specs import load_spec
from tasks.models.training import dataset, estimators, text_model
from tasks.models.training.calibration import calibrated, softmax
from tasks.models.training.dataset import examples
from tests.tasks.models.model_rows import posts


@pytest.mark.parametrize("model_type", [ModelType.TONE_CLASSIFIER, ModelType.ENGAGEMENT_PREDICTOR])
def test_model_that_is_read_back_predicts_the_same(model_type: ModelType, tmp_path: Path) -> None:
    known = examples(pl.DataFrame(posts(300), infer_schema_length=None), load_spec(model_type))
    read_back_alike(estimators.fit(load_spec(model_type), known), known, tmp_path)


def test_text_model_of_very_many_rows_learns_words_alone_and_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (dataset, text_model):
        monkeypatch.setattr(module, "PIECES_ROWS", 300)
    spec = load_spec(ModelType.TONE_CLASSIFIER)
    for n, has_pieces in ((300, True), (301, False)):
        known = examples(pl.DataFrame(posts(n), infer_schema_length=None), spec)
        fitted = estimators.fit(spec, known)
        assert (fitted.estimator.words.pieces is not None) == has_pieces
        assert fitted.losses(known).mean() < 0.3
        read_back_alike(fitted, known, tmp_path / str(n))


def read_back_alike(fitted: estimators.FittedModel, known: dataset.Examples, folder: Path) -> None:
    write_model_folder(fitted, folder / "model")
    loaded = estimators.FittedModel.of(skops.io.load(folder / "model" / MODEL_FILE, trusted=TRUSTED_TYPES))
    assert (loaded.columns, loaded.recipe) == (fitted.columns, fitted.recipe)
    assert (loaded.predict_rows(known) == fitted.predict_rows(known)).all()


def test_texts_without_any_word_make_a_model_that_says_the_shares() -> None:
    spec = load_spec(ModelType.TONE_CLASSIFIER)
    rows = [row | {"title": None, "body": "\U0001f600"} for row in posts(200)]
    known = examples(pl.DataFrame(rows, infer_schema_length=None), spec)
    predicted = estimators.fit(spec, known).predict_rows(known)
    share = (known.target == "warm").mean()
    assert predicted[:, 1] == pytest.approx(np.full(200, share), abs=0.1)


def test_label_never_seen_in_training_and_a_column_never_known_are_missing_values() -> None:
    spec = load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    known = examples(pl.DataFrame(posts(300), infer_schema_length=None), spec)
    model = estimators.fit(spec, known)
    strange = known.features.with_columns(media_type=pl.lit("hologram"), readability=pl.lit(float("inf")))
    assert np.isfinite(model.predict(strange)).all()
    assert np.isfinite(model.predict(known.features.select("media_type"))).all()


def test_engagement_is_the_level_before_plus_what_the_post_adds() -> None:
    """Posts whose level doubles are predicted at the new level: what is learned stands beside it."""
    spec = load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    rows = posts(400) + posts(200, start=400, level=6.0)
    known = examples(pl.DataFrame(rows, infer_schema_length=None), spec)
    model = estimators.fit(spec, known.slice(0, 400))
    later = known.slice(440, 600)
    video = later.features["media_type"] == "video"
    expected = model.predict_rows(later)
    assert expected[~video.to_numpy()].mean() == pytest.approx(6.0, abs=0.3)
    assert expected[video.to_numpy()].mean() - expected[~video.to_numpy()].mean() == pytest.approx(0.9, abs=0.3)
    inside = np.abs(later.target.to_numpy() - expected) <= (model.half_width or 0.0)
    assert 0.8 <= inside.mean() <= 0.98


def test_probabilities_of_few_rows_told_apart_perfectly_are_not_certain() -> None:
    decisions = np.column_stack([-np.linspace(-1, 1, 40), np.linspace(-1, 1, 40)])
    truth = (decisions[:, 1] > 0).astype(int)
    found = calibrated(decisions, truth, np.array([True, True])).probabilities(decisions)
    of_truth = found[np.arange(40), truth]
    assert np.average(of_truth, weights=np.abs(decisions[:, 1])) == pytest.approx(1 - 1 / 22, abs=0.002)


def test_calibration_finds_the_slope_and_the_shares_that_made_the_rows() -> None:
    random = np.random.default_rng(5)
    decisions = random.normal(size=(4_000, 3))
    made = softmax(1.7 * decisions + np.array([0.0, 1.0, -1.0]))
    truth = (made.cumsum(axis=1) < random.random((4_000, 1))).sum(axis=1)
    found = calibrated(decisions, truth, np.ones(3, dtype=bool))
    assert found.slope == pytest.approx(1.7, abs=0.15)
    assert found.offsets - found.offsets.mean() == pytest.approx(np.array([0.0, 1.0, -1.0]), abs=0.15)


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
