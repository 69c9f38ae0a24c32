"""Warehouse rows to examples in time order: features, target, times. Pure."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.models.specs import ModelSpec
from tasks.models.training.organization import Teaching
from tasks.models.training.text_columns import PIECES_ROWS, TextCounts, count
from tasks.statistics.outcome_parts import parts_of_outcome
from tasks.warehouse.attribute_roles import is_numeric, roles_in

RECENT_ROWS = 30
ATTRIBUTE = "attribute."
TEXT = "text"
Positions = slice | list[int]
KEYS = {"content": ("content_id", "published_at"), "touches": ("touch_id", "occurred_at")}


@dataclass(frozen=True)
class Examples:
    """n rows in time order.

    Attributes:
        features: (n, k) frame; numbers are Float64, labels and text are strings without nulls.
        target: (n,) Float64 for regression, String for classification.
        keys: (n,) id of the row.
        times: (n,) when it happened, ascending.
        n: how many they are.
        is_rate: whether the target is the log of engagements per impression rather than of engagements.
        siblings: what the organization's rows teach; None where the workspace has none.
    """

    features: pl.DataFrame
    target: pl.Series
    keys: pl.Series
    times: pl.Series
    n: int = field(init=False)
    is_rate: bool = False
    siblings: Teaching | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", len(self.target))

    def __len__(self) -> int:
        return self.n

    def slice(self, start: int, stop: int) -> Examples:
        """Rows start…stop, in time order."""
        return self._at(slice(start, max(stop, start)))

    def without(self, start: int, stop: int) -> Examples:
        """All rows but start…stop, in time order."""
        return self._at([*range(start), *range(stop, self.n)])

    def _at(self, rows: Positions) -> Examples:
        columns = (self.features[rows], self.target[rows], self.keys[rows], self.times[rows])
        part = Examples(*columns, self.is_rate, self.siblings)
        if "counts" in self.__dict__:
            part.__dict__["counts"] = self.counts[rows]
        return part

    def split(self, instant: datetime) -> tuple[Examples, Examples]:
        """Rows up to and including an instant, and rows later than it."""
        n_older = int((self.times <= instant).sum())
        return self.slice(0, n_older), self.slice(n_older, self.n)

    def after(self, instant: datetime) -> Examples:
        """Rows later than an instant."""
        return self.slice(int((self.times <= instant).sum()), self.n)

    def only(self, keys: Collection[str]) -> Examples:
        """Rows with these keys, in time order; keys not among them are left out."""
        chosen = self.keys.is_in(list(keys))
        parts = (self.target.filter(chosen), self.keys.filter(chosen), self.times.filter(chosen))
        return Examples(self.features.filter(chosen), *parts, self.is_rate, self.siblings)

    @property
    def has_one_class(self) -> bool:
        """Whether a classifier would have nothing to tell apart."""
        return self.target.dtype == pl.String and self.target.n_unique() < 2

    @cached_property
    def counts(self) -> TextCounts:
        """Words of the texts, counted once; slices made after that have theirs from here."""
        return count(self.features[TEXT].to_list(), pieces=self.n <= PIECES_ROWS)

    def count_words(self) -> None:
        """Count them now, where several slices will need them."""
        _ = self.counts

    @cached_property
    def sha256(self) -> str:
        """Hash of every row and column: equal for equal data, wherever it was read from."""
        frame = self.features.with_columns(target=self.target, key=self.keys, time=self.times.cast(pl.Int64))
        text = io.BytesIO()
        frame.write_csv(text)
        return hashlib.sha256(text.getbuffer()).hexdigest()


@dataclass(frozen=True)
class ModelRows:
    """The rows of one model, each form of them made when it is first needed, and once.

    Attributes:
        siblings: what the workspace's organization teaches; None where it is alone.
    """

    frame: pl.DataFrame
    spec: ModelSpec
    siblings: Teaching | None = None

    @cached_property
    def labeled(self) -> Examples:
        """Those whose target is known, at most the latest `spec.maximum_rows`."""
        return replace(examples(self.frame, self.spec), siblings=self.siblings)

    @cached_property
    def everything(self) -> Examples:
        """All of them, labeled or not."""
        return all_rows(self.frame, self.spec)

    @cached_property
    def n_unlabeled(self) -> int:
        """How many are later than every label."""
        if not self.labeled.n:
            return len(self.frame)
        return int((self.frame[KEYS[self.spec.rows][1]] > self.labeled.times[-1]).sum())

    @cached_property
    def needed(self) -> int:
        """How many labeled rows are needed: fewer where the workspace's organization teaches something."""
        spec, n = self.spec, self.labeled.n
        if self.siblings is None or not spec.least_rows(pooled=True) <= n < spec.minimum_rows:
            return spec.minimum_rows  # whether the pool is large enough need not be known
        return spec.least_rows(pooled=self.siblings.is_enough)

    @cached_property
    def sha256(self) -> str:
        """Hash of what can be learned from: the labeled rows, and in short what siblings' rows there are."""
        if self.siblings is None:
            return self.labeled.sha256
        return hashlib.sha256(f"{self.labeled.sha256} {self.siblings.basis}".encode()).hexdigest()

    @property
    def shortage(self) -> str | None:
        """Why nothing can be learned from them; None where something can."""
        n, spec = self.labeled.n, self.spec
        if n < self.needed:
            return f"{n} rows with a known {spec.target}, {self.needed} needed"
        if self.labeled.target.n_unique() < 2:
            return f"all {n} rows have the same {spec.target}; two kinds are needed"
        return None


