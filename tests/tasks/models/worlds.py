"""Simulated worlds whose drift is known: numbers in, one number out."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from tasks.models.records import ModelType, Version
from tasks.models.specs import Estimator, Features, ModelSpec
from tasks.models.training.dataset import Examples
from tasks.models.training.evaluation import TrainedModel, train
from tests.factories import START

COLUMNS = [f"x{i}" for i in range(6)]
SPEC = ModelSpec(
    model_type=ModelType.ENGAGEMENT_PREDICTOR,
    rows="content",
    target="engagement",
    task="regression",
    features=Features(numeric=tuple(COLUMNS)),
    estimator=Estimator(kind="level_and_residual", parameters={"max_iter": 25, "max_leaf_nodes": 8}),
    minimum_rows=100,
    maximum_rows=100_000,
)


def rows(n: int, seed: int, *, skewed: bool = False, sign: float = 1.0, start: int = 0) -> Examples:
    """y = sign · (x0 + x1) + noise on uniform x; `skewed` moves x within its range and nothing else."""
    random = np.random.default_rng([seed, start])
    x = random.beta(4, 2, (n, len(COLUMNS))) * 4 - 2 if skewed else random.uniform(-2, 2, (n, len(COLUMNS)))
    y = sign * (x[:, 0] + x[:, 1]) + random.normal(0, 0.5, n)
    times = pl.Series("time", [START + timedelta(hours=start + i) for i in range(n)])
    keys = pl.Series("key", [str(start + i) for i in range(n)])
    return Examples(pl.DataFrame(x, schema=COLUMNS), pl.Series("target", y), keys, times)


def frame_of(examples: Examples) -> pl.DataFrame:
    """Examples as the warehouse would hand them over: y is the log of the engagements."""
    engagements = examples.target.exp() - 0.5
    stored = {"content_id": examples.keys, "published_at": examples.times, "engagements": engagements}
    return examples.features.with_columns(impressions=pl.lit(None, pl.Int64), **stored)


def joined(first: Examples, second: Examples) -> Examples:
    """One after the other."""
    parts = [pl.concat([a, b]) for a, b in zip(_parts(first), _parts(second), strict=True)]
    return Examples(*parts)


def _parts(examples: Examples) -> tuple[pl.DataFrame, pl.Series, pl.Series, pl.Series]:
    return examples.features, examples.target, examples.keys, examples.times


def champion_of(examples: Examples, spec: ModelSpec = SPEC) -> tuple[TrainedModel, Version]:
    """A model trained on examples, and what the warehouse would remember of it."""
    trained = train(spec, examples)
    evaluation = trained.evaluation.as_dict()
    about = {"version_name": "v_20260101_000000", "status": "registered", "registry_version": 1, "decision": "promote"}
    about |= {"data_sha256": "", "spec_sha256": "", "artifact_sha256": "", "golden": trained.reference}
    return trained, Version(evaluation=evaluation, train_to=examples.times[-1], n_rows=len(examples), **about)
