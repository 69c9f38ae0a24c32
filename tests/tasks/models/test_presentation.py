"""What people find beside a version says what is true of it."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from matplotlib.image import imread

from tasks.models.records import ModelArtifacts, ModelKey, ModelType
from tasks.models.specs import load_spec
from tasks.models.training.dataset import Examples, examples
from tasks.models.training.evaluation import TrainedModel, train
from tasks.models.training.figures import Pictured, figures_of
from tasks.models.training.importance import Importance, importance, word_weights
from tasks.models.training.model_card import describe, model_card
from tests.factories import START
from tests.tasks.models.model_rows import TONES, calls, posts
from tests.tasks.models.worlds import rows

TAGS = {"train_from": "2026-01-05T09:00", "train_to": "2026-02-05T09:00", "n_train": "600", "git_commit": "c0ffee"}
TAGS |= {"data_sha256": "d" * 64, "flow_run_id": "flow-1", "snapshot_sha256": "s" * 64}
ALWAYS = {"figures/calibration.png", "figures/importance.png"}
CONFUSION, RESIDUALS = {"figures/confusion.png"}, {"figures/residuals.png"}


def trained_on(model_type: ModelType) -> tuple[Examples, TrainedModel]:
    found = calls(600) if model_type == ModelType.CONVERSION_PREDICTOR else posts(600)
    stored = {
        name: pl.Series([None if row.get(name) is None else json.dumps(row[name]) for row in found], dtype=pl.String)
        for name in ("attributes", "attribute_roles")
    }
    frame = pl.DataFrame(found, infer_schema_length=None).with_columns(**stored)
    known = examples(frame, load_spec(model_type))
    return known, train(load_spec(model_type), known)


def shown_for(model_type: ModelType) -> tuple[str, ModelArtifacts, dict[str, bytes]]:
    known, trained = trained_on(model_type)
    return shown_of(model_type, known, trained)


def shown_of(
    model_type: ModelType, known: Examples, trained: TrainedModel
) -> tuple[str, ModelArtifacts, dict[str, bytes]]:
    spec, inputs = load_spec(model_type), importance(trained.held_out)
    card, shown = describe(ModelKey("acme", model_type), spec, known, trained, inputs, TAGS)
    return card, shown, figures_of(spec.target, Pictured(trained.held_out, inputs))


@pytest.mark.parametrize(
    ("model_type", "more", "strongest"),
    [
        (ModelType.ENGAGEMENT_PREDICTOR, RESIDUALS, "(permutation importance)** `media_type`"),
        (ModelType.CONVERSION_PREDICTOR, CONFUSION, "(permutation importance)** `attribute.age`"),
        (ModelType.TONE_CLASSIFIER, CONFUSION, "(word contributions)** `happy → warm`"),
    ],
)
def test_each_kind_of_model_has_its_figures_and_its_card(model_type: ModelType, more: set[str], strongest: str) -> None:
    card, shown, figures = shown_for(model_type)
    assert set(figures) == ALWAYS | more
    for png in figures.values():
        assert imread(io.BytesIO(png)).shape == (420, 640, 4)
        assert imread(io.BytesIO(png)).std() > 0.05, "an empty picture says nothing"
    assert f"**Most important inputs {strongest}" in card
    for said in ("the better of two baselines", "c0ffee", "d" * 64, "flow-1", "600 rows", "not causes"):
        assert said in card
    assert len(card) <= 5_000
    assert shown.data is not None
    assert json.loads(shown.data["profile"])["num_rows"] == 600
    assert len(shown.example) == 3


def test_what_a_table_of_mlflow_shows_can_be_read_there() -> None:
    """Its versions by the first words of their cards, as they are written; figures with every digit there is."""
    card, shown, _ = shown_for(ModelType.ENGAGEMENT_PREDICTOR)
    assert re.match(r"Held-out MAE \(log\) 0\.\d+, naive 0\.\d+; \d+ rows from 2026-", card)
    tables = {name: json.loads(table) for name, table in shown.tables.items()}
    rows = tables["evaluation/held_out_rows.json"]
    assert rows["columns"] == ["id", "time", "actual_log", "expected_log", "loss"]
    assert all(len(str(cell)) <= 16 for table in tables.values() for row in table["data"] for cell in row)
    assert abs(rows["data"][0][2] - 3.0) < 3.0, "rounded, not lost"


def test_a_card_says_why_a_version_is_there_that_does_not_beat_a_constant() -> None:
    known, trained = trained_on(ModelType.ENGAGEMENT_PREDICTOR)
    evaluation = dataclasses.replace(trained.evaluation, gain_lower=-0.1)
    worse = dataclasses.replace(trained, evaluation=evaluation)
    key, spec = ModelKey("acme", ModelType.ENGAGEMENT_PREDICTOR), load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    tags = TAGS | {"gate.over_champion.share": "0.325605"}
    assert "not shown to beat" not in model_card(key, spec, known, trained, None, tags)
    assert "it takes 33% off the loss of the champion before it" in model_card(key, spec, known, worse, None, tags)


def test_only_the_column_that_was_planted_is_important() -> None:
    _, trained = trained_on(ModelType.ENGAGEMENT_PREDICTOR)
    found = importance(trained.held_out)
    assert found is not None
    assert (found.values[1:] < 0.1 * found.values[0]).all()


def test_words_that_tell_a_label_are_named_with_it() -> None:
    known, trained = trained_on(ModelType.TONE_CLASSIFIER)
    found = word_weights(trained.model, known)
    said = dict(name.split(" → ") for name in found.names)
    telling = {word: label for label, words in TONES.items() for word in words.split()}
    assert {word: said[word] for word in said if word in telling} == {
        word: label for word, label in telling.items() if word in said
    }
    assert len(set(said) & set(telling)) >= 8
    assert (np.diff(found.values) <= 0).all()


def test_nothing_to_tell_apart_has_no_importance_and_no_such_figure() -> None:
    spec = load_spec(ModelType.TONE_CLASSIFIER)
    labels = ["warm"] * 120 + ["dry", "warm"] * 20
    times = pl.Series([START + timedelta(hours=i) for i in range(160)])
    keys = pl.Series([str(i) for i in range(160)])
    known = Examples(pl.DataFrame({"text": [f"word {label}" for label in labels]}), pl.Series(labels), keys, times)
    trained = train(spec, known)
    missing: Importance | None = importance(trained.held_out)
    assert missing is None
    _, _, figures = shown_of(ModelType.TONE_CLASSIFIER, known, trained)
    assert set(figures) == {"figures/calibration.png", *CONFUSION}


def test_hash_of_the_data_covers_the_last_row_too() -> None:
    one, other = rows(10_050, 1), rows(10_050, 1)
    last = pl.Series("target", [*other.target[:-1].to_list(), 9.0])
    assert one.sha256 == rows(10_050, 1).sha256
    assert one.sha256 != Examples(other.features, last, other.keys, other.times).sha256
