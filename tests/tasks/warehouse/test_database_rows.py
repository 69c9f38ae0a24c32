"""The rows of a query arrive as those of a file do; whatever is wrong with it is one line, and nothing was written."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from sqlalchemy import func, make_url, select, text

from tasks.errors import InputError
from tasks.warehouse import Warehouse
from tasks.warehouse.addresses import address_of
from tasks.warehouse.frames import content_frame
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import Content, IngestionRun, Workspace
from tasks.warehouse.sql_text import statements
from tests.factories import store, workspace_row
from tests.postgres_databases import postgres_database, postgres_url

ROWS = 120_000  # more than two batches
COLUMNS = "workspace_id, content_id, content_type, channel, published_at, impressions, spend"


@pytest.fixture
def acme(warehouse: Warehouse) -> Warehouse:
    store(warehouse, Workspace, [workspace_row()])
    return warehouse


def posts(count: int) -> pl.DataFrame:
    number = pl.int_range(count, eager=True)
    return pl.DataFrame({"n": number}).select(
        pl.lit("acme").alias("workspace_id"),
        pl.format("c{}", "n").alias("content_id"),
        pl.lit("social").alias("content_type"),
        pl.lit("x").alias("channel"),
        pl.lit("2026-03-01T12:00:00Z").alias("published_at"),
        (pl.col("n") % 1000).alias("impressions"),
        (pl.col("n") % 8 / 8).alias("spend"),
    )


def sqlite_of(folder: Path, rows: pl.DataFrame, name: str = "theirs.db") -> str:
    connection = sqlite3.connect(folder / name)
    connection.execute(f"CREATE TABLE posts ({COLUMNS})")
    connection.executemany(f"INSERT INTO posts VALUES ({','.join('?' * rows.width)})", rows.rows())
    connection.commit()
    connection.close()
    return f"sqlite:///{folder / name}"


def query(folder: Path, sql: str, name: str = "q.sql") -> Path:
    (folder / name).write_text(sql)
    return folder / name


def plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def test_every_database_gives_the_rows_a_file_gives(acme: Warehouse, tmp_path: Path) -> None:
    rows = posts(2_500)
    rows.write_parquet(tmp_path / "posts.parquet")
    ingest("content", [tmp_path / "posts.parquet"], warehouse=acme, run_id="r")
    expected = content_frame(acme, "acme")
    theirs = tmp_path / "theirs.duckdb"
    with duckdb.connect(str(theirs)) as made:
        made.sql(f"CREATE TABLE posts AS FROM '{tmp_path / 'posts.parquet'}'")
    sources = [
        (sqlite_of(tmp_path, rows), "SELECT * FROM posts;"),
        ("duckdb:", f"FROM '{tmp_path / 'posts.parquet'}'"),
        (f"duckdb:///{theirs}", "-- all of them\nSELECT * FROM posts"),
    ]
    for address, sql in sources:
        report = ingest("content", [query(tmp_path, sql)], database=address, warehouse=acme, run_id="r")
        assert (report.read, report.written, report.unchanged) == (2_500, 0, 2_500), address
    assert content_frame(acme, "acme").equals(expected)


@pytest.mark.postgres
def test_types_of_postgresql_arrive_as_they_are_meant(postgres_warehouse: Warehouse, tmp_path: Path) -> None:
    store(postgres_warehouse, Workspace, [workspace_row()])
    sql = """
        SELECT 'acme' AS workspace_id, gen_random_uuid() AS content_id, 'social'::varchar AS content_type,
               'x'::char(1) AS channel, '2026-03-01 12:00+02'::timestamptz AS published_at, 
               12.0::numeric AS impressions,
               '{"a": [1]}'::jsonb AS settings, ARRAY['x','y'] AS tags, 2.50::numeric AS spend, NULL AS clicks
    """
    with postgres_database() as theirs:
        report = ingest(
            "content", [query(tmp_path, sql)], database=plain(postgres_url(theirs)), warehouse=postgres_warehouse
        )
    assert (report.written, report.rejected) == (1, 0)
    row = content_frame(postgres_warehouse, "acme").row(0, named=True)
    assert (len(row["content_id"]), row["impressions"], row["clicks"]) == (36, 12, None)
    assert row["published_at"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert row["attributes"] == '{"settings":"{\\"a\\": [1]}","spend":2.5,"tags":"[\\"x\\", \\"y\\"]"}'


def test_a_large_result_is_streamed_and_the_warehouse_itself_may_be_read(acme: Warehouse, tmp_path: Path) -> None:
    report = ingest(
        "content",
        [query(tmp_path, "SELECT * FROM posts")],
        database=sqlite_of(tmp_path, posts(ROWS)),
        warehouse=acme,
    )
    assert (report.read, report.written) == (ROWS, ROWS)
    sql = "SELECT workspace_id, 'again ' || content_id AS content_id, content_type, channel, published_at FROM content"
    if acme.is_sqlite:
        sql = sql.replace("published_at FROM", "published_at || '+00:00' AS published_at FROM")
    address = acme.url if acme.is_sqlite else plain(acme.url)
    report = ingest("content", [query(tmp_path, sql)], database=address, warehouse=acme)
    assert (report.read, report.written) == (ROWS, ROWS)
    origin = acme.rows(select(IngestionRun.source).where(IngestionRun.run_id == report.run_id))[0]["source"]
    assert origin.startswith(f"{tmp_path / 'q.sql'} on ")


def test_rejects_are_those_of_files(acme: Warehouse, tmp_path: Path) -> None:
    rows = posts(10).with_columns(impressions=pl.when(pl.int_range(10) == 3).then(-1).otherwise(1))
    report = ingest(
        "content", [query(tmp_path, "SELECT * FROM posts")], database=sqlite_of(tmp_path, rows), warehouse=acme
    )
    assert (report.read, report.written, report.rejected) == (10, 9, 1)
    assert report.reasons == {"impressions: negative, expected 0 or more": 1}
    assert report.rejects_path is not None
    assert pl.read_csv(report.rejects_path)["row"].to_list() == [4]


def refusal(warehouse: Warehouse, address: str, path: Path, kind: str = "content") -> str:
    with pytest.raises(InputError) as caught:
        ingest(kind, [path], database=address, warehouse=warehouse)
    assert caught.value.exit_status == 2
    message = str(caught.value)
    assert "\n" not in message
    assert "s3cret" not in message
    assert warehouse.rows(select(func.count().label("n")).select_from(Content)) == [{"n": 0}]
    assert warehouse.rows(select(IngestionRun.run_id)) == []
    return message


ANYWHERE = [
    ("", "holds no statement, expected one SELECT"),
    (" ;; -- nothing\n", "holds no statement, expected one SELECT"),
    ("SELECT 1;\n\n-- and\nSELECT 2", "holds 2 statements, expected one SELECT; the second begins in line 4"),
    ("DROP TABLE posts", "line 1: expected a SELECT, not DROP"),
    ("\n/* x */ DELETE FROM posts", "expected a SELECT, not DELETE"),
    ("SELECT *\nFROM posts WHERE false", "gives no rows"),
    ("SELECT *, 1 AS channel FROM posts", "column 'channel' stands twice; give one another name with AS"),
    ("SELECT content_id\nFROM posts\nWHER x > 1", "line 3: "),
    ("SELECT content_id,\n  nothing_such FROM posts", "line 2: "),
    ("SELECT *\nFROM no_such_table", "line 2: "),
    ("SELECT content_id FROM posts", "content need the columns 'workspace_id', 'content_type'"),
    ("SELECT 'a\0b'", "holds a NUL character, so it is no SQL"),
]


@pytest.mark.parametrize(("sql", "expected"), ANYWHERE, ids=[str(i) for i in range(len(ANYWHERE))])
def test_queries_that_are_wrong_anywhere(sqlite_warehouse: Warehouse, tmp_path: Path, sql: str, expected: str) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    rows = posts(3)
    address = sqlite_of(tmp_path, rows)
    with duckdb.connect(str(tmp_path / "theirs.duckdb")) as made:
        made.sql("CREATE TABLE posts AS SELECT * FROM rows")
    for place in (address, f"duckdb:///{tmp_path / 'theirs.duckdb'}"):
        assert expected in refusal(sqlite_warehouse, place, query(tmp_path, sql))


@pytest.mark.postgres
def test_queries_that_are_wrong_on_postgresql(postgres_warehouse: Warehouse, tmp_path: Path) -> None:
    store(postgres_warehouse, Workspace, [workspace_row()])
    with postgres_database() as name:
        theirs = Warehouse(postgres_url(name))
        with theirs.begin() as connection:
            connection.execute(text(f"CREATE TABLE posts ({COLUMNS.replace(',', ' text,')} text)"))
            connection.execute(text("INSERT INTO posts (workspace_id, spend) VALUES ('acme', '0')"))
        address = plain(theirs.url)
        odd: list[tuple[str, str]] = [
            ("SELECT FROM posts", "gives no columns; name them in the SELECT"),
            ("SELECT 1 / spend::int AS x FROM posts", "division by zero"),
            ("SELECT spend::money FROM posts", "column 'spend' is of type money; write CAST(\"spend\" AS numeric)"),
            ("SELECT interval '1 day' AS age", "column 'age' is of type interval; write CAST(\"age\" AS text)"),
            ("SELECT '127.0.0.1'::inet AS host", "column 'host' is of type inet; write CAST(\"host\" AS text)"),
            ("WITH gone AS (DELETE FROM posts RETURNING *) SELECT * FROM gone", "in a read-only transaction"),
            ("SELECT pg_sleep(1), nothing_such FROM posts", 'line 1: column "nothing_such" does not exist'),
        ]
        for sql, expected in [*ANYWHERE, *odd]:
            message = refusal(postgres_warehouse, address, query(tmp_path, sql))
            assert expected in message, (sql, message)
        assert theirs.rows(text("SELECT count(*) AS n FROM posts")) == [{"n": 1}]
        theirs.engine.dispose()


def test_databases_that_are_not_there(acme: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are no rows of any database, but a text of some length" * 20)
    one = query(tmp_path, "SELECT 1 AS a FROM posts")
    odd = [
        ("sqlite:///none.db", "no such file: none.db"),
        (f"sqlite:///{tmp_path}", "no such file"),
        (f"sqlite:///{tmp_path / 'notes.txt'}", "file is not a database"),
        ("sqlite:", "names no file"),
        (f"duckdb:///{tmp_path / 'none.duckdb'}", "no such file"),
        (f"duckdb:///{tmp_path / 'notes.txt'}", "not a valid DuckDB database file"),
        ("mysql://u:s3cret@host/db", "no way to read from 'mysql'; expected postgresql://"),
        ("u:s3cret@host/db", "expected postgresql://"),
        ("s3cret", "no address; expected postgresql://"),
        ("postgresql://u:s3cret@127.0.0.1:1/db", "connection to server at"),
        ("postgresql+psycopg://u:s3cret@127.0.0.1:1/db", "postgresql://u@127.0.0.1:1/db: connection to server"),
        ("postgresql://u:s3cret@no-such-host.invalid/db", "could not translate host name"),
        ("postgresql://u:s3c@ret@host/db", "more than one '@'; write those of a password as %40"),
        ("postgresql://u:s3cret/x@host/db", "more than one '@'; write those of a password as %40"),
        ("postgresql://u:%s3cret@host/db", "a '%' that is no escape; write it as %25"),
        ("postgresql://u:s3cret@host:port/db", "the port is no number"),
        ("postgresql:host", "no address"),
        ("postgresql://u@127.0.0.1:1/db?password=s3cret&oops=1", "oops"),
    ]
    for address, expected in odd:
        message = refusal(acme, address, one)
        assert expected in message, (address, message)


def test_files_that_hold_no_query(acme: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "latin.sql").write_bytes("SELECT 'café'".encode("latin-1"))
    assert "No such file" in refusal(acme, "duckdb:", tmp_path / "none.sql")
    assert "Is a directory" in refusal(acme, "duckdb:", tmp_path)
    assert "is not UTF-8" in refusal(acme, "duckdb:", tmp_path / "latin.sql")
    assert "--query takes a file that holds the SELECT" in refusal(acme, "duckdb:", Path("SELECT 1"))
    assert 'No files found that match the pattern "none.parquet"' in refusal(
        acme, "duckdb:", query(tmp_path, "FROM 'none.parquet'")
    )


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("select ';' ; select \";\" -- ;\n", [1, 1]),
        ("-- a;b\n\nselect $x$ ; $x$, $$;$$", [3]),
        ("select E'it\\'s;' /* ; */;;;\nselect 'it''s;'", [1, 2]),
    ],
)
def test_a_semicolon_divides_only_statements(sql: str, lines: list[int]) -> None:
    assert [line for line, _ in statements(sql)] == lines


def test_what_is_shown_of_an_address_holds_no_password() -> None:
    shown: dict[str, Any] = {
        "postgresql://ann:s3cret@db.example:5433/shop?sslmode=require&sslpassword=x": "postgresql://ann@db.example:5433/shop",
        "postgres://db.example/shop": "postgresql://db.example/shop",
        "duckdb:": "duckdb:",
        "md:lake?motherduck_token=s3cret": "md:lake",
        "sqlite:////abs/file.db": "sqlite:////abs/file.db",
    }
    assert {given: address_of(given).shown for given in shown} == shown
    assert "s3cret" not in repr(address_of("postgresql://ann:s3cret@db.example/shop"))
