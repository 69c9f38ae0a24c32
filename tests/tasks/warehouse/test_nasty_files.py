"""Files that nobody can mean: one clear line, exit status 2, and nothing of them written, on both databases."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from sqlalchemy import func, select

from flows.cli import main
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.schema import Content, Touch, Workspace
from tests.factories import store, workspace_row
from tests.postgres_databases import postgres_database, postgres_url

HEADER = "workspace_id,content_id,content_type,channel,published_at,impressions,body\n"


def line(i: int, impressions: object = 5, body: object = "b", at: str = "2026-03-01T10:00:00Z") -> str:
    return f"acme,c{i},social,x,{at},{impressions},{body}\n"


def table(*lines: str) -> bytes:
    return (HEADER + "".join(lines)).encode()


def many(count: int = 20, **changes: object) -> list[str]:
    return [line(i, **changes) for i in range(count)]  # type: ignore[arg-type]


def zipped(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_csv", ".csv").replace("_html", ".html"), text)
    return content.getvalue()


def parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def typed(count: int = 10, **columns: object) -> pl.DataFrame:
    rows = {"workspace_id": "acme", "content_type": "social", "channel": "x", "published_at": "2026-03-01T10:00:00Z"}
    return pl.DataFrame({"content_id": [f"p{i}" for i in range(count)]}).with_columns(
        **{name: value if isinstance(value, pl.Series) else pl.lit(value) for name, value in (rows | columns).items()}
    )


DAILY = [
    f"acme,c{p},social,x,2026-03-01T10:00:00Z,{30 - 3 * d},2026-03-{10 + d:02}T00:00:00Z\n"
    for p in range(3)
    for d in range(8)
]
SHORTENED = "a spreadsheet has shortened the ids"
BAD_REGEX = 'columns:\n  title: {column: body, extract: "("}'
GERMAN_DATES = 'datetime_format: "%d.%m.%Y"\ntimezone: UTC'
NASTY: list[tuple[str, bytes, str | None, str]] = [
    # name, content, mapping, what the line says
    ("empty.csv", b"", None, "is empty"),
    ("blank.csv", b"\n\n\n", None, "holds no rows"),
    ("only_header.csv", HEADER.encode(), None, "holds no rows"),
    ("no_data.csv", b"No data available.\n", None, "No data available."),
    ("page.csv", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", None, "is a web page, not a table"),
    ("page.xls", b"<html><table><tr><td>1</td></tr></table></html>", None, "is a web page"),
    ("paper.csv", b"%PDF-1.7 ...", None, "is a PDF document"),
    ("packed.csv", gzip.compress(table(*many())), None, "rename it to .gz"),
    ("workbook.csv", zipped(**{"xl/workbook.xml": b"<workbook/>"}), None, "rename it to .xlsx"),
    ("archive.csv", zipped(a_csv=table(*many())), None, "rename it to .zip"),
    ("parquet.csv", parquet(typed()), None, "rename it to .parquet"),
    ("text.xlsx", table(*many()), None, "is not an Excel file"),
    ("broken.xlsx", zipped(**{"xl/workbook.xml": b"<workbook"}), None, "is not an Excel file"),
    ("cut.csv.gz", gzip.compress(table(*many(20_000)))[:-2000], None, "was cut short or is damaged"),
    ("not.gz", table(*many()), None, "is not a gzip file"),
    ("cut.zip", zipped(a_csv=table(*many()))[:-30], None, "is not a zip archive"),
    ("nothing.zip", zipped(readme_html=b"<p>hello</p>"), None, "holds no table"),
    ("two.zip", zipped(a_csv=table(*many()), b_csv=table(*many())), None, "say `table:` in a mapping file"),
    ("database.csv", b"SQLite format 3\x00" + b"\x00" * 100, None, "is a SQLite database"),
    ("latin.csv", table(*many(body="Fr\xfchst\xfcck")).decode().encode("latin-1"), None, "is not UTF-8"),
    ("wide.csv", table(*many()).decode().encode("utf-16-le"), None, "UTF-16 without a mark"),
    ("no_header.csv", b"acme,1001,2026-03-01,12\nacme,1002,2026-03-02,13\n", None, "has no header row"),
    ("preamble.csv", b"a,b,c,d,e,f,g\nMarch\n" + table(*many()), None, "the header stands in line 3"),
    ("blank_first.csv", b"a,b\n1,2\n", None, "content need the columns"),
    ("unclosed.csv", table(*many(10), line(10, body='"We said hello'), *many(30)), None, "row 11 (line 12): a quote"),
    ("stray.csv", table(*many(10), line(10, body='"We "said" hello"'), *many(30)), None, "row 11 (line 12): a quote"),
    ("thousands.csv", table(*many(30), line(30, '"1,730"')), None, "writes numbers as '5' and '1,730'"),
    ("points.csv", table(*many(30), line(30, "12.000")), None, "'12.000'"),
    ("mixed.csv", table(*many(30), line(30, "12.000"), line(31, '"1,730"')), 'number: {thousands: ","}', "'12.000'"),
    ("kilo.csv", table(*many(30), line(30, "1.2K")), None, "'1.2K'"),
    ("percent.csv", table(*many(30), line(30, "12%")), None, "'12%'"),
    ("epochs.csv", table(*many(at="1719900000000")), 'datetime_format: "%s"\ntimezone: UTC', "row 1: "),
    ("format.csv", table(*many(at="2026-03-01")), GERMAN_DATES, "format %d.%m.%Y"),
    ("ids.csv", table(*[line(i).replace(f"c{i}", "1.22E+14") for i in range(9)]), None, SHORTENED),
    ("rounded.csv", table(*[line(i).replace(f"c{i}", f"12215800{i}" + "0" * 12) for i in range(9)]), None, SHORTENED),
    ("daily.csv", (HEADER.replace(",body", ",measured_at") + "".join(DAILY)).encode(), None, "is a daily breakdown"),
    ("repeated.csv", table(*[line(i % 4) for i in range(40)]), None, "one row a post and day"),
    ("twice.csv", table(*many()).replace(b",body", b",impressions"), None, "column 'impressions' stands twice"),
    ("long_row.csv", table(*many(2), line(3, body="x" * (40 << 20))), None, "a row is longer than 8 MiB"),
    ("escape.csv", b"\x1b[31mworkspace\n1\n", None, "\ufffd[31mworkspace"),
    ("nan.jsonl", b'{"workspace_id": "acme", "content_id": NaN}\n[1]\n', None, "content need the columns"),
    ("nested.jsonl", b"[" * 100_000, None, "line 1 is not a JSON object"),
    ("twice_in_mapping.csv", table(*many()), "timezone: UTC\ntimezone: UTC", "line 2: 'timezone' stands already"),
    ("anchors.csv", table(*many()), "missing: &a [x]\nignore: *a", "anchors (& and *) are not taken"),
    ("regex.csv", table(*many()), BAD_REGEX, "line 2: columns.title.extract: no"),
    ("key.csv", table(*many()), "columns:\n  titel: body", "line 2: unknown column of content 'titel'"),
    ("role.csv", table(*many()), "features: [bodi]", "'bodi'; did you mean 'body'?"),
    ("python.csv", table(*many()), "kind: !!python/object/apply:os.system [true]", "is not YAML (line 1)"),
]  # fmt: skip


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/warehouse.db"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_of_acme(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One warehouse for all, which knows acme: whatever is tried, nothing is in it afterwards."""
    folder = tmp_path_factory.mktemp("nasty")
    with sqlite(folder) if request.param == "sqlite" else postgres_database() as name:
        warehouse = Warehouse(name if request.param == "sqlite" else postgres_url(name))
        upgrade(warehouse)
        store(warehouse, Workspace, [workspace_row()])
        yield warehouse
        warehouse.engine.dispose()


