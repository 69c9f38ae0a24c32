"""A registered model for anyone with MLflow: raw rows in, named outputs on the natural scale out.

`mlflow.pyfunc.load_model` calls `_load_pyfunc`. Rows need no feature of ours: title, body, channel, media type and time
are turned into them here, as they are at ingestion. The level of the posts before may be given as `recent_level` (mean
of log(engagements + ½) of the last thirty, or of the log rate); else the level at the end of training stands for it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tasks.content.catalogue import DERIVED
from tasks.content.features import with_features
from tasks.errors import InputError
from tasks.models.registry.trusted import MODEL_FILE, TRUSTED_TYPES
from tasks.models.training.dataset import TEXT
from tasks.models.training.estimators import FittedModel, Floats
from tasks.models.training.level_model import LEVEL

if TYPE_CHECKING:
    import pandas as pd

ABOUT_FILE = "raptorflow.json"
RAW_TEXT = ("title", "body")
TIME = "published_at"
WORKSPACE = "rows"  # any name: one workspace's zone is all that is asked for


def raw_columns(model: FittedModel) -> dict[str, str]:
    """The columns a caller may give, with their MLflow types; all of them may be left out."""
    derived = [name for name in model.columns if name in DERIVED or name == TEXT]
    raw: dict[str, str] = {}
    if derived:
        raw = dict.fromkeys(RAW_TEXT, "string") | {TIME: "datetime"}
    plain = {name: "double" if name in model.numbers else "string" for name in model.columns if name not in derived}
    return raw | plain


def output_columns(model: FittedModel, *, is_rate: bool) -> list[str]:
    """Names of the outputs, in order."""
    if model.classes is None:
        what = "engagement_rate" if is_rate else "engagements"
        return [f"expected_{what}", f"lower_90_{what}", f"upper_90_{what}", "expected_log"]
    return ["label", *(f"probability_{name}" for name in model.classes)]


class RawRowModel:
    """What MLflow predicts with."""

    def __init__(self, model: FittedModel, about: dict[str, Any]) -> None:
        self.model, self.about = model, about

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Named outputs (n) of raw rows (n); `params` is MLflow's and asks for nothing here."""
        import pandas as pd

        del params
        features = self._features(model_input)
        predicted = self.model.predict(features)
        names = output_columns(self.model, is_rate=bool(self.about["is_rate"]))
        if self.model.classes is not None:
            label = np.array(self.model.classes)[self.model.chosen(predicted)]
            return pd.DataFrame(dict(zip(names, [label, *predicted.T], strict=True)))
        width = self.model.half_width or 0.0
        ends = [self._natural(values) for values in (predicted, predicted - width, predicted + width)]
        return pd.DataFrame(dict(zip(names, [*ends, predicted], strict=True)))

    def _natural(self, logs: Floats) -> Floats:
        """Engagements, or engagements per impression, from their log; the median of what is expected."""
        values = np.exp(np.clip(logs, -50.0, 50.0))
        natural: Floats = values if self.about["is_rate"] else np.maximum(values - 0.5, 0.0)
        return natural

    def _features(self, rows: pd.DataFrame) -> pl.DataFrame:
        given = set(rows.columns)
        columns = {name: rows[name].astype(object).where(rows[name].notna(), None).tolist() for name in rows.columns}
        frame = pl.DataFrame({name: values for name, values in columns.items() if name != TIME}, strict=False)
        frame = frame if frame.width else pl.DataFrame({"row": range(len(rows))})
        wanted = [name for name in self.model.columns if name in DERIVED and name not in given]
        if TEXT in self.model.columns or wanted:
            texts = [
                (pl.col(name).cast(pl.String) if name in given else pl.lit(None, pl.String)).alias(name)
                for name in RAW_TEXT
            ]
            frame = frame.with_columns(*texts, workspace_id=pl.lit(WORKSPACE), published_at=self._times(rows))
            frame = with_features(frame, {WORKSPACE: self.about["timezone"]})
            if TIME not in given:
                hidden = [name for name in ("local_hour", "local_weekday", "is_weekend") if name in frame.columns]
                frame = frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in hidden)
            both = pl.concat_str(*(pl.col(name).fill_null("") for name in RAW_TEXT), separator=" ")
            frame = frame.with_columns(both.str.strip_chars().alias(TEXT))
        if LEVEL in self.model.columns:
            level = pl.col(LEVEL).cast(pl.Float64, strict=False) if LEVEL in given else pl.lit(None, pl.Float64)
            frame = frame.with_columns(level.fill_null(self.about["level"]).alias(LEVEL))
        return frame

    def _times(self, rows: pd.DataFrame) -> pl.Series:
        """(n,) instants in UTC; any one stands for those not given, whose parts are then hidden again."""
        import pandas as pd

        if TIME not in rows.columns:
            return pl.Series([pd.Timestamp("2026-01-01", tz="UTC")] * len(rows), dtype=pl.Datetime("us", "UTC"))
        try:
            instants = pd.to_datetime(rows[TIME], utc=True)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"{TIME} is no time ({error}): give instants such as 2026-03-01T09:00:00Z") from error
        if instants.isna().any():
            raise InputError(f"{TIME} is missing in some rows: give it in all, or leave the column out")
        return pl.Series(instants.dt.tz_localize(None).to_numpy().astype("datetime64[us]")).dt.replace_time_zone("UTC")


def _load_pyfunc(path: str) -> RawRowModel:
    """What `mlflow.pyfunc.load_model` calls with the folder of a model.

    Only types of our own list are loaded, whatever the folder says.
    """
    from skops.io import load

    about = json.loads((Path(path) / ABOUT_FILE).read_text(encoding="utf-8"))
    return RawRowModel(FittedModel.of(load(Path(path) / MODEL_FILE, trusted=TRUSTED_TYPES)), about)
