"""Where a table begins: its delimiter, its header row, and the names in it. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from tasks.plain_text import ACTING

FIRST_ROWS = 200
DELIMITERS = ",;\t|"
CONTROL = re.compile(f"{ACTING}|\ufeff")
# Marks that say how text runs and take no room: no eye sees them, so no name or value differs by them.
UNSEEN_MARKS = "\u200b\u200e\u200f\u061c\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSEEN = re.compile(f"[{UNSEEN_MARKS}]")
# For taking off the ends of values: Unicode's white space, and those marks.
UNSEEN_OR_BLANK = (
    " \t\n\r\v\f\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    f"\u205f\u3000{UNSEEN_MARKS}"
)
Needed = str | Sequence[str]  # a name, or several of which one is enough
VALUE = re.compile(r"^[<>]?[\d.,:%/€$+\-\sTZ]+$|^(true|false|null|nan)$", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One row of a head: its cells, and the lines it stands on, from 0; the first is `line`, the next row's `end`."""

    cells: list[str]
    line: int
    end: int


@dataclass(frozen=True)
class Header:
    """The header row that was chosen.

    Attributes:
        names: as used from here on: cleaned, empty ones by their place, the second of a name with ` (2)`.
        row: the row.
        preamble: what stands above it, a text a line.
        delimiter: between its cells; a comma for sheets.
        repeated: names that stand more than once.
        complete: whether all names looked for are in it.
        is_widest: whether each row above it has fewer filled cells, as no row of the same table would.
    """

    names: list[str]
    row: Row
    preamble: list[str]
    delimiter: str
    repeated: frozenset[str]
    complete: bool
    is_widest: bool = True

    @property
    def table_above(self) -> str | None:
        """The header of another table in the text above this one: the first of two lines that have several cells."""
        several = [line for line in self.preamble if self.delimiter in line and not line.startswith("#")]
        return several[0] if len(several) > 1 else None


NO_HEADER = Header([], Row([], 0, 0), [], ",", frozenset(), False)


@lru_cache(maxsize=1 << 16)
def key(name: str) -> str:
    """A name for comparing: without case, accents kept, spaces and quotes of any kind made plain."""
    plain = re.sub(r"[\s\u00a0\u202f]+", " ", CONTROL.sub("", UNSEEN.sub("", name))).strip()
    return plain.casefold().replace("’", "'").replace("`", "'")


def clean(name: str) -> str:
    """A name for people and for mapping files: control characters made visible, unseen marks and outer spaces gone."""
    return re.sub(r"[\u00a0\u202f]", " ", CONTROL.sub("\ufffd", UNSEEN.sub("", name))).strip()


def rows_of(text: str, delimiter: str) -> list[Row]:
    """The first rows of delimited text; the last is left out where the text was cut."""
    lines = text.splitlines(keepends=True) if "\r" in text and "\n" not in text else text.split("\n")
    reader = csv.reader((line if line.endswith("\r") else line + "\n" for line in lines), delimiter=delimiter)
    rows: list[Row] = []
    before = 0
    try:
        for cells in reader:
            rows.append(Row(cells, before, reader.line_num))
            before = reader.line_num
    except csv.Error:
        pass  # a field longer than the module's limit: what stands above it is enough to find a header
    return rows


@dataclass(frozen=True)
class Heads:
    """The first rows of a text, read with each delimiter that it may have."""

    rows: Mapping[str, list[Row]]

    @classmethod
    def of(cls, text: str) -> Heads:
        """Read a text; a first line `sep=;` says the delimiter."""
        declared = re.match(r"\ufeff?sep=(.)\r?\n", text)
        if declared:
            return cls({declared[1]: rows_of(text, declared[1])[1:]})
        present = [delimiter for delimiter in DELIMITERS if delimiter in text] or [","]
        return cls({delimiter: rows_of(text, delimiter) for delimiter in present})


def find_header(
    heads: Heads, wanted: Sequence[Needed], aliases: Mapping[str, str], skip_rows: int, search: bool
) -> Header:
    """The header row of delimited text.

    Args:
        heads: the beginning of the text.
        wanted: names the header must hold, as a mapping says them; of a list of names, one.
        aliases: key of a name in the file → the name a mapping uses.
        skip_rows: lines that stand above it for certain.
        search: whether to look below the first row for one that holds all names wanted.
    """
    every = (header_among(rows, wanted, aliases, skip_rows, search, mark) for mark, rows in heads.rows.items())
    headers = [header for header in every if header is not None]
    return max(headers, key=lambda header: _rank(header, wanted), default=NO_HEADER)


