"""How fast rows go in and out, beside the bare Polars and ADBC work on the same rows in the same run.

`RAPTORFLOW_BENCH_ROWS` sets the number of rows (default a million).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlalchemy import func, select

from tasks.content.features import with_features
from tasks.warehouse import Warehouse, arrow
from tasks.warehouse.extraction import extract_content, workspace_chunks
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import Content, Workspace
from tasks.warehouse.sqlite_process import _waiting
from tests.factories import store, workspace_row

ROWS = int(os.environ.get("RAPTORFLOW_BENCH_ROWS", "1000000"))
WORKSPACES = [f"w{i:02}" for i in range(40)]
VOCABULARY = (
    "the your our new this how why what best free big small team plan guide week today launch customer story data sale "
    "offer growth simple better faster learn read watch join sign up now discover meet ask tips reasons ways year team "
    "product feature support secret great terrible love hate happy worried amazing update event webinar report price"
)
EXTRAS = ["!", "?", ".", " 🚀", " 🎉", " #marketing", " https://example.org/a", " @partner", " 10", " 50%", "", ""]

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("ignore")]


def sentences(rng: np.random.Generator, count: int, shortest: int, longest: int) -> list[str]:
    """Texts of a few words with the marks that posts have; a tenth are empty."""
    lengths = rng.integers(shortest, longest, count)
    vocabulary = VOCABULARY.split()
    words, ends = rng.integers(0, len(vocabulary), lengths.sum()), rng.integers(0, len(EXTRAS), count)
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    return [
        " ".join(vocabulary[word] for word in words[start : start + length]).capitalize() + EXTRAS[end] if end else ""
        for start, length, end in zip(starts, lengths, ends, strict=True)
    ]


def posts(rows: int) -> pl.DataFrame:
    """Rows as an export has them, in no order of workspace or time."""
    rng = np.random.default_rng(20261123)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    columns = {
        "workspace_id": rng.choice(WORKSPACES, rows),
        "content_id": [f"post-{i}" for i in rng.permutation(rows)],
        "content_type": rng.choice(["social", "blog", "email"], rows),
        "channel": rng.choice(["facebook", "linkedin", "newsletter"], rows),
        "title": sentences(rng, rows, 3, 12),
        "body": sentences(rng, rows, 5, 60),
        "media_type": rng.choice(["photo", "video", "link", "none"], rows),
        "impressions": rng.integers(100, 100_000, rows),
        "engagements": rng.integers(0, 1000, rows),
        "clicks": rng.integers(0, 100, rows),
    }
    seconds = pl.Series(rng.integers(0, 60_000_000, rows))
    return pl.DataFrame(columns).with_columns(
        published_at=pl.lit(start) + pl.duration(seconds=seconds), measured_at=pl.lit(start + timedelta(days=800))
    )


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, and of the processor: on a busy machine only the second can be compared."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} s, {self.processor:.1f} s of processor"

    def over(self, bare: Cost) -> str:
        """The ratios to bare work."""
        return f"{self.wall / bare.wall:.2f} × ({self.processor / bare.processor:.2f} × of processor)"


def cost(work: Callable[[], object]) -> Cost:
    wall, processor = perf_counter(), processor_seconds()
    work()
    return Cost(perf_counter() - wall, processor_seconds() - processor)


def processor_seconds() -> float:
    """Of this process, and of the one that reads SQLite for it."""
    fields = [Path(f"/proc/{reader.pid}/stat").read_text().rpartition(")")[2].split() for reader in _waiting]
    ticks = sum(int(user) + int(system) for *_, user, system in (one[:13] for one in fields))
    return process_time() + ticks / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows as a CSV file."""
    path = tmp_path_factory.mktemp("export") / "posts.csv"
    posts(ROWS).write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return path


@pytest.fixture(autouse=True)
def known(warehouse: Warehouse) -> None:
    """The workspaces are there already."""
    store(warehouse, Workspace, [workspace_row(workspace_id=name) for name in WORKSPACES])


@contextmanager
def adbc(warehouse: Warehouse) -> Iterator[Any]:
    """A connection through ADBC in this process, as nothing else here opens a SQLite file while it is there."""
    if warehouse.is_sqlite:
        import adbc_driver_sqlite.dbapi

        with adbc_driver_sqlite.dbapi.connect(f"file:{warehouse.engine.url.database}") as connection:
            yield connection
    else:
        with arrow.postgresql_connection(warehouse.url) as connection:
            yield connection


def bare_ingestion(warehouse: Warehouse, export: Path) -> None:
    """The least that could be done: parse, derive, append to a table without keys, with no check at all."""
    frame = pl.read_csv(export, try_parse_dates=True).with_columns(
        pl.col("published_at").cast(pl.Datetime("us", "UTC"))
    )
    derived = with_features(frame, dict.fromkeys(WORKSPACES, "UTC"))
    with adbc(warehouse) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("bare", derived.to_arrow(), mode="create")
        connection.commit()


