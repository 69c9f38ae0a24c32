"""Real headline tests: patterns learned on some, the panel asked which headline won in others."""

from __future__ import annotations

import hashlib
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.conditions import Condition
from tasks.content.features import with_features
from tasks.swarm.calibration import calibrated, calibration_curve
from tasks.swarm.evidence import tags_of
from tasks.swarm.posterior import OWN_SD, prior_sd_of, standings
from tasks.swarm.records import EvidenceRef, Option
from tests.calibration import calibration_error

pytestmark = pytest.mark.real_data

GROUP = ["clickability_test_id", "eyecatcher_id"]
FAULTY_WEEKS = (201326, 201402)  # randomization is known to be broken there
CONDITIONS = [
    *[Condition(feature=f"{name}_count", op=">=", value=1) for name in ("question", "number", "exclamation", "link")],
    *[Condition(feature="title_words", op="<", value=12), Condition(feature="title_words", op=">=", value=18)],
    *[Condition(feature="sentiment_score", op=op, value=v) for op, v in ((">=", 0.4), ("<", -0.4))],
    *[Condition(feature="readability", op=op, value=v) for op, v in ((">=", 90.0), ("<", 60.0))],
    *[Condition(feature="capitals_share", op="<", value=0.1), Condition(feature="has_cta", op="==", value=True)],
]
FEATURES = sorted({condition.feature for condition in CONDITIONS})


def headlines(folder: Path) -> pl.DataFrame:
    """One row a headline of a story under one picture, where there are at least two; with features and part."""
    rows = pl.read_parquet(folder / "upworthy_exploratory" / "packages.parquet")
    rows = rows.filter(~pl.col("test_week").is_between(*FAULTY_WEEKS) & pl.col("headline").is_not_null())
    rows = rows.group_by([*GROUP, "headline"]).agg(pl.col("impressions", "clicks").sum())
    rows = rows.filter((pl.col("impressions") > 500) & (pl.col("clicks") > 0))
    rows = rows.filter(pl.len().over(GROUP) > 1).sort([*GROUP, "headline"])
    texts = rows.select(
        pl.col("headline").alias("title"),
        body=pl.lit(None, dtype=pl.String),
        workspace_id=pl.lit("w"),
        published_at=pl.lit(0).cast(pl.Datetime("us", "UTC")),
    )
    part = [int(hashlib.sha256(name.encode()).hexdigest(), 16) % 4 for name in rows["clickability_test_id"]]
    return rows.hstack(with_features(texts, {"w": "UTC"}).select(FEATURES)).with_columns(
        pl.Series("part", part),
        log_rate=(pl.col("clicks") / pl.col("impressions")).log(),
        noise=1 / pl.col("clicks") - 1 / pl.col("impressions"),
    )


def learned(rows: pl.DataFrame) -> list[EvidenceRef]:
    """Effects of features within story and picture, by weighted least squares, standard errors clustered by test."""
    holding = {str(i): holds(rows, condition) for i, condition in enumerate(CONDITIONS)}
    names = [name for name, flag in holding.items() if flag.sum() >= 30]
    found = rows.with_columns([holding[name].cast(pl.Float64).alias(name) for name in names])
    weight = 1.0 / (OWN_SD**2 + found["noise"].to_numpy())
    found = found.with_columns(pl.Series("weight", weight))
    mean = {n: (pl.col(n) * pl.col("weight")).sum().over(GROUP) / pl.col("weight").sum().over(GROUP) for n in names}
    mean["log_rate"] = (pl.col("log_rate") * pl.col("weight")).sum().over(GROUP) / pl.col("weight").sum().over(GROUP)
    centerd = found.with_columns([(pl.col(name) - value).alias(name) for name, value in mean.items()])
    x, y = centerd.select(names).to_numpy(), centerd["log_rate"].to_numpy()
    bread = np.linalg.pinv((x * weight[:, None]).T @ x)
    effects = bread @ ((x * weight[:, None]).T @ y)
    scores = pl.DataFrame(x * (weight * (y - x @ effects))[:, None], schema=names)
    by_test = scores.with_columns(rows["clickability_test_id"]).group_by("clickability_test_id").sum().select(names)
    meat = by_test.to_numpy().T @ by_test.to_numpy()
    errors = np.sqrt(np.diag(bread @ meat @ bread))
    return [
        EvidenceRef(
            id=f"p{name}", kind="pattern", statement=str(CONDITIONS[int(name)]), metric="clicks", effect=float(effect),
            se=float(error), conditions=(CONDITIONS[int(name)],), tags=tags_of([CONDITIONS[int(name)].feature]),
        )
        for name, effect, error in zip(names, effects, errors, strict=True)
    ]  # fmt: skip


