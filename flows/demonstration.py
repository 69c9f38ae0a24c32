"""`raptorflow demo`: the nightly chain over a simulated agency, found beside planted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows import console, listing, runtime
from tasks.content.planted import load_planted, match
from tasks.content.sample import Sample, simulate
from tasks.settings import get_settings
from tasks.warehouse import open_warehouse
from tasks.warehouse.frames import content_frame, workspace_frame
from tasks.warehouse.ingestion import ingest

LOOKBACK_DAYS = 365
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
    _verdict(found, sample)
    console.say(f"\nThe demo took {time.perf_counter() - started:.0f} s. Next, on the same simulated data:")
    example = next((row["workspace"] for row in found if row["found"] != "–"), "WORKSPACE")
    for command, what in NEXT:
        console.say(f"  .venv/bin/{command.format(workspace=example):<56} {what}")


def found_beside_planted(sample: Sample) -> list[dict[str, Any]]:
    """A row for each planted truth that is in force in the window, with the pattern that says the same, if any."""
    warehouse = open_warehouse()
    rows = []
    for workspace_id, truths in load_planted(sample.planted).items():
        patterns = listing.stored_patterns(warehouse, workspace_id)
        for content_type in sorted({truth.content_type for truth in truths}):
            frame = content_frame(warehouse, workspace_id, content_type=content_type)
            of_type = [pattern for pattern in patterns if pattern["content_type"] == content_type]
            for one in match(of_type, [t for t in truths if t.content_type == content_type], _window(frame)):
                rows.append(_row(workspace_id, one))
    return rows


def _window(frame: Any) -> Any:
    newest = frame["published_at"].max()
    return frame.filter(frame["published_at"].dt.offset_by(f"{LOOKBACK_DAYS}d") > newest)


def _row(workspace_id: str, one: Any) -> dict[str, Any]:
    pattern = one.pattern or {}
    interval = pattern.get("lift_interval")
    return {
        "workspace": workspace_id,
        "planted": one.truth.words,
        "type": one.truth.content_type,
        "true lift": f"{one.truth.lift:+.0%}",
        "found": pattern.get("rule_words", "–"),
        "lift": f"{pattern['lift']:+.0%}" if pattern else "–",
        "90 % interval": f"{interval[0]:+.0%} … {interval[1]:+.0%}" if interval else "–",
        "sure of sign": f"{pattern['confidence']:.0%}" if pattern else "–",
    }


def _verdict(found: Sequence[dict[str, Any]], sample: Sample) -> None:
    """Say in one line how well it did, the null workspaces included."""
    warehouse = open_warehouse()
    truths = load_planted(sample.planted)
    nulls = sorted(
        {*workspace_frame(warehouse)["workspace_id"]} & {name for name, planted in truths.items() if not planted}
    )
    alarms = [name for name in nulls if listing.stored_patterns(warehouse, name)]
    hits = sum(row["found"] != "–" for row in found)
    console.say(
        f"{hits} of {len(found)} planted effects found; "
        f"{len(alarms)} of {len(nulls)} workspaces without any effect got a pattern{': ' if alarms else ''}{', '.join(alarms)}"
    )


def _over(sample: Sample) -> list[str]:
    """The chain's parameters: the sample's own workspaces only, whatever else the warehouse holds."""
    names = ",".join(load_planted(sample.planted))
    return [f"workspace_ids={names}", f"lookback_days={LOOKBACK_DAYS}"]
