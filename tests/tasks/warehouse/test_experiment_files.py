"""One row a unit, or several metrics a row, become the arms they stand for; anything else is one line and no arm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import func, select

from tasks.errors import InputError
from tasks.warehouse import Warehouse
from tasks.warehouse.batches import rows_of_data
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.inspection import inspect_file, matching_preset
from tasks.warehouse.records import IngestionReport
from tasks.warehouse.schema import ExperimentArm, IngestionRun, Workspace
from tests.factories import store, workspace_row
from tests.generators.workbook import write_workbook

MAPPING = """
kind: experiments
grain: unit
timezone: UTC
columns:
  workspace_id: {constant: acme}
  experiment_name: {constant: checkout}
  unit_id: user
  variant_name: arm
metrics:
  converted: binary
"""


@pytest.fixture
def acme(warehouse: Warehouse) -> Warehouse:
    store(warehouse, Workspace, [workspace_row()])
    return warehouse


def arms(warehouse: Warehouse) -> list[dict[str, Any]]:
    table = ExperimentArm
    return warehouse.rows(
        select(table.__table__).order_by(table.experiment_name, table.variant_name, table.metric_name)
    )


def counts(report: IngestionReport) -> tuple[int, int, int, int]:
    return report.read, report.written, report.unchanged, report.rejected


@pytest.mark.parametrize(
    ("name", "preset", "said"),
    [
        ("exp_per_user", "growthbook-units", {"experiment": "(given)"}),
        ("exp_mailchimp_ab", "mailchimp-ab", {"control": "Combination 1"}),
    ],
)
def test_real_exports_equal_their_truth(
    acme: Warehouse, shared_cases: Path, name: str, preset: str, said: dict[str, str]
) -> None:
    folder = shared_cases / "exports"
    report = ingest("experiments", [folder / f"{name}.csv"], preset=preset, workspace="acme", warehouse=acme, **said)
    again = ingest("experiments", [folder / f"{name}.csv"], preset=preset, workspace="acme", warehouse=acme, **said)
    key = ("experiment_name", "variant_name", "metric_name")
    truth = {tuple(row[part] for part in key): row for row in json.loads((folder / f"{name}.truth.json").read_text())}
    stored = {tuple(row[part] for part in key): row for row in arms(acme)}
    assert stored.keys() == truth.keys()
    for arm, row in truth.items():
        expected = {"sum_of_squares": None} | row
        assert {column: stored[arm][column] for column in expected} == pytest.approx(expected)
    assert (report.written, again.written) == (report.read - report.unchanged - report.rejected, 0)


def test_repeats_count_once_units_of_two_arms_nowhere_across_files_and_batches(
    acme: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.warehouse.batches.BATCH_BYTES", 2_000)
    rows = pl.DataFrame({"user": [f"u{i}" for i in range(1_000)], "converted": [i % 4 == 0 for i in range(1_000)]})
    rows = rows.with_columns(arm=pl.when(pl.int_range(1_000) % 2 == 0).then(pl.lit("control")).otherwise(pl.lit("new")))
    late = pl.concat([rows[:50], rows[900:903].with_columns(arm=pl.lit("third"))])
    pl.concat([rows[:600], rows[:5]]).write_csv(tmp_path / "a.csv")
    pl.concat([rows[600:], late]).write_csv(tmp_path / "b.csv")
    (tmp_path / "m.yaml").write_text(MAPPING)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    report = ingest("experiments", files, mapping=tmp_path / "m.yaml", warehouse=acme)
    assert counts(report) == (1_058, 997, 55, 6)
    assert report.reasons == {"variant_name: unit in two arms, left out of both": 6}
    assert [(row["variant_name"], row["n"], row["sum"], row["is_control"]) for row in arms(acme)] == [
        ("control", 498, 249.0, True),
        ("new", 499, 0.0, False),
    ]
    files.reverse()
    assert counts(ingest("experiments", files, mapping=tmp_path / "m.yaml", warehouse=acme)) == (1_058, 0, 1_052, 6)
    recorded = acme.rows(select(func.sum(IngestionRun.read).label("n")).where(IngestionRun.run_id == report.run_id))
    assert recorded == [{"n": 1_058}]


EXPORTS = {
    "optimizely": (
        'Experiment Name,Variation Name,Visitors,Unique Conversions\nHero,Original,"1,200",60\nHero,Big,"1,210",90\n',
        [("Hero", "Big", "conversions", 1210, 90.0, False), ("Hero", "Original", "conversions", 1200, 60.0, True)],
    ),
    "vwo": (
        "Campaign,Variation,Visitors,Conversions\nHero,Original,1000,60\nHero,Big,1000,90\n",
        [("Hero", "Big", "conversions", 1000, 90.0, False), ("Hero", "Original", "conversions", 1000, 60.0, True)],
    ),
    "statsig-units": (
        "experiment,unit_id,group,group_id,first_exposure,purchases\n"
        + "".join(
            f"Hero,u{i},{'Big' if i % 2 else 'Original'},{i % 2},2026-05-01 10:00:00,{i % 3}\n" for i in range(12)
        ),
        [("Hero", "Big", "purchases", 6, 6.0, False), ("Hero", "Original", "purchases", 6, 6.0, True)],
    ),
    "growthbook-units": (  # the names that GrowthBook's queries of assignments give
        "user_id,timestamp,experiment_id,variation_id,variation_name,signed_up,items\n"
        + "".join(
            f"u{i},2026-05-01,Hero,{i % 2},{'Big' if i % 2 else 'Original'},{str(i % 3 == 0).lower()},{i}\n"
            for i in range(12)
        ),
        [
            ("Hero", "Big", "items", 6, 36.0, False),
            ("Hero", "Big", "signed_up", 6, 2.0, False),
            ("Hero", "Original", "items", 6, 30.0, True),
            ("Hero", "Original", "signed_up", 6, 2.0, True),
        ],
    ),
}


@pytest.mark.parametrize("preset", EXPORTS)
def test_presets_made_from_documentation_read_what_it_describes(
    sqlite_warehouse: Warehouse, tmp_path: Path, preset: str
) -> None:
    content, expected = EXPORTS[preset]
    store(sqlite_warehouse, Workspace, [workspace_row()])
    (tmp_path / "export.csv").write_text(content)
    assert matching_preset(tmp_path / "export.csv", "experiments") == preset
    ingest(
        "experiments",
        [tmp_path / "export.csv"],
        preset=preset,
        workspace="acme",
        control="Original",
        warehouse=sqlite_warehouse,
    )
    columns = ("experiment_name", "variant_name", "metric_name", "n", "sum", "is_control")
    assert [tuple(row[name] for name in columns) for row in arms(sqlite_warehouse)] == expected


def test_a_look_at_a_file_of_units_shows_its_first_units(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text(EXPORTS["growthbook-units"][0])
    seen = inspect_file(tmp_path / "export.csv", "experiments")
    assert seen.preset == "growthbook-units"
    assert [row["unit_id"] for row in seen.rows] == ["u0", "u1", "u2", "u3", "u4"]
    assert seen.zone == "times are written by the clock of UTC"
    (tmp_path / "arms.csv").write_text(EXPORTS["vwo"][0])
    assert inspect_file(tmp_path / "arms.csv", "experiments").zone == "its rows have no instants"
    (tmp_path / "goals.csv").write_text("Campaign,Variation,Metric,Visitors,Conversions\nHero,Big,Orders,10,2\n")
    assert inspect_file(tmp_path / "goals.csv", "experiments").preset is None


def test_kinds_directions_and_shares_are_kept(acme: Warehouse, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user": [f"u{i}" for i in range(40)],
            "arm": ["old"] * 36 + ["new"] * 4,
            "converted": ["yes", "no"] * 20,
            "visits": [i % 5 for i in range(40)],
            "spent": [None if i % 4 else i / 10 for i in range(40)],
            "left": [0] * 40,
        }
    )
    frame.write_parquet(tmp_path / "units.parquet")
    mapping = MAPPING + (
        "  visits: count\n  spend: {column: spent, kind: continuous, missing: zero}\n"
        "  unsubscribed: {column: left, kind: binary, direction: decrease}\n"
        "control: old\nshares: {old: 0.9, new: 0.1}\n"
    )
    (tmp_path / "m.yaml").write_text(mapping)
    report = ingest("experiments", [tmp_path / "units.parquet"], mapping=tmp_path / "m.yaml", warehouse=acme)
    assert counts(report) == (40, 40, 0, 0)
    old = {row["metric_name"]: row for row in arms(acme) if row["variant_name"] == "old"}
    assert {name: (row["metric_kind"], row["direction"], row["share"]) for name, row in old.items()} == {
        "converted": ("binary", "increase", 0.9),
        "visits": ("count", "increase", 0.9),
        "spend": ("continuous", "increase", 0.9),
        "unsubscribed": ("binary", "decrease", 0.9),
    }
    values = [i / 10 for i in range(36) if i % 4 == 0]
    assert (old["spend"]["n"], old["converted"]["sum"]) == (36, 18.0)
    assert old["spend"]["sum_of_squares"] == pytest.approx(sum(value**2 for value in values))
    (tmp_path / "m.yaml").write_text(mapping.replace("missing: zero", "missing: exclude"))
    ingest("experiments", [tmp_path / "units.parquet"], mapping=tmp_path / "m.yaml", warehouse=acme)
    assert next(row["n"] for row in arms(acme) if row["metric_name"] == "spend" and row["variant_name"] == "old") == 9


def test_aggregated_files_keep_direction_and_share(acme: Warehouse, tmp_path: Path) -> None:
    arm = {"workspace_id": "acme", "experiment_name": "e", "metric_name": "m", "metric_kind": "binary", "n": 10}
    arm |= {"sum": 3, "direction": "decrease"}
    rows = [arm | {"variant_name": "a", "is_control": True, "share": 0.9}]
    rows += [arm | {"variant_name": "b", "is_control": False, "share": 0.1}]
    pl.DataFrame(rows).write_csv(tmp_path / "arms.csv")
    ingest("experiments", [tmp_path / "arms.csv"], warehouse=acme)
    assert [(row["direction"], row["share"]) for row in arms(acme)] == [("decrease", 0.9), ("decrease", 0.1)]
    for change, reason in (
        ({"share": 0.5}, "share: shares of the arms do not add up to 1"),
        ({"share": None}, "share: given for some arms only"),
        ({"direction": "increase"}, "direction: its arms name both directions"),
        ({"share": 1.5}, "expected a share of the units, more than 0 and at most 1"),
        ({"direction": "up"}, "expected one of increase, decrease"),
        ({"metric_kind": "count"}, "count: needed for the variance: the sum of each unit's value times itself"),
    ):
        pl.DataFrame([rows[0], rows[1] | change], infer_schema_length=None).write_csv(tmp_path / "arms.csv")
        with pytest.raises(InputError) as caught:
            ingest("experiments", [tmp_path / "arms.csv"], warehouse=acme)
        assert reason.partition(": ")[2] in str(caught.value) or reason in str(caught.value)


USERS = "user,arm,converted\n" + "".join(f"u{i},{'control' if i % 2 else 'new'},{i % 3 == 0:d}\n" for i in range(30))
DIFFER = USERS + "".join(f"u{i},{'control' if i % 2 else 'new'},{i % 3 != 0:d}\n" for i in range(20))
WIDE = (
    "kind: experiments\ncolumns: {workspace_id: {constant: acme}, experiment_name: {constant: e}, variant_name: arm}\n"
)
NASTY = [
    (
        USERS,
        MAPPING.replace("  experiment_name: {constant: checkout}\n", ""),
        "does not name its experiment; say --exp",
    ),
    (USERS.replace("control", "base"), MAPPING, "no arm is the control; name it with --control or `control:`"),
    (USERS, MAPPING + "control: original\n", "no arm is the control; name it with --control"),
    (USERS.replace("new", "control"), MAPPING, "experiment 'checkout' has one arm, 'control'; nothing to compare"),
    (USERS.replace(",1\n", ",2\n"), MAPPING, "metric 'converted' is declared binary, but 10 units have a value beside"),
    (USERS.replace(",0\n", ",\n"), MAPPING, "metric 'converted' is empty for 20 of 30 units; say what that means"),
    (USERS.replace(",1\n", ",many\n"), MAPPING, "10 of 30 rows were rejected"),
    (USERS.replace(",1\n", ",inf\n"), MAPPING, "expected a finite number"),
    (USERS.replace(",1\n", ",1.5\n"), MAPPING.replace("binary", "count"), "is declared a count, but has fractions"),
    (USERS.replace(",1\n", ",-1\n"), MAPPING.replace("binary", "count"), "or values below 0; say `kind: continuous`"),
    (USERS, MAPPING.replace("unit_id: user", "unit_id: usr"), "unknown column of {path} 'usr'; did you mean 'user'?"),
    (
        USERS.replace("\nu1", "\n"),
        MAPPING.replace("unit_id: user", "unit_id: {column: user, extract: 'u(.*)'}"),
        "missing",
    ),
    (DIFFER, MAPPING, "unit with several rows that differ, expected one row a unit"),
    (USERS + USERS.replace("user,arm,converted\n", "").replace("control", "newer"), MAPPING, "unit in two arms"),
    (USERS, MAPPING.replace("converted: binary", "revenue: continuous"), "'revenue'"),
    (
        USERS,
        MAPPING.replace("converted: binary", "converted: {kind: ordinal}"),
        "metrics: converted.kind: Input should be 'binary', 'continuous' or 'count'",
    ),
    (
        USERS,
        MAPPING.replace("converted: binary", "converted: {sum: converted, kind: binary}"),
        "with `grain: unit` sums",
    ),
    (USERS, MAPPING.partition("metrics:")[0], "`grain: unit` needs `metrics:`, such as `converted: binary`"),
    (USERS, MAPPING + "shares: {control: 0.5, new: 0.4}\n", "the shares of its arms add up to 0.9, expected 1"),
    (USERS, MAPPING + "shares: {control: 1.0}\n", "`shares:` names no share for arm 'new'"),
    (USERS, MAPPING + "shares: {control: 0, new: 1}\n", "shares: expected a number above 0 for each arm"),
    (USERS, MAPPING.replace("{constant: acme}", "{constant: acne}"), "unknown workspace, ingest it first"),
    (USERS, MAPPING.replace("kind: experiments", "kind: content"), "it is for kind 'content', not 'experiments'"),
    (
        USERS,
        MAPPING.replace("metrics:\n  converted: binary", "metrics: rest\nignore: [converted]"),
        "no further column",
    ),
    (USERS, MAPPING.replace("converted: binary", "x" * 70 + ": {column: converted}"), "metric_name longer than 64"),
    ("user,arm,converted\n", MAPPING, "holds no rows"),
    ("arm,clicks,n\ncontrol,3,10\nnew,4,10\n", WIDE + "metrics: {clicks: binary}\n", "name its `sum:` column"),
    ("arm,clicks,n\ncontrol,3,10\nnew,4,10\n", WIDE + "metrics: {c: {sum: clicks}}\n", "say its kind: binary"),
    ("arm,clicks,n\ncontrol,30,10\nnew,4,10\n", WIDE + "metrics: {c: {sum: clicks, kind: binary}}\n", "0 ≤ sum ≤ n"),
    ("arm,clicks,n\ncontrol,3,10\nnew,4,\n", WIDE + "metrics: {c: {sum: clicks, kind: binary}}\n", "n"),
    ("arm,clicks,n\ncontrol,3,10\nnew,4,9\n", WIDE + "metrics: {c: {sum: clicks, kind: count}}\n", "sum_of_squares:"),
    ("arm,clicks,n\nnew,3,10\nnew,4,9\n", WIDE + "metrics: {c: {sum: clicks, kind: binary}}\n", "duplicate"),
]


@pytest.mark.parametrize(("content", "mapping", "expected"), NASTY, ids=[str(i) for i in range(len(NASTY))])
def test_what_cannot_be_meant_is_one_line_and_nothing_is_written(
    sqlite_warehouse: Warehouse, tmp_path: Path, content: str, mapping: str, expected: str
) -> None:
    require_refused(sqlite_warehouse, tmp_path, content, mapping, expected)


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_warehouse: Warehouse, tmp_path: Path) -> None:
    for content, mapping, expected in NASTY:
        require_refused(postgres_warehouse, tmp_path, content, mapping, expected)


def require_refused(warehouse: Warehouse, folder: Path, content: str, mapping: str, expected: str) -> None:
    store(warehouse, Workspace, [workspace_row()])
    (folder / "units.csv").write_text(content)
    (folder / "m.yaml").write_text(mapping)
    with pytest.raises(InputError) as caught:
        ingest("experiments", [folder / "units.csv"], mapping=folder / "m.yaml", warehouse=warehouse)
    assert caught.value.exit_status == 2
    assert "\n" not in str(caught.value)
    assert expected.replace("{path}", str(folder / "units.csv")) in str(caught.value), str(caught.value)
    for table in (ExperimentArm, IngestionRun):
        assert warehouse.rows(select(func.count().label("n")).select_from(table)) == [{"n": 0}]


@pytest.mark.parametrize("above", [[], ["Report: A/B", "made on 2026-05-03", ""]])
@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_lines_above_a_table_and_a_header_that_stands_again_are_no_rows(
    acme: Warehouse, tmp_path: Path, above: list[str], ending: str
) -> None:
    header = ["user_id", "variation", "first_exposure", "converted"]
    arm = {f"u{k}": ["control", "new"][k % 2] for k in range(12)}
    rows = [[unit, arm[unit], "2026-05-01T08:00:00Z", str(int(unit in ("u1", "u3", "u4")))] for unit in arm]
    table = [*([line] for line in above), header, *rows[:7], header, *rows[7:]]
    path = tmp_path / f"units{ending}"
    if ending == ".csv":
        path.write_text("\n".join(",".join(line) for line in table))
    else:
        write_workbook(path, {"Units": table})
    report = ingest(
        "experiments", [path], preset="growthbook-units", workspace="acme", experiment="hero", warehouse=acme
    )
    assert counts(report) == (12, 12, 0, 0)
    assert [(row["variant_name"], row["n"], row["sum"]) for row in arms(acme)] == [("control", 6, 1.0), ("new", 6, 2.0)]


def test_a_table_of_one_column_may_hold_its_own_name() -> None:
    rows = pl.DataFrame({"title": ["title", " ", "Title", "x"]})
    assert rows_of_data(rows, ["title"], ["title"])["title"].to_list() == ["title", "Title", "x"]
    two = rows.with_columns(body=pl.Series(["body", "", "body", None]))
    assert rows_of_data(two, ["title", "body"], ["title", "body"])["title"].to_list() == ["Title", "x"]


def test_a_look_at_a_file_leaves_out_what_reading_it_does(tmp_path: Path) -> None:
    header = "user_id,variation,first_exposure,converted"
    rows = [f"u{k},{'ab'[k % 2]},2026-05-01T08:00:00Z,{k % 2}" for k in range(8)]
    path = tmp_path / "units.csv"
    path.write_text("\n".join([header, *rows[:5], header, " , , , ", *rows[5:]]))
    seen = inspect_file(path, "experiments", preset="growthbook-units")
    assert seen.problems == ["the file does not name its experiment: say --experiment NAME"]
