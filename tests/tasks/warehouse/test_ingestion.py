"""Files go in whole, once, and with every row accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from sqlalchemy import select

from tasks.errors import InputError
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.records import IngestionReport
from tasks.warehouse.schema import Content, ExperimentArm, IngestionRun, Touch, Workspace

Write = Callable[..., Path]
BERLIN = {"workspace_id": "acme", "name": "Acme", "industry": "saas", "size": "smb", "timezone": "Europe/Berlin"}


def post(i: int = 0, **changes: object) -> dict[str, object]:
    row = {"workspace_id": "acme", "content_id": f"c{i}", "content_type": "social", "channel": "facebook"}
    row |= {"published_at": "2026-03-01T12:00:00Z", "title": "Why?", "body": "Buy now! 3 reasons", "impressions": 10}
    return row | {"measured_at": None} | changes


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Rows to a file of the suffix asked for."""

    def to_file(rows: list[dict[str, object]], name: str = "rows.csv") -> Path:
        frame, path = pl.DataFrame(rows, infer_schema_length=None), tmp_path / name
        {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson}[path.suffix](path)
        return path

    return to_file


@pytest.fixture
def acme(warehouse: Warehouse, write: Write) -> Warehouse:
    """A warehouse that knows one workspace, in Berlin."""
    ingest("workspaces", [write([BERLIN], "workspaces.csv")], warehouse=warehouse)
    return warehouse


def counts(report: IngestionReport) -> tuple[int, int, int, int]:
    return report.read, report.written, report.unchanged, report.rejected


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_the_same_file_twice_changes_nothing(acme: Warehouse, write: Write, suffix: str) -> None:
    file = write([post(i, clicks=i, note="x") for i in range(50)], f"posts.{suffix}")
    assert counts(ingest("content", [file], warehouse=acme)) == (50, 50, 0, 0)
    before = acme.read(select(Content.__table__))
    assert counts(ingest("content", [file], warehouse=acme)) == (50, 0, 50, 0)
    assert acme.read(select(Content.__table__)).equals(before)


def test_features_are_derived_in_the_workspace_s_zone(acme: Warehouse, write: Write) -> None:
    ingest("content", [write([post()])], warehouse=acme)
    row = content_frame(acme, "acme").row(0, named=True)
    assert (row["local_hour"], row["is_weekend"], row["question_count"], row["number_count"]) == (13, True, 1, 1)
    assert row["published_at"] == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_every_format_gives_the_same_rows(acme: Warehouse, write: Write) -> None:
    rows = [post(i, body=f'line\nünïcode "{i}"', spend=i / 2, seats=i, flag=i % 2 == 0) for i in range(5)]
    frames = []
    for suffix in ("csv", "parquet", "jsonl"):
        ingest("content", [write(rows, f"posts.{suffix}")], warehouse=acme, run_id="r")
        frames.append(content_frame(acme, "acme"))
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])
    assert frames[0]["attributes"][1] == '{"flag":false,"seats":1,"spend":0.5}'


def test_the_newer_measurement_stands_in_whatever_order_files_come(acme: Warehouse, write: Write) -> None:
    def measured(day: int, impressions: int) -> Path:
        return write([post(measured_at=f"2026-03-{day:02}T00:00:00Z", impressions=impressions)], f"{day}.csv")

    files = [measured(day, impressions) for day, impressions in ((3, 30), (2, 20), (5, 50), (4, 40))]
    assert [ingest("content", [file], warehouse=acme).written for file in files] == [1, 0, 1, 0]
    assert content_frame(acme, "acme")["impressions"].to_list() == [50]
    assert counts(ingest("content", [write([post(impressions=99)])], warehouse=acme)) == (1, 0, 1, 0)


def test_without_measurement_time_the_later_file_stands(acme: Warehouse, write: Write) -> None:
    for impressions in (10, 20):
        assert ingest("content", [write([post(impressions=impressions)])], warehouse=acme).written == 1
    assert content_frame(acme, "acme")["impressions"].to_list() == [20]


def test_all_kinds_arrive(acme: Warehouse, write: Write) -> None:
    touch = {"workspace_id": "acme", "touch_id": "t", "occurred_at": "2026-03-01 12:00:00+01:00", "channel": "phone"}
    arm = {"workspace_id": "acme", "experiment_name": "e", "metric_name": "m", "metric_kind": "binary", "n": 10}
    arms = [arm | {"variant_name": name, "sum": 3, "is_control": name == "a"} for name in "ab"]
    ingest("touches", [write([touch | {"converted": "yes", "age": 30}])], warehouse=acme)
    ingest("experiments", [write(arms)], warehouse=acme)
    assert acme.rows(select(Touch.occurred_at, Touch.converted, Touch.attributes)) == [
        {"occurred_at": datetime(2026, 3, 1, 11, tzinfo=UTC), "converted": True, "attributes": {"age": 30}}
    ]
    assert len(acme.rows(select(ExperimentArm))) == 2
    assert acme.rows(select(Workspace.shares_insights, Workspace.timezone)) == [
        {"shares_insights": True, "timezone": "Europe/Berlin"}
    ]
    assert {row["kind"] for row in acme.rows(select(IngestionRun.kind))} == {"workspaces", "touches", "experiments"}


