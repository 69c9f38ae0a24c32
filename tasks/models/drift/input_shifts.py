"""Tier 3, no labels needed: which columns of the input look different from the training data. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from tasks.models.training.dataset import TEXT
from tasks.statistics.two_sample import TwoSample, chi_square, kolmogorov_smirnov


@dataclass(frozen=True, slots=True)
class ColumnShift:
    """One column compared between reference and current rows.

    Attributes:
        kind: `number`, `label` or `missing` (the share of missing values).
        shift: distance in standard deviations of an equal normal shift, see `TwoSample.shift`.
        p_value: unadjusted.
    """

    name: str
    kind: str
    shift: float
    p_value: float


def column_shifts(
    reference: pl.DataFrame, current: pl.DataFrame, not_watched: Collection[str] = ()
) -> list[ColumnShift]:
    """Compare every number and label column of two frames of features; text is no column of its own."""
    shifts: list[ColumnShift] = []
    for name, kind in reference.schema.items():
        if name in (TEXT, *not_watched) or name not in current.columns:
            continue
        if kind.is_numeric():
            shifts += _number(name, reference[name], current[name])
        else:
            shifts.append(_shift(name, "label", _labels(reference[name], current[name])))
    return shifts


def _number(name: str, reference: pl.Series, current: pl.Series) -> list[ColumnShift]:
    known = [part.drop_nulls().drop_nans() for part in (reference, current)]
    shifts = [_shift(name, "number", kolmogorov_smirnov(known[0].to_numpy(), known[1].to_numpy()))]
    missing = [len(part) - len(kept) for part, kept in zip((reference, current), known, strict=True)]
    if any(missing):
        counts = [[len(kept), n_missing] for kept, n_missing in zip(known, missing, strict=True)]
        shifts.append(_shift(name, "missing", chi_square(*counts)))
    return shifts


def _labels(reference: pl.Series, current: pl.Series) -> TwoSample:
    before, now = Counter(reference.to_list()), Counter(current.to_list())
    names = sorted(before.keys() | now.keys(), key=str)
    return chi_square([before[name] for name in names], [now[name] for name in names])


def _shift(name: str, kind: str, test: TwoSample) -> ColumnShift:
    return ColumnShift(name, kind, test.shift, test.p_value)
