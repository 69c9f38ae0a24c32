"""Files as the world sends them: nothing is read wrong without a word, and no eye has to see what it cannot."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from sqlalchemy import select

from flows.cli import main
from tasks.errors import InputError
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.batches import ROW, another_header
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.inspection import inspect_file
from tasks.warehouse.reading.header import clean, our_names
from tasks.warehouse.records import NewWorkspace
from tasks.warehouse.schema import Content, Workspace
from tests.factories import store, workspace_row
from tests.generators.workbook import write_workbook

HEADER = "Post ID;Published at;Channel;Text;Impressions;Engagements;Clicks\n"
ROWS = "a;24.03.2026 06:00;X;Frühstück;1234;80;7\nb;25.03.2026 11:07;X;hello;950;90;8\n"


@pytest.fixture
def acme(sqlite_warehouse: Warehouse) -> Warehouse:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    return sqlite_warehouse


def taken(acme: Warehouse, path: Path, content: str | bytes, **more: Any) -> dict[str, dict[str, Any]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    more = {"preset": "spreadsheet", **more}
    ingest("content", [path], workspace="acme", warehouse=acme, **more)
    return {row["content_id"]: row for row in acme.rows(select(Content.__table__))}


def with_column(name: str, *values: str, first: bool = False) -> str:
    """The table with one more column, in front of all others or behind them."""
    lines = [*(HEADER + ROWS).splitlines()]
    pairs = zip(lines, [name, *values], strict=True)
    return "".join(f"{value};{line}\n" if first else f"{line};{value}\n" for line, value in pairs)


@pytest.mark.parametrize("name", ["Reichweite", "Views"])
def test_a_column_of_another_name_is_not_taken_where_its_own_is_there(
    name: str, acme: Warehouse, tmp_path: Path
) -> None:
    rows = taken(acme, tmp_path / "a.csv", with_column(name, "9", "8", first=True))
    assert [rows[key]["impressions"] for key in "ab"] == [1234, 950]


def test_of_two_other_names_the_one_that_is_named_first_is_taken() -> None:
    aliases = {"impressions": "Impressions", "impressionen": "Impressions", "views": "Impressions"}
    assert our_names(["Views", "Impressionen", "x"], aliases) == ["Views", "Impressions", "x"]
    assert our_names(["Views", "x"], aliases) == ["Impressions", "x"]


def test_a_column_that_stands_twice_is_refused_unless_the_second_is_spoken_of(acme: Warehouse, tmp_path: Path) -> None:
    twice = with_column("Impressions", "9", "8")
    with pytest.raises(InputError, match=r"'Impressions' stands twice .* name 'Impressions \(2\)'"):
        taken(acme, tmp_path / "a.csv", twice)
    mapping = tmp_path / "map.yaml"
    columns = "{content_id: Post ID, published_at: Published at, channel: Channel, impressions: Impressions%s}"
    start = 'datetime_format: "%d.%m.%Y %H:%M"\ntimezone: UTC\n'
    mapping.write_text(
        start + f"ignore: ['Impressions (2)']\ncolumns: {columns % ', content_type: {constant: social}'}"
    )
    rows = taken(acme, tmp_path / "a.csv", twice, preset=None, mapping=mapping)
    assert [rows[key]["impressions"] for key in "ab"] == [1234, 950]


@pytest.mark.parametrize("count", [0, 40], ids=["few", "many"])
@pytest.mark.parametrize("names", ["Text;Engagements;Impressions;Clicks", "Text;Reach;Impressions;Engagements"])
def test_a_second_table_with_other_columns_is_refused(names: str, count: int, acme: Warehouse, tmp_path: Path) -> None:
    more = "".join(f"m{i};26.03.2026 06:00;X;t;5;4;3\n" for i in range(count))
    below = f"Post ID;Published at;Channel;{names}\nc;26.03.2026 11:07;X;x;80;1234;3\n"
    with pytest.raises(InputError, match=f"row {count + 3} is a header with other columns"):
        taken(acme, tmp_path / "a.csv", HEADER + ROWS + more + below)
    seen = inspect_file(tmp_path / "a.csv", preset="spreadsheet")
    assert any("is a header with other columns" in problem for problem in seen.problems)


def test_texts_that_are_names_make_no_header() -> None:
    rows = pl.DataFrame({"title": ["title", "body"], "body": ["x", "title"], "at": ["1", "2"], ROW: [1, 2]})
    assert another_header(rows, ["title", "body", "at"], ["title", "body", "at"]) is None


def test_marks_that_no_eye_sees_make_no_other_name_number_date_or_post(acme: Warehouse, tmp_path: Path) -> None:
    plain = HEADER + ROWS
    marked = plain.replace("Post ID", "\u200fPost ID").replace("Published at", "Published at\u200e")
    marked = marked.replace("24.03.2026 06:00", "\u200e24.03.2026 06:00\u200e").replace(";1234;", ";\u200e1234\u200f;")
    marked = marked.replace("\na;", "\n\u2066a\u2069;").replace("\nb;", "\n\u200bb\ufeff;")
    assert taken(acme, tmp_path / "plain.csv", plain) == taken(acme, tmp_path / "marked.csv", marked)
    assert clean("\u200fImpressions\u200e") == "Impressions"


def test_files_with_marks_of_their_own_may_be_put_one_below_the_other(acme: Warehouse, tmp_path: Path) -> None:
    second = (HEADER + ROWS).replace("\na;", "\nc;").replace("\nb;", "\nd;")
    rows = taken(acme, tmp_path / "a.csv", (HEADER + ROWS).encode("utf-8-sig") + second.encode("utf-8-sig"))
    assert set(rows) == set("abcd")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            (HEADER + ROWS).encode() + "c;26.03.2026 11:07;X;Grüße;1;2;3\n".encode("cp1252"),
            "line 4 is not UTF-8, others",
        ),
        ((HEADER + ROWS).encode("utf-16-be"), "say `encoding: utf-16-be`"),
        ((HEADER + ROWS).encode("utf-16-le"), "say `encoding: utf-16-le`"),
    ],
    ids=["mixed", "utf-16-be", "utf-16-le"],
)
def test_encodings_that_are_not_told_are_named(content: bytes, says: str, acme: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        taken(acme, tmp_path / "a.csv", content)


def test_a_file_of_one_other_encoding_is_read(acme: Warehouse, tmp_path: Path) -> None:
    rows = taken(acme, tmp_path / "a.csv", (HEADER + ROWS).encode("cp1252"))
    assert rows["a"]["body"] == "Frühstück"


def test_zeros_at_the_end_of_a_file_are_not_taken_for_an_encoding(acme: Warehouse, tmp_path: Path) -> None:
    content = (HEADER + ROWS).encode() + bytes(400)
    with pytest.raises(InputError) as refused:
        taken(acme, tmp_path / "a.csv", content)
    assert "UTF-16" not in str(refused.value)


def packed_twice() -> bytes:
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", HEADER + ROWS)
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("in.zip", inner.getvalue())
    return outer.getvalue()


NEW = ["--workspace", "new", "--industry", "bakery", "--timezone"]
FACEBOOK = (
    'Post ID,Page ID,Publish time,Permalink,Post type,Views,"Reactions, Comments and Shares"\n'
    "122158001234567000,1,03/02/2026 06:00,https://www.facebook.com/p/1,Photos,900,12\n"
)


@pytest.mark.parametrize(
    ("name", "content", "arguments", "says"),
    [
        ("a.csv", HEADER + ROWS, ["--preset", "spreadsheet", *NEW, "Mars"], "unknown timezone 'Mars'"),
        ("a.csv", HEADER + ROWS, ["--preset", "spreadsheet", *NEW, "UTC", "--size", "huge"], "'new': size 'huge'"),
        ("a.csv", HEADER + ROWS, ["--preset", "spreadsheet"], "say --workspace ID"),
        ("f.csv", FACEBOOK, ["--preset", "meta-instagram", *NEW, "UTC"], "say --preset meta-facebook"),
        ("a.zip", packed_twice(), ["--preset", "spreadsheet", *NEW, "UTC"], "'in.zip', which is packed itself"),
    ],
    ids=["zone", "size", "workspace", "preset", "packed-twice"],
)
def test_a_slip_on_the_command_line_is_one_line_that_names_the_fix(
    name: str,
    content: str | bytes,
    arguments: list[str],
    says: str,
    acme: Warehouse,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", acme.url)
    get_settings.cache_clear()
    assert ended("ingest", "content", str(tmp_path / name), *arguments) == 2
    complaint = capsys.readouterr().err
    assert says in complaint
    assert len(complaint.splitlines()) == 1
    assert [row["workspace_id"] for row in acme.rows(select(Workspace.workspace_id))] == ["acme"]


def ended(*arguments: str) -> int:
    with (
        patch.dict(os.environ),
        patch.object(sys, "argv", ["raptorflow", *arguments]),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return int(end.value.code or 0)


def test_a_folder_is_no_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("restore", str(tmp_path)) == 2
    assert "is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["keys", "create", "x"], "'--scope' / '-s'; see `raptorflow keys create --help`"),
        (["recall", "x", "--limit", "0"], "'--limit': Input should be greater than or equal to 1"),
        (["experiment", "plan", "--baseline", "abc"], "'--baseline': Input should be a valid number"),
        (["run"], "'flow'; see `raptorflow run --help`"),
        (["patterns", "--wrkspace", "x"], "--wrkspace"),
        (["nope"], "see `raptorflow --help`"),
        (["serve", "--port", "99999"], "'--port'"),
    ],
    ids=["missing", "range", "number", "argument", "option", "command", "port"],
)
def test_bad_usage_names_the_option_as_it_is_typed(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*arguments) == 2
    complaint = capsys.readouterr().err
    assert says in complaint
    assert len(complaint.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--write-mapping", "none/map.yaml"], "there is no folder"),
        (["--timezone", "Berlin"], "unknown timezone 'Berlin'"),
    ],
    ids=["no-folder", "no-zone"],
)
def test_a_look_that_cannot_be_taken_says_so(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text(HEADER + ROWS)
    assert ended("inspect", "a.csv", *arguments) == 2
    assert says in capsys.readouterr().err


ARMS = ["experiment_name", "variant_name", "metric_name", "metric_kind", "n", "sum", "is_control"]


def arms_of(name: str) -> list[list[object]]:
    """A sheet as people hand them on: what it is about, a blank line, then the table."""
    rows: list[list[object]] = [[f"Experiment {name}"], ["from", "2026-03-01"], [], [*ARMS]]
    return [*rows, [name, "A", "bought", "binary", 1000, 100, 1], [name, "B", "bought", "binary", 1000, 120, 0]]


@pytest.mark.parametrize("others", [[], [("Overview", [["made by", "us"]])]], ids=["alone", "beside-another"])
def test_lines_above_a_table_of_our_own_columns_are_no_header(
    others: list[tuple[str, list[list[object]]]], acme: Warehouse, tmp_path: Path
) -> None:
    write_workbook(tmp_path / "a.xlsx", dict([*others, ("checkout", arms_of("checkout"))]))
    report = ingest("experiments", [tmp_path / "a.xlsx"], workspace="acme", warehouse=acme)
    assert (report.written, report.rejected) == (2, 0)
    text = "\n".join(",".join(map(str, row)) for row in arms_of("hero"))
    (tmp_path / "a.csv").write_text(text + "\n")
    assert ingest("experiments", [tmp_path / "a.csv"], workspace="acme", warehouse=acme).written == 2


def test_several_sheets_that_fit_are_named_without_those_that_do_not(acme: Warehouse, tmp_path: Path) -> None:
    sheets = {"Overview": [["made by", "us"]], "checkout": arms_of("checkout"), "hero": arms_of("hero")}
    write_workbook(tmp_path / "a.xlsx", sheets)
    with pytest.raises(InputError, match=r"holds the tables 'checkout', 'hero', any .* `table:`"):
        ingest("experiments", [tmp_path / "a.xlsx"], workspace="acme", warehouse=acme)


def noted(acme: Warehouse, path: Path, posts: list[tuple[str, str, str, int, int]]) -> list[str]:
    lines = [f"{key};2{day}.03.2026 06:00;X;{text};{seen};{liked};1\n" for key, day, text, seen, liked in posts]
    path.write_text(HEADER + "".join(lines))
    return ingest("content", [path], preset="spreadsheet", workspace="acme", warehouse=acme).notes


def test_posts_under_two_ids_and_counts_that_cannot_be_are_told(acme: Warehouse, tmp_path: Path) -> None:
    text = "What a morning for fresh rye bread"
    posts = [(f"p{i}", str(i % 8), f"{text} {i}", 1000, 80) for i in range(12)]
    assert len(noted(acme, tmp_path / "a.csv", posts)) == 1  # the zone
    others = [(f"q{i}", str(i % 8), f"{text} {i}", 5, 80) for i in range(3)]
    assert any("3 posts stand under another id too" in note for note in noted(acme, tmp_path / "b.csv", posts + others))
    greetings = [(f"g{i}", "1", "Good morning", 1000, 80) for i in range(12)]
    assert len(noted(acme, tmp_path / "c.csv", greetings)) == 1
    exchanged = [(key, day, text, liked, seen) for key, day, text, seen, liked in posts]
    assert any("in 12 of 12 rows engagements exceed" in note for note in noted(acme, tmp_path / "d.csv", exchanged))


def test_years_of_two_digits_are_those_of_this_century(acme: Warehouse, tmp_path: Path) -> None:
    rows = taken(acme, tmp_path / "a.csv", (HEADER + ROWS).replace("24.03.2026 06:00", "24.03.26 06:00"))
    assert {f"{row['published_at']:%Y-%m}" for row in rows.values()} == {"2026-03"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1.2K", "suffixes: true"),
        ("6,5 %", "a share is no count"),
        ("€ 6,50", "money is no count"),
        ("1'2,3", "thousands and decimal"),
    ],
)
def test_a_number_that_is_not_read_names_what_would(value: str, says: str, acme: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        taken(acme, tmp_path / "a.csv", (HEADER + ROWS).replace("950", value))


@pytest.mark.parametrize("twin", ["Acme", "\u0430cme", "acme\u200b", "ac me", "\uff41cme"])
def test_no_workspace_is_made_that_an_eye_takes_for_another(twin: str, acme: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + ROWS)
    new = NewWorkspace("bakery")
    with pytest.raises(InputError, match="looks like 'acme' and is another"):
        ingest(
            "content",
            [tmp_path / "a.csv"],
            preset="spreadsheet",
            workspace=twin,
            timezone="UTC",
            new_workspace=new,
            warehouse=acme,
        )
    assert [row["workspace_id"] for row in acme.rows(select(Workspace.workspace_id))] == ["acme"]
