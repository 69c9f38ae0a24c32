"""What a file of SQL holds, as far as one needs to know before a database reads it. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

# Strings, quoted names, comments and dollar quotes: a semicolon inside them divides nothing.
OPAQUE = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | --[^\n]* | /\*.*?\*/ | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$""",
    re.DOTALL | re.VERBOSE,
)
READS = ("select", "with", "values", "table", "from")  # a DuckDB query may begin with FROM


def statements(sql: str) -> list[tuple[int, str]]:
    """The statements of a text, without semicolons and the comments before them, and the line each begins in."""
    code = OPAQUE.sub(_blanked, sql)
    edges = [-1, *(place.start() for place in re.finditer(";", code)), len(sql)]
    parts = []
    for before, after in pairwise(edges):
        part = code[before + 1 : after]
        start = after - len(part.lstrip())
        if start < after:
            parts.append((sql.count("\n", 0, start) + 1, sql[start:after]))
    return parts


def first_word(statement: str) -> str:
    """The word a statement begins with, in lower case."""
    word = re.match(r"\W*([A-Za-z]+)", statement)
    return word.group(1).lower() if word else ""


def only_line_of(sql: str, name: str) -> int | None:
    """The line in which a name stands, if it stands in one line only: some databases name the word, not its place."""
    lines = [number for number, line in enumerate(sql.splitlines(), 1) if re.search(rf"\b{re.escape(name)}\b", line)]
    return lines[0] if len(lines) == 1 else None


def _blanked(match: re.Match[str]) -> str:
    """Comments as blanks, strings and names as letters; lines stay where they are."""
    return re.sub(r"[^\n]", " " if match.group().startswith(("--", "/*")) else "x", match.group())