def test_several_rows_without_any_further_column_go_in(acme: Warehouse, write: Write) -> None:
    assert counts(ingest("content", [write([post(i) for i in range(3)])], warehouse=acme)) == (3, 3, 0, 0)


def test_a_corrected_timezone_reaches_content_that_is_ingested_again(acme: Warehouse, write: Write) -> None:
    file = write([post()], "posts.csv")
    ingest("content", [file], warehouse=acme)
    ingest("workspaces", [write([BERLIN | {"timezone": "Asia/Tokyo"}])], warehouse=acme)
    assert ingest("content", [file], warehouse=acme).written == 1
    assert content_frame(acme, "acme")["local_hour"].to_list() == [21]


def test_a_mapping_renames_combines_and_sets(acme: Warehouse, write: Write, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"page": "acme", "id": 7, "day": "01.03.2026 13:00", "likes": "3", "shares": None, "kind": "img", "a": "x"}
        | {"headline": None, "intro": "Hello", "text": "world", "cost": 1.5},
        {"page": "acme", "id": 8, "day": "02.03.2026 13:00", "likes": None, "shares": None, "kind": None, "a": "y"}
        | {"headline": "News", "intro": None, "text": None, "cost": None},
    ]
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("""
        kind: content
        timezone: Europe/Berlin
        datetime_format: "%d.%m.%Y %H:%M"
        columns:
          workspace_id: page
          content_id: id
          content_type: {constant: social}
          channel: {constant: facebook}
          published_at: day
          title: {coalesce: [headline, intro]}
          body: {concat: [intro, text], separator: ", "}
          engagements: {sum: [likes, shares]}
          media_type: {column: kind, values: {img: photo}, default: text}
        ignore: [a]
    """)
    for suffix in ("csv", "parquet"):
        ingest("content", [write(rows, f"rows.{suffix}")], mapping=mapping, warehouse=acme)
        found = content_frame(acme, "acme").select(
            "content_id", "published_at", "title", "body", "engagements", "media_type", "attributes"
        )
        assert found.rows() == [
            ("7", datetime(2026, 3, 1, 12, tzinfo=UTC), "Hello", "Hello, world", 3, "photo", '{"cost":1.5}'),
            ("8", datetime(2026, 3, 2, 12, tzinfo=UTC), "News", None, None, "text", '{"cost":null}'),
        ]


def test_progress_counts_rows_checked_and_then_written(acme: Warehouse, write: Write) -> None:
    seen: list[tuple[int, int | None]] = []
    ingest(
        "content",
        [write([post(i) for i in range(9)])],
        warehouse=acme,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(9, None), (9, 9)]


@pytest.mark.real_data
def test_real_posts_go_in_whole(sqlite_warehouse: Warehouse, shared_data: Path) -> None:
    examples = Path(__file__).resolve().parents[3] / "deployments" / "examples"
    folder = shared_data / "facebook_pages_2016"
    for kind, file, mapping in (
        ("workspaces", "pages.parquet", "facebook_pages_2016_workspaces.yaml"),
        ("content", "posts.parquet", "facebook_pages_2016.yaml"),
    ):
        report = ingest(kind, [folder / file], mapping=examples / mapping, warehouse=sqlite_warehouse)
        assert (report.read, report.reasons) == (report.written, {})
    assert report.written == 137_627
    frame = content_frame(sqlite_warehouse, "nytimes")
    posts = pl.read_parquet(folder / "posts.parquet").filter(pl.col("page") == "nytimes")
    reactions = posts.select(pl.sum_horizontal("num_reactions", "num_comments", "num_shares").sum()).item()
    assert (frame.height, frame["engagements"].sum()) == (posts.height, reactions)


def test_values_of_every_parquet_type_are_kept_or_read(acme: Warehouse, write: Write, tmp_path: Path) -> None:
    odd = {
        "when": date(2026, 1, 1),
        "lasted": timedelta(minutes=1),
        "raw": b"\xff",
        "tags": ["a"],
        "cost": Decimal("3.25"),
    }
    odd |= {"share": float("nan"), "long_id": "1234567890123456789", "nul": "x\0y"}
    typed = {"content_id": 7.0, "published_at": date(2026, 3, 1), "impressions": Decimal(3), "body": b"text"}
    (tmp_path / "mapping.yaml").write_text("timezone: UTC")
    for _ in range(2):
        file = write([post() | typed | odd], "rows.parquet")
        report = ingest("content", [file], mapping=tmp_path / "mapping.yaml", warehouse=acme)
    assert (report.written, report.unchanged) == (0, 1)
    row = content_frame(acme, "acme").row(0, named=True)
    assert (row["content_id"], row["impressions"], row["body"]) == ("7", 3, "text")
    assert json.loads(row["attributes"]) == {
        **{"when": "2026-01-01", "lasted": 60.0, "raw": "/w==", "tags": '["a"]', "cost": "3.25"},
        **{"share": None, "long_id": "1234567890123456789", "nul": "x\0y"},
    }


