"""`raptorflow demo`: the nightly chain over a simulated agency, found beside planted."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from flows import console, runtime, sample_evaluation
from tasks.content.planted import load_planted
from tasks.content.sample import Sample, simulate
from tasks.settings import get_settings
from tasks.warehouse.ingestion import ingest

LOOKBACK_DAYS = 365
MODEL_TYPES = "ENGAGEMENT_PREDICTOR,TONE_CLASSIFIER"  # two of five: the demo is to be over within a minute
NEXT = (
    ("raptorflow patterns -w {workspace}", "what wins and loses, with intervals"),
    ("raptorflow insights -w {workspace}", "what similar workspaces know"),
    ('raptorflow debate "What should we do next?" -w {workspace}', "an answer with its reasons"),
    ("raptorflow drift", "which models still fit, once newer posts have come in"),
    ("raptorflow models", "what is registered, and what serves"),
    ("raptorflow ingest content FILE --mapping MAP.yaml", "your own data"),
)


def write_sample(folder: Path | None, seed: int) -> Sample:
    """Write the simulated sample."""
    return simulate(folder or get_settings().home / "sample", seed, until=_yesterday())


def run() -> None:
    """Simulate, ingest, run the chain, show what was found beside what was planted."""
    started = time.perf_counter()
    console.opening("A simulated agency of 12 workspaces", ", with truths planted in it. Nothing here is real data.")
    with runtime.server_meanwhile():
        sample = simulate(get_settings().home / "sample", until=_yesterday())
        with console.progress("ingesting the simulated sample") as on_progress:
            for kind, path in sample.files.items():
                report = ingest(kind, [path], mapping=sample.mappings.get(kind), on_progress=on_progress)
                console.say(f"  {kind:<12} {report.read:>7,} simulated rows read, {report.written:,} written")
    with console.watching("the nightly chain"):
        ended = runtime.run_by_hand("meta-learning", _over(sample))
    console.summary(ended)
    judged = sample_evaluation.evaluate(sample.planted, LOOKBACK_DAYS)
    console.table("planted in the simulation, and found", judged.rows)
    console.say(judged.verdict)
    console.say(f"\nThe demo took {time.perf_counter() - started:.0f} s. Next, on the same simulated data:")
    example = next((row["workspace"] for row in judged.rows if row["found"]), "WORKSPACE")
    for command, what in NEXT:
        console.say(f"  .venv/bin/{command.format(workspace=example):<72} {what}")


def _yesterday() -> date:
    """Where the sample ends: what a year ago was true would be no example."""
    return datetime.now(UTC).date() - timedelta(days=1)


def _over(sample: Sample) -> list[str]:
    """The chain's parameters: the sample's own workspaces only, whatever else the warehouse holds."""
    names = ",".join(load_planted(sample.planted))
    return [f"workspace_ids={names}", f"lookback_days={LOOKBACK_DAYS}", f"model_types={MODEL_TYPES}"]
