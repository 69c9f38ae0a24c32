"""`raptorflow demo`: the nightly chain over a simulated agency, found beside planted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from flows import console, listing, runtime
from tasks.content.planted import Match, Truth, load_planted, match
from tasks.content.sample import Sample, simulate
from tasks.patterns.records import Pattern
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import content_frame
from tasks.warehouse.ingestion import ingest

LOOKBACK_DAYS = 365
MODEL_TYPES = "ENGAGEMENT_PREDICTOR,TONE_CLASSIFIER"  # two of five: the demo is to be over within a minute
NEXT = (
    ("raptorflow patterns -w {workspace}", "what wins and loses, with intervals"),
    ("raptorflow insights -w {workspace}", "what similar workspaces know"),
    ("raptorflow drift", "which models still fit"),
    ("raptorflow models", "what is registered, and what serves"),
    ("raptorflow ingest content FILE --mapping MAP.yaml", "your own data"),
)


def write_sample(folder: Path | None, seed: int) -> dict[str, Path]:
    """Write the simulated sample; returns its files by what they hold."""
    sample = simulate(folder or get_settings().home / "sample", seed)
    return dict(sample.files) | {"planted": sample.planted}


def run() -> None:
    """Simulate, ingest, run the chain, show what was found beside what was planted."""
    started = time.perf_counter()
    console.say("[bold]A simulated agency of 12 workspaces[/], with truths planted in it. Nothing here is real data.")
    sample = simulate(get_settings().home / "sample")
    with console.progress("ingesting the sample") as on_progress:
        for kind, path in sample.files.items():
            report = ingest(kind, [path], on_progress=on_progress)
            console.say(f"  {kind:<12} {report.read:>7,} rows read, {report.written:,} written")
    with console.watching("the nightly chain"):
        ended = runtime.run_by_hand("meta-learning", _over(sample))
    console.summary(ended)
    found = found_beside_planted(sample)
    console.table("planted in the simulation, and found", found)
    console.say(_verdict(found, sample))
    console.say(f"\nThe demo took {time.perf_counter() - started:.0f} s. Next, on the same simulated data:")
    example = next((row["workspace"] for row in found if row["found"]), "WORKSPACE")
    for command, what in NEXT:
        console.say(f"  .venv/bin/{command.format(workspace=example):<56} {what}")


def found_beside_planted(sample: Sample) -> list[dict[str, Any]]:
    """A row for each planted truth that is in force in the window, with the pattern that says the same, if any."""
    warehouse = open_warehouse()
    return [
        _row(one)
        for name, truths in load_planted(sample.planted).items()
        for content_type in sorted({truth.content_type for truth in truths})
        for one in _matches(warehouse, name, content_type, truths)
    ]


def _matches(warehouse: Warehouse, name: str, content_type: str, truths: Sequence[Truth]) -> list[Match]:
    found = [pattern.to_dict() for kind, pattern in listing.stored_patterns(warehouse, name) if kind == content_type]
    frame = content_frame(warehouse, name, content_type=content_type)
    recent = frame.filter(pl.col("published_at").dt.offset_by(f"{LOOKBACK_DAYS}d") > pl.col("published_at").max())
    return match(found, [truth for truth in truths if truth.content_type == content_type], recent)


def _row(one: Match) -> dict[str, Any]:
    row = {
        "workspace": one.truth.workspace_id,
        "type": one.truth.content_type,
        "planted": one.truth.words,
        "true lift": f"{one.truth.lift:+.0%}",
    }
    if one.pattern is None:
        return row | {"found": None, "90 % interval": None, "sure of sign": None}
    low, high = one.pattern["lift_interval_pct"]
    return row | {
        "found": f"{one.pattern['lift_pct']:+.0f} %",
        "90 % interval": f"{low:+.0f} … {high:+.0f} %",
        "sure of sign": f"{one.pattern['confidence']:.1%}",
    }


def _verdict(found: Sequence[dict[str, Any]], sample: Sample) -> str:
    """Say in one line how well it did, the workspaces without any effect included."""
    warehouse = open_warehouse()
    nulls = [name for name, truths in load_planted(sample.planted).items() if not truths]
    alarmed = [name for name in nulls if any(_of_content(p) for _, p in listing.stored_patterns(warehouse, name))]
    hits = sum(row["found"] is not None for row in found)
    return (
        f"{hits} of {len(found)} planted effects found. Of {len(nulls)} workspaces where only channels differ, "
        f"{len(alarmed)} got another pattern{': ' + ', '.join(alarmed) if alarmed else ''}."
    )


def _of_content(pattern: Pattern) -> bool:
    """Whether it is about anything but the channel: channels do differ in the simulation, everywhere."""
    return any(selector.feature != "channel" for selector in pattern.rule)


def _over(sample: Sample) -> list[str]:
    """The chain's parameters: the sample's own workspaces only, whatever else the warehouse holds."""
    names = ",".join(load_planted(sample.planted))
    return [f"workspace_ids={names}", f"lookback_days={LOOKBACK_DAYS}", f"model_types={MODEL_TYPES}"]