def _rank(header: Header, wanted: Sequence[Needed]) -> tuple[bool, int, int]:
    present = {key(name) for name in header.names}
    return header.complete, _held(wanted, present), len(header.names)


def header_among(
    rows: Sequence[Row],
    wanted: Sequence[Needed],
    aliases: Mapping[str, str],
    skip_rows: int = 0,
    search: bool = False,
    delimiter: str = ",",
) -> Header | None:
    """The header row: the first that is not blank, or, where it is searched for, the first that holds all names."""
    filled = [row for row in rows if row.line >= skip_rows and any(cell.strip() for cell in row.cells)]
    if not filled:
        return None
    candidates = _candidates(filled) if search else filled[:1]
    scored = [(_coverage(row, wanted, aliases), -place, row) for place, row in enumerate(candidates)]
    coverage, _, row = max(scored, key=lambda one: one[:2])
    if search and wanted and coverage == 0:
        row = filled[0]
    rows_above = [above.cells for above in rows if above.end <= row.line]
    preamble = [delimiter.join(cells).strip() for cells in rows_above]
    names, repeated = unique_names(our_names(row.cells, aliases))
    complete = coverage == len(wanted)
    is_widest = all(_filled(cells) < _filled(row.cells) for cells in rows_above)
    return Header(names, row, [line for line in preamble if line], delimiter, repeated, complete, is_widest)


def _filled(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in cells)


def _candidates(rows: Sequence[Row]) -> list[Row]:
    """The first rows, and those below a comment or a gap, where another table of the same file may begin."""
    after_gap = [below for above, below in pairwise(rows) if above.cells[0].startswith("#") or below.line > above.end]
    return [*rows[:FIRST_ROWS], *(row for row in after_gap if row.line >= FIRST_ROWS)]


def _coverage(row: Row, wanted: Sequence[Needed], aliases: Mapping[str, str]) -> int:
    return _held(wanted, {key(renamed(cell, aliases)) for cell in row.cells if cell.strip()})


def _held(wanted: Sequence[Needed], keys: Set[str]) -> int:
    return sum(is_among(needed, keys) for needed in wanted)


def is_among(needed: Needed, keys: Set[str]) -> bool:
    """Whether a name, or one of several, is among names by their keys."""
    return any(key(name) in keys for name in ([needed] if isinstance(needed, str) else needed))


def renamed(name: str, aliases: Mapping[str, str]) -> str:
    """The name a mapping uses for a name in a file."""
    return aliases.get(key(name), clean(name))


def our_names(names: Sequence[str], aliases: Mapping[str, str]) -> list[str]:
    """The names a mapping uses for all names of a file: of several that one of ours may mean, only the likeliest is it.

    That is the one that is ours by its own name, else the one that the mapping names first; the others keep theirs.
    So `Reach` before `Impressions` is never taken for it where a file has both.
    """
    order = {name: place for place, name in enumerate(aliases)}
    ours = [renamed(name, aliases) for name in names]
    ranks = [
        -1 if key(theirs) == key(name) else order.get(key(theirs), len(order))
        for theirs, name in zip(names, ours, strict=True)
    ]
    best: dict[str, int] = {}
    for name, rank in zip(ours, ranks, strict=True):
        best[name] = min(rank, best.get(name, rank))
    rows = zip(names, ours, ranks, strict=True)
    return [name if rank == best[name] else clean(theirs) for theirs, name, rank in rows]


def unique_names(names: Sequence[str]) -> tuple[list[str], frozenset[str]]:
    """Names that stand once: an empty one is named for its place, the second of a name gets ` (2)`."""
    seen: dict[str, int] = {}
    unique: list[str] = []
    taken = set(names)
    for place, name in enumerate(names, 1):
        plain = name or f"column_{place}"
        seen[plain] = seen.get(plain, 0) + 1
        numbered = plain if seen[plain] == 1 else f"{plain} ({seen[plain]})"
        while seen[plain] > 1 and numbered in taken:
            seen[plain] += 1
            numbered = f"{plain} ({seen[plain]})"
        unique.append(numbered)
    return unique, frozenset(name for name, count in seen.items() if count > 1)


def looks_like_values(names: Sequence[str]) -> bool:
    """Whether a header row is none: its cells are numbers, dates and the like, or one text twice."""
    filled = [name for name in names if name]
    return bool(filled) and sum(bool(VALUE.match(name)) for name in filled) * 3 >= len(filled)
