"""Looks at champions for the benchmarks of drift: real rows in time order, the same rows shuffled, and planted shifts.

A look is what a night sees: the rows that a champion learned from, the rows since, and, unseen, those that follow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tasks.content.features import with_features
from tasks.models.drift.monitor import DriftMeasurement, DriftThresholds, judge_drift, measure_drift
from tasks.models.records import NO_DRIFT, ModelType, Version
from tasks.models.specs import ModelSpec, load_spec
from tasks.models.training.dataset import KEYS, RECENT_ROWS, TEXT, Examples, examples
from tasks.models.training.evaluation import TrainedModel, train

START = datetime(2008, 5, 1, tzinfo=UTC)
LABELS = ["job", "marital", "education", "default", "housing", "loan", "day_of_week", "poutcome"]
NUMBERS = ["age", "campaign", "pdays", "previous", "emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m"]
NUMBERS += ["nr.employed"]  # never `duration`: it is known only after the call


@dataclass(frozen=True)
class Look:
    """One look at one champion.

    Attributes:
        name: of the source.
        learned: rows the champion was trained on; `seen` are these and the rows since, `later` those that follow.
    """

    name: str
    spec: ModelSpec
    learned: Examples
    seen: Examples
    later: Examples


def touches_of(frame: pl.DataFrame, numbers: list[str], labels: list[str], converted: pl.Expr) -> pl.DataFrame:
    """Rows with a `seq` as touches, one an hour."""
    attributes = [pl.col(name).cast(pl.Float64) for name in numbers]
    attributes += [pl.col(name).cast(pl.String) for name in labels]
    roles = json.dumps(dict.fromkeys(numbers, "feature") | dict.fromkeys(labels, "label"))
    return frame.select(
        touch_id=pl.col("seq").cast(pl.String).str.zfill(6),
        occurred_at=pl.lit(START) + pl.duration(hours=pl.col("seq").cast(pl.Int64)),
        channel=pl.col("contact").cast(pl.String),
        attributes=pl.struct(*attributes).struct.json_encode(),
        attribute_roles=pl.lit(roles),
        converted=converted,
    )


def bank_touches(shared_data: Path) -> pl.DataFrame:
    """A bank's calls in order, one an hour."""
    frame = pl.read_parquet(shared_data / "bank_marketing" / "bank_additional_full.parquet").sort("seq")
    return touches_of(frame, NUMBERS, LABELS, pl.col("y") == "yes")


def market_touches(n: int, seed: int) -> pl.DataFrame:
    """Does a price rise above its day's mean? Demand, hour and a neighbor's price tell, by rules that change.

    Made like the electricity market of New South Wales (Harries 1999): outcomes follow each other, and every few
    hundred rows the rule is another one, abruptly or bit by bit.
    """
    random = np.random.default_rng(seed)
    hour = np.arange(n) % 48
    demand = np.sin(hour / 48 * 2 * np.pi) + random.normal(0, 0.5, n)
    neighbor = random.normal(0, 1, n)
    weights = np.array([1.2, -0.4, 0.0])
    score, last = np.zeros(n), 0.0
    for i in range(n):
        if random.random() < 1 / 1_200:
            weights = random.normal(0, 1.1, 3)
        weights = weights + random.normal(0, 0.008, 3)
        last = 0.5 * last + random.normal(0, 0.6)
        score[i] = weights @ (demand[i], neighbor[i], 1.0) + last
    frame = pl.DataFrame({"seq": np.arange(n), "hour": hour, "demand": demand, "neighbor": neighbor, "contact": "x"})
    frame = frame.with_columns(up=pl.Series(score > random.logistic(0, 0.4, n)))
    return touches_of(frame, ["hour", "demand", "neighbor"], [], pl.col("up"))


def pages(shared_data: Path, every: int, first: int = 0) -> Iterator[pl.DataFrame]:
    """Posts of every n-th Facebook page, with their features."""
    posts = pl.read_parquet(shared_data / "facebook_pages_2016" / "posts.parquet")
    engagements = pl.sum_horizontal("num_reactions", "num_comments", "num_shares").cast(pl.Int64)
    frame = posts.select(
        workspace_id="page",
        content_id=pl.col("status_id").cast(pl.String),
        content_type=pl.lit("social"),
        channel=pl.lit("facebook"),
        published_at=pl.col("status_published").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        title="link_name",
        body="status_message",
        media_type="status_type",
        impressions=pl.lit(None, pl.Int64),
        engagements=engagements,
    )
    for name in sorted(frame["workspace_id"].unique())[first::every]:
        yield with_features(frame.filter(pl.col("workspace_id") == name), {name: "UTC"})


def looks_at(name: str, frame: pl.DataFrame, spec: ModelSpec, learned: int, steps: list[int], after: int) -> list[Look]:
    """Looks `steps` rows after a champion of the first rows, each followed by `after` rows."""
    rows = examples(frame.sort(KEYS[spec.rows][1]), spec.model_copy(update={"maximum_rows": len(frame)}))
    known = rows.slice(0, learned)
    ends = [learned + n for n in steps if learned + n + after <= rows.n]
    return [Look(name, spec, known, rows.slice(0, end), rows.slice(end, end + after)) for end in ends]


