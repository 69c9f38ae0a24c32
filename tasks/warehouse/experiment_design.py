"""How files of experiments of one mapping are to be read: metrics, control, shares, and what a row must hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field, replace

import polars as pl

from tasks.warehouse.batches import ROW
from tasks.warehouse.contract import COUNTED, EXPERIMENTS, ID, MEASURED, NUMBER, YES_NO, Column, Contract
from tasks.warehouse.experiment_metrics import METRIC, PARTS, UNIT, MetricColumns
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.origins import Origin

ARM = ["workspace_id", "experiment_name", "variant_name"]
SHOWN = ("title", "body", "changes")  # what an arm shows, where its row says so
AS_NUMBERS = {"true": "1", "yes": "1", "t": "1", "y": "1", "false": "0", "no": "0", "f": "0", "n": "0"}
NUMBER_LIKE = r"^(-?[0-9.,]+|(?i:true|false|yes|no))$"
NO_METRIC = re.compile(r"(^|[_ ])(id|ids|key|hash|row|index|timestamp|date|time)$", re.IGNORECASE)


@dataclass(frozen=True)
class ArmsDesign:
    """How the arms of a mapping's experiments belong together.

    Attributes:
        metrics: by name.
        is_per_unit: whether a row is one unit, not one arm.
        control: name of the arm that others are compared with; None: the one called control.
        shares: of the units that each arm was meant to get; empty: unknown.
    """

    metrics: Dictionary[str, MetricColumns]
    is_per_unit: bool
    control: str | None = None
    shares: Dictionary[str, float] = field(default_factory=dict)

    def origins(self) -> dict[str, Origin]:
        """Where the values of the metrics come from, by the names that they get."""
        if self.is_per_unit:
            return {
                METRIC + name: Origin(column=metric.column or name, values=AS_NUMBERS)
                for name, metric in self.metrics.items()
            }
        return {
            f"{METRIC}{name}: {part}": Origin(column=column)
            for name, metric in self.metrics.items()
            for part in PARTS
            if (column := getattr(metric, part)) is not None
        }


def design_of(mapping: Mapping) -> ArmsDesign | None:
    """What a mapping says; None where the metrics are all further columns, which the first rows have to show."""
    if mapping.metrics == "rest":
        return None
    return ArmsDesign(mapping.metrics, mapping.grain == "unit", mapping.control, mapping.shares)


def settled(mapping: Mapping, rows: pl.DataFrame) -> ArmsDesign:
    """The design of a file whose metrics are all further columns of numbers, as its first rows show them."""
    used = {*mapping.used, *mapping.columns, *ARM, UNIT, "started_at", *mapping.labels, *mapping.features, ROW}
    used |= set() if mapping.ignore == "all" else set(mapping.ignore)
    names = [name for name in rows.columns if name not in used and not NO_METRIC.search(name.strip())]
    metrics = {name: MetricColumns() for name in names if _holds_numbers(rows[name])}
    return ArmsDesign(metrics, True, mapping.control, mapping.shares)


def with_metrics(mapping: Mapping, design: ArmsDesign) -> Mapping:
    """The mapping with the columns that the metrics are made of; all others are left out."""
    update = {"columns": mapping.columns | design.origins(), "ignore": "all"}
    return mapping.model_copy(update=update | {"features": [], "labels": [], "results": []})


def contract_for(design: ArmsDesign) -> Contract:
    """What a row of such files must hold."""
    names = {"workspace_id": ID, "experiment_name": ID}
    if design.is_per_unit:
        numbers = {METRIC + name: Column(NUMBER) for name in design.metrics}
        columns = names | {UNIT: ID, "variant_name": ID, "started_at": MEASURED} | numbers
    else:
        numbers = {name: COUNTED if name.endswith(": n") else Column(NUMBER) for name in design.origins()}
        own_n = all(metric.n for metric in design.metrics.values())
        others = {"n": replace(COUNTED, required=not own_n), "is_control": replace(YES_NO, required=False)}
        shown = {name: EXPERIMENTS.columns[name] for name in SHOWN}
        columns = names | {"variant_name": ID, "started_at": MEASURED} | others | shown | numbers
    return Contract(EXPERIMENTS.kind, EXPERIMENTS.table_name, ARM, columns)


def _holds_numbers(values: pl.Series) -> bool:
    if values.dtype != pl.String:
        return values.dtype.is_numeric() or values.dtype == pl.Boolean
    known = values.drop_nulls().str.strip_chars()
    known = known.filter(known != "")
    return len(known) > 0 and bool(known.str.contains(NUMBER_LIKE).all())