def examples(frame: pl.DataFrame, spec: ModelSpec) -> Examples:
    """Labeled rows of a content or touch frame as examples, at most the latest `spec.maximum_rows`."""
    key, time = KEYS[spec.rows]
    labeled = frame.with_columns(target(spec)).filter(pl.col("_target").is_not_null()).sort(time, key)
    if "recent_level" in spec.features.numeric:
        labeled = labeled.with_columns(recent_level=recent_level())
    labeled = labeled.tail(spec.maximum_rows)
    known = _without_parts_of_target(features(labeled, spec), labeled["_target"], labeled[time])
    is_rate = spec.target == "engagement" and bool(frame.select(_counted()).item() or False)
    return Examples(known, labeled["_target"], labeled[key], labeled[time], is_rate)


def _without_parts_of_target(columns: pl.DataFrame, values: pl.Series, times: pl.Series) -> pl.DataFrame:
    """The columns without attributes that only restate the target: a model would learn them and know nothing before."""
    attributes = columns.select(name for name in columns.columns if name.startswith(ATTRIBUTE))
    if not attributes.width:
        return columns
    numeric = {column.name: column.cast(pl.Float64).to_numpy() for column in attributes if column.dtype.is_numeric()}
    labels = {column.name: _codes(column) for column in attributes if column.name not in numeric}
    week = times.dt.epoch("d").to_numpy() // 7
    outcome = values.cast(pl.Float64) if values.dtype.is_numeric() else values.rank("dense").cast(pl.Float64)
    refused = parts_of_outcome(numeric | labels, {"the target": outcome.to_numpy()}, week)
    return columns.drop(list(refused))


def _codes(labels: pl.Series) -> NDArray[np.int64]:
    """Labels (n,) as whole numbers; -1 where there is none."""
    ranks = labels.set(labels == "", None).rank("dense").cast(pl.Int64)
    return (ranks.fill_null(0) - 1).to_numpy().astype(np.int64)


def all_rows(frame: pl.DataFrame, spec: ModelSpec) -> Examples:
    """All rows of a frame, for prediction; the target may be missing."""
    key, time = KEYS[spec.rows]
    rows = frame.with_columns(target(spec)).sort(time, key)
    if "recent_level" in spec.features.numeric:
        rows = rows.with_columns(recent_level=recent_level())
    return Examples(features(rows, spec), rows["_target"], rows[key], rows[time])


def target(spec: ModelSpec) -> pl.Expr:
    """The column to predict, as `_target`; null where unknown."""
    if spec.target == "engagement":
        exposure = pl.when(pl.col("impressions") > 0).then((pl.col("impressions") + 1).log()).otherwise(0.0)
        rate = (pl.col("engagements") + 0.5).log() - exposure
        # Rates and counts never mix within one workspace: the kind most rows have decides.
        exposed, counted = pl.col("impressions").fill_null(0) > 0, _counted()
        usable = pl.col("engagements").is_not_null() & (exposed | ~counted)
        value = pl.when(counted).then(rate).otherwise((pl.col("engagements") + 0.5).log())
        return pl.when(usable).then(value).otherwise(None).alias("_target")
    if spec.target == "converted":
        return pl.col("converted").cast(pl.Int8).cast(pl.String).alias("_target")
    return pl.col(spec.target).cast(pl.String).alias("_target")


def _counted() -> pl.Expr:
    """Whether impressions were counted for half of the posts with engagements, or more."""
    exposed = pl.col("impressions").fill_null(0) > 0
    return exposed.filter(pl.col("engagements").is_not_null()).mean().fill_null(0.0) >= 0.5


def recent_level() -> pl.Expr:
    """Mean target of the 30 rows before each row; never the row itself, so that nothing leaks from the future."""
    past = pl.col("_target").shift(1)
    return past.rolling_mean(RECENT_ROWS, min_samples=1).forward_fill()


def features(frame: pl.DataFrame, spec: ModelSpec) -> pl.DataFrame:
    """The feature columns, in a fixed order: numbers, labels, text."""
    numbers, labels = list(spec.features.numeric), list(spec.features.categorical)
    if spec.features.attributes:
        frame, more_numbers, more_labels = with_attributes(frame)
        numbers, labels = numbers + more_numbers, labels + more_labels
    columns = [pl.col(name).cast(pl.Float64) for name in numbers]
    columns += [pl.col(name).cast(pl.String).fill_null("") for name in labels]
    if spec.features.text:
        words = pl.concat_str(pl.col("title").fill_null(""), pl.col("body").fill_null(""), separator=" ")
        columns.append(words.str.strip_chars().alias(TEXT))
    return frame.select(columns)


def with_attributes(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str], list[str]]:
    """The JSON attributes as columns `attribute.<name>`; returns the frame and the names of numbers and of labels.

    Those that are no features are left out: a mapping says which are; in rows older than that, numbers are none.
    """
    texts = frame["attributes"].cast(pl.String).fill_null("{}")
    if frame.is_empty() or (texts == "{}").all():
        return frame, [], []
    decoded = texts.str.json_decode(infer_schema_length=None).struct.unnest()
    roles = roles_in(frame)
    decoded = decoded.select(
        name for name in decoded.columns if roles.is_feature(name, numeric=is_numeric(decoded[name]))
    )
    decoded = decoded.rename({name: f"{ATTRIBUTE}{name}" for name in decoded.columns})
    numbers = sorted(name for name, kind in decoded.schema.items() if kind.is_numeric() or kind == pl.Boolean)
    labels = sorted(name for name, kind in decoded.schema.items() if kind == pl.String)
    return frame.hstack(decoded.select(numbers + labels)), numbers, labels
