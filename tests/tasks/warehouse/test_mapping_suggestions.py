"""What a file's columns could be, where no preset fits: a person who takes the suggestions can read the file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from tasks.warehouse.errors import BadFileError
from tasks.warehouse.inspection import inspect_file
from tasks.warehouse.mapping_draft import mapping_draft
from tasks.warehouse.mapping_suggestions import INSTANTS, Suggestion
from tasks.warehouse.reading.instants import EPOCH

ROWS = 30


def moment(i: int) -> datetime:
    return datetime(2026, 3, 1, 9, 30) + timedelta(hours=17 * i)


def table(path: Path, header: str, row: Callable[[int], str]) -> Path:
    path.write_text("\n".join([header, *(row(i) for i in range(ROWS))]) + "\n", encoding="utf-8")
    return path


def campaigns(path: Path) -> Path:
    """A sender of e-mails that no preset is for."""
    return table(
        path / "campaigns.csv",
        "Campaign Name,Subject,List,Send Time,Total Recipients,Open Rate,Unique Opens,Unique Clicks,Campaign ID",
        lambda i: f"C{i},Spring sale {i},News,{moment(i):%d-%m-%Y %H:%M:%S},5000,{i}.5%,{900 + i},{30 + i},01H{i:05d}",
    )


def schedule(path: Path) -> Path:
    """A scheduler of posts; reactions are told by kind."""
    return table(
        path / "posts.csv",
        "Date (GMT),Social network,Post permalink,Message,Impressions,Reactions,Comments,Shares",
        lambda i: (
            f"{moment(i):%Y-%m-%d %H:%M:%S},LINKEDIN,https://x.y/{i},Six words stand in this message {i},{i},1,2,3"
        ),
    )


def listing(path: Path) -> Path:
    """What an interface of a forum answers, one object a line."""
    file = path / "forum.jsonl"
    rows = [
        {"id": f"t{i}", "title": f"Why {i}", "selftext": f"A text of some length, number {i}", "score": i,
         "created_utc": int(moment(i).timestamp())}
        for i in range(ROWS)
    ]  # fmt: skip
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def accepted(draft: str, zone: str, **constants: str) -> str:
    """The draft by a person who takes every suggestion: its `#` taken away, constants filled in, the rest left out."""
    draft = draft.replace("# timezone: Europe/Berlin", f"timezone: {zone}")
    for name, value in constants.items():
        draft = re.sub(rf"  # {name}: \w+", f"  {name}: {{constant: {value}}}", draft)
    return re.sub(r"  # (\w+: (?:\"|{column|{sum).*)", r"  \1", draft)


@pytest.mark.parametrize(
    ("file", "constants", "expected"),
    [
        (
            campaigns,
            {"content_type": "email", "channel": "news"},
            {"content_id": "01H00000", "title": "Spring sale 0", "published_at": "2026-03-01 09:30Z", "clicks": 30,
             "impressions": 900, "engagements": 30},
        ),
        (
            schedule,
            {"content_type": "social", "channel": "linkedin"},
            {"content_id": "https://x.y/0", "body": "Six words stand in this message 0", "impressions": 0,
             "published_at": "2026-03-01 09:30Z", "engagements": 6},
        ),
        (
            listing,
            {"content_type": "social", "channel": "forum"},
            {"content_id": "t0", "title": "Why 0", "body": "A text of some length, number 0",
             "published_at": "2026-03-01 09:30Z"},
        ),
    ],
)  # fmt: skip
def test_who_takes_the_suggestions_can_read_the_file(
    file: Callable[[Path], Path], constants: dict[str, str], expected: dict[str, object], tmp_path: Path
) -> None:
    path, mapping = file(tmp_path), tmp_path / "map.yaml"
    seen = inspect_file(path)
    assert seen.preset is None
    mapping.write_text(accepted(mapping_draft(seen, "content"), "UTC", **constants))
    again = inspect_file(path, mapping=mapping)
    assert again.problems == []
    assert again.rows[0].items() >= expected.items()


def test_a_date_of_which_day_and_month_cannot_be_told_apart_is_a_question(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "Key,Posted on", lambda i: f"{i},0{1 + i % 9}/0{1 + i % 7}/2026 10:00")
    one = inspect_file(path).suggestions["published_at"]
    assert one.formats == ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")
    assert "or %m/%d/%Y %H:%M: its first values do not tell" in one.reason


def test_what_nothing_tells_is_not_suggested(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "Alpha,Beta,Gamma", lambda i: f"{i % 3},x{i % 4},{i * i}")
    seen = inspect_file(path)
    assert seen.suggestions == {}
    assert "# published_at: COLUMN   # needed" in mapping_draft(seen, "content")


def test_what_holds_no_numbers_is_not_suggested_for_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"Post key": i, "Likes": {"count": i}, "Comments": i, "Impressions": f"{i}.5K"} for i in range(ROWS)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    by_name = inspect_file(path).suggestions
    assert by_name["impressions"].columns == ("Impressions",)
    assert "engagements" not in by_name or by_name["engagements"].columns == ("Comments",)


def test_a_hostile_name_of_a_column_stays_a_name(tmp_path: Path) -> None:
    """A name with quotes and a line's end is one YAML text in the draft."""
    path = tmp_path / "a.jsonl"
    name = 'x"}\ncolumns: {a: b} # id'
    path.write_text("\n".join(json.dumps({name: i, "when": moment(i).isoformat()}) for i in range(ROWS)))
    seen = inspect_file(path)
    mapping = tmp_path / "map.yaml"
    mapping.write_text(accepted(mapping_draft(seen, "content"), "UTC", content_type="social", channel="x"))
    assert [row["content_id"] for row in inspect_file(path, mapping=mapping).rows[:2]] == ["0", "1"]


