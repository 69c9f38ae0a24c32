"""Upworthy's archive in two halves: associations between tests, effects within them, of the same 17 conditions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.content.features import with_features
from tasks.effects.records import Association, CalibratingPair
from tasks.effects.within_experiments import ComparedArms, within_experiments
from tasks.statistics.shrinkage import prior_variance, shrink

FAULTY_WEEKS = (201326, 201402)  # randomization is known to be broken there
FEATURES = ("title_words", "character_count", "exclamation_count", "question_count", "number_count", "capitals_share")
FEATURES += ("has_cta", "readability", "sentiment_score", "mention_count", "hashtag_count")
WORDS = {
    "first_person": r"\b(i|my|me|we|our)\b",
    "you": r"\b(you|your)\b",
    "this": r"\b(this|these|here's)\b",
    "negation": r"\b(not|no|never|don't|can't|won't|isn't)\b",
    "why": r"\b(why|how)\b",
    "quote": r'["“”]',
    "ellipsis": r"\.\.\.|…",
    "colon": r":",
    "they": r"\b(he|she|they|his|her)\b",
    "superlative": r"\b(most|best|worst|ever|every)\b",
}
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Headlines:
    """n packages: frame with clicks, impressions, test, picture and week; features (n, K) by name, above the median."""

    frame: pl.DataFrame
    names: tuple[str, ...]
    meets: NDArray[np.bool_]

    def part(self, rows: NDArray[np.bool_]) -> Headlines:
        return Headlines(self.frame.filter(pl.Series(rows)), self.names, self.meets[rows])


def headlines(folder: Path, *, with_faulty_weeks: bool) -> Headlines:
    rows = pl.read_parquet(folder / "upworthy_exploratory" / "packages.parquet").filter(pl.col("impressions") >= 500)
    if not with_faulty_weeks:
        rows = rows.filter(~pl.col("test_week").is_between(*FAULTY_WEEKS))
    title = pl.col("headline").fill_null("")
    instant = pl.lit(0).cast(pl.Datetime("us", "UTC"))
    texts = rows.select(title=title, body=pl.lit(""), workspace_id=pl.lit("w"), published_at=instant)
    made = with_features(texts, {"w": "UTC"}).select(pl.col(name).cast(pl.Float64).fill_null(0.0) for name in FEATURES)
    words = rows.select(title.str.to_lowercase().str.contains(p).cast(pl.Float64).alias(n) for n, p in WORDS.items())
    values = made.hstack(words).to_numpy()
    meets = values > np.median(values, axis=0)
    kept = np.flatnonzero((meets.mean(axis=0) >= LEAST_SHARE) & (meets.mean(axis=0) <= 1 - LEAST_SHARE))
    names = [*FEATURES, *WORDS]
    return Headlines(rows, tuple(names[k] for k in kept), meets[:, kept])


def halves(data: Headlines, by: str, seed: int) -> tuple[Headlines, Headlines]:
    """Two halves without a test, or without a week, in common; by `time`, the earlier and the later weeks."""
    column = "clickability_test_id" if by == "test" else "test_week"
    of_row = data.frame[column].rank("dense").to_numpy().astype(np.int64) - 1
    if by == "time":
        first = np.cumsum(np.bincount(of_row)) <= len(of_row) / 2
    else:
        first = np.random.default_rng(seed).permutation(of_row.max() + 1) < (of_row.max() + 1) // 2
    return data.part(first[of_row]), data.part(~first[of_row])


def pairs_of(data: Headlines) -> list[CalibratingPair]:
    """Each condition's association and effect; the association from one package a test, adjusted for month."""
    experiments = within_experiments(arms_of(data), data.meets, np.ones_like(data.meets))
    association, error = associations_of(data)
    kept = shrink(association, error, prior_variance(association, error, minimum=0.05**2))
    return [
        CalibratingPair(
            Association(
                name, "words" if name in WORDS else "text", float(kept.mean[k]), float(kept.standard_deviation[k])
            ),
            "upworthy",
            "clicks",
            float(experiments.effect[k]),
            float(experiments.standard_error[k]),
            int(experiments.experiments[k]),
            int(experiments.experiments.max()),
        )
        for k, name in enumerate(data.names)
    ]


def arms_of(data: Headlines) -> ComparedArms:
    clicks, seen = data.frame["clicks"].to_numpy(), data.frame["impressions"].to_numpy()
    experiment = data.frame.select(pl.struct("clickability_test_id", "eyecatcher_id").rank("dense")).to_series()
    return ComparedArms(
        experiment.to_numpy().astype(np.int64) - 1,
        np.log((clicks + 0.5) / (seen + 1.0)),
        1.0 / (clicks + 0.5),
        np.zeros(len(clicks), dtype=bool),
    )


def associations_of(data: Headlines) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = ["clickability_test_id", "impressions"]
    numbered = data.frame.with_row_index("row").sort(order, descending=[False, True], maintain_order=True)
    rows = numbered.unique("clickability_test_id", keep="first", maintain_order=True)["row"].to_numpy()
    chosen = data.frame[rows]
    month = chosen.select((pl.col("test_week") // 4).rank("dense"))["test_week"].to_numpy().astype(np.int64) - 1
    outcome = np.log((chosen["clicks"].to_numpy() + 0.5) / (chosen["impressions"].to_numpy() + 1.0))
    x, y = _within(data.meets[rows].astype(np.float64), month), _within(outcome[:, None], month)
    information = (x**2).sum(axis=0)
    slope = (x * y).sum(axis=0) / information
    error = np.sqrt(((x * (y - slope * x)) ** 2).sum(axis=0)) / information
    return slope, error


def _within(values: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    means = np.column_stack([np.bincount(codes, column) / np.bincount(codes) for column in values.T])
    return values - means[codes]
