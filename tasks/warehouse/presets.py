"""Presets: mapping files for the exports of one platform, recognized by the columns they have.

They stand in `deployments/presets`; a person's own stand in `presets/` of RAPTORFLOW_HOME and go before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from tasks.errors import UnknownNameError
from tasks.warehouse.mapping import Mapping, parsed
from tasks.warehouse.preset_files import folders, preset_names
from tasks.warehouse.reading.header import is_among, key, our_names, renamed


@dataclass(frozen=True)
class Preset:
    """A mapping file with a signature."""

    name: str
    path: Path
    mapping: Mapping


@dataclass(frozen=True)
class Fit:
    """How well a preset fits a table.

    Attributes:
        preset: which one.
        missing: columns it needs that the table has not.
        unwelcome: columns the table has that tell it is another kind, or values that do.
        known: how many of the table's columns it names.
    """

    preset: Preset
    missing: list[str]
    unwelcome: list[str]
    known: int

    @property
    def fits(self) -> bool:
        """Whether it may be used."""
        return not self.missing and not self.unwelcome

    @property
    def difference(self) -> str:
        """What keeps it from fitting."""
        lacks = [f"lacks '{name}'" for name in self.missing]
        has = [f"has {name}" for name in self.unwelcome]
        return ", ".join([*lacks, *has])


def preset_named(name: str) -> Preset:
    """One preset.

    Raises:
        UnknownNameError: if there is none of that name.
        MappingError: if its file is wrong.
    """
    for folder in folders():
        path = folder / f"{name}.yaml"
        if name and Path(name).name == name and path.is_file():
            return _read(path, path.stat().st_mtime_ns)
    raise UnknownNameError("preset", name, preset_names())


def presets(kind: str | None = None) -> list[Preset]:
    """All presets, or those for one kind of rows."""
    every = [preset_named(name) for name in preset_names()]
    return [preset for preset in every if kind is None or preset.mapping.kind == kind]


def fit(preset: Preset, columns: Sequence[str], rows: pl.DataFrame | None = None) -> Fit:
    """Compare a preset with the columns of a table, as the file writes them, and with its first rows."""
    signature = preset.mapping.signature
    assert signature is not None, f"{preset.path} has no signature"
    ours = {key(renamed(name, preset.mapping.aliases)) for name in columns}
    missing = [one if isinstance(one, str) else " or ".join(one) for one in signature.needs if not is_among(one, ours)]
    unwelcome = [f"'{name}'" for name in signature.without if key(name) in ours]
    if rows is not None and not missing:
        unwelcome += _unwelcome_values(preset.mapping, rows)
    named = {key(name) for name in preset.mapping.every_name}
    return Fit(preset, missing, unwelcome, len(ours & named))


def _unwelcome_values(mapping: Mapping, rows: pl.DataFrame) -> list[str]:
    """Columns that do not hold what the signature says they hold."""
    assert mapping.signature is not None
    there = {key(ours): name for ours, name in zip(our_names(rows.columns, mapping.aliases), rows.columns, strict=True)}
    wrong = []
    for name, form in mapping.signature.values.items():
        column = there.get(key(name))
        if column is None:
            continue
        values = rows[column].cast(pl.String).str.strip_chars()
        values = values.filter(values.is_not_null() & (values != ""))
        other = values.filter(~values.str.contains(form))
        if len(other):
            wrong.append(f"'{name}' such as '{other[0][:40]}'")
    return wrong


def best_fits(fits: Sequence[Fit]) -> list[Fit]:
    """The presets that fit; of those the ones that know most of the columns."""
    fitting = [one for one in fits if one.fits]
    most = max((one.known for one in fitting), default=0)
    return [one for one in fitting if one.known == most]


def nearest(fits: Sequence[Fit], count: int = 3) -> list[Fit]:
    """The presets that come nearest to fitting."""
    return sorted(fits, key=lambda one: (len(one.missing) + len(one.unwelcome), -one.known, one.preset.name))[:count]


@lru_cache(maxsize=256)
def _read(path: Path, changed: int) -> Preset:  # noqa: ARG001  a changed file is read again
    return Preset(path.stem, path, parsed(path)[0])
