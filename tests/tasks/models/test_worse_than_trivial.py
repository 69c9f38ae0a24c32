"""How many workspaces are served a model that is worse on later rows than the better of two constants. `make bench`.

Each champion is of a workspace's first three quarters; what the constants know is the same, and which of them is the
better is told by the later rows. Engagement, with an organization, is in `test_pooling_bars.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.models.records import ModelType
from tasks.models.specs import load_spec
from tasks.models.training.candidates import _trained
from tasks.models.training.dataset import TEXT, Examples, examples
from tasks.models.training.evaluation import baseline_losses
from tests.tasks.models import drift_looks

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
MOST_ROWS = 2_000
REACTIONS = ["loves", "wows", "hahas", "sads", "angrys"]


def pages_by_reaction(shared_data: Path) -> Iterator[Examples]:
    """Posts of each page with what most who reacted felt, in time order."""
    posts = pl.read_parquet(shared_data / "facebook_pages_2016" / "posts.parquet").sort("status_published", "status_id")
    felt = pl.concat_list(f"num_{name}" for name in REACTIONS)
    posts = posts.filter(felt.list.sum() > 0).select(
        "page",
        text=pl.concat_str(pl.col("link_name", "status_message").fill_null(""), separator=" "),
        label=felt.list.arg_max().replace_strict(dict(enumerate(REACTIONS)), return_dtype=pl.String),
    )
    for _, page in sorted(posts.partition_by("page", as_dict=True).items()):
        yield drift_looks.in_order(page.tail(MOST_ROWS).select(TEXT), page["label"].tail(MOST_ROWS))


def tweets_by_brand(shared_data: Path) -> Iterator[Examples]:
    """Distinct tweets on each brand, in the order of their ids."""
    tweets = pl.read_parquet(shared_data / "twitter_entity_sentiment" / "train.parquet").drop_nulls()
    tweets = tweets.unique("id", keep="first").sort("id")
    for _, brand in sorted(tweets.partition_by("entity", as_dict=True).items()):
        yield drift_looks.in_order(brand.select(TEXT), brand["sentiment"])


def calls_by_job(shared_data: Path) -> Iterator[Examples]:
    """A bank's calls to people of each job, in order."""
    calls = pl.read_parquet(shared_data / "bank_marketing" / "bank_additional_full.parquet").sort("seq")
    spec = load_spec(ModelType.CONVERSION_PREDICTOR).model_copy(update={"maximum_rows": 50_000})
    for job in sorted(calls["job"].unique()):
        own = calls.filter(pl.col("job") == job)
        yield examples(
            drift_looks.touches_of(own, drift_looks.NUMBERS, drift_looks.LABELS[1:], pl.col("y") == "yes"), spec
        )


@pytest.mark.parametrize(
    ("model_type", "workspaces"),
    [
        (ModelType.CONVERSION_PREDICTOR, calls_by_job),
        (ModelType.SENTIMENT_ANALYZER, tweets_by_brand),
        (ModelType.TONE_CLASSIFIER, pages_by_reaction),
    ],
)
def test_hardly_any_workspace_is_served_worse_than_by_a_constant(shared_data: Path, model_type, workspaces) -> None:  # type: ignore[no-untyped-def]
    spec, ratios, tried = load_spec(model_type), list[float](), 0
    for rows in workspaces(shared_data):
        known, later = rows.slice(0, rows.n * 3 // 4), rows.slice(rows.n * 3 // 4, rows.n)
        if known.n < spec.minimum_rows or known.has_one_class:
            continue
        tried += 1
        trained, _ = _trained(spec, known.slice(max(known.n - spec.maximum_rows, 0), known.n))
        if trained.evaluation.beats_baseline:
            trivial = baseline_losses(known.target, later.target).mean()
            ratios.append(float(trained.model.losses(later).mean() / trivial))
    worse = float(np.mean(np.array(ratios) > 1))
    error = math.sqrt(max(worse * (1 - worse), 1 / len(ratios)) / len(ratios))
    name, share = model_type.value, f"{worse:.3f} ± {error:.3f} (bar .05)"
    print(f"\nBAR {name}, {len(ratios)} champions of {tried} workspaces, worse than a constant on later rows: {share}")
    print(f"{name}, loss over the constant's on later rows: median {np.median(ratios):.2f}, largest {max(ratios):.2f}")
    assert worse <= 0.05 + 2 * error
