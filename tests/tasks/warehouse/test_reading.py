"""Numbers, dates, quotes and headers are read as a person would, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from tasks.warehouse.keys import hashed_addresses, shortened
from tasks.warehouse.reading.containers import containers, encoding_of, likeliest_encoding
from tasks.warehouse.reading.dates_in_words import read_date
from tasks.warehouse.reading.header import Heads, find_header, unique_names
from tasks.warehouse.reading.instants import agreeing, from_ids, read_formats
from tasks.warehouse.reading.numbers import AUTO, PLAIN, SUFFIXES, NumberRule, ambiguous, read_numbers, settle
from tasks.warehouse.reading.quotes import QuoteError, QuoteWatch, Unescaped, escapes_quotes
from tasks.warehouse.reading.totals import is_total


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("Sat, Sep 12, 2026", (datetime(2026, 9, 12), False)),
        ("Oct 30, 2025 04:14 pm", (datetime(2025, 10, 30, 16, 14), True)),
        ("Oct 30, 2025 12:05 am", (datetime(2025, 10, 30, 0, 5), True)),
        ("1. März 2026", (datetime(2026, 3, 1), False)),
        ("12. Dez. 2025, 18:30", (datetime(2025, 12, 12, 18, 30), True)),
        ("1 de agosto de 2025", (datetime(2025, 8, 1), False)),
        ("14 févr. 2026", (datetime(2026, 2, 14), False)),
        ("6 сентября 2026 г.", (datetime(2026, 9, 6), False)),
        ("2025年8月1日", (datetime(2025, 8, 1), False)),
        ("2025년 8월 1일", (datetime(2025, 8, 1), False)),
        ("9 gru 2025", (datetime(2025, 12, 9), False)),
        ("3 Ağustos 2025", (datetime(2025, 8, 3), False)),
        ("03/04/2026", None),  # March or April
        ("September 6", None),  # of which year
        ("Feb 30, 2026", None),
        ("May June 3, 2026", None),
        ("yesterday", None),
        # Halves of the day in other languages: read where known, never passed over.
        ("2026年3月24日 下午6:00", (datetime(2026, 3, 24, 18), True)),
        ("2026年3月24日下午6:00", (datetime(2026, 3, 24, 18), True)),
        ("2026年3月24日 上午12:30", (datetime(2026, 3, 24, 0, 30), True)),
        ("2026年3月24日 午後0:30", (datetime(2026, 3, 24, 12, 30), True)),
        ("2026년 3월 24일 오후 6:00", (datetime(2026, 3, 24, 18), True)),
        ("2026. március 24. du. 6:00", (datetime(2026, 3, 24, 18), True)),
        ("24 de marzo de 2026, 6:05 p. m.", (datetime(2026, 3, 24, 18, 5), True)),
        ("24 Μαρ 2026, 6:00 μ.μ.", None),  # whose month no list has
        ("24 Mar 2026, 6:00 μ.μ.", (datetime(2026, 3, 24, 18), True)),
        ("24 Mar 2026, 6:00 odp.", (datetime(2026, 3, 24, 18), True)),
        ("24 марта 2026 г., 6:00 вечера", None),
        ("24 Mar 2026, gegen abends 6:00", None),
        ("24 марта 2026 г., в 18:05", (datetime(2026, 3, 24, 18, 5), True)),
        ("Tuesday, 24 March 2026 at 6:05", (datetime(2026, 3, 24, 6, 5), True)),
        ("24. März 2026 um 18:05 Uhr", (datetime(2026, 3, 24, 18, 5), True)),
        ("18:30 am 12. Dez. 2025", None),  # half past six in the evening, or of the morning
        ("13:05 PM, Mar 24, 2026", (datetime(2026, 3, 24, 13, 5), True)),
        # Zones: UTC and offsets are read, abbreviations that several places share are refused.
        ("Tue, 24 Mar 2026 06:00:00 GMT", (datetime(2026, 3, 24, 6, tzinfo=UTC), True)),
        ("Tue, 24 Mar 2026 06:00:00 +0530", (datetime(2026, 3, 24, 6, tzinfo=timezone(timedelta(minutes=330))), True)),
        ("Mar 24, 2026 6:00 PM UTC-03:00", (datetime(2026, 3, 24, 18, tzinfo=timezone(-timedelta(hours=3))), True)),
        ("Mar 24, 2026 6:00 PM EST", None),
        ("Mar 24, 2026 18:00 CET", None),
    ],
)
def test_dates_in_words(written: str, right: tuple[datetime, bool] | None) -> None:
    assert read_date(written) == right


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,730", "12", None, "1,234,567"], [1730.0, 12.0, None, 1234567.0]),
        (["1.234", "2.345", "80"], [1234.0, 2345.0, 80.0]),
        (["12.000", "1.234.567"], [12000.0, 1234567.0]),
        (["1\u202f234", "12 345"], [1234.0, 12345.0]),
        (["1'234", "12’345"], [1234.0, 12345.0]),
        (["12,34,567", "1,000"], [1234567.0, 1000.0]),
    ],
)
def test_a_column_settles_what_divides_its_thousands(values: list[str | None], numbers: list[float | None]) -> None:
    column = pl.Series(values, dtype=pl.String)
    rule = settle(column, AUTO)
    assert rule.thousands
    assert read_numbers(column, rule).numbers.to_list() == numbers


@pytest.mark.parametrize(
    "values", [["12.000"], ["450.0", "12.000"], ["12", "80"], ["1,730", "12.000"], ["1.5", "2.25"]]
)
def test_what_can_mean_two_numbers_settles_nothing(values: list[str]) -> None:
    column = pl.Series(values)
    rule = settle(column, AUTO)
    strange = read_numbers(column, rule).other_ways | ambiguous(column, rule)
    assert strange.any() == any("000" in value or "," in value for value in values)


def test_a_declared_fraction_of_three_digits_is_one() -> None:
    column = pl.Series(["12.000"])
    assert ambiguous(column, PLAIN).any()
    assert not ambiguous(column, NumberRule(fractions_declared=True)).any()


def test_suffixes_multiply_and_are_marked_as_rounded() -> None:
    column = pl.Series(["12.3K", "1.2M", "3,4 Tsd.", "2万", "800"])
    read = read_numbers(column, NumberRule(suffixes=SUFFIXES))
    assert read.numbers.to_list() == [12300.0, 1_200_000.0, None, 20_000.0, 800.0]
    assert read.rounded.to_list() == [True, True, False, True, False]


def test_a_fraction_of_a_thousand_says_which_mark_divides_fractions() -> None:
    rule = NumberRule(suffixes=SUFFIXES, settled=False)
    german, english = pl.Series(["45,6 Tsd.", "9999", "1,2 Mio."]), pl.Series(["45.6K", "9999", "1,234"])
    assert read_numbers(german, settle(german, rule)).numbers.to_list() == [45_600.0, 9999.0, 1_200_000.0]
    assert read_numbers(english, settle(english, rule)).numbers.to_list() == [45_600.0, 9999.0, 1234.0]


@pytest.mark.parametrize("value", ["45,6 Tsd.", "2 Mio.", "1,2 тыс.", "3.4K", "2万"])
def test_a_number_with_a_word_that_no_rule_reads_is_another_way_and_no_row_to_refuse(value: str) -> None:
    assert read_numbers(pl.Series([value, "7"]), PLAIN).other_ways.to_list() == [True, False]


def test_percent_signs_and_bounds_are_taken_off_where_declared() -> None:
    column = pl.Series(["1.16%", "6,5 %", "< 10%", "7"])
    assert read_numbers(column, NumberRule(percent=True)).numbers.to_list() == [1.16, None, 10.0, 7.0]
    assert read_numbers(column, PLAIN).numbers.to_list() == [None, None, None, 7.0]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'a,b\n1,"x ""y"" z"\n', None),
        (b'a\n""""\n""\n', None),
        (b'1,5" inch\n2,"q"\n', None),
        (b'"a","b"\r\n"1","2"', None),
        (b'a\n"x"y"\n', (2, 4)),
        (b'a,b\n1,"x ""y\n2,z\n3,w', (6, None)),
        (b'a\n"', (2, None)),
        (b'a\n"x\n', (2, None)),
    ],
)
def test_quotes_pair_wherever_the_blocks_are_cut(text: bytes, place: tuple[int, int | None] | None, size: int) -> None:
    watch, caught = QuoteWatch(","), None
    try:
        for start in range(0, len(text), size):
            watch.feed(text[start : start + size])
        watch.finish()
    except QuoteError as error:
        caught = (error.opened, error.closed)
    assert caught == place


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "escapes"),
    [
        (rb'1,"a \"b\" c",x' + b"\n", True),
        (rb'1,"\"b\"",x' + b"\n", True),
        (rb'1,"C:\",x' + b"\n", False),  # a path, as it stands
        (rb'1,"a ""b"" c\",x' + b"\n", False),
        (rb'1,"no \\",x' + b"\n", False),  # an escaped backslash, then the end
        (rb'1,"a \"b\" c"d,x' + b"\n", False),  # pairs in neither way
        (b'1,"a ""b"" c",x\n', False),
    ],
)
def test_quotes_escaped_by_a_backslash_are_told_by_what_pairs(text: bytes, escapes: bool, size: int) -> None:
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    assert escapes_quotes(blocks, ",", whole=True) is escapes
    change = Unescaped(active=True)
    changed = b"".join(change.feed(block) for block in blocks) + change.feed(b"", ended=True)
    assert len(changed) == len(text)
    assert changed.count(b"\n") == 1


