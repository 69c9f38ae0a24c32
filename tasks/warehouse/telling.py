"""What was decided about a file that was read, in lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.warehouse.batches import ATTRIBUTE
from tasks.warehouse.staging import Staged


def notes_of(file: Staged) -> list[str]:
    """What a person should know of how the file was read; nothing where it was read as it stands."""
    return [f"{file.source.path.name}: {note}" for note in _notes(file)]


def _notes(file: Staged) -> Iterator[str]:
    source, mapping = file.source, file.mapping
    if source.table is not None and source.table.name:
        others = f", left alone: {', '.join(source.others)}" if source.others else ""
        yield f"read from '{source.table.name}'{others}"
    if source.table is not None and source.table.encoding != "utf-8":
        yield f"encoding {source.table.encoding}"
    if source.header is not None and source.header.preamble:
        yield f"the table begins in line {source.header.row.line + 1}; what stands above it was left out"
    zone = mapping.clock_of("published_at").timezone
    if mapping.is_preset and zone is not None:
        yield f"times are those of {zone}"
    rules = {rule.words: [] for rule in file.numbers.decided.values()}
    for name, rule in file.numbers.decided.items():
        rules[rule.words].append(name)
    for words, names in rules.items():
        yield f"numbers in {', '.join(names)} are written {words}"
    for name, count in file.numbers.rounded.items():
        yield f"{count:,} × {name} were rounded by the export (12.3K)"
    if file.left_out:
        yield f"{file.left_out:,} rows were left out as the mapping says (sums, drafts, explanations)"
    if file.days:
        yield f"{file.days:,} rows of single days were summed to {file.read:,} posts"
    names = [name.removeprefix(ATTRIBUTE) for name in file.readings]
    silent = [name for name in names if name not in file.roles]
    if silent and (file.features_are_declared or file.roles):
        listed = ", ".join(silent[:5]) + (", …" if len(silent) > 5 else "")
        yield f"{len(silent)} further columns are kept and are no features: {listed}; see `features:` of a mapping file"