def test_a_zone_that_is_named_on_the_command_line_is_that_of_instants_without_one(
    acme: Warehouse, tmp_path: Path
) -> None:
    lines = [
        "acme,a,blog,site,2026-02-14 08:00",
        "acme,b,blog,site,2026-02-14",
        "acme,c,blog,site,2026-02-14T08:00:00Z",
    ]
    (tmp_path / "rows.csv").write_text("workspace_id,content_id,content_type,channel,published_at\n" + "\n".join(lines))
    with pytest.raises(InputError, match="--timezone Europe/Berlin"):
        ingest("content", [tmp_path / "rows.csv"], warehouse=acme)
    ingest("content", [tmp_path / "rows.csv"], timezone="America/New_York", warehouse=acme)
    frame = content_frame(acme, "acme").sort("content_id")
    assert frame["published_at"].to_list() == [
        datetime(2026, 2, 14, 13, tzinfo=UTC),
        datetime(2026, 2, 14, tzinfo=UTC),  # a day, its hour is not known
        datetime(2026, 2, 14, 8, tzinfo=UTC),
    ]
    assert frame["local_hour"].is_null().to_list() == [False, True, False]


def test_a_further_column_has_the_type_that_all_of_its_values_allow(acme: Warehouse, tmp_path: Path) -> None:
    kinds = {"whole": "7", "rarely": "", "flag": "true", "late decimal": "7", "late word": "7", "word then number": "x"}
    rows = [kinds | {"content_id": f"c{i}"} for i in range(300)]
    rows[299] |= {"rarely": "2.5", "late decimal": "7.5", "late word": "seven", "word then number": "7"}
    keys = {"workspace_id": "acme", "content_type": "social", "channel": "x", "published_at": "2026-03-01T10:00:00Z"}
    pl.DataFrame([keys | row for row in rows]).write_csv(tmp_path / "rows.csv")
    with patch("tasks.warehouse.batches.BATCH_BYTES", 5_000):
        report = ingest("content", [tmp_path / "rows.csv"], warehouse=acme)
    frame = content_frame(acme, "acme").sort("content_id")
    first, last = (json.loads(frame.filter(content_id=name)["attributes"][0]) for name in ("c0", "c299"))
    assert report.written == 300
    assert first == {
        **{"whole": 7, "rarely": None, "flag": True, "late decimal": 7.0, "late word": "7", "word then number": "x"}
    }
    assert last == first | {"rarely": 2.5, "late decimal": 7.5, "late word": "seven", "word then number": "7"}


def test_half_an_emoji_rejects_its_line(acme: Warehouse, write: Write, tmp_path: Path) -> None:
    lines = write([post(i) for i in range(9)], "rows.jsonl").read_text()
    (tmp_path / "rows.jsonl").write_text(lines + json.dumps(post(9, body="\ud83d")))
    report = ingest("content", [tmp_path / "rows.jsonl"], warehouse=acme)
    assert (report.written, report.rejected) == (9, 1)


def test_quotes_escaped_by_a_backslash_are_read_and_it_is_said(acme: Warehouse, tmp_path: Path) -> None:
    lines = [f'acme,c{i},social,x,2026-03-01T10:00:00Z,"plain, {i}"' for i in range(40)]
    lines += [r'acme,q,social,x,2026-03-01T10:00:00Z,"She said \"bread\", and \\ left"', *[lines[0].replace("c0", "z")]]
    path = tmp_path / "escaped.csv"
    path.write_text("workspace_id,content_id,content_type,channel,published_at,body\n" + "\n".join(lines) + "\n")
    with patch("tasks.warehouse.batches.BATCH_BYTES", 300):
        report = ingest("content", [path], warehouse=acme)
    assert (report.read, report.written, report.rejected) == (42, 42, 0)
    bodies = {row["content_id"]: row["body"] for row in acme.rows(select(Content.__table__))}
    assert bodies["q"] == r'She said "bread", and \\ left'
    assert any("were read as quotes" in note for note in report.notes)


def test_a_text_that_ends_in_a_backslash_is_read_as_it_stands(acme: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    header = "workspace_id,content_id,content_type,channel,published_at,title,body\n"
    path.write_text(header + r'acme,c1,social,x,2026-03-01T10:00:00Z,"C:\bread\","say ""hi"""' + "\n")
    report = ingest("content", [path], warehouse=acme)
    (row,) = acme.rows(select(Content.__table__))
    assert (row["title"], row["body"]) == ("C:\\bread\\", 'say "hi"')
    assert not any("quotes" in note for note in report.notes)
