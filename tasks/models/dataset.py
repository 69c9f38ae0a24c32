"""Warehouse rows to examples in time order: features, target, times."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tasks.models.specs import ModelSpec
from tasks.warehouse.attribute_roles import roles_in

RECENT_ROWS = 30
TEXT = "text"
KEYS = {"content": ("content_id", "published_at"), "touches": ("touch_id", "occurred_at")}


@dataclass(frozen=True, slots=True)
class Examples:
    """n rows in time order.

    Attributes:
        features: (n, k) frame; numbers are Float64, labels and text are strings without nulls.
        target: (n,) Float64 for regression, String for classification.
        keys: (n,) id of the row.
        times: (n,) when it happened, ascending.
    """

    features: pl.DataFrame
    target: pl.Series
    keys: pl.Series
    times: pl.Series

    def __len__(self) -> int:
        return len(self.target)

    def slice(self, start: int, stop: int) -> Examples:
        """Rows start…stop, in time order."""
        n = max(stop - start, 0)
        rows = slice(start, start + n)
        return Examples(self.features[rows], self.target[rows], self.keys[rows], self.times[rows])

    def after(self, instant: datetime) -> Examples:
        """Rows later than an instant."""
        return self.slice(int((self.times <= instant).sum()), len(self))

    def until(self, instant: datetime) -> Examples:
        """Rows up to and including an instant."""
        return self.slice(0, int((self.times <= instant).sum()))

    def only(self, keys: Collection[str]) -> Examples:
        """Rows with these keys, in time order; keys not among them are left out."""
        chosen = self.keys.is_in(list(keys))
        parts = (self.target.filter(chosen), self.keys.filter(chosen), self.times.filter(chosen))
        return Examples(self.features.filter(chosen), *parts)

    @property
    def sha256(self) -> str:
        """Hash of every row and column: equal for equal data, wherever it was read from."""
        frame = self.features.with_columns(target=self.target, key=self.keys, time=self.times.cast(pl.Int64))
        text = io.BytesIO()
        frame.write_csv(text)
        return hashlib.sha256(text.getbuffer()).hexdigest()


def examples(frame: pl.DataFrame, spec: ModelSpec) -> Examples:
    """Labelled rows of a content or touch frame as examples, at most the latest `spec.maximum_rows`."""
    key, time = KEYS[spec.rows]
    labelled = frame.with_columns(target(spec)).filter(pl.col("_target").is_not_null()).sort(time, key)
    if "recent_level" in spec.features.numeric:
        labelled = labelled.with_columns(recent_level=recent_level())
    labelled = labelled.tail(spec.maximum_rows)
    return Examples(features(labelled, spec), labelled["_target"], labelled[key], labelled[time])


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
        exposed = pl.col("impressions").fill_null(0) > 0
        counted = exposed.filter(pl.col("engagements").is_not_null()).mean().fill_null(0.0) >= 0.5
        usable = pl.col("engagements").is_not_null() & (exposed | ~counted)
        value = pl.when(counted).then(rate).otherwise((pl.col("engagements") + 0.5).log())
        return pl.when(usable).then(value).otherwise(None).alias("_target")
    if spec.target == "converted":
        return pl.col("converted").cast(pl.Int8).cast(pl.String).alias("_target")
    return pl.col(spec.target).cast(pl.String).alias("_target")


def recent_level() -> pl.Expr:
    """Mean target of the 30 rows before each row; never the row itself, so that nothing leaks from the future."""
    past = pl.col("_target").shift(1)
    return past.rolling_mean(RECENT_ROWS, min_samples=1).forward_fill()


def features(frame: pl.DataFrame, spec: ModelSpec) -> pl.DataFrame:
    """The feature columns, in a fixed order: numbers, labels, text."""
    wanted = spec.features
    numbers, labels = list(wanted.numeric), list(wanted.categorical)
    if wanted.attributes:
        frame, more_numbers, more_labels = with_attributes(frame)
        numbers, labels = numbers + more_numbers, labels + more_labels
    columns = [pl.col(name).cast(pl.Float64) for name in numbers]
    columns += [pl.col(name).cast(pl.String).fill_null("") for name in labels]
    if wanted.text or wanted.text_hashes:
        words = pl.concat_str(pl.col("title").fill_null(""), pl.col("body").fill_null(""), separator=" ")
        columns.append(words.str.strip_chars().alias(TEXT))
    return frame.select(columns)


def with_attributes(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str], list[str]]:
    """The JSON attributes as columns `attribute.<name>`; returns the frame and the names of numbers and of labels.

    Where a mapping said which of them are features, the others are left out.
    """
    texts = frame["attributes"].cast(pl.String).fill_null("{}")
    if frame.is_empty() or (texts == "{}").all():
        return frame, [], []
    decoded = texts.str.json_decode(infer_schema_length=None).struct.unnest()
    roles = roles_in(frame)
    if roles.declared:
        decoded = decoded.select(name for name in decoded.columns if roles.is_feature(name, numeric=True))
    decoded = decoded.rename({name: f"attribute.{name}" for name in decoded.columns})
    numbers = sorted(name for name, kind in decoded.schema.items() if kind.is_numeric() or kind == pl.Boolean)
    labels = sorted(name for name, kind in decoded.schema.items() if kind == pl.String)
    return frame.hstack(decoded.select(numbers + labels)), numbers, labels
