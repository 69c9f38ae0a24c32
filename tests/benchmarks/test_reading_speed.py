"""What reading files costs: rows with features kept, wide files, memory, and a look at a large file."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select

from tasks.warehouse import Warehouse, batches
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import ExperimentArm, Workspace
from tests.factories import store, workspace_row

pytestmark = pytest.mark.benchmark
ROWS = 60_000


@pytest.fixture
def acme(sqlite_warehouse: Warehouse) -> Warehouse:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    return sqlite_warehouse


def facebook_export(path: Path, rows: int, words: int = 0) -> Path:
    """An export of a page: texts with quotes and line breaks, times of Los Angeles, numbers with commas."""
    random = np.random.default_rng(1)
    views = random.integers(100, 90_000, rows)
    frame = pl.DataFrame({
        "Post ID": [f"1221580{i:011}" for i in range(rows)],
        "Publish time": [f"{1 + i % 12:02}/{1 + i % 28:02}/2025 {i % 24:02}:{i % 60:02}" for i in range(rows)],
        "Permalink": "https://facebook.com/posts/1",
        "Post type": [("Photos", "Reels", "Links")[i % 3] for i in range(rows)],
        "Title": [f"Bread {i}\n\nWhat do \"you\" think, friends? #bakery" + " bread" * words for i in range(rows)],
        "Date": "Lifetime",
        "Views": [f"{n:,}" for n in views],
        "Reactions": random.integers(0, 900, rows), "Comments": random.integers(0, 90, rows),
        "Shares": random.integers(0, 40, rows), "Duration (sec)": random.integers(0, 90, rows),
    })  # fmt: skip
    frame.write_csv(path, quote_style="always")
    return path


@dataclass(frozen=True)
class Cost:
    """What ingesting a file takes in a process of its own that ingested a small one before.

    Attributes:
        seconds: of processor.
        megabytes: at the peak, beyond what the process held before.
    """

    seconds: float
    megabytes: float


def cost_of(warehouse: Warehouse, small: Path, file: Path, kind: str = "content", **how: str) -> Cost:
    """The cost of ingesting `file` after `small`."""
    arguments = [warehouse.url, kind, str(small), str(file), json.dumps(how)]
    ran = subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True)
    seconds, before, after = map(float, ran.stdout.split()[-3:])
    return Cost(seconds, after - before)


def test_an_export_by_its_preset(acme: Warehouse, tmp_path: Path) -> None:
    file = facebook_export(tmp_path / "fb.csv", ROWS)
    wall, processor = perf_counter(), process_time()
    report = ingest("content", [file], preset="meta-facebook", workspace="acme", warehouse=acme)
    wall, processor = perf_counter() - wall, process_time() - processor
    print(f"\nBAR preset meta-facebook, rows/s with features: {ROWS / wall:,.0f} (bar >= 30,000)")
    print(f"{ROWS:,} rows of {file.stat().st_size / ROWS:.0f} bytes: {wall:.1f} s, {processor:.1f} s of processor")
    assert (report.read, report.written) == (ROWS, ROWS)


@pytest.mark.parametrize(("columns", "rows"), [(1_000, 1_000), (5_000, 200)])
def test_wide_files(columns: int, rows: int, acme: Warehouse, tmp_path: Path) -> None:
    keys = {"workspace_id": "acme", "content_type": "social", "channel": "x", "published_at": "2026-03-01T10:00:00Z"}
    frame = pl.DataFrame({"content_id": [f"c{i}" for i in range(rows)]}).with_columns(
        **{name: pl.lit(value) for name, value in keys.items()},
        **{f"column {i}": pl.lit(i % 7 if i % 2 else f"text {i}") for i in range(columns)},
    )
    frame.write_csv(tmp_path / "wide.csv")
    processor = process_time()
    report = ingest("content", [tmp_path / "wide.csv"], warehouse=acme)
    seconds = process_time() - processor
    kind, bar = ("BAR ", " (bar <= 2)") if columns == 1_000 else ("", "")
    print(f"\n{kind}{columns:,} columns × {rows:,} rows: {seconds:.2f} s of processor{bar}")
    assert report.written == rows


MEASURED = """
import json, sys
from pathlib import Path
from time import process_time
import pyarrow, pyarrow.csv
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.ingestion import ingest
warehouse = Warehouse(sys.argv[1]); upgrade(warehouse)
kind, small, large = sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
how = dict(workspace="acme", warehouse=warehouse, **json.loads(sys.argv[5]))
ingest(kind, [small], **how)
def memory(line):  # of this program alone: `ru_maxrss` begins with the peak of the process that started it
    return int(next(one for one in open("/proc/self/status") if one.startswith(line)).split()[1]) / 1024
