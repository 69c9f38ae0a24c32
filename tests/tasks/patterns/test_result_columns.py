"""What a platform counts after publication explains nothing, whatever column it comes in."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from tasks.patterns import PerformanceAnalyzer
from tasks.warehouse import Warehouse
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.records import NewWorkspace
from tasks.warehouse.schema import Content
from tests.factories import content_row, store_content

HEADER = ["Post id", "Date", "Post text", "Impressions", "Likes", "Engagements", "Bookmarks", "Replies", "URL Clicks"]
COUNTED = {"Likes", "Bookmarks", "Replies", "likes", "seconds_watched"}
X_ZERO = 1_288_834_974_657


def x_export(path: Path, posts: int = 420) -> Path:
    """A real-looking export: engagements are likes and a few more, and posts with a question do better."""
    random = np.random.default_rng(5)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(HEADER)
        for i in range(posts):
            at = datetime(2025, 1, 6, 9, tzinfo=UTC) + timedelta(hours=20 * i)
            key = (int(at.timestamp() * 1000) - X_ZERO) << 22
            asks = random.random() < 0.4
            likes = int(random.poisson(40 * (1.6 if asks else 1.0) * random.gamma(8, 1 / 8)))
            text = f"news of today {'what do you think?' if asks else 'come by this weekend.'}"
            bookmarks, replies = int(likes * 0.2), int(random.poisson(2))
            rows.writerow(
                [key, f"{at:%a, %b %d, %Y}", text, 2000, likes, likes + replies + bookmarks, bookmarks, replies, 1]
            )
    return path


def features_of(patterns: list[dict[str, Any]]) -> set[str]:
    return {condition["feature"] for pattern in patterns for condition in pattern["rule"]}


async def test_an_export_of_x_gives_no_pattern_on_what_it_counts(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    report = ingest(
        "content",
        [x_export(tmp_path / "x.csv")],
        preset="x-2024",
        workspace="acme",
        timezone="UTC",
        new_workspace=NewWorkspace("bakery"),
        warehouse=sqlite_warehouse,
    )
    assert report.written == 420
    found = await PerformanceAnalyzer(warehouse=sqlite_warehouse).analyze_patterns("acme", "social", 730)
    named = features_of([*found["winning_patterns"], *found["losing_patterns"]])
    assert named
    assert not named & COUNTED


@pytest.mark.parametrize("roles", [None, {}, {"likes": "feature", "seconds_watched": "feature"}])
async def test_counts_that_older_rows_brought_or_somebody_called_features_are_none(
    roles: dict[str, str] | None, sqlite_warehouse: Warehouse
) -> None:
    random = np.random.default_rng(3)
    rows = []
    for i in range(400):
        engagements = int(random.poisson(50 * random.gamma(6, 1 / 6)))
        attributes = {
            "likes": engagements - int(random.integers(0, 4)),
            "seconds_watched": 7.5 * engagements,
            "price": 3 * i % 7,
        }
        rows.append(
            content_row(
                i,
                published_at=datetime(2025, 1, 6, tzinfo=UTC) + timedelta(hours=20 * i),
                engagements=engagements,
                impressions=1000,
                attributes=attributes,
                attribute_roles=roles,
            )
        )
    store_content(sqlite_warehouse, rows)
    found = await PerformanceAnalyzer(warehouse=sqlite_warehouse).analyze_patterns("acme", "social", 730)
    assert not features_of([*found["winning_patterns"], *found["losing_patterns"]]) & COUNTED
    refused = {name: why for name, why in found["statistics"]["refused"].items() if "results" in why}
    assert set(refused) == ({"likes", "seconds_watched"} if roles else set())


async def test_what_was_called_a_feature_is_one(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    """The same column with and without the word."""
    random = np.random.default_rng(7)
    header = "workspace_id,content_id,content_type,channel,published_at,impressions,engagements,price\n"
    lines = []
    for i in range(400):
        price = int(random.integers(1, 20))
        at = datetime(2025, 1, 6, tzinfo=UTC) + timedelta(hours=20 * i)
        engaged = int(random.poisson(50 * (2.0 if price < 8 else 1.0) * random.gamma(8, 1 / 8)))
        lines.append(f"acme,c{i},social,x,{at:%Y-%m-%dT%H:%M:%SZ},1000,{engaged},{price}\n")
    (tmp_path / "posts.csv").write_text(header + "".join(lines))
    (tmp_path / "map.yaml").write_text("features: [price]\n")
    store_content(sqlite_warehouse, [content_row(workspace_id="acme")])
    for mapping, expected in ((None, False), (tmp_path / "map.yaml", True)):
        ingest("content", [tmp_path / "posts.csv"], mapping=mapping, warehouse=sqlite_warehouse)
        found = await PerformanceAnalyzer(warehouse=sqlite_warehouse).analyze_patterns("acme", "social", 730)
        assert ("price" in features_of([*found["winning_patterns"], *found["losing_patterns"]])) == expected


def test_the_roles_are_kept_beside_the_attributes(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    header = "workspace_id,content_id,content_type,channel,published_at,likes,campaign,price\n"
    (tmp_path / "posts.csv").write_text(header + "acme,c1,social,x,2026-03-01T10:00:00Z,5,007,9.5\n")
    (tmp_path / "map.yaml").write_text("features: [price]\nlabels: [campaign]\nresults: [likes]\n")
    store_content(sqlite_warehouse, [content_row(workspace_id="acme")])
    ingest("content", [tmp_path / "posts.csv"], mapping=tmp_path / "map.yaml", warehouse=sqlite_warehouse)
    row = sqlite_warehouse.rows(select(Content.attributes, Content.attribute_roles).where(Content.content_id == "c1"))[
        0
    ]
    assert row["attributes"] == {"campaign": "007", "likes": 5, "price": 9.5}
    assert row["attribute_roles"] == {"campaign": "label", "likes": "result", "price": "feature"}
