"""What `raptorflow inspect` prints and writes, and the question `ingest` asks where exactly one preset fits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from flows import console
from tasks.errors import InputError
from tasks.plain_text import terminal
from tasks.warehouse.inspection import Inspection, inspect_file, matching_preset
from tasks.warehouse.mapping_draft import mapping_draft

SHOWN_WIDTH = 40


def agreed_preset(kind: str, files: Sequence[Path]) -> str | None:
    """The preset that fits the files, if the person at the terminal agrees; None where their columns are ours already.

    Raises:
        InputError: if one fits and nobody can be asked, or the person does not want it.
    """
    names = {matching_preset(path, kind) for path in files if path.is_file()}
    if len(names) != 1 or (name := names.pop()) is None:
        return None
    if not at_a_terminal():
        raise InputError(f"{files[0]}: is an export that preset '{name}' reads; say --preset {name}")
    if not typer.confirm(f"{files[0]} is an export that preset '{name}' reads. Read it so?", err=True):
        raise InputError(f"nothing was read; `raptorflow inspect {files[0]}` shows what the preset makes of it")
    return name


def at_a_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def show(
    file: Path,
    kind: str,
    mapping: Path | None,
    preset: str | None,
    timezone: str | None,
    write_mapping: Path | None,
    as_json: bool,
) -> None:
    """Inspect a file, print what was seen, and write a mapping if one is wanted."""
    seen = inspect_file(file, kind, mapping=mapping, preset=preset, timezone=timezone)
    if write_mapping is not None:
        if write_mapping.exists():
            raise InputError(f"{write_mapping} is there already; name another file")
        try:
            write_mapping.write_text(mapping_draft(seen, kind), encoding="utf-8")
        except OSError as error:
            reason = (
                f"there is no folder {write_mapping.parent}" if not write_mapping.parent.is_dir() else error.strerror
            )
            raise InputError(f"{write_mapping}: cannot be written, {reason}; name another file") from error
    if as_json:
        console.print_json({name: value for name, value in asdict(seen).items() if name != "mapping"})
        return
    _print(seen)
    if write_mapping is not None:
        console.say(f"\nwritten: {write_mapping}")
        console.say(f"next: raptorflow ingest {kind} {file} --mapping {write_mapping} --workspace ID")
    else:
        console.say(f"\nnext: {seen.next_command}")


def _print(seen: Inspection) -> None:
    where = f", '{seen.table}'" if seen.table else ""
    line = f", header in line {seen.header_line}" if seen.header_line is not None else ""
    console.opening(seen.path.name, f" · {seen.container}{where} · {seen.encoding}{line} · {seen.columns} columns")
    title = f"preset {seen.preset}" if seen.preset else "no preset fits; the nearest"
    console.say(f"{title}: {' · '.join(seen.why)}")
    console.say(f"zone: {seen.zone}")
    if seen.rows:
        rows = [{name: _short(value) for name, value in row.items()} for row in seen.rows]
        console.table("the first rows as they would be read", rows)
    uses = [{"column": _short(use.column), "role": use.role, "becomes": use.becomes} for use in seen.uses]
    console.table("its columns", uses)
    for heading, lines in (("left out", seen.left_out), ("to be settled", seen.problems)):
        for text in lines:
            console.say(f"{heading}: {text}")


def _short(value: object) -> object:
    if not isinstance(value, str):
        return value
    plain = terminal(" ".join(value.split()))
    return plain if len(plain) <= SHOWN_WIDTH else plain[: SHOWN_WIDTH - 1] + "…"