def real_looks(shared_data: Path, seed: int, page_share: int = 3) -> list[Look]:
    """Some 128 looks in time order: a bank's calls, a market, and Facebook pages."""
    conversion, engagement = load_spec(ModelType.CONVERSION_PREDICTOR), load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    looks = list[Look]()
    bank = bank_touches(shared_data)
    for start in range(14_000 + 700 * seed, 38_000, 1_900):
        looks += looks_at("bank", bank[start : start + 4_200], conversion, 2_500, [200, 600, 1_000], 500)
    for world in range(12):
        market = market_touches(2_700, 100 * seed + world)
        looks += looks_at("market", market, conversion, 1_200, [150, 400, 800], 400)
    for page in pages(shared_data, page_share, seed % page_share):
        if (n := len(page)) >= 500:
            looks += looks_at("page", page, engagement, n // 2, [n // 8, n // 4], n // 8)
    return looks


TEXTS = ("tone", "sentiment", "topic")
MOODS = {
    "anger": "anger annoyance disapproval",
    "disgust": "disgust",
    "fear": "fear nervousness",
    "joy": "joy amusement approval excitement gratitude love optimism relief pride admiration desire caring",
    "sadness": "sadness disappointment embarrassment grief remorse",
    "surprise": "surprise realization confusion curiosity",
    "neutral": "neutral",
}


def texts_of(shared_data: Path, name: str, n: int = 4_000) -> tuple[ModelSpec, list[Examples]]:
    """Emotions in seven classes, sentiments of distinct tweets, or topics of news, n of them at random."""
    if name == "tone":
        frame = pl.read_parquet(shared_data / "goemotions" / "goemotions.parquet")
        mood = {emotion: mood for mood, emotions in MOODS.items() for emotion in emotions.split()}
        frame = frame.filter(~pl.col("labels").str.contains(",")).select(
            text="text", label=pl.col("label_names").replace_strict(mood)
        )
        model_type = ModelType.TONE_CLASSIFIER
    elif name == "sentiment":
        frame = pl.read_parquet(shared_data / "twitter_entity_sentiment" / "train.parquet").drop_nulls()
        frame = frame.unique("id", keep="first", maintain_order=True).select(text="text", label="sentiment")
        model_type = ModelType.SENTIMENT_ANALYZER
    else:
        frame = pl.read_parquet(shared_data / "bbc_news" / "bbc_train.parquet").select(text="Text", label="Category")
        model_type = ModelType.TOPIC_CLASSIFIER
    frame = frame.unique("text", keep="first", maintain_order=True)
    frame = frame.sample(min(n, len(frame)), shuffle=True, seed=1)
    return load_spec(model_type), [in_order(frame.select(TEXT), frame["label"])]


def rows_of(shared_data: Path, name: str) -> tuple[ModelSpec, list[Examples]]:
    """Real rows of a model type, of one workspace or of several."""
    if name in TEXTS:
        return texts_of(shared_data, name)
    if name == "conversion":
        spec = load_spec(ModelType.CONVERSION_PREDICTOR)
        return spec, [examples(bank_touches(shared_data), spec.model_copy(update={"maximum_rows": 50_000}))]
    spec = load_spec(ModelType.ENGAGEMENT_PREDICTOR)
    return spec, [examples(page, spec) for page in pages(shared_data, 4) if len(page) >= 2_200][:6]


def in_order(features: pl.DataFrame, target: pl.Series) -> Examples:
    """Rows as if they had come one an hour in this order."""
    times = pl.Series([START + timedelta(hours=i) for i in range(len(target))])
    return Examples(features, target, pl.Series([str(i) for i in range(len(target))]), times)


def shuffled(rows: Examples, n: int, random: np.random.Generator) -> Examples:
    """n of the rows at random and in random order: the world does not change. Levels are those of that order."""
    chosen = random.permutation(rows.n)[:n].tolist()
    features, target = rows.features[chosen], rows.target[chosen]
    if "recent_level" in features.columns:
        before = target.shift(1).rolling_mean(RECENT_ROWS, min_samples=1)
        features = features.with_columns(recent_level=before)
    found = in_order(features, target)
    if TEXT in features.columns:
        found.count_words()
    return found


def champion_on(spec: ModelSpec, learned: Examples) -> tuple[TrainedModel, Version]:
    """A champion trained on rows, and what the warehouse would remember of it."""
    trained = train(spec, learned)
    evaluation = trained.evaluation.as_dict()
    version = Version(
        "v", "registered", 1, "", "", "", trained.reference, evaluation, "promote", learned.times[-1], learned.n
    )
    return trained, version


def rings(spec: ModelSpec, champion: tuple[TrainedModel, Version], seen: Examples) -> bool:
    """Whether a look at a champion says that anything drifted; what retraining would bring is not measured."""
    trained, version = champion
    return judge_drift(spec, version, trained.model, seen, seen, DriftThresholds())[0].status != NO_DRIFT


def look(spec: ModelSpec, champion: tuple[TrainedModel, Version], seen: Examples) -> DriftMeasurement:
    """One look at a champion once these rows have been seen."""
    trained, version = champion
    return measure_drift(spec, version, trained.model, seen, seen, DriftThresholds())
