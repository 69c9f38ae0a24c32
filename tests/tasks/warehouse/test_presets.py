"""Exports of platforms are read right by one command: cases outside this repository, and our own in other shapes."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from sqlalchemy import select

from flows.cli import main
from tasks.content.media import normal_media_type
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.inspection import matching_preset
from tasks.warehouse.preset_files import preset_names
from tasks.warehouse.presets import preset_named
from tasks.warehouse.schema import Content, Workspace
from tests.generators.exports import EXPORTS, Export

CASES = {
    "epoch_and_k": ("buffer", "UTC"),
    "fb_insights_postlevel": ("facebook-insights", "UTC"),
    "ga4_pages": ("ga4", "UTC"),
    "german_excel": ("spreadsheet", "Europe/Berlin"),
    "google_ads": ("google-ads", "UTC"),
    "linkedin_page": ("linkedin", "UTC"),
    "mailchimp_campaigns": ("mailchimp", "America/New_York"),
    "meta_ads": ("meta-ads", "UTC"),
    "meta_fb_content": ("meta-facebook", "UTC"),
    "meta_fb_daily": ("meta-facebook-daily", "UTC"),
    "meta_ig_content": ("meta-instagram", "UTC"),
    "substack_posts": ("substack", "UTC"),
    "tiktok_content": ("tiktok", "UTC"),
    "x_content_2024": ("x-2024", "UTC"),
    "x_tweet_activity": ("x", "UTC"),
    "youtube_table_data": ("youtube", "UTC"),
}
NO_ID = "(none in the file)"


@pytest.fixture
def home_warehouse(home: Path) -> Warehouse:
    """The warehouse that the command line uses, empty."""
    home.mkdir(mode=0o700)
    warehouse = Warehouse()
    upgrade(warehouse)
    return warehouse


def raptorflow(*arguments: str | Path) -> int:
    """The command line in this process; returns its exit status."""
    command = ["raptorflow", *map(str, arguments)]
    with patch.dict(os.environ), patch.object(sys, "argv", command), pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def ingested(
    warehouse: Warehouse, file: Path, preset: str, timezone: str, dates: Path | None = None
) -> list[dict[str, Any]]:
    new = ["--workspace", "acme", "--industry", "bakery", "--timezone", timezone]
    more = ["--dates", dates] if dates is not None else []
    assert raptorflow("ingest", "content", file, "--preset", preset, *new, *more) == 0
    return warehouse.rows(select(Content.__table__))


def written(dates: dict[str, str], path: Path) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("content_id", "published_at"), *dates.items()])
    return path


def same(found: dict[str, Any], right: dict[str, Any]) -> None:
    """A row holds what is right of it."""
    for name, value in right.items():
        if name in ("published_at", "measured_at") and value != "(not in the file)":
            day, _, only = str(value).replace(" (from id)", "").partition(" (day")
            written = f"{found[name]:%Y-%m-%d}" if only else f"{found[name]:%Y-%m-%dT%H:%M:%SZ}"
            assert written == day, name
            if name == "published_at":
                assert (found["local_hour"] is None) == bool(only)
                assert found["local_weekday"] == found[name].weekday() or not only
        elif name == "media_type":
            assert found[name] == pl.select(normal_media_type(pl.lit(value))).item()
        elif value != "(not in the file)" and value != NO_ID:
            assert found[name] == value, name


@pytest.mark.parametrize("name", CASES)
def test_an_export_from_outside_is_read_right(
    name: str, shared_cases: Path, home_warehouse: Warehouse, tmp_path: Path
) -> None:
    preset, timezone = CASES[name]
    truth = json.loads((shared_cases / "exports" / f"{name}.truth.json").read_text())
    file = next(path for path in (shared_cases / "exports").glob(f"{name}.*") if path.suffix in (".csv", ".xlsx"))
    absent = [row["content_id"] for row in truth if row["published_at"] == "(not in the file)"]
    dates = written(dict.fromkeys(absent, "2026-01-05"), tmp_path / "dates.csv") if absent else None
    rows = ingested(home_warehouse, file, preset, timezone, dates)
    assert len(rows) == len(truth)
    if truth[0]["content_id"] == NO_ID:
        pairs = zip(sorted(rows, key=lambda row: row["published_at"]), truth, strict=True)
    else:
        by_id = {row["content_id"]: row for row in rows}
        pairs = ((by_id[row["content_id"]], row) for row in truth)
    for found, right in pairs:
        same(found, right)


def test_the_same_export_again_changes_nothing(
    shared_cases: Path, home_warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shared_cases / "exports" / "epoch_and_k.csv"
    before = ingested(home_warehouse, file, "buffer", "UTC")
    capsys.readouterr()
    assert ingested(home_warehouse, file, "buffer", "UTC") == before
    assert "6 read, 0 written, 6 unchanged, 0 rejected" in capsys.readouterr().out


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.preset)
def test_other_languages_columns_and_orders_are_read_right(
    export: Export, home_warehouse: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / export.name
    export.write(file)
    dates = written(export.dates, tmp_path / "dates.csv") if export.dates else None
    assert matching_preset(file, "content") == export.preset
    rows = ingested(home_warehouse, file, export.preset, export.timezone, dates)
    said = capsys.readouterr().out
    assert f", {export.rejected} rejected" in said
    assert (f", {export.left_out} left out" in said) == bool(export.left_out)
    if "content_id" in export.rows[0]:
        by_id = {row["content_id"]: row for row in rows}
        for right in export.rows:
            same(by_id[right["content_id"]], right)
    else:
        for found, right in zip(sorted(rows, key=lambda row: row["published_at"]), export.rows, strict=True):
            same(found, right)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_whole_and_tried(name: str) -> None:
    mapping = preset_named(name).mapping
    assert mapping.kind in ("content", "experiments")
    assert mapping.about
    assert mapping.verified is True or "unverified" in str(mapping.verified)
    tried = {export.preset for export in EXPORTS} | {preset for preset, _ in CASES.values()}
    assert mapping.kind != "content" or name in tried


def test_an_export_with_shortened_ids_is_refused(
    shared_cases: Path, home_warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shared_cases / "exports" / "meta_fb_content_excel_ids.csv"
    status = raptorflow(
        "ingest",
        "content",
        file,
        "--preset",
        "meta-facebook",
        "-w",
        "acme",
        "--industry",
        "bakery",
        "--timezone",
        "UTC",
    )
    assert status == 2
    assert "a spreadsheet has shortened the ids" in capsys.readouterr().err
    assert home_warehouse.rows(select(Content.__table__)) == []
    assert home_warehouse.rows(select(Workspace.__table__)) == []


def test_a_daily_breakdown_is_named_and_refused(
    shared_cases: Path, home_warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shared_cases / "exports" / "meta_fb_daily.csv"
    new = ["-w", "acme", "--industry", "bakery", "--timezone", "UTC"]
    assert raptorflow("ingest", "content", file, "--preset", "meta-facebook", *new) == 2
    assert "daily breakdown" in capsys.readouterr().err
    assert home_warehouse.rows(select(Content.__table__)) == []


@pytest.mark.parametrize(("name", "preset"), [("ga4_pages", "ga4"), ("google_ads", "google-ads")])
def test_a_report_of_a_period_is_never_taken_for_dates_of_publication(
    name: str, preset: str, shared_cases: Path, home_warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    new = ["-w", "acme", "--industry", "bakery", "--timezone", "UTC"]
    assert raptorflow("ingest", "content", shared_cases / "exports" / f"{name}.csv", "--preset", preset, *new) == 2
    error = capsys.readouterr().err
    assert "--dates" in error
    assert len(error.strip().splitlines()) == 1


GA4_PAGES = """# Pages and screens
# Start date: 20260301
# End date: 20260331
Page path and screen class,Views,Active users,Key events
/p/one,"1,500",700,3
/p/one/,20,5,0
/p/one?utm_source=x,10,5,0
/about-us,90,80,1
/,9000,800,0
/blog/bread,77,70,2
"""


def test_a_report_of_pages_gives_its_figures_to_the_posts_that_stand(
    home_warehouse: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the path of a post's id or address, however the page is written; all else of the post stays as it is."""
    posts, report = tmp_path / "posts.csv", tmp_path / "ga4.csv"
    header = ["workspace_id", "content_id", "content_type", "channel", "published_at", "title", "body", "link"]
    rows = [
        ["acme", "12.one", "blog", "substack", "2026-01-05T23:30:00Z", "One", "Bread?", ""],
        ["acme", "b7", "blog", "website", "2026-01-06", "Two", "More!", "https://acme.example/blog/bread/"],
        ["acme", "x1", "social", "x", "2026-01-07T10:00:00Z", "", "hi", "https://x.com/about-us"],
    ]
    with posts.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    (tmp_path / "days.yaml").write_text("timezone: America/New_York\nlabels: [link]\n")
    report.write_text(GA4_PAGES)
    new = ["-w", "acme", "--industry", "bakery", "--timezone", "America/New_York"]
    assert raptorflow("ingest", "content", posts, "--mapping", tmp_path / "days.yaml", *new) == 0
    before = {row["content_id"]: row for row in home_warehouse.rows(select(Content.__table__))}
    assert raptorflow("ingest", "content", report, "--preset", "ga4", "-w", "acme") == 0
    assert "2 pages that are none of them were left out" in capsys.readouterr().out
    after = {row["content_id"]: row for row in home_warehouse.rows(select(Content.__table__))}
    figures = {"12.one": (1530, 710, 3.0), "b7": (77, 70, 2.0), "x1": (None, None, None)}
    for key, row in after.items():
        assert (row["impressions"], row["engagements"], row["conversions"]) == figures[key]
        changed = {name for name in row if row[name] != before[key][name]}
        assert changed <= {"impressions", "engagements", "conversions", "measured_at", "run_id"}
    assert set(after) == set(before)
    assert raptorflow("ingest", "content", report, "--preset", "ga4", "-w", "acme") == 0
    assert "0 written" in capsys.readouterr().out


def test_where_one_preset_fits_it_is_named_and_nothing_is_read(
    home_warehouse: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = EXPORTS[0]
    export.write(tmp_path / export.name)
    assert raptorflow("ingest", "content", tmp_path / export.name, "--workspace", "acme") == 2
    assert f"is an export that preset '{export.preset}' reads; say --preset {export.preset}" in capsys.readouterr().err


def test_a_workspace_that_is_not_there_needs_its_industry_and_zone(
    home_warehouse: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = EXPORTS[0]
    export.write(tmp_path / export.name)
    assert raptorflow("ingest", "content", tmp_path / export.name, "--preset", export.preset, "-w", "acme") == 2
    assert "unknown workspace 'acme'; create it with the same command" in capsys.readouterr().err