@pytest.mark.parametrize("sign", ["\ufffe", "\U0001f600", "\u2028b: [", "\x85", "\x7f", "\\", "%", "\ufdd0"])
def test_a_draft_is_yaml_whatever_signs_the_names_have(sign: str, tmp_path: Path) -> None:
    path, mapping = tmp_path / f"a\nkind: {sign[0]}.jsonl", tmp_path / "map.yaml"
    rows = [{f"{sign} id": f"p{i}", f"when{sign}": moment(i).isoformat() + "Z"} for i in range(ROWS)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    draft = mapping_draft(inspect_file(path), "content")
    assert yaml.safe_load(draft) == {"kind": "content", "columns": None}
    mapping.write_text(accepted(draft, "UTC", content_type="social", channel="x"), encoding="utf-8")
    assert [row["content_id"] for row in inspect_file(path, mapping=mapping).rows[:2]] == ["p0", "p1"]


def test_lists_and_bytes_of_a_typed_file_are_no_suggestions(tmp_path: Path) -> None:
    path, typed = tmp_path / "a.parquet", [moment(i) for i in range(ROWS)]
    columns = {
        "tags": [["a"]] * ROWS,
        "raw": [b"\xff"] * ROWS,
        "of": [{"a": 1}] * ROWS,
        "when": typed,
        "took": timedelta(1),
    }
    pl.DataFrame(columns | {"my id": range(ROWS)}).write_parquet(path)
    seen = inspect_file(path).suggestions
    assert {name: one.columns for name, one in seen.items()} == {"published_at": ("when",), "content_id": ("my id",)}


@pytest.mark.parametrize(("written", "formats"), [("%d.%m.%y", ("%d.%m.%y",)), ("%m/%d/%y %H:%M", ("%m/%d/%y %H:%M",))])
def test_years_of_two_digits_are_of_this_century(written: str, formats: tuple[str, ...], tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "Key,Posted on", lambda i: f"{i},{moment(i):{written}}")
    assert inspect_file(path).suggestions["published_at"].formats == formats


def test_large_numbers_are_instants_only_where_nothing_else_is_and_never_ids(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "post_id,n,made", lambda i: f"{1700000000 + i},{1710000000 + i},{moment(i):%d.%m.%Y}"
    )
    assert inspect_file(path).suggestions["published_at"].columns == ("made",)
    path = table(tmp_path / "b.csv", "post_id,n", lambda i: f"{1700000000 + i},{1710000000 + i}")
    assert inspect_file(path).suggestions["published_at"] == Suggestion(("n",), INSTANTS, (EPOCH,))
    path = table(tmp_path / "c.csv", "post_id,n", lambda i: f"{1700000000 + i},{i}")
    assert "published_at" not in inspect_file(path).suggestions


def test_how_often_it_was_shown_is_no_engagement(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "Beitrags-ID;Datum;Aufrufe", lambda i: f"p{i};{moment(i):%d.%m.%Y};{i}")
    seen = inspect_file(path).suggestions
    assert seen["impressions"].columns == ("Aufrufe",)
    assert "engagements" not in seen


def test_the_draft_is_of_the_kind_that_was_asked_for(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "experiment_name,User ID,arm,time", lambda i: f"e,u{i},a,{moment(i):%Y-%m-%dT%H:%MZ}"
    )
    seen = inspect_file(path, "exposures")
    draft = mapping_draft(seen, "exposures")
    assert "kind: exposures" in draft
    assert seen.suggestions["variant_name"].columns == ("arm",)


def test_a_preset_that_fits_and_reads_nothing_leads_to_a_mapping_of_ones_own(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        "Beitrags-ID,Beschreibung,Veröffentlichungszeitpunkt,Permalink,Beitragsart,Datum,Aufrufe",
        lambda i: f"{i},Hallo,{moment(i):%d.%m.%Y %H:%M},https://www.instagram.com/p/{i}/,IG-Bild,Lifetime,{i}",
    )
    seen = inspect_file(path)
    assert (seen.preset, seen.rows) == ("meta-instagram", [])
    assert seen.next_command == f"raptorflow inspect {path} --write-mapping MAP.yaml"


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"nowhere\.csv: no such file"):
        inspect_file(tmp_path / "nowhere.csv")


def test_a_column_of_kinds_of_media_is_suggested_and_a_zone_that_is_missing_is_not_said_to_be_there(
    tmp_path: Path,
) -> None:
    kinds = ("Photo", "video", "STATUS", "link")
    path = table(
        tmp_path / "posts.csv",
        "content_id,published_at,title,how,reactions",
        lambda i: f"p{i},{moment(i):%Y-%m-%d %H:%M:%S},A title {i},{kinds[i % 4]},{i}",
    )
    seen = inspect_file(path, "content")
    assert seen.suggestions["media_type"] == Suggestion(("how",), "its values are kinds of media")
    assert seen.zone == "times name no zone, and nothing says which"
    assert inspect_file(path, "content", timezone="Europe/Berlin").zone.endswith("Europe/Berlin")
