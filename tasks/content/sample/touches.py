"""Simulated contacts and visits, of which some convert for reasons that their attributes hold."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from numpy.random import Generator

from tasks.content.sample.agency import SimulatedWorkspace

PER_WORKSPACE = 900
LATEST_DAYS = 21
DEVICES = ("phone", "laptop", "tablet")
COMPANY_SIZES = ("1-10", "11-50", "51-250", "251+")
# log odds, once for the whole agency: what makes somebody buy hardly differs between tenants
BY_DEVICE, BY_COMPANY = np.array((-0.5, 0.4, 0.0)), np.array((-0.4, 0.1, 0.5, 0.2))
ROLES = """# What was known of a touch when it happened, so that models may learn from it.
kind: touches
features: [pages_viewed, minutes_on_site, emails_opened, returning]
labels: [device, company_size]
"""


def touches(workspace: SimulatedWorkspace, content: pl.DataFrame, random: Generator) -> pl.DataFrame:
    """One row a touch, an hour to three weeks after the post that led to it; two fifths have no known post."""
    before = pl.col("published_at") < pl.col("published_at").max() - timedelta(days=LATEST_DAYS)
    post = content.select("content_id", "channel", "published_at").filter(before)
    post = post[np.sort(random.integers(0, len(post), PER_WORKSPACE))]
    pages, minutes = random.poisson(3.0, len(post)) + 1, np.round(random.lognormal(1.0, 0.8, len(post)), 2)
    returning, device = random.random(len(post)) < 0.4, random.choice(3, len(post), p=(0.55, 0.35, 0.1))
    company, opened = random.choice(4, len(post)), random.poisson(1.5, len(post))
    log_odds = -3.4 + 0.25 * pages + 0.35 * np.log(minutes) + 0.9 * returning + 0.25 * opened
    log_odds += BY_DEVICE[device] + BY_COMPANY[company] + random.normal(0, 0.5, len(post))
    later = random.integers(60, LATEST_DAYS * 24 * 60, len(post)).astype("timedelta64[m]").astype("timedelta64[us]")
    known = pl.Series(random.random(len(post)) < 0.6)
    return post.select(
        pl.lit(workspace.workspace_id).alias("workspace_id"),
        pl.format("{}-touch-{}", pl.lit(workspace.workspace_id), pl.int_range(pl.len())).alias("touch_id"),
        (pl.col("published_at") + pl.Series(later)).alias("occurred_at"),
        "channel",
        pl.when(known).then("content_id").alias("content_id"),
        pl.Series("converted", (random.random(len(post)) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)),
        pl.Series("pages_viewed", pages),
        pl.Series("minutes_on_site", minutes),
        pl.Series("emails_opened", opened),
        pl.Series("returning", returning),
        pl.Series("device", np.array(DEVICES)[device]),
        pl.Series("company_size", np.array(COMPANY_SIZES)[company]),
        pl.lit(True).alias("simulated"),
    )
