"""Logs of exposures and outcomes, as teams whose flags live elsewhere have them: rows repeat, and that is no mistake.

Of an exposure the first sighting of a unit in an arm counts; a unit seen in two arms keeps both rows, and who reads
them leaves it out. Of an outcome the key is its own, or the instant at which it occurred: the same twice is one, and of
two values under one key the later row stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import polars as pl
from sqlalchemy import select

from tasks.warehouse.bulk import BulkUpsert
from tasks.warehouse.contract import EXPOSURES, Contract
from tasks.warehouse.database import Warehouse
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.origins import Origin
from tasks.warehouse.schema import Exposure

UNIT = ["workspace_id", "experiment_name", "unit_id"]
MOST_AT_ONCE = 50_000
PLACE = "__place__"  # of a row among the rows of all files


def write_log(
    store: Warehouse, contract: Contract, files: Sequence[Iterable[pl.DataFrame]], run_id: str
) -> tuple[list[int], list[str], list[str]]:
    """Write the rows of a log; returns each file's number of new or differing ones, what was counted, and whose.

    Args:
        files: the typed rows of each file.
    """
    frames = [frame.with_columns(pl.lit(place).alias("file")) for place, file in enumerate(files) for frame in file]
    if not frames:
        return [0] * len(files), [], []
    rows = pl.concat(frames, how="diagonal_relaxed").with_row_index(PLACE)
    kept, notes = _first_sightings(store, rows) if contract is EXPOSURES else _last_values(rows)
    columns = [column.name for column in contract.table.__table__.columns]
    written = []
    with BulkUpsert(store, contract.table, columns) as bulk:
        for place in range(len(files)):
            own = kept.filter(pl.col("file") == place).with_columns(pl.lit(run_id).alias("run_id"))
            written.append(sum(bulk.write(part) for part in own.iter_slices(MOST_AT_ONCE)))
    return written, notes, rows["workspace_id"].unique().sort().to_list()


def with_aliases(mapping: Mapping, contract: Contract, columns: Collection[str]) -> Mapping:
    """The mapping with columns under another of their names, where neither it nor the file has them."""
    added = {}
    for name, others in contract.aliases.items():
        alias = next((other for other in others if other in columns), None)
        if alias is not None and name not in mapping.columns and name not in columns:
            added[name] = Origin(column=alias)
    return mapping.model_copy(update={"columns": mapping.columns | added}) if added else mapping


def _first_sightings(store: Warehouse, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """One row for each unit and arm, with the earliest instant of these and of the stored rows."""
    arm = [*UNIT, "variant_name"]
    first = rows.sort("exposed_at", PLACE).unique(arm, keep="first", maintain_order=True)
    known = _stored(store, rows)
    first = first.join(known, on=arm, how="left").with_columns(
        pl.min_horizontal("exposed_at", "known_at").alias("exposed_at")
    )
    everything = pl.concat([known.select(arm), first.select(arm)]).unique()
    of_these = everything.join(first.select(UNIT).unique(), on=UNIT, how="semi")
    in_two = of_these.group_by(UNIT).len().filter(pl.col("len") > 1).height
    notes = [f"{first.select(UNIT).unique().height:,} units in {first.select(arm[:2] + arm[3:]).unique().height} arms"]
    if rows.height > first.height:
        notes.append(f"later sightings of a unit in its arm, counted once: {rows.height - first.height:,}")
    if in_two:
        notes.append(f"units seen in two arms: {in_two:,}; no arm counts them")
    return first, notes


def _stored(store: Warehouse, rows: pl.DataFrame) -> pl.DataFrame:
    """Stored exposures of the same experiments."""
    table, names = Exposure, rows["experiment_name"].unique().to_list()
    columns = (table.workspace_id, table.experiment_name, table.unit_id, table.variant_name, table.exposed_at)
    workspaces = rows["workspace_id"].unique().to_list()
    query = select(*columns).where(table.workspace_id.in_(workspaces), table.experiment_name.in_(names))
    known = store.read(query).rename({"exposed_at": "known_at"})
    texts = [pl.col(name).cast(pl.String) for name in (*UNIT, "variant_name")]
    return known.select(*texts, pl.col("known_at").cast(rows.schema["exposed_at"]))


def _last_values(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """One row for each unit, metric and key."""
    instant = pl.col("occurred_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    keyed = rows.with_columns(pl.coalesce("key", instant).alias("key"))
    outcome = [*UNIT, "metric_name", "key"]
    everything = [*outcome, "value", "denominator", "occurred_at"]
    different = keyed.unique(everything, keep="last", maintain_order=True)
    last = different.sort(PLACE).unique(outcome, keep="last", maintain_order=True)
    notes = [f"{last.height:,} outcomes of {last.select(UNIT).unique().height:,} units"]
    if keyed.height > different.height:
        notes.append(f"exact repeats, counted once: {keyed.height - different.height:,}")
    if different.height > last.height:
        notes.append(f"rows that an otherwise equal later one contradicts: {different.height - last.height:,}")
    return last, notes
