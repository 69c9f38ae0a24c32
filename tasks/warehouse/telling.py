"""What was decided about a file that was read, in lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.warehouse.batches import ATTRIBUTE
from tasks.warehouse.staging import Staged

ESCAPED_QUOTES = 'quotes inside texts are written \\" in this file and were read as quotes: only so do they pair'


def notes_of(file: Staged) -> list[str]:
    """What a person should know of how the file was read; nothing where it was read as it stands."""
    return [f"{file.source.path.name}: {note}" for note in _notes(file)]


def _notes(file: Staged) -> Iterator[str]:
    yield from _place(file)
    if file.has_escaped_quotes:
        yield ESCAPED_QUOTES
    zone = file.mapping.clock_of("published_at").timezone
    if file.mapping.is_preset and zone is not None:
        yield f"times are those of {zone}"
    yield from _dates(file)
    yield from _numbers(file)
    yield from file.oddities.notes()
    if file.left_out:
        were = "rows were" if file.left_out > 1 else "row was"
        yield f"{file.left_out:,} {were} left out as the mapping says (sums, drafts, explanations)"
    if file.days > file.read:
        yield f"{file.days:,} rows were summed to {file.read:,} posts"
    names = [name.removeprefix(ATTRIBUTE) for name in file.readings]
    roles = file.roles
    silent = [name for name in names if name not in roles]
    if silent:
        listed = ", ".join(silent[:5]) + (", …" if len(silent) > 5 else "")
        several = "columns are kept and are no features" if len(silent) > 1 else "column is kept and is no feature"
        yield f"{len(silent)} further {several}: {listed}"


def _place(file: Staged) -> Iterator[str]:
    table, header = file.source.table, file.source.header
    if table is not None and table.name:
        others = f", left alone: {', '.join(file.source.others)}" if file.source.others else ""
        yield f"read from '{table.name}'{others}"
    if table is not None and table.encoding != "utf-8":
        yield f"encoding {table.encoding}"
    if header is not None and header.preamble:
        other = f", with another table ({header.table_above})" if header.table_above is not None else ""
        yield f"the table begins in line {header.row.line + 1}; what stands above it was left out{other}"


def _dates(file: Staged) -> Iterator[str]:
    for one in file.day_order.undecided:
        yield (
            f"'{one.value}' ({one.column}) was read as {one.written}; no date of the file has a day after the 12th, so "
            "that day and month could be the other way round: say `format:` in a mapping file if they are"
        )


def _numbers(file: Staged) -> Iterator[str]:
    rules: dict[str, list[str]] = {}
    for name, rule in file.numbers.decided.items():
        rules.setdefault(rule.words, []).append(name)
    for words, names in rules.items():
        yield f"numbers in {', '.join(names)} are written {words}"
    for name, count in file.numbers.rounded.items():
        yield f"{count:,} × {name} were rounded by the export (12.3K)"
