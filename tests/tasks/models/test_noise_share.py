"""How much of what a model tells apart comes true: measured on its own rows, crosswise, for numbers and for classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tasks.models.drift.monitor import NOISE_LEVEL_OF_TWO_CLASSES, DriftThresholds, judge_drift
from tasks.models.records import ModelType
from tasks.models.specs import load_spec
from tasks.models.training.dataset import Examples, examples
from tasks.models.training.estimators import Floats
from tasks.models.training.evaluation import held_out_again, noise_share
from tests.tasks.models import worlds
from tests.tasks.models.model_rows import posts

N, CLASSES = 20_000, ("a", "b", "c")


def probabilities(random: np.random.Generator, sharpness: float) -> Floats:
    scores = np.exp(sharpness * random.normal(size=(N, 3)))
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def drawn(random: np.random.Generator, chances: Floats) -> pl.Series:
    places = (random.random((N, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return pl.Series(np.array(CLASSES)[places])


def exchanged(random: np.random.Generator, target: pl.Series, share: float) -> pl.Series:
    places = np.flatnonzero(random.random(N) < share)
    order = np.arange(N)
    order[places] = random.permutation(places)
    return target[order.tolist()]


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_share_of_labels_that_were_exchanged_is_what_it_says(sharpness: float, share: float) -> None:
    random = np.random.default_rng(1)
    chances = probabilities(random, sharpness)
    found = noise_share(chances, exchanged(random, drawn(random, chances), share), CLASSES)
    assert found.mean() == pytest.approx(share, abs=4 * found.std() / np.sqrt(N))


def test_share_of_numbers_that_were_exchanged_is_what_it_says() -> None:
    random = np.random.default_rng(2)
    predicted = random.normal(3, 1, N)
    outcomes = pl.Series(predicted + random.normal(0, 1, N))
    for share in (0.0, 0.25, 1.0):
        found = noise_share(predicted, exchanged(random, outcomes, share), None)
        assert found.mean() == pytest.approx(share, abs=0.04)


def test_one_label_or_one_prediction_for_all_tells_nothing_apart() -> None:
    assert not noise_share(np.full((3, 2), 0.5), pl.Series(["a", "b", "a"]), ("a", "b")).any()
    assert not noise_share(np.ones(3), pl.Series([1.0, 2.0, 3.0]), None).any()


@pytest.mark.parametrize("constant", [0.1, 0.3, 1 / 3, 2.7])
@pytest.mark.parametrize("n", [0, 1, 50, 101])
def test_constant_that_no_sum_of_it_gives_back_tells_nothing_apart(constant: float, n: int) -> None:
    """Means of .1 are not .1 to the last digit: divided by the square of that, labels of one class were drift."""
    assert not noise_share(np.full(n, constant), pl.Series(np.arange(n, dtype=np.float64)), None).any()
    chances = np.tile([constant / 4, 1 - constant / 4], (n, 1))
    assert not noise_share(chances, pl.Series(["a"] * n, dtype=pl.String), ("a", "b")).any()


def test_champion_of_two_classes_from_before_the_share_was_kept_is_held_to_the_level_of_two_classes() -> None:
    spec = load_spec(ModelType.TONE_CLASSIFIER)
    rows = examples(pl.DataFrame(posts(180), infer_schema_length=None), spec)
    trained, champion = worlds.champion_of(rows.slice(0, 120), spec)
    assert len(trained.model.classes or ()) == 2
    older = replace(champion, evaluation={k: v for k, v in champion.evaluation.items() if "noise" not in k})
    for one in (champion, older):
        _, change = judge_drift(spec, one, trained.model, rows, rows, DriftThresholds())
        assert change is not None
        assert change.noise_level == NOISE_LEVEL_OF_TWO_CLASSES


def test_label_that_a_model_never_saw_is_noise_of_a_bounded_weight() -> None:
    chances = np.tile([[0.9, 0.1], [0.2, 0.8]], (50, 1))
    labels = pl.Series(["new", *(["a", "b"] * 50)[1:]])
    found = noise_share(chances, labels, ("a", "b"))
    assert found[0] == found.max()
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("n", "blocks", "covered"), [(400, 4, 400), (1_200, 3, 1_200), (3_200, 1, 1_067)])
def test_crosswise_every_row_is_held_out_once_unless_the_latest_are_many(n: int, blocks: int, covered: int) -> None:
    rows = worlds.rows(n, 3)
    folds = held_out_again(worlds.SPEC, rows, crosswise=True)
    keys = [key for fold in folds for key in fold.rows.keys.to_list()]
    assert (len(folds), len(keys), len(set(keys))) == (blocks, covered, covered)
    assert folds[0].rows.keys[-1] == rows.keys[-1]
    assert len(held_out_again(worlds.SPEC, rows, crosswise=False)) == 1
    assert folds[-1].losses.mean() < folds[-1].baseline_losses.mean()


def test_rows_without_a_block_keep_their_words() -> None:
    spec = load_spec(ModelType.TONE_CLASSIFIER)
    rows: Examples = examples(pl.DataFrame(posts(60), infer_schema_length=None), spec)
    rows.count_words()
    kept = rows.without(10, 50)
    assert kept.keys.to_list() == [*rows.keys[:10].to_list(), *rows.keys[50:].to_list()]
    again = Examples(kept.features, kept.target, kept.keys, kept.times)
    assert (kept.counts.words != again.counts.words).nnz == 0
