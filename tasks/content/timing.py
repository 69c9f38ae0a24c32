"""When a post appeared, by the clock on its workspace's wall."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tasks.errors import UnknownNameError

_ROW = "__row"


def with_local_time(frame: pl.DataFrame, timezones: Mapping[str, str]) -> pl.DataFrame:
    """Add `local_hour` (0–23), `local_weekday` (0 = Monday) and `is_weekend`, daylight saving time included.

    Args:
        frame: `workspace_id`, and `published_at` in UTC; where it has `day_only`, `published_at` is midnight UTC of
            such a row's day: its weekday is that day's, its hour is not known. The column is taken away.
        timezones: IANA zone by workspace_id.

    Raises:
        UnknownNameError: if a workspace has no zone.
    """
    zones = _zone_of_each(frame["workspace_id"], timezones)
    if "day_only" in frame.columns:
        days, frame = frame["day_only"], frame.drop("day_only")
        zones = zones.set(days, "UTC")
    else:
        days = pl.Series("day_only", [False]).new_from_index(0, frame.height)
    rows = frame.select("published_at").with_row_index(_ROW).with_columns(zones, days)
    if rows.is_empty():
        return frame.hstack(_local(rows, "UTC").drop(_ROW))
    local = [_local(part, part[zones.name][0]) for part in rows.partition_by(zones.name)]
    return frame.hstack(pl.concat(local).sort(_ROW).drop(_ROW))


def _zone_of_each(workspaces: pl.Series, timezones: Mapping[str, str]) -> pl.Series:
    present = workspaces.unique().to_list()
    for workspace in present:
        if workspace not in timezones:
            raise UnknownNameError.for_workspace(workspace)
    zones = [timezones[workspace] for workspace in present]
    return workspaces.replace_strict(present, zones, return_dtype=pl.String).rename("__zone")


def _local(part: pl.DataFrame, zone: str) -> pl.DataFrame:
    """One zone at a time, because a Polars column has one zone."""
    local = pl.col("published_at").dt.convert_time_zone(zone)
    weekday = local.dt.weekday().cast(pl.Int64) - 1
    return part.select(
        _ROW,
        pl.when(~pl.col("day_only")).then(local.dt.hour().cast(pl.Int64)).alias("local_hour"),
        weekday.alias("local_weekday"),
        (weekday >= 5).alias("is_weekend"),
    )
