"""What customers wrote is shown as text: no Markdown, no escape code, no formula, whatever it says."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tasks.plain_text import BIDIRECTIONAL, Markdown, code, digest, markdown, slug, spreadsheet_cell, terminal, visible
from tasks.reporting.artifacts import markdown_table, reasons
from tasks.warehouse.rejects import RejectsFile

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# What renderers make links of without brackets, after escapes were taken away.
BARE_LINK = re.compile(r"(?i)(https?|ftp)://|www\.\S|[\w.+-]+@[\w-]+\.\w|(mailto|xmpp):\S")

DANGEROUS = [
    "![x](https://tracker.example/p.png)",
    "[click](javascript:alert(1))",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<https://example.org>",
    "<javascript:alert(1)>",
    "https://example.org and www.example.org, me@example.org, mailto:me@example.org",
    "[a]: https://example.org",
    "**bold** _it_ ~~gone~~ `code` ``co`de``",
    "a | b | c\n---|---|---\n1 | 2 | 3",
    "# heading",
    "heading\n=======",
    "---",
    "- item",
    "+ item",
    "* item",
    "1. item",
    "1) item",
    "> quote",
    "    code block",
    "```\nfence\n```",
    "~~~\nfence\n~~~",
    "&lt;b&gt; &#60;b&#62; &copy;",
    "$x^2$ and $$y$$",
    "\\[x](y) \\<b>",
    "\x1b[31mred\x1b[0m \x1b]8;;https://example.org\x07link\x1b]8;;\x07",
    "[bold red]rich[/] [link=https://example.org]x[/link]",
    "abc\u202egnp.exe \u2066hidden\u2069",
    "line\u2028separator\x85next\x0bvertical",
    "trailing backslash \\",
    "[![x](y)](z)",
    "<!-- comment --> <?php ?> <![CDATA[x]]>",
    "\x9b31mC1",
    "\U000e0041\U000e0042 tags",
    "\ud800 half",
]
TEXTS = st.one_of(
    st.sampled_from(DANGEROUS),
    st.text(max_size=60),
    st.text(alphabet="\\`*_[]()<>#|~!&;$:/.@-+=1 \n\twhtpsjavrcil\x1b", max_size=60),
    st.lists(st.sampled_from(DANGEROUS), max_size=3).map(" ".join),
)


def flat(tokens: list[Token]) -> list[Token]:
    return [inner for token in tokens for inner in (token, *flat(token.children or []))]


def elements(text: str) -> list[str]:
    """What a page is made of, without its text."""
    return [
        token.type for token in flat(RENDERER.parse(text)) if token.type not in ("text", "text_special", "softbreak")
    ]


def shown(text: str) -> str:
    """What a reader sees."""
    tokens = flat(RENDERER.parse(text))
    return "".join(token.content for token in tokens if token.type in ("text", "text_special", "code_inline"))


@given(TEXTS)
@example("".join(DANGEROUS))
def test_a_paragraph_holds_nothing_that_the_text_brought_in(text: str) -> None:
    page = markdown(text)
    assert elements(page or "x") == elements("x"), page
    assert not BARE_LINK.search(shown(page))


@given(TEXTS)
def test_a_table_and_a_list_keep_their_shape(text: str) -> None:
    assume(visible(text))
    table = markdown_table([{"who": text, "what": text}, {"who": 1, "what": None}])
    assert elements(table) == elements(markdown_table([{"who": "x", "what": "x"}, {"who": 1, "what": None}]))
    assert elements(reasons([(text, text)])) == elements(reasons([("x", "x")]))
    named = markdown_table([{text: 1}])
    assert elements(named) == elements(markdown_table([{"x": 1}]))


@given(TEXTS)
def test_nothing_is_lost_that_can_be_seen(text: str) -> None:
    assert shown(markdown(text)).replace("\u2060", "") == visible(text).replace("\u2060", "")


@given(TEXTS)
def test_no_character_acts(text: str) -> None:
    for harmless in (visible(text), terminal(text), markdown(text)):
        acting = [one for one in harmless if unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t"]
        assert acting == []
        assert not BIDIRECTIONAL & set(harmless)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b1;31mred\x9b0m", "red"),
        ("\x1b]8;;https://example.org\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J[31m", "[31m"),
        ("\x1b[31", "[31"),
        ("\x1b]0;no end, so it is shown", "]0;no end, so it is shown"),
    ],
)
def test_an_escape_code_leaves_nothing_behind(text: str, seen: str) -> None:
    assert visible(text) == seen


@given(TEXTS)
def test_code_ends_where_it_is_meant_to(text: str) -> None:
    assert set(elements(code(text) or "x")) <= {*elements("x"), "code_inline"}
    assert elements(markdown_table([{"a": code(text)}])) in [
        elements(markdown_table([{"a": Markdown(made)}])) for made in ("`x`", "x")
    ]


def test_what_is_markdown_already_is_not_escaped_again() -> None:
    made = markdown("a_b")
    assert markdown(made) is made == "a\\_b"


NUMBERS = ["-5", "-5.25", "+3", "-1,000.5", "-.5", "1e-3", "-12 %", "0", "2026"]
FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", "-5+cmd|' /C calc'!A0", " =1", "\tx", "\rx",
    "＝1+1", "＋1", "－1", "＠x", "+49 170 1234567", "--1", "\"=1\"",
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_stay_numbers_in_a_spreadsheet(number: str) -> None:
    assert spreadsheet_cell(number) == number


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas_become_text_in_a_spreadsheet(formula: str) -> None:
    assert spreadsheet_cell(formula) == f"'{formula}"


@pytest.mark.parametrize("space", "\t\r\n")
def test_a_formula_after_a_break_is_text_too(space: str) -> None:
    assert spreadsheet_cell(f"{space}=1") == f"'{space}'=1"


@given(TEXTS)
@example(";-")
def test_no_cell_begins_a_formula_whatever_separates_cells(text: str) -> None:
    for cell in re.split(r"[;\t\r\n,|]", spreadsheet_cell(text)):
        begins = cell.strip().lstrip('"').strip()[:1]
        assert begins not in ("=", "@"), cell
        assert begins not in ("+", "-") or re.match(r'[\s"]*[+-]\s*["\d.,]', cell), cell


def test_the_file_of_refused_rows_is_neutral(tmp_path: Path) -> None:
    file = RejectsFile(tmp_path / "rejects.csv")
    values = ["=1+1", "-5", "@x", "a;=b", None]
    rows = {"row": range(1, 6), "column": ["=c"] * 5, "reason": ["negative"] * 5, "value": values}
    file.add(Path("=posts.csv"), pl.DataFrame(rows))
    read = list(csv.DictReader(io.StringIO(file.path.read_text())))
    assert [row["value"] for row in read] == ["'=1+1", "-5", "'@x", "a;'=b", ""]
    assert {(row["file"], row["column"]) for row in read} == {("'=posts.csv", "'=c")}
    assert [row["row"] for row in read] == ["1", "2", "3", "4", "5"]


def test_different_texts_have_different_digests() -> None:
    assert slug("acme.com") == slug("acme-com") == "acme-com"
    assert len({digest("acme.com"), digest("acme-com"), digest("acme", "com"), digest("東京")}) == 4
