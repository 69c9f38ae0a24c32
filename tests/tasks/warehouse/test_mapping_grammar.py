"""What a mapping file can say of somebody else's file, and what is made of it."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from tasks.errors import InputError
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.batches import ROW
from tasks.warehouse.contract import contract_of
from tasks.warehouse.day_order import DayOrder, OrderedDate
from tasks.warehouse.errors import DayOrderError, IngestionStoppedError
from tasks.warehouse.inbox import inbox
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.mapping import load_mapping
from tasks.warehouse.records import IngestionReport
from tasks.warehouse.schema import Content, Workspace
from tests.factories import store, workspace_row
from tests.generators.workbook import write_workbook

MAPPED = """
columns:
  content_id: Key
  content_type: {constant: social}
  channel: {constant: x}
  published_at: {column: At, format: "%d.%m.%Y %H:%M", timezone: Europe/Berlin}
  impressions: {column: Seen, optional: true}
  engagements: {column: Liked, optional: true}
  body: {column: Text, optional: true}
"""
HEADER = "Key;At;Seen;Liked;Text;Status\n"
LINE = "{key};01.07.2026 12:00;{seen};3;hello;{status}\n"


@pytest.fixture
def acme(sqlite_warehouse: Warehouse) -> Warehouse:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    return sqlite_warehouse


def rows_of(*rows: tuple[str, str, str]) -> str:
    return HEADER + "".join(LINE.format(key=key, seen=seen, status=status) for key, seen, status in rows)


def taken(
    acme: Warehouse, path: Path, content: str | bytes, mapping: str = MAPPED, **more: Any
) -> tuple[IngestionReport, dict[str, dict[str, Any]]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (path.parent / "map.yaml").write_text(mapping)
    report = ingest("content", [path], mapping=path.parent / "map.yaml", workspace="acme", warehouse=acme, **more)
    return report, {row["content_id"]: row for row in acme.rows(select(Content.__table__))}


def test_rows_are_left_out_and_not_rejected(acme: Warehouse, tmp_path: Path) -> None:
    content = rows_of(("a", "1", "sent"), ("b", "2", "Draft"), ("c", "3", "sent"), ("d", "4", ""), ("e", "5", "test 1"))
    mapping = MAPPED + 'drop: [{Status: draft}, {Status: "/^test/"}]\n'
    report, rows = taken(acme, tmp_path / "a.csv", content, mapping)
    assert (report.read, report.written, report.rejected, report.left_out) == (3, 3, 0, 2)
    assert set(rows) == {"a", "c", "d"}
    report, _ = taken(acme, tmp_path / "a.csv", content, MAPPED + "where: {Status: [sent, ~]}\n")
    assert (report.read, report.unchanged, report.left_out) == (3, 3, 2)


def test_what_stands_for_nothing_is_nothing(acme: Warehouse, tmp_path: Path) -> None:
    content = rows_of(("a", "-", "x"), ("b", " --", "x"), ("c", "7", "x"))
    _, rows = taken(acme, tmp_path / "a.csv", content, MAPPED + 'missing: ["-", "--"]\n')
    assert [rows[key]["impressions"] for key in "abc"] == [None, None, 7]


@pytest.mark.parametrize(
    ("rule", "written", "right"),
    [
        ('{thousands: "."}', ["12.000", "1.234.567"], [12_000, 1_234_567]),
        ('{thousands: ","}', ["12,000", "45"], [12_000, 45]),
        ('{decimal: "."}', ["12.000", "5.0"], [12, 5]),
        ("{suffixes: true}", ["1.2K", "3M"], [1200, 3_000_000]),
        ("{suffixes: {Hundert: 100}}", ["12 Hundert", "3"], [1200, 3]),
        ("auto", ["1.234", "12.000"], [1234, 12_000]),
    ],
)
def test_numbers_are_read_by_the_rule_of_their_column(
    rule: str, written: list[str], right: list[int], acme: Warehouse, tmp_path: Path
) -> None:
    content = rows_of(*((f"k{i}", value, "x") for i, value in enumerate(written)))
    _, rows = taken(acme, tmp_path / "a.csv", content, MAPPED + f"number: {rule}\n")
    assert [rows[f"k{i}"]["impressions"] for i in range(len(written))] == right


def test_a_rule_binds_all_batches_of_a_file(acme: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.warehouse.batches.BATCH_BYTES", 400)
    content = rows_of(*((f"k{i}", "1.234" if i < 20 else '"1,234"', "x") for i in range(40)))
    with pytest.raises(InputError, match=r"column 'Seen' writes numbers as '1\.234' and '1,234'"):
        taken(acme, tmp_path / "a.csv", content, MAPPED + "number: auto\n")


def test_a_day_has_no_hour(acme: Warehouse, tmp_path: Path) -> None:
    content = rows_of(("a", "1", "x"))
    mapping = MAPPED.replace("timezone: Europe/Berlin", "timezone: Europe/Berlin, precision: day")
    _, rows = taken(acme, tmp_path / "a.csv", content, mapping)
    assert rows["a"]["published_at"] == datetime(2026, 7, 1, tzinfo=UTC)
    assert (rows["a"]["local_hour"], rows["a"]["local_weekday"], rows["a"]["is_weekend"]) == (None, 2, False)


def test_every_column_has_a_zone_of_its_own(acme: Warehouse, tmp_path: Path) -> None:
    mapping = "timezone: UTC\n" + MAPPED + "  measured_at: {column: At, format: '%d.%m.%Y %H:%M'}\n"
    _, rows = taken(acme, tmp_path / "a.csv", rows_of(("a", "1", "x")), mapping)
    assert rows["a"]["published_at"] == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert rows["a"]["measured_at"] == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_derived_id_is_the_same_when_the_file_comes_again(acme: Warehouse, tmp_path: Path) -> None:
    mapping = "id: derived" + MAPPED.replace("  content_id: Key\n", "")
    content = HEADER + "".join(f"x;0{i}.07.2026 12:00;1;3;text {i};\n" for i in range(1, 5))
    report, rows = taken(acme, tmp_path / "a.csv", content, mapping)
    assert (report.written, len(rows)) == (4, 4)
    assert all(key.startswith("post-") for key in rows)
    report, again = taken(acme, tmp_path / "b.csv", content.replace(";3;", ";9;"), mapping)
    assert (report.written, report.read, set(again)) == (4, 4, set(rows))


def test_an_address_longer_than_a_key_is_hashed_and_kept(acme: Warehouse, tmp_path: Path) -> None:
    long = "https://example.com/" + "b" * 150
    _, rows = taken(acme, tmp_path / "a.csv", rows_of((long, "1", "x"), ("short", "2", "x")))
    key = next(key for key in rows if key != "short")
    assert key.startswith("url-")
    assert rows[key]["attributes"]["url"] == long
    assert rows["short"]["attributes"]["url"] is None


def test_conversions_may_be_fractions(acme: Warehouse, tmp_path: Path) -> None:
    mapping = MAPPED.replace("impressions: {column: Seen", "conversions: {column: Seen") + 'number: {decimal: ","}\n'
    _, rows = taken(acme, tmp_path / "a.csv", rows_of(("a", "3,50", "x"), ("b", "4", "x")), mapping)
    assert [rows[key]["conversions"] for key in "ab"] == [3.5, 4.0]


@pytest.mark.parametrize("packing", ["gz", "zip", "utf-16", "windows-1252", "xlsx", "tsv", "cr"])
def test_the_same_rows_in_every_wrapping(packing: str, acme: Warehouse, tmp_path: Path) -> None:
    text, mapping = rows_of(("ä", "1", "Größe"), ("b", "2", '"a\nb"')), MAPPED
    name, content = "rows.csv", text.encode()
    if packing == "gz":
        name, content = "rows.csv.gz", gzip.compress(content)
    elif packing == "zip":
        name = "rows.zip"
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("rows.csv", text)
            archive.writestr("readme.html", "<p>hello</p>")
        content = (tmp_path / name).read_bytes()
    elif packing == "utf-16":
        content = text.encode("utf-16")
    elif packing == "windows-1252":
        content, mapping = text.encode("cp1252"), "encoding: windows-1252" + mapping
    elif packing == "xlsx":
        name = "rows.xlsx"
        cells = [line.split(";") for line in text.replace('"a\nb"', "ab").splitlines()]
        content = write_workbook(tmp_path / name, {"About": [["made by hand"]], "Rows": cells}).read_bytes()
    elif packing == "tsv":
        name, content = "rows.tsv", text.replace(";", "\t").encode()
    elif packing == "cr":
        content = text.replace("\n", "\r").replace('"a\rb"', '"a\nb"').encode()
    report, rows = taken(acme, tmp_path / name, content, mapping)
    assert (report.read, report.written, set(rows)) == (2, 2, {"ä", "b"})
    assert [rows[key]["impressions"] for key in ("ä", "b")] == [1, 2]


def test_a_preamble_is_skipped_where_that_is_said(acme: Warehouse, tmp_path: Path) -> None:
    content = "Report of July\n\n" + rows_of(("a", "1", "x"))
    for more in ("skip_until_header: true\n", "skip_rows: 2\n"):
        report, _ = taken(acme, tmp_path / "a.csv", content, MAPPED + more)
        assert report.read == 1
        assert any("what stands above it was left out" in note for note in report.notes)


def test_a_preamble_is_skipped_where_the_columns_stand_below_it(acme: Warehouse, tmp_path: Path) -> None:
    above = "Report of July;;;;;\nMade;2026-08-01;;;;\n\n"
    report, _ = taken(acme, tmp_path / "a.csv", above + rows_of(("a", "1", "x")), MAPPED)
    assert report.read == 1
    assert any("begins in line 4; what stands above it was left out" in note for note in report.notes)


def test_another_table_above_is_left_out_only_where_that_is_said(acme: Warehouse, tmp_path: Path) -> None:
    content = "Day;a;b;c;d;e\n2026-08-01;5;x;1;2;3\n\n" + rows_of(("a", "1", "x"))
    with pytest.raises(InputError, match=r"unknown column of .* 'At'"):
        taken(acme, tmp_path / "a.csv", content, MAPPED)


def dated(*days: str) -> str:
    rows = [f"k{place};{day} 12:00;5;3;hello;x\n" for place, day in enumerate(days)]
    return HEADER + "".join(rows)


def test_dates_with_day_and_month_exchanged_are_refused_and_named(acme: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(DayOrderError, match=r"'04.13.2026 12:00' in row 21 .*say `format: \"%m\.%d\.%Y %H:%M\"`"):
        taken(acme, tmp_path / "a.csv", dated(*["03.04.2026"] * 20, "04.13.2026"))
    assert acme.rows(select(Content.__table__)) == []


def test_a_date_ahead_that_is_past_the_other_way_round_is_exchanged(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(MAPPED)
    mapping, order = load_mapping(tmp_path / "map.yaml", contract_of("content")), DayOrder()
    rows = pl.DataFrame({ROW: [1, 2], "At": ["03.04.2026 12:00", " 01.12.2026 12:00"]})
    order.see(rows, contract_of("content"), mapping, datetime(2026, 5, 1))
    assert order.exchanged == OrderedDate("published_at", 2, "01.12.2026 12:00", "%m.%d.%Y %H:%M")


def test_one_date_that_is_none_is_refused_where_others_settle_the_order(acme: Warehouse, tmp_path: Path) -> None:
    report, rows = taken(acme, tmp_path / "a.csv", dated(*["24.04.2026"] * 8, "03.04.2026", "04.13.2026"))
    assert (report.written, report.rejected) == (9, 1)
    assert rows["k8"]["published_at"].month == 4
    assert not any("other way round" in note for note in report.notes)


def test_dates_that_can_be_read_both_ways_are_read_as_said_and_named(acme: Warehouse, tmp_path: Path) -> None:
    report, rows = taken(acme, tmp_path / "a.csv", dated("03.04.2026", "05.04.2026"))
    assert [rows[key]["published_at"].month for key in ("k0", "k1")] == [4, 4]
    assert any("'03.04.2026 12:00' (published_at) was read as %d.%m.%Y %H:%M" in note for note in report.notes)


def test_rows_of_blank_cells_are_no_rows(acme: Warehouse, tmp_path: Path) -> None:
    width = rows_of(("a", "1", "x")).splitlines()[0].count(";")
    blank = [";" * width, "; " * width, ";" * (width + 1), ";".join(['""'] * (width + 1))]
    report, rows = taken(acme, tmp_path / "a.csv", rows_of(("a", "1", "x"), ("b", "2", "x")) + "\n".join(blank), MAPPED)
    assert (report.read, report.written, report.rejected, set(rows)) == (2, 2, 0, {"a", "b"})


def test_a_daily_breakdown_is_summed_where_that_is_said(acme: Warehouse, tmp_path: Path) -> None:
    header = "workspace_id,content_id,content_type,channel,published_at,measured_at,engagements,body\n"
    days = [
        f"acme,c{p},social,x,2026-03-01T10:00:00Z,2026-03-{10 + d:02}T00:00:00Z,{20 - 2 * d + p},day {d}\n"
        for d in (3, 0, 2, 1)
        for p in range(3)
    ]
    report, rows = taken(acme, tmp_path / "a.csv", header + "".join(days), "grain: day\n")
    assert (report.read, report.written, report.rejected) == (3, 3, 0)
    assert [rows[f"c{p}"]["engagements"] for p in range(3)] == [68, 72, 76]
    assert rows["c0"]["measured_at"] == datetime(2026, 3, 13, tzinfo=UTC)
    assert rows["c0"]["body"] == "day 3"


def test_totals_to_date_are_no_daily_breakdown(acme: Warehouse, tmp_path: Path) -> None:
    header = "workspace_id,content_id,content_type,channel,published_at,measured_at,engagements\n"
    days = [
        f"acme,c{p},social,x,2026-03-01T10:00:00Z,2026-03-{10 + d:02}T00:00:00Z,{20 + 2 * d}\n"
        for d in range(4)
        for p in range(5)
    ]
    report, rows = taken(acme, tmp_path / "a.csv", header + "".join(days), "{}\n")
    assert (report.read, report.written, report.unchanged) == (20, 5, 15)
    assert rows["c0"]["engagements"] == 26


def test_rows_of_another_workspace_than_the_one_named_are_refused(acme: Warehouse, tmp_path: Path) -> None:
    store(acme, Workspace, [workspace_row(workspace_id="other")])
    header = "workspace_id,content_id,content_type,channel,published_at\n"
    lines = [f"{'other' if i == 3 else 'acme'},c{i},social,x,2026-03-01T10:00:00Z\n" for i in range(9)]
    report, _ = taken(acme, tmp_path / "a.csv", header + "".join(lines), "{}\n")
    assert (report.written, report.rejected) == (8, 1)


def test_the_inbox_says_by_its_folders_how_files_are_read(home: Path) -> None:
    folder = get_settings().inbox / "content"
    for name in ("plain.csv", "tiktok/a.zip", "acme/youtube/b.csv", "acme/unknown/c.csv", ".hidden"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    waiting = inbox(folder, {"workspace": "mine"})
    assert [(batch.preset, batch.workspace, [path.name for path in batch.files]) for batch in waiting] == [
        (None, "mine", ["plain.csv"]),
        ("youtube", "acme", ["b.csv"]),
        ("tiktok", "mine", ["a.zip"]),
    ]


@pytest.mark.parametrize(("at", "says"), [(1, "nothing was written"), (2, "1 of 2 rows were written and stay")])
def test_ctrl_c_says_what_stays(at: int, says: str, acme: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(rows_of(("a", "1", "x")))
    (tmp_path / "b.csv").write_text(rows_of(("b", "1", "x")))
    (tmp_path / "map.yaml").write_text(MAPPED)

    def stop(done: int, total: int | None) -> None:
        if (at == 1 and total is None) or (at == 2 and total == 2 and done == 1):
            raise KeyboardInterrupt

    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(IngestionStoppedError, match=says) as caught:
        ingest("content", files, mapping=tmp_path / "map.yaml", workspace="acme", warehouse=acme, on_progress=stop)
    assert caught.value.exit_status == 1
    assert len(acme.rows(select(Content.content_id))) == at - 1
    report = ingest("content", files, mapping=tmp_path / "map.yaml", workspace="acme", warehouse=acme)
    assert (report.written, report.unchanged) == (3 - at, at - 1)
