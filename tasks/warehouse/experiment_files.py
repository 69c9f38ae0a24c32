"""Files of experiments that are not arms row by row, turned into arms: rows of units added up, wide rows taken apart.

The first pass judges every row as for other kinds; then the arms of all files together are made and judged in turn by
the contract of experiments, before anything is written. An experiment's units may be spread over the files of one call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import polars as pl
from sqlalchemy import select

from tasks.errors import InputError
from tasks.warehouse import Warehouse, duplicates
from tasks.warehouse.batches import ROW, Batch
from tasks.warehouse.bulk import BulkUpsert
from tasks.warehouse.checking import check
from tasks.warehouse.contract import EXPERIMENTS, NUMBER, TEXT
from tasks.warehouse.errors import ColumnError, TooManyRejectedError
from tasks.warehouse.experiment_design import ARM, SHOWN, ArmsDesign, contract_for
from tasks.warehouse.experiment_metrics import METRIC, MetricColumns
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.reading.number_columns import NumberColumns
from tasks.warehouse.reading.selection import select_rows
from tasks.warehouse.records import Progress
from tasks.warehouse.rejects import MOST_REJECTED_SHARE, RejectsFile, Tally
from tasks.warehouse.schema import ExperimentArm
from tasks.warehouse.sources import Source
from tasks.warehouse.spill import Spill
from tasks.warehouse.staging import number_columns
from tasks.warehouse.telling import ESCAPED_QUOTES
from tasks.warehouse.unit_aggregation import EXPERIMENT, Units

CONTROL = "control"
REFUSED_SHOWN = 100_000
NAMES_SHOWN = 12


@dataclass
class ExperimentFile:
    """One file whose rows were judged.

    Attributes:
        source: the file.
        mapping: how its columns became the canonical ones, with those of the metrics.
        spill: the rows that passed.
        read: rows of data.
        left_out: rows that the mapping leaves out.
        has_escaped_quotes: whether quotes inside texts were written as `\\"`.
        tally: refused rows.
    """

    source: Source
    mapping: Mapping
    spill: Spill
    read: int = 0
    left_out: int = 0
    has_escaped_quotes: bool = False
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class Arms:
    """Arms ready to be written.

    Attributes:
        rows: columns of `experiment_arm` without `run_id`.
        by_file: rows of each file that went into each experiment: file, workspace_id, experiment_name, rows.
        notes: what was decided and counted, for a person.
    """

    rows: pl.DataFrame
    by_file: pl.DataFrame
    notes: list[str]


@dataclass(frozen=True)
class ExperimentReader:
    """Reads files of experiments of one design.

    Attributes:
        design: what the mapping says of metrics, control and shares.
        workspaces: those that rows may belong to.
        rejects: where refused rows go.
        folder: for what does not fit into memory.
    """

    design: ArmsDesign
    workspaces: Collection[str]
    rejects: RejectsFile
    folder: Path

    def stage(self, source: Source, mapping: Mapping, spill: Spill, progress: Progress | None) -> ExperimentFile:
        """Judge every row of a file.

        Raises:
            InputError: if it lacks a column, or more than a fifth of its rows were refused.
        """
        contract = contract_for(self.design)
        if not self.design.metrics:
            raise InputError(f"{source.path}: has no further column of numbers that could be a metric; say `metrics:`")
        available = {*source.columns, *mapping.columns}
        needed = [*contract.required, *(name for name in contract.columns if name.startswith(METRIC))]
        missing = [name for name in needed if name not in available]
        if missing == ["experiment_name"]:
            raise InputError(f"{source.path}: does not name its experiment; say --experiment NAME")
        if missing:
            raise ColumnError.from_missing_and_available(
                source.path, contract.kind, [name.removeprefix(METRIC) for name in missing], source.columns
            )
        file = ExperimentFile(source, mapping, spill)
        numbers = NumberColumns(source.path, number_columns(contract, mapping, source.columns))
        for batch in source.batches:
            batch, left_out = select_rows(batch, mapping, source.path)
            rows, _ = numbers.plain(batch.rows)
            checked = check(Batch(rows, batch.broken), contract, mapping, self.workspaces)
            file.left_out += left_out
            file.has_escaped_quotes |= batch.has_escaped_quotes
            file.read += batch.rows.height + len(batch.broken)
            self._refuse(file, checked.rejects)
            spill.add(checked.passed.select(ROW, *contract.columns))
            if progress is not None:
                progress(file.read, source.rows)
        self.require_enough(file)
        return file

    def arms(self, files: Sequence[ExperimentFile]) -> Arms:
        """The arms of all files together.

        Raises:
            InputError: if they cannot be compared, or a metric is not what it was declared to be.
        """
        arms = self._from_units(files) if self.design.is_per_unit else self._from_wide_rows(files)
        if arms.rows.is_empty():
            raise InputError(f"{files[0].source.path}: no unit is left to count; see {self.rejects.path}")
        rows = self._compared(arms.rows)
        numbered = rows.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64))
        rejects = check(Batch(numbered), EXPERIMENTS, Mapping(), None).rejects
        if rejects.height:
            row = rejects.row(0, named=True)
            arm = numbered.row(row["row"] - 1, named=True)
            raise InputError(
                f"{files[0].source.path}: arm '{arm['variant_name']}', metric '{arm['metric_name']}': "
                f"{row['column']} {row['reason']}, not {row['value']}"
            )
        escaped = [f"{file.source.path.name}: {ESCAPED_QUOTES}" for file in files if file.has_escaped_quotes]
        return replace(arms, rows=rows, notes=[*arms.notes, *escaped])

    def require_enough(self, file: ExperimentFile) -> None:
        """Raise `TooManyRejectedError` where more than a fifth of a file's rows were refused."""
        if file.tally.rejected > MOST_REJECTED_SHARE * file.read:
            raise TooManyRejectedError(file.source.path, file.tally, file.read, self.rejects.path)

    def _refuse(self, file: ExperimentFile, rejects: pl.DataFrame) -> None:
        file.tally.add(rejects)
        self.rejects.add(file.source.path, rejects)

    # ── one row a unit ───────────────────────────────────────────────────────────────────────────────────────────────
    def _from_units(self, files: Sequence[ExperimentFile]) -> Arms:
        frames: list[Callable[[], Iterator[pl.DataFrame]]] = [file.spill.frames for file in files]
        with Units(self.folder, frames, self.design.metrics) as units:
            refused, counts = units.refused(REFUSED_SHOWN), units.counts()
            for place, file in enumerate(files):
                self._refuse(file, refused.filter(pl.col("file") == place).drop("file"))
                self.require_enough(file)
            sums, by_file = units.arms(), units.units_by_file()
        kinds = self._kinds(sums, files[0].source.path)
        sums = sums.join(kinds, on=[*EXPERIMENT, "metric_name"])
        is_binary = pl.col("metric_kind") == "binary"
        squares = pl.when(~is_binary).then(pl.col("sum_of_squares"))
        rows = sums.with_columns(squares.alias("sum_of_squares"), self._control())
        return Arms(rows, by_file, [*_counted(sums, counts), *_said(kinds)])

    def _kinds(self, sums: pl.DataFrame, path: Path) -> pl.DataFrame:
        """Each metric's kind: as declared, if the values agree, else by the values."""
        by_metric = sums.group_by(*EXPERIMENT, "metric_name", maintain_order=True).agg(
            pl.col("missing", "beyond_binary", "fractions", "n").sum(), pl.col("smallest").min()
        )
        kinds = []
        for row in by_metric.iter_rows(named=True):
            metric = self.design.metrics[row["metric_name"]]
            problem = _problem(row["metric_name"], metric, row)
            if problem is not None:
                raise InputError(f"{path}: {problem}")
            kinds.append(metric.kind or ("continuous" if row["beyond_binary"] else "binary"))
        return by_metric.select(*EXPERIMENT, "metric_name", pl.Series("metric_kind", kinds, dtype=pl.String))

    # ── one row an arm, several metrics ──────────────────────────────────────────────────────────────────────────────
    def _from_wide_rows(self, files: Sequence[ExperimentFile]) -> Arms:
        parts = []
        for place, file in enumerate(files):
            frames = [pl.DataFrame(schema=dict.fromkeys(ARM, TEXT) | {ROW: pl.Int64()}), *file.spill.frames()]
            rows = pl.concat(frames, how="diagonal_relaxed")
            _, repeated = duplicates.split_repeated(
                rows.select(ROW, *(pl.struct(ARM).hash(seed).alias(name) for seed, name in enumerate(duplicates.KEY)))
            )
            self._refuse(file, repeated)
            self.require_enough(file)
            parts.append(rows.filter(~pl.col(ROW).is_in(repeated["row"].implode())).with_columns(file=pl.lit(place)))
        rows = pl.concat(parts, how="diagonal_relaxed").unique(ARM, keep="last", maintain_order=True)
        metrics = [
            rows.select(
                *ARM,
                "started_at",
                pl.lit(name).alias("metric_name"),
                pl.lit(metric.kind).alias("metric_kind"),
                pl.col(f"{METRIC}{name}: n" if metric.n else "n").alias("n"),
                pl.col(f"{METRIC}{name}: sum").alias("sum"),
                (pl.col(f"{METRIC}{name}: sum_of_squares") if metric.sum_of_squares else pl.lit(None, NUMBER)).alias(
                    "sum_of_squares"
                ),
                pl.coalesce("is_control", self._control()),
                *SHOWN,
            )
            for name, metric in self.design.metrics.items()
        ]
        by_file = rows.group_by("file", *EXPERIMENT, maintain_order=True).agg(pl.len().alias("rows"))
        note = f"{rows.height:,} arms with {len(metrics)} metrics each"
        return Arms(pl.concat(metrics), by_file, [note])

    # ── arms beside each other ───────────────────────────────────────────────────────────────────────────────────────
    def _control(self) -> pl.Expr:
        name = pl.col("variant_name").str.strip_chars()
        wanted = self.design.control
        is_control = name.str.to_lowercase() == CONTROL if wanted is None else name == wanted.strip()
        return is_control.alias("is_control")

    def _compared(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The arms with one start an experiment, directions and shares; each experiment has one control."""
        for (_, experiment), arms in rows.group_by(*EXPERIMENT, maintain_order=True):
            self._require_comparable(str(experiment), arms)
        directions = {name: metric.direction for name, metric in self.design.metrics.items()}
        shares = self.design.shares
        share = pl.col("variant_name").replace_strict(shares, default=None, return_dtype=NUMBER) if shares else None
        return rows.select(
            *ARM,
            "metric_name",
            "metric_kind",
            "n",
            "sum",
            "sum_of_squares",
            "is_control",
            pl.col("started_at").min().over(EXPERIMENT),
            pl.col("metric_name").replace_strict(directions, return_dtype=TEXT).alias("direction"),
            (pl.lit(None, NUMBER) if share is None else share).alias("share"),
            *(pl.col(name) if name in rows.columns else pl.lit(None, TEXT).alias(name) for name in SHOWN),
        ).sort(*ARM, "metric_name")

    def _require_comparable(self, experiment: str, arms: pl.DataFrame) -> None:
        names = arms["variant_name"].unique().sort().to_list()
        listed = ", ".join(f"'{name}'" for name in names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
        if len(names) < 2:
            raise InputError(f"experiment '{experiment}' has one arm, {listed}; nothing to compare it with")
        controls = arms.filter(pl.col("is_control"))["variant_name"].n_unique()
        if controls != 1:
            which = "no arm is the control" if not controls else f"{controls} arms are the control"
            raise InputError(
                f"experiment '{experiment}': {which}; name it with --control or `control:` in a mapping file, "
                f"its arms are {listed}"
            )
        shares = self.design.shares
        if not shares:
            return
        unknown = [name for name in names if name not in shares]
        if unknown:
            raise InputError(f"experiment '{experiment}': `shares:` names no share for arm '{unknown[0]}'")
        total = sum(shares[name] for name in names)
        if abs(total - 1) > duplicates.SHARES_TOLERANCE:
            raise InputError(f"experiment '{experiment}': the shares of its arms add up to {total:g}, expected 1")


def peeked(source: Source) -> tuple[pl.DataFrame, Source]:
    """The first rows of a file, and the file with them still to be read."""
    first = next(source.batches)
    return first.rows, replace(source, batches=chain([first], source.batches))


def _problem(name: str, metric: MetricColumns, row: dict[str, float]) -> str | None:
    """Why the values of a metric are not what was declared of them."""
    if row["missing"] and metric.missing is None:
        return (
            f"metric '{name}' is empty for {row['missing']:,} of {row['missing'] + row['n']:,} units; say what that "
            f"means in a mapping file: `{name}: {{missing: zero}}` (they did nothing) or `{{missing: exclude}}` "
            "(not measured)"
        )
    if metric.kind == "binary" and row["beyond_binary"]:
        return f"metric '{name}' is declared binary, but {row['beyond_binary']:,} units have a value beside 0 and 1"
    if metric.kind == "count" and (row["fractions"] or row["smallest"] < 0):
        return f"metric '{name}' is declared a count, but has fractions or values below 0; say `kind: continuous`"
    return None


def _counted(sums: pl.DataFrame, counts: dict[str, int]) -> Iterator[str]:
    arms = sums.select(ARM).unique().height
    yield f"{counts['units']:,} units in {arms} arms"
    if counts["repeats"]:
        yield f"exact repeats of a unit's row, counted once: {counts['repeats']:,}"
    if counts["in_two"]:
        yield f"units in two arms, left out: {counts['in_two']:,}"
    if counts["differs"]:
        yield f"units with rows that differ, left out: {counts['differs']:,}"


def _said(kinds: pl.DataFrame) -> Iterator[str]:
    for (kind,), own in kinds.group_by("metric_kind", maintain_order=True):
        yield f"{', '.join(own['metric_name'].unique(maintain_order=True))}: {kind}"


def write_arms(store: Warehouse, arms: Arms, run_id: str) -> dict[int, int]:
    """Write the arms that are new or differ from the stored ones; returns how many rows of each file they came from."""
    workspaces = arms.rows["workspace_id"].unique().to_list()
    stored = store.read(select(ExperimentArm.__table__).where(ExperimentArm.workspace_id.in_(workspaces)))
    columns = [name for name in stored.columns if name != "run_id"]
    rows = arms.rows.select(pl.col(name).cast(stored.schema[name]) for name in columns)
    changed = rows.join(stored, on=columns, how="anti", nulls_equal=True)
    if changed.height:
        with BulkUpsert(store, ExperimentArm, stored.columns) as bulk:
            bulk.write(changed.with_columns(pl.lit(run_id).alias("run_id")))
    written = arms.by_file.join(changed.select(EXPERIMENT).unique(), on=EXPERIMENT, how="semi")
    return dict(written.group_by("file").agg(pl.col("rows").sum()).iter_rows())
