"""Whatever is wrong with a file is said in one line, and nothing of it was written."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import func, select

from tasks.errors import InputError
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.records import IngestionReport
from tasks.warehouse.schema import Content, ExperimentArm, Touch, Workspace
from tests.factories import store, workspace_row

HEADER = "workspace_id,content_id,content_type,channel,published_at\n"
ROW = "acme,c1,social,facebook,2026-03-01T12:00:00Z\n"
CONTENT = {"workspace_id": "acme", "content_type": "social", "channel": "x", "published_at": "2026-03-01T12:00:00Z"}
ARM = {"workspace_id": "acme", "experiment_name": "e", "metric_name": "m", "metric_kind": "continuous", "n": 10}
ARM |= {"sum": 20.0, "sum_of_squares": 50.0}
KINDS: dict[str, dict[str, Any]] = {
    "content": CONTENT,
    "touches": {"workspace_id": "acme", "occurred_at": "2026-03-01T12:00:00Z", "channel": "x", "converted": 1},
    "experiments": ARM | {"is_control": False},
    "workspaces": {"name": "x", "industry": "saas", "size": "smb"},
}
KEYS = {"content": "content_id", "touches": "touch_id", "experiments": "variant_name", "workspaces": "workspace_id"}


@pytest.fixture(scope="module")
def shared_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One warehouse for all: whatever is tried here, it holds no row more afterwards."""
    warehouse = Warehouse(f"sqlite:///{tmp_path_factory.mktemp('bad')}/warehouse.db")
    upgrade(warehouse)
    store(warehouse, Workspace, [workspace_row()])
    return warehouse


@pytest.fixture
def store_of_acme(shared_warehouse: Warehouse) -> Iterator[Warehouse]:
    """A warehouse with one workspace, and the claim that nothing else is in it afterwards."""
    yield shared_warehouse
    counts = [
        shared_warehouse.rows(select(func.count().label("n")).select_from(t)) for t in (Content, Touch, ExperimentArm)
    ]
    assert counts == [[{"n": 0}]] * 3
    assert len(shared_warehouse.rows(select(Workspace.workspace_id))) == 1


