"""A simulated agency with planted truths: what the demo learns from, and what it is judged by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.content.features import with_features
from tasks.content.sample.agency import AGENCY, SimulatedWorkspace
from tasks.content.sample.experiments import EXPERIMENTS, experiments
from tasks.content.sample.outcomes import channel_levels, outcomes
from tasks.content.sample.posts import PIECES, first_day, flip, posts
from tasks.content.sample.touches import ROLES, touches
from tasks.content.sample.writing import texts

__all__ = ["Sample", "simulate"]

# A fixed end, so that the sample is the same on every day; runs look back from the newest row, not from the clock.
UNTIL = date(2025, 6, 29)
CONTENT_COLUMNS = (
    *("workspace_id", "content_id", "content_type", "channel", "published_at", "title", "body", "media_type"),
    *("impressions", "engagements", "clicks", "conversions", "audience_size", "tone", "sentiment", "topic"),
    *("measured_at", "simulated"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Where the sample lies.

    Attributes:
        folder: holds all files.
        files: by kind, in the order in which `ingest` wants them.
        mappings: by kind, the mapping file that says which further columns are features, where there are any.
        planted: the truths, as JSON.
        rows: how many each file holds, by kind.
    """

    folder: Path
    files: Mapping[str, Path]
    mappings: Mapping[str, Path]
    planted: Path
    rows: Mapping[str, int]


def simulate(folder: Path, seed: int = 2026, *, until: date | None = None) -> Sample:
    """Write twelve simulated workspaces, 18 months of their content, touches and experiments, and what is true of them.

    Args:
        folder: where to write; made if it is not there.
        seed: another seed, another simulation; the same seed, the same rows.
        until: last day of content; by default a fixed day.
    """
    until = until or UNTIL
    folder.mkdir(parents=True, exist_ok=True)
    content, contacts, levels = [], [], {}
    for i, workspace in enumerate(AGENCY):
        random = np.random.default_rng([seed, i])
        levels[workspace.workspace_id] = channel_levels(workspace, random)
        content.append(_content(workspace, until, levels[workspace.workspace_id], random))
        contacts.append(touches(workspace, content[-1], random))
    started_at = datetime.combine(until, datetime.min.time(), UTC) - timedelta(days=42)
    frames = {
        "workspaces": pl.DataFrame([workspace.row() for workspace in AGENCY]),
        "content": pl.concat(content),
        "touches": pl.concat(contacts),
        "experiments": experiments(started_at, np.random.default_rng([seed, len(AGENCY)])),
    }
    files = {kind: _write(frame, folder / f"{kind}.{_format(kind)}") for kind, frame in frames.items()}
    planted = folder / "planted.json"
    planted.write_text(json.dumps(_planted(seed, until, levels), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    roles = folder / "touches.yaml"
    roles.write_text(ROLES, encoding="utf-8")
    return Sample(folder, files, {"touches": roles}, planted, {kind: len(frame) for kind, frame in frames.items()})


def _content(
    workspace: SimulatedWorkspace, until: date, levels: Mapping[str, float], random: np.random.Generator
) -> pl.DataFrame:
    """Features are derived from the text as ingestion will derive them, so that the truths are true of its columns."""
    plan = posts(workspace, until, random)
    written = plan.hstack(texts(plan, workspace.industry, random)).drop(PIECES)
    featured = with_features(written, {workspace.workspace_id: workspace.timezone})
    results = outcomes(featured, workspace, workspace.truths(flip(until)), levels, random)
    identified = written.with_columns(
        pl.format("{}-{}", "workspace_id", pl.int_range(pl.len()).cast(pl.String).str.zfill(5)).alias("content_id"),
        pl.lit(True).alias("simulated"),
    )
    return identified.hstack(results).select(CONTENT_COLUMNS)


def _planted(seed: int, until: date, levels: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    since = flip(until).isoformat()
    return {
        "simulated": True,
        "seed": seed,
        **{"from": first_day(until).isoformat(), "until": until.isoformat()},
        "workspaces": {
            workspace.workspace_id: {
                "null": not workspace.effects,
                "drift": {"kind": workspace.drift, "from": since} if workspace.drift else None,
                "channel_levels": levels[workspace.workspace_id],
                "patterns": [truth.as_dict() for truth in workspace.truths(flip(until))],
            }
            for workspace in AGENCY
        },
        "experiments": [
            {"workspace_id": t.workspace_id, "experiment_name": t.name, "null": t.null, "true_means": t.means}
            for t in EXPERIMENTS
        ],
    }


def _format(kind: str) -> str:
    return "parquet" if kind == "content" else "csv"


def _write(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%:z")
    return path