before, began = memory("VmRSS"), process_time()
try:
    ingest(kind, [large], **how)
except ValueError as error:
    print(error)
print(process_time() - began, before, memory("VmHWM"))
"""


def test_memory_stays_within_a_few_batches(acme: Warehouse, tmp_path: Path) -> None:
    """The bar: a file of any length takes at most three times what one batch takes.

    A batch is `BATCH_BYTES` (1 MiB) of a file's text. What it takes is measured, not reckoned: the peak while a file
    of just one batch is ingested. It is some 30 times the text, which on its way stands in memory as text, parsed,
    typed, with its features, as Arrow and in the database's cache. So the bar says that memory does not grow with the
    file, and that few batches are on their way at a time; the second figure, beside the text alone, says how much
    that is, and the third is the bar as it was first written, when a batch was 8 MiB of text.
    """
    acme.engine.dispose()
    small = facebook_export(tmp_path / "small.csv", 100)
    large = facebook_export(tmp_path / "large.csv", 250_000, words=40)
    text = large.read_bytes()
    one = tmp_path / "one.csv"
    one.write_bytes(text[: text.rindex(b'\n"1221580', 0, batches.BATCH_BYTES) + 1])
    batch = cost_of(acme, small, one, preset="meta-facebook").megabytes
    more = cost_of(acme, small, large, preset="meta-facebook").megabytes
    print(
        f"\nBAR peak memory of {len(text) / 2**20:.0f} MB over an idle process: {more:.0f} MB, "
        f"{more / batch:.1f} × one batch on its way, {batch:.0f} MB (bar <= 3)"
    )
    print(f"that is {more * 2**20 / batches.BATCH_BYTES:.0f} × the text of a batch, and {more / 8:.1f} × 8 MiB")
    header = "workspace_id,content_id,content_type,channel,published_at,body\n"
    line = "acme,c1,social,x,2026-03-01T10:00:00Z,"
    (tmp_path / "tiny.csv").write_text(header + line + "x\n")
    (tmp_path / "field.csv").write_text(header + line + "x" * (40 << 20) + "\n")
    field = cost_of(acme, tmp_path / "tiny.csv", tmp_path / "field.csv").megabytes
    print(f"a field of 40 MB: {field:.0f} MB more than an idle process")


def units(path: Path, count: int, experiment: str) -> Path:
    """One row a user, a metric of each kind; some users twice."""
    random = np.random.default_rng(2)
    users = np.concatenate([np.arange(count), np.arange(0, count, 100)])
    bought = random.random(count) < 0.1
    frame = pl.DataFrame({
        "user_id": pl.Series(users).hash().cast(pl.String),
        "variation": pl.Series(users % 2).replace_strict({0: "control", 1: "treatment"}, return_dtype=pl.String),
        "timestamp": "2026-05-01T10:00:00Z",
        "experiment_id": experiment,
        "bought": bought[users].astype(int),
        "revenue": np.where(bought, random.gamma(2, 20, count).round(2), 0)[users],
        "visits": random.poisson(3, count)[users],
    })  # fmt: skip
    frame.write_csv(path)
    return path


def test_units_of_an_experiment(acme: Warehouse, tmp_path: Path) -> None:
    """A million users with three metrics; memory is that of a tenth of them and no more."""
    acme.engine.dispose()
    small = units(tmp_path / "small.csv", 1_000, "small")
    for count in (100_000, 1_000_000):
        file = units(tmp_path / f"{count}.csv", count, f"of {count}")
        cost = cost_of(acme, small, file, "experiments", preset="growthbook-units")
        print(
            f"\nBAR {count:,} users of {file.stat().st_size >> 20} MB, three metrics: {cost.megabytes:.0f} MB over an "
            f"idle process (bar <= 200), {cost.seconds:.1f} s of processor, {count / cost.seconds:,.0f} users/s"
        )
    sums = acme.rows(select(ExperimentArm.n).where(ExperimentArm.experiment_name == "of 1000000"))
    assert [row["n"] for row in sums] == [500_000] * 6


def test_a_look_at_a_large_file(tmp_path: Path) -> None:
    file = facebook_export(tmp_path / "large.csv", 100_000)
    part = file.read_bytes()
    with file.open("ab") as more:
        while more.tell() < 200 << 20:
            more.write(part[part.index(b"\n") + 1 :])
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = perf_counter()
    subprocess.run([sys.executable, "-m", "flows.cli", "inspect", str(file)], capture_output=True, check=True)
    wall = perf_counter() - wall
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime
    print(f"\nBAR inspect of {file.stat().st_size >> 20} MB: {wall:.2f} s, {processor:.2f} s of processor (bar <= 1)")