def test_ids_hold_their_instants() -> None:
    moments = from_ids(pl.Series(["2098652828267446272", "17", "abc", None]), "x")
    assert [moment and f"{moment:%Y-%m-%dT%H:%M}" for moment in moments] == ["2026-09-12T06:00", None, None, None]
    assert f"{from_ids(pl.Series(['7682349590799974407']), 'tiktok')[0]:%Y-%m-%dT%H:%M}" == "2026-09-06T09:20"
    assert f"{from_ids(pl.Series(['7434153020620800000']), 'linkedin')[0]:%Y-%m-%dT%H:%M}" == "2026-03-02T08:30"
    days = pl.Series([datetime(2026, 9, 12), datetime(2026, 9, 9)]).dt.replace_time_zone("UTC")
    assert agreeing(from_ids(pl.Series(["2098652828267446272"] * 2), "x"), days).is_null().to_list() == [False, True]


def test_epochs_are_told_by_their_size_and_a_date_alone_is_a_day() -> None:
    read = read_formats(pl.Series(["1719900000", "1719900000000", "1719900000000000"]), ["epoch"])
    assert read.zoned.n_unique() == 1
    assert f"{read.zoned[0]:%Y-%m-%dT%H:%M}" == "2024-07-02T06:00"
    read = read_formats(pl.Series(["14.07.2026", "14.07.2026 09:00", "x"]), ["%d.%m.%Y %H:%M", "%d.%m.%Y"])
    assert read.days.to_list() == [True, False, False]