def holds(rows: pl.DataFrame, condition: Condition) -> pl.Series:
    column = rows[condition.feature]
    compare = {"==": column.eq, ">=": column.ge, "<": column.lt}
    return compare[condition.op](condition.value).fill_null(False)  # type: ignore[arg-type, operator]


def judged(rows: pl.DataFrame, evidence: list[EvidenceRef], prior_sd: float) -> pl.DataFrame:
    """Every pair of headlines of one story and picture: what the panel said, and which won."""
    found = []
    for (test, _), group in rows.group_by(GROUP, maintain_order=True):
        options = [
            Option(id=str(i), label=row["headline"], is_content=True, attributes=known_features(row))
            for i, row in enumerate(group.iter_rows(named=True))
        ]
        rates = group["log_rate"].to_list()
        for a, b in combinations(range(len(options)), 2):
            if rates[a] == rates[b]:
                continue
            one, other = standings([options[a], options[b]], evidence, prior_sd)
            if one.evidence_ids == other.evidence_ids:
                continue  # nothing sets them apart: the panel would say so
            best = one if one.probability_best > other.probability_best else other
            won = rates[int(best.option)] == max(rates[a], rates[b])
            found.append({"test": test, "stated": best.probability_best, "won": won})
    return pl.DataFrame(found)


def known_features(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FEATURES if row[name] is not None}


def interval(pairs: pl.DataFrame, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the share right, by bootstrap over tests."""
    tests = pairs.group_by("test").agg(pl.col("won").sum().alias("won"), pl.len().alias("n")).sort("test")
    won, n = tests["won"].to_numpy(), tests["n"].to_numpy()
    pick = np.random.default_rng(0).integers(len(n), size=(draws, len(n)))
    low, high = np.quantile(won[pick].sum(axis=1) / n[pick].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def test_the_panel_beats_a_coin_on_headlines_of_other_tests_and_is_calibrated(shared_data: Path) -> None:
    rows = headlines(shared_data)
    within = rows.group_by(GROUP).agg(pl.col("log_rate").var(), pl.col("noise").mean(), pl.len() - 1)
    own = np.sqrt(((within["log_rate"] - within["noise"]) * within["len"]).sum() / within["len"].sum())
    assert own == pytest.approx(OWN_SD, abs=0.02)
    all_pairs = []
    for held_out in range(4):  # each test is judged once, by patterns of the other three parts
        evidence = learned(rows.filter(pl.col("part") != held_out))
        pairs = judged(rows.filter(pl.col("part") == held_out), evidence, prior_sd_of(evidence))
        all_pairs.append(pairs)
    pairs = pl.concat(all_pairs)
    stated, right = pairs["stated"].to_list(), pairs["won"].to_list()
    low, high = interval(pairs)
    error = calibration_error(stated, right)
    half = pairs["test"].map_elements(lambda name: hashlib.md5(name.encode()).digest()[0] % 2, return_dtype=pl.Int64)
    past, later = pairs.filter(half == 0), pairs.filter(half == 1)
    curve = calibration_curve(list(zip(past["stated"], past["won"], strict=True)))
    graded = calibration_error([calibrated(s, curve) for s in later["stated"]], later["won"].to_list())
    tests = pairs["test"].n_unique()
    print(
        f"BAR Upworthy pairs, panel: {np.mean(right):.3f} right of {len(pairs)} pairs in {tests} tests, "
        f"95 % interval {low:.3f} to {high:.3f} (bar: above .5, interval excludes it); "
        f"stated {np.mean(stated):.3f}, calibration error {error:.3f}, after grading the other half {graded:.3f}"
    )
    assert low > 0.5
    assert error <= 0.05