@pytest.mark.parametrize(("name", "content", "mapping", "says"), NASTY, ids=[case[0] for case in NASTY])
def test_nothing_is_written_and_one_line_says_why(
    name: str,
    content: bytes,
    mapping: str | None,
    says: str,
    store_of_acme: Warehouse,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / name).write_bytes(content)
    command = ["raptorflow", "ingest", "content", str(tmp_path / name)]
    if mapping is not None:
        (tmp_path / "map.yaml").write_text(mapping)
        command += ["--mapping", str(tmp_path / "map.yaml")]
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", store_of_acme.url)
    get_settings.cache_clear()
    with patch.dict(os.environ), patch.object(sys, "argv", command), pytest.raises(SystemExit) as ended:
        main()
    printed, complaint = capsys.readouterr()
    assert ended.value.code == 2, complaint
    assert len(complaint.splitlines()) == 1
    assert printed == ""
    assert says in complaint
    assert "\x1b" not in complaint
    for table in (Content, Touch):
        assert store_of_acme.rows(select(func.count().label("n")).select_from(table)) == [{"n": 0}]
    assert len(store_of_acme.rows(select(Workspace.workspace_id))) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [("ep", "content need the columns"), ("top", "'1,730'"), ("uq_mid", "row 101"), ("daily", "daily breakdown")],
)
def test_the_inputs_that_went_wrong_are_refused(
    name: str,
    says: str,
    shared_cases: Path,
    store_of_acme: Warehouse,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, mapping = shared_cases / "faults" / f"{name}.csv", shared_cases / "faults" / f"{name}.yaml"
    command = ["raptorflow", "ingest", "content", str(file), "--workspace", "acme"]
    command += ["--mapping", str(mapping)] if mapping.exists() else []
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", store_of_acme.url)
    get_settings.cache_clear()
    with patch.dict(os.environ), patch.object(sys, "argv", command), pytest.raises(SystemExit) as ended:
        main()
    complaint = capsys.readouterr().err
    assert ended.value.code == 2
    assert says in complaint
    assert store_of_acme.rows(select(func.count().label("n")).select_from(Content)) == [{"n": 0}]