def test_keys_that_a_spreadsheet_has_cut() -> None:
    assert shortened(pl.Series(["12", "1.22E+14"])) == 1
    assert shortened(pl.Series(["1,22158E+17"])) == 0
    assert shortened(pl.Series([f"12345678901234{i}000" for i in range(6)])) == 0
    assert shortened(pl.Series(["17910000000000000", *(f"1791000000000{i}911" for i in range(5))])) is None
    assert shortened(pl.Series(["100", "200", "300", "400", "500", "600"])) is None


def test_long_addresses_become_short_keys_that_stay_the_same() -> None:
    long = "https://example.com/" + "a" * 200
    keys = hashed_addresses(pl.Series([long, "short", "x" * 200, long]))
    assert keys[0] == keys[3]
    assert len(keys[0]) < 128
    assert keys.is_null().to_list() == [False, True, True, False]


def test_headers() -> None:
    preamble = "# Report\n\nTotal,9\nPage,Views,Page\n/a,1,x\n"
    header = find_header(Heads.of(preamble), ["Page", "Views"], {}, skip_rows=0, search=True)
    assert (header.names, header.row.line, header.complete) == (["Page", "Views", "Page (2)"], 3, True)
    assert header.preamble == ["# Report", "Total,9"]
    assert find_header(Heads.of("sep=;\na;b\n1;2\n"), [], {}, 0, False).names == ["a", "b"]
    assert find_header(Heads.of('"a\nb",c\n1,2\n'), [], {}, 0, False).row.end == 2
    assert unique_names(["a", "", "a", "a (2)"]) == (["a", "column_2", "a (3)", "a (2)"], frozenset({"a"}))


@pytest.mark.parametrize(
    ("cells", "right"),
    [(["Total", "", "9"], True), (["", "9", "Grand total"], True), (["Gesamt: Konto"], True), (["Totally new"], False)],
)
def test_rows_that_sum_up_others(cells: list[str], right: bool) -> None:
    assert is_total(cells) is right


def test_encodings_are_told_by_their_mark_and_only_suggested_otherwise(tmp_path: Path) -> None:
    text = "Größe,Überschrift\nä,„ö“\n" * 20
    assert encoding_of(tmp_path, text.encode("utf-16"), ()) == ("utf-16-le", 2)
    assert encoding_of(tmp_path, b"\xef\xbb\xbf" + text.encode(), ()) == ("utf-8", 3)
    assert encoding_of(tmp_path, text.encode("cp1252"), ["utf-8", "windows-1252"]) == ("windows-1252", 0)
    assert likeliest_encoding(text.encode("cp1252")) == "windows-1252"
    (tmp_path / "a.csv").write_bytes(text.encode("utf-16-be"))
    with pytest.raises(Exception, match="UTF-16 without a mark"):
        containers(tmp_path / "a.csv")


def test_a_date_in_words_that_names_its_zone_is_an_instant() -> None:
    values = pl.Series(["Tue, 24 Mar 2026 06:00:00 GMT", "24 Mar 2026 07:00", "24 Mar 2026", None])
    read = read_formats(values, ["words"])
    assert read.zoned.to_list() == [datetime(2026, 3, 24, 6, tzinfo=UTC), None, None, None]
    assert read.naive.to_list() == [None, datetime(2026, 3, 24, 7), datetime(2026, 3, 24), None]
    assert read.days.to_list() == [False, False, True, False]