def bare_extraction(warehouse: Warehouse, workspace_ids: list[str] | None, path: Path) -> None:
    """The least that could be done: one query for the same rows, written as they come."""
    chosen = ", ".join(f"'{name}'" for name in workspace_ids or [])
    where = f" WHERE workspace_id IN ({chosen})" if workspace_ids else ""
    with adbc(warehouse) as connection, connection.cursor() as cursor:
        if warehouse.is_sqlite:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(1 << 30)})
        cursor.execute(f"SELECT * FROM content{where}")
        table = arrow.storage(cursor.fetch_arrow_table())
    pl.DataFrame(pl.from_arrow(table)).write_parquet(path, compression="zstd")


def test_rows_in_and_out(warehouse: Warehouse, export: Path, tmp_path: Path) -> None:
    name = "SQLite" if warehouse.is_sqlite else "PostgreSQL"
    bare = cost(lambda: bare_ingestion(warehouse, export))
    first = cost(lambda: ingest("content", [export], warehouse=warehouse))
    again = cost(lambda: ingest("content", [export], warehouse=warehouse))
    print(f"\nBAR ingestion into {name}, rows/s with features: {ROWS / first.wall:,.0f} (bar >= 20,000)")
    print(f"ingestion into {name} of {ROWS:,} rows: {first}; {first.over(bare)} bare read, features and append")
    print(f"ingestion into {name}, the same file again: {ROWS / again.wall:,.0f} rows/s; {again}")

    chunks = workspace_chunks(warehouse, 10)
    bare = cost(lambda: [bare_extraction(warehouse, chunk, tmp_path / "bare.parquet") for chunk in chunks])
    taken = cost(lambda: [extract_content(warehouse, chunk, tmp_path / "chunks") for chunk in chunks])
    again = cost(lambda: [extract_content(warehouse, chunk, tmp_path / "chunks") for chunk in chunks])
    print(f"BAR extraction from {name} by chunks of 10 workspaces: {taken.over(bare)} bare ADBC (goal <= 1.3)")
    print(f"extraction from {name}: {ROWS / taken.wall:,.0f} rows/s; {taken}; bare {bare}; unchanged {again}")
    bare = cost(lambda: bare_extraction(warehouse, None, tmp_path / "bare.parquet"))
    taken = cost(lambda: extract_content(warehouse, WORKSPACES, tmp_path / "all"))
    print(f"BAR extraction from {name} of all rows at once: {taken.over(bare)} bare ADBC (goal <= 1.3)")
    print(f"extraction from {name} of all rows: {taken}; bare, holding all of them in memory: {bare}")
    assert warehouse.read(select(func.count().label("rows")).select_from(Content))["rows"].to_list() == [ROWS]


def test_a_file_costs_the_same_however_many_came_before(warehouse: Warehouse, tmp_path: Path) -> None:
    """A hundred small files of one workspace, each with a column of its own and its own rows; then the last ones."""
    name = "SQLite" if warehouse.is_sqlite else "PostgreSQL"
    per_file = 200
    rows = posts(101 * per_file).with_columns(workspace_id=pl.lit("w00"), number=pl.arange(0, 101 * per_file))
    taken: list[Cost] = []
    for place, part in enumerate(rows.iter_slices(per_file)):
        path = tmp_path / f"part{place}.csv"
        own = part.drop("number").with_columns(pl.lit(place).alias(f"own column {place}"))
        own.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        taken.append(cost(partial(ingest, "content", [path], warehouse=warehouse)))
    many = cost(lambda: extract_content(warehouse, ["w00"], tmp_path / "many"))
    frame = pl.read_parquet(next((tmp_path / "many").glob("*.parquet")))
    path = tmp_path / "one.csv"
    rows.drop("number").with_columns(pl.lit("w01").alias("workspace_id")).write_csv(
        path, datetime_format="%Y-%m-%dT%H:%M:%SZ"
    )
    ingest("content", [path], warehouse=warehouse)
    one = cost(lambda: extract_content(warehouse, ["w01"], tmp_path / "one"))
    first, last = (float(np.median([one.processor for one in part])) for part in (taken[1:11], taken[-10:]))
    print(
        f"\nBAR {name}, the last of 101 files over the first: {last / first:.2f} × ({1000 * first:.0f} ms; bar <= 1.3)"
    )
    print(f"BAR {name}, extraction of 101 files' rows over one file's: {many.over(one)} (bar <= 1.3)")
    assert frame.height == 101 * per_file
