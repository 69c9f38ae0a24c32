"""A workspace whose patterns mislead, and its experiments, as tests of several rooms want them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.factories import START, content_row, workspace_row

HEADER = "workspace_id,experiment_name,variant_name,metric_name,metric_kind,n,sum,is_control,title,changes"


def misleading_posts(workspace_id: str, seed: int, *, count: int = 700, lift: float = 0.5) -> list[dict[str, Any]]:
    """Posts with a question do better by `lift` (log), because good stories get one: nothing comes of the question."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        asks = bool(rng.random() < 0.4)
        rate = 0.03 * math.exp(lift * asks + rng.normal(0.0, 0.45))
        rows.append(
            content_row(
                i * 6,
                workspace_id=workspace_id,
                content_id=f"{workspace_id}-{i}",
                title="is it so?" if asks else "it is so.",
                question_count=int(asks),
                impressions=4000,
                engagements=int(rng.binomial(4000, min(rate, 0.9))),
            )
        )
    return rows


def experiments_csv(path: Path, workspace_id: str, count: int, seed: int, *, effect: float = 0.05) -> Path:
    """Experiments of two headlines each, one of which asks; the question itself does `effect` (log)."""
    rng = np.random.default_rng(seed)
    lines = [HEADER]
    for k in range(count):
        base = 0.04 * math.exp(rng.normal(0.0, 0.2))
        for name, title, own in (("a", f"the {k} things.", 0.0), ("b", f"the {k} things?", effect)):
            clicks = rng.binomial(20_000, min(base * math.exp(own + rng.normal(0.0, 0.03)), 0.9))
            lines.append(f"{workspace_id},test {k},{name},clicks,binary,20000,{clicks},{name == 'a'},{title},")
    path.write_text("\n".join(lines))
    return path


def workspaces_csv(path: Path, *rows: dict[str, Any]) -> Path:
    names = ("workspace_id", "name", "industry", "size", "timezone", "organisation_id", "shares_insights")
    pl.DataFrame([{name: workspace_row(**row)[name] for name in names} for row in rows]).write_csv(path)
    return path


NIGHTS_LATER = START.replace(year=START.year + 1)