def refusal(warehouse: Warehouse, path: Path, kind: str = "content", mapping: str | None = None) -> str:
    mapping_path = path.with_suffix(".yaml") if mapping is not None else None
    if mapping_path is not None:
        mapping_path.write_text(mapping or "")
    with pytest.raises(InputError) as caught:
        ingest(kind, [path], warehouse=warehouse, mapping=mapping_path)
    assert caught.value.exit_status == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.csv", None, "missing.csv: no such file"),
        ("posts.docx", b"x", "unknown suffix '.docx', expected one of .csv, .parquet, .jsonl, .ndjson"),
        ("posts.xlsx", b"x", "posts.xlsx: is not an Excel file, or was cut short"),
        ("empty.csv", b"", "empty.csv: is empty"),
        ("header.csv", HEADER.encode(), "header.csv: holds no rows"),
        ("latin.csv", (HEADER + "acme,café,social,x,y\n").encode("latin-1"), "line 2 is not UTF-8"),
        ("latin_header.csv", "workspace_id,prénom\na,b\n".encode("latin-1"), "line 1 is not UTF-8"),
        ("twice.csv", b"a,a\n1,2\n", "column 'a' stands twice in the header"),
        ("broken.parquet", b"PAR1....", "is not a Parquet file, or was cut short"),
        ("empty.jsonl", b"\n\n", "holds no rows"),
        (
            "array.jsonl",
            b"[1]\n[2]\n",
            "line 1 is not a JSON object, but the beginning of a list; write one object a line",
        ),
        ("array.json", b"[]", "of JSON one object a line, as .jsonl"),
    ],
)
def test_files_that_are_no_rows(
    store_of_acme: Warehouse, tmp_path: Path, name: str, content: bytes | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert expected in refusal(store_of_acme, tmp_path / name)


def test_a_folder_and_an_unknown_kind(store_of_acme: Warehouse, tmp_path: Path) -> None:
    assert "not a file; name the files in it" in refusal(store_of_acme, tmp_path)
    assert "unknown kind 'contents'; did you mean 'content'?" in refusal(store_of_acme, tmp_path, "contents")
    with pytest.raises(InputError, match="no file to ingest"):
        ingest("content", [], warehouse=store_of_acme)


def test_a_missing_column_names_those_there_are_and_the_likeliest(store_of_acme: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("workspace,content_id,content_type,channel,published_at\n" + ROW)
    found = refusal(store_of_acme, path)
    assert "need the column 'workspace_id', the file has 'workspace', 'content_id'" in found
    assert "(did you mean 'workspace' for 'workspace_id'?)" in found


@pytest.mark.parametrize("kind", ["workspaces", "experiments"])
def test_a_column_nobody_knows_is_an_error_where_no_attributes_are_kept(
    store_of_acme: Warehouse, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "rows.csv"
    pl.DataFrame([KINDS[kind] | {KEYS[kind]: "a", "time_zone": "UTC"}]).write_csv(path)
    assert f"{kind} have no column 'time_zone'" in refusal(store_of_acme, path, kind)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("a: [b", "is not YAML (line"),
        ("just text", "expected `columns:` and below it"),
        ("colums: {}", "unknown key 'colums'; did you mean 'columns'?"),
        ("columns: {contnt_id: id}", "unknown column of content 'contnt_id'; did you mean 'content_id'?"),
        ("columns: {body: txt}", "unknown column of {path} 'txt'; known: "),
        ("columns: {body: {sum: [channel], concat: [channel]}}", "expected exactly one of column, sum, concat"),
        ("columns: {body: {default: x, column: channel}}", "`default` needs `values`"),
        ("ignore: [nothing]", "unknown column of {path} 'nothing'"),
        ("timezone: Mars/Olympus", "timezone: unknown timezone 'Mars/Olympus'"),
        ("kind: touches", "it is for kind 'touches', not 'content'"),
        ("columns: [a, b]", "columns: expected canonical column: its origin"),
    ],
)
def test_mappings_that_are_wrong(store_of_acme: Warehouse, tmp_path: Path, mapping: str, expected: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_text(HEADER + ROW)
    assert expected.replace("{path}", str(path)) in refusal(store_of_acme, path, mapping=mapping)


def test_a_mapping_that_is_missing(store_of_acme: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_text(HEADER + ROW)
    with pytest.raises(InputError, match=r"none.yaml: cannot be read \(No such file or directory\)"):
        ingest("content", [tmp_path / "posts.csv"], mapping=tmp_path / "none.yaml", warehouse=store_of_acme)


FAR_FUTURE = "2999-01-01T00:00:00Z"
WRONG_VALUES = [
    ("content", "published_at", "2026-03-01 12:00:00", "has no zone, expected 2026-03-01T12:00:00Z or `timezone:`"),
    ("content", "published_at", "yesterday", "expected ISO 8601 with a zone"),
    ("content", "published_at", "2026-02-30T00:00:00Z", "expected ISO 8601 with a zone"),
    ("content", "published_at", FAR_FUTURE, "more than a day in the future"),
    ("content", "published_at", "1970-01-01T00:00:00Z", "before 1990"),
    ("content", "published_at", None, "missing"),
    ("content", "impressions", "-1", "negative, expected 0 or more"),
    ("content", "impressions", "many", "expected a whole number"),
    ("content", "impressions", "1.5", "expected a whole number"),
    ("content", "impressions", "NaN", "expected a whole number"),
    ("content", "clicks", "inf", "expected a whole number"),
    ("content", "clicks", "99999999999999999999", "expected a whole number"),
    ("content", "content_id", "../../etc/passwd", "holds the path segment '..'"),
    ("content", "content_id", "a\tb\x07", "holds a control character"),
    ("content", "content_id", "abc\u202etxt", "holds a control character"),
    ("content", "content_id", "x" * 129, "longer than 128 characters"),
    ("content", "content_id", "  ", "missing"),
    ("content", "channel", "x" * 65, "longer than 64 characters"),
    ("content", "body", "x" * (2 << 20), "longer than 1 MiB"),
    ("content", "body", "x" * (10 << 20), "longer than 8 MiB"),
    ("content", "title", "a\0b", "holds a NUL character"),
    ("content", "workspace_id", "acne", "unknown workspace, ingest it first"),
    ("touches", "converted", "maybe", "expected true or false (1 or 0)"),
    ("touches", "occurred_at", "12:00", "expected ISO 8601 with a zone"),
    ("touches", "note", "x" * (2 << 20), "longer than 1 MiB"),
    ("workspaces", "timezone", "Mars/Olympus", "unknown timezone, expected an IANA name"),
    ("workspaces", "size", "huge", "expected one of smb, mid, enterprise"),
    ("workspaces", "shares_insights", "perhaps", "expected true or false"),
    ("experiments", "n", "-1", "negative, expected 0 or more"),
    ("experiments", "sum", "NaN", "expected a finite number"),
    ("experiments", "sum_of_squares", "39.9", "less than sum² / n, which cannot be"),
    ("experiments", "sum_of_squares", None, "continuous: needed for the variance"),
    ("experiments", "metric_kind", "binary", "binary: expected 0 ≤ sum ≤ n"),
    ("experiments", "metric_kind", "ordinal", "expected one of binary, rate, continuous, count"),
    ("experiments", "n", "0", "n is 0, so sum must be 0"),
]


@pytest.mark.parametrize(("kind", "column", "value", "reason"), WRONG_VALUES, ids=lambda v: str(v)[:20])
def test_values_that_are_wrong_reject_their_row(
    store_of_acme: Warehouse, tmp_path: Path, kind: str, column: str, value: str | None, reason: str
) -> None:
    good = KINDS[kind]
    rows = [{column: None} | good | {KEYS[kind]: f"k{i}"} for i in range(2)]
    rows[1][column] = value
    path = tmp_path / "rows.jsonl"
    pl.DataFrame([{k: v if v is None else str(v) for k, v in row.items()} for row in rows]).write_ndjson(path)
    found = refusal(store_of_acme, path, kind)
    assert "1 of 2 rows were rejected, more than a fifth, so nothing was written" in found
    assert "row 2: " in found
    rejects = list(csv.DictReader(next(get_settings().rejects.glob("*.csv")).open()))
    assert any(row["row"] == "2" and reason in row["reason"] for row in rejects)


def with_wrong(tmp_path: Path, good: int, wrong: int) -> Path:
    rows = [CONTENT | {"content_id": f"c{i}", "impressions": 1} for i in range(good)]
    rows += [CONTENT | {"content_id": f"x{i}", "impressions": -1} for i in range(wrong)]
    pl.DataFrame(rows).write_csv(tmp_path / "rows.csv")
    return tmp_path / "rows.csv"


def test_too_many_wrong_rows_at_the_end_of_a_file_stop_all_of_it(
    store_of_acme: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.warehouse.batches.BATCH_BYTES", 2000)
    found = refusal(store_of_acme, with_wrong(tmp_path, good=790, wrong=210))
    assert "210 of 1,000 rows were rejected" in found
    assert "worst column 'impressions' (210 rows), first row 791: negative, expected 0 or more, not '-1'" in found


def test_one_wrong_file_stops_the_good_one_before_it(store_of_acme: Warehouse, tmp_path: Path) -> None:
    good = with_wrong(tmp_path, good=5, wrong=0).rename(tmp_path / "good.csv")
    with pytest.raises(InputError, match=r"rows.csv: 5 of 5 rows"):
        ingest("content", [good, with_wrong(tmp_path, good=0, wrong=5)], warehouse=store_of_acme)


def accepted(warehouse: Warehouse, path: Path, kind: str = "content") -> IngestionReport:
    return ingest(kind, [path], warehouse=warehouse)


def test_up_to_a_fifth_is_rejected_row_by_row(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    report = accepted(sqlite_warehouse, with_wrong(tmp_path, good=8, wrong=2))
    assert (report.read, report.written, report.rejected) == (10, 8, 2)
    assert report.reasons == {"impressions: negative, expected 0 or more": 2}
    assert report.rejects_path is not None
    rejects = list(csv.DictReader(report.rejects_path.open()))
    assert [(row["row"], row["column"], row["value"]) for row in rejects] == [
        ("9", "impressions", "-1"),
        ("10", "impressions", "-1"),
    ]


def test_lines_that_are_no_rows_are_rejected_and_counted(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    lines = [ROW.replace("c1", f"c{i}") for i in range(9)]
    (tmp_path / "rows.csv").write_text(HEADER + "".join([*lines[:4], "a,b\n", *lines[4:]]))
    report = accepted(sqlite_warehouse, tmp_path / "rows.csv")
    assert (report.read, report.written, report.reasons) == (10, 9, {"(row): 2 values, expected 5": 1})
    objects = pl.read_csv(HEADER.encode() + "".join(lines).encode()).write_ndjson()
    (tmp_path / "rows.jsonl").write_text("{oops\n" + objects)
    report = accepted(sqlite_warehouse, tmp_path / "rows.jsonl")
    assert (report.read, report.unchanged, report.reasons) == (10, 9, {"(row): not a JSON object": 1})


def test_duplicate_keys_of_one_file_leave_the_newest_measurement(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    measured = [("a", "03", 3), ("a", "05", 5), ("a", "04", 4), ("b", None, 1), ("b", None, 2)]
    rows = [
        CONTENT | {"content_id": key, "impressions": n, "measured_at": day and f"2026-03-{day}T00:00:00Z"}
        for key, day, n in measured + [(f"c{i}", None, 0) for i in range(5)]
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "rows.csv")
    report = accepted(sqlite_warehouse, tmp_path / "rows.csv")
    assert (report.read, report.written, report.unchanged, report.rejected) == (10, 7, 2, 1)
    assert report.reasons == {"(key): duplicate, a later row has the same key": 1}
    statement = select(Content.content_id, Content.impressions).where(Content.content_id.in_(["a", "b"]))
    assert {row["content_id"]: row["impressions"] for row in sqlite_warehouse.rows(statement)} == {"a": 5, "b": 2}
    again = accepted(sqlite_warehouse, tmp_path / "rows.csv")
    assert (again.written, again.unchanged, again.rejected) == (0, 9, 1)


def test_an_experiment_has_one_control(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    fine = [KINDS["experiments"] | {"variant_name": f"v{i}", "is_control": i == 0} for i in range(9)]
    both = [fine[0] | {"experiment_name": "f", "variant_name": name, "is_control": True} for name in "ab"]
    pl.DataFrame(fine + both).write_csv(tmp_path / "rows.csv")
    report = accepted(sqlite_warehouse, tmp_path / "rows.csv", "experiments")
    assert (report.written, report.reasons) == (9, {"is_control: more than one control arm, expected one": 2})


def test_naive_times_are_read_in_the_zone_the_mapping_declares(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    rows = [CONTENT | {"content_id": "c", "published_at": datetime(2026, 7, 1, 12)}]
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "m.yaml").write_text("timezone: Europe/Berlin")
    ingest("content", [tmp_path / "rows.parquet"], mapping=tmp_path / "m.yaml", warehouse=sqlite_warehouse)
    found = sqlite_warehouse.rows(select(Content.published_at))
    assert found == [{"published_at": datetime(2026, 7, 1, 10, tzinfo=UTC)}]
