"""Columns that are nobody's: kept as one JSON object a row, names sorted, typed the same through a whole file. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import reduce

import polars as pl

from tasks.warehouse.batches import ATTRIBUTE
from tasks.warehouse.calendar_range import kept

WHOLE = r"^-?(0|[1-9][0-9]{0,17})$"  # not 007: that is a name
DECIMAL = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"  # a longer id would lose its last digits
READINGS: tuple[tuple[pl.DataType, str], ...] = (
    (pl.Boolean(), r"^(true|false)$"),
    (pl.Int64(), WHOLE),
    (pl.Float64(), DECIMAL),
)

FIRST_VALUES = 50

Readings = dict[str, set[pl.DataType]]


def possible_readings(passed: pl.DataFrame, known: Readings | None = None) -> Readings:
    """For each attribute that is text: the types that all of its values here can be read as.

    Args:
        passed: rows.
        known: what rows before them left possible; types ruled out there are not looked for again.
    """
    known = known or {}
    every = {dtype for dtype, _ in READINGS}
    schema = passed.schema
    texts = [name for name, dtype in schema.items() if name.startswith(ATTRIBUTE) and dtype == pl.String]
    # The first values rule most types out, so that few columns are read whole.
    likely = _fitting(passed.head(FIRST_VALUES), {name: known.get(name, every) for name in texts})
    others: Readings = {name: set() for name in schema if name.startswith(ATTRIBUTE)}
    return others | _fitting(passed, likely)


def _fitting(rows: pl.DataFrame, possible: Readings) -> Readings:
    """Those of the possible types that all values of a column can be read as.

    All columns are asked at once, one below the other: a question a column takes longer than its answer.
    """
    fitting: Readings = {name: set() for name in possible}
    for dtype, form in READINGS:
        names = [name for name, types in possible.items() if dtype in types]
        if not names:
            continue
        fits = rows.select(names).unpivot()["value"].str.contains(form).fill_null(True).to_numpy()
        by_column = list(fits.reshape(len(names), rows.height))
        for name, column in zip(names, by_column, strict=True):
            if column.all():
                fitting[name].add(dtype)
    return fitting


def narrowed(readings: Iterable[Readings]) -> Readings:
    """What remains possible over all batches."""
    return reduce(lambda known, more: known | {n: known.get(n, more[n]) & more[n] for n in more}, readings, {})


def with_attributes(passed: pl.DataFrame, readings: Readings, roles: Mapping[str, str]) -> pl.DataFrame:
    """Replace the attribute columns by one `attributes` column of JSON text, and say what each may be used for.

    Both are null where a file has none. Labels stay text even where they are digits.
    """
    if not readings:
        nothing = pl.lit(None, pl.String)
        return passed.with_columns(nothing.alias("attributes"), nothing.alias("attribute_roles"))
    readings = {
        name: set() if roles.get(name.removeprefix(ATTRIBUTE)) == "label" else possible
        for name, possible in readings.items()
    }
    there = set(passed.columns)
    present = passed.with_columns(pl.lit(None, pl.String).alias(name) for name in readings if name not in there)
    schema = present.schema
    values = [_value(name, schema[name], readings[name], roles) for name in sorted(readings)]
    encoded = pl.struct(values).struct.json_encode().alias("attributes")
    stored_roles = json.dumps(dict(sorted(roles.items())), ensure_ascii=False)
    return present.with_columns(encoded, pl.lit(stored_roles, pl.String).alias("attribute_roles")).drop(list(readings))


def _value(name: str, dtype: pl.DataType, possible: set[pl.DataType], roles: Mapping[str, str]) -> pl.Expr:
    value, plain = pl.col(name), name.removeprefix(ATTRIBUTE)
    if roles.get(plain) == "label":
        value = value.cast(pl.String, strict=False)
    elif dtype.is_float():
        value = pl.when(value.is_finite()).then(value)
    elif dtype == pl.String and possible:
        value = _read(value, next(kind for kind, _ in READINGS if kind in possible))
    elif dtype.is_temporal():
        value = kept(name, dtype).cast(pl.String, strict=False)
    elif not (dtype.is_integer() or dtype.is_nested() or dtype == pl.Boolean):
        value = value.cast(pl.String, strict=False)
    return value.alias(plain)


def _read(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return value == "true" if dtype == pl.Boolean else value.cast(dtype, strict=False)
