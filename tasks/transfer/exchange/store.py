"""The tables of what was handed out and taken in; all SQL of the exchange."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, func, select, update

from tasks.transfer.catalogue import CATALOGUE_VERSION
from tasks.transfer.released_experiments import EXPERIMENTS
from tasks.transfer.store import PUBLISHED
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    ReleaseBenefit,
    ReleaseExport,
    ReleaseImport,
    TransferCharge,
    TransferRelease,
    TransferSum,
)

TOGETHER = "together"  # all that a workspace has left, among the installations that were measured


def published_releases(warehouse: Warehouse, as_of: datetime) -> list[dict[str, Any]]:
    """All of this installation's releases of the catalogue as it is, by an instant, oldest first."""
    of_catalogue = TransferRelease.catalogue_version == CATALOGUE_VERSION
    published = (TransferRelease.status == PUBLISHED, TransferRelease.as_of <= as_of, of_catalogue)
    return warehouse.rows(select(TransferRelease.__table__).where(*published).order_by(TransferRelease.period))


def sums_by_period(warehouse: Warehouse, periods: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Rows of noisy sums of several releases, which anyone may read."""
    rows = warehouse.rows(select(TransferSum.__table__).where(TransferSum.period.in_(periods)))
    return {period: [row for row in rows if row["period"] == period] for period in periods}


def experiments_by_period(warehouse: Warehouse, periods: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The rows about experiments alone."""
    chosen = (TransferSum.period.in_(periods), TransferSum.segment == EXPERIMENTS)
    rows = warehouse.rows(select(TransferSum.__table__).where(*chosen)) if periods else []
    return {period: [row for row in rows if row["period"] == period] for period in periods}


def record_export(warehouse: Warehouse, row: dict[str, Any]) -> None:
    """Note that a release was handed out; the same file again is the same row."""
    with warehouse.begin() as connection:
        warehouse.upsert(connection, ReleaseExport, [row], keep_existing=True)


def exports(warehouse: Warehouse) -> list[dict[str, Any]]:
    """What was handed out, by period."""
    return warehouse.rows(select(ReleaseExport.__table__).order_by(ReleaseExport.period, ReleaseExport.exported_at))


def write_imports(warehouse: Warehouse, rows: Sequence[dict[str, Any]]) -> None:
    """Take in releases: all of them or none."""
    with warehouse.begin() as connection:
        warehouse.upsert(connection, ReleaseImport, rows)


def imported(warehouse: Warehouse) -> list[dict[str, Any]]:
    """What was taken in and what was forgotten, without the sums: by installation and period."""
    columns = [column for column in ReleaseImport.__table__.columns if column.name != "sums"]
    return warehouse.rows(select(*columns).order_by(ReleaseImport.fingerprint, ReleaseImport.period))


def kept_imports(warehouse: Warehouse, trusted: Sequence[str], as_of: datetime) -> list[dict[str, Any]]:
    """Releases of trusted installations that were known here by an instant, with their sums."""
    return _kept(warehouse, trusted, as_of, list(ReleaseImport.__table__.columns))


def imported_experiments(warehouse: Warehouse, trusted: Sequence[str], as_of: datetime) -> list[dict[str, Any]]:
    """The same releases, with their sums about experiments alone as `sums`."""
    columns: list[Any] = [column for column in ReleaseImport.__table__.columns if column.name != "sums"]
    return _kept(warehouse, trusted, as_of, [*columns, ReleaseImport.sums[EXPERIMENTS].label("sums")])


def _kept(
    warehouse: Warehouse, trusted: Sequence[str], as_of: datetime, columns: Sequence[Any]
) -> list[dict[str, Any]]:
    kept = (
        ReleaseImport.fingerprint.in_(trusted),
        ReleaseImport.forgotten_at.is_(None),
        ReleaseImport.imported_at <= as_of,
        ReleaseImport.catalogue_version == CATALOGUE_VERSION,
    )
    order = (ReleaseImport.fingerprint, ReleaseImport.period)
    return warehouse.rows(select(*columns).where(*kept).order_by(*order)) if trusted else []


def measured_since(warehouse: Warehouse, instant: datetime) -> set[str]:
    """Workspaces of which all releases together were measured after an instant."""
    recent = (ReleaseBenefit.fingerprint == TOGETHER, ReleaseBenefit.measured_at > instant)
    return {row["workspace_id"] for row in warehouse.rows(select(ReleaseBenefit.workspace_id).where(*recent))}


def forget_imports(warehouse: Warehouse, fingerprint: str, periods: Sequence[str], at: datetime) -> None:
    """Remove the sums of these releases and what was measured with them; that they were here stays."""
    chosen = (ReleaseImport.fingerprint == fingerprint, ReleaseImport.period.in_(periods))
    with warehouse.begin() as connection:
        connection.execute(update(ReleaseImport).where(*chosen).values(sums={}, forgotten_at=at))
        stale = ReleaseBenefit.fingerprint.in_((fingerprint, TOGETHER))
        connection.execute(delete(ReleaseBenefit).where(stale))


def write_benefits(warehouse: Warehouse, rows: Sequence[dict[str, Any]]) -> None:
    """Keep what was measured for some workspaces."""
    with warehouse.begin() as connection:
        warehouse.upsert(connection, ReleaseBenefit, rows)


def benefits_of(warehouse: Warehouse, workspace_id: str) -> list[dict[str, Any]]:
    """What each installation's releases were measured to bring one workspace."""
    return warehouse.rows(select(ReleaseBenefit.__table__).where(ReleaseBenefit.workspace_id == workspace_id))


def benefit_by_installation(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """Over all workspaces: mean gain, how many were measured, and how many abstain; nobody is named."""
    measured = (
        func.avg(ReleaseBenefit.gain).label("gain"),
        func.count(ReleaseBenefit.gain).label("measured"),
        func.sum(ReleaseBenefit.standard_error * ReleaseBenefit.standard_error).label("variance"),
        func.sum(case((ReleaseBenefit.refused, 1), else_=0)).label("refusing"),
    )
    statement = select(ReleaseBenefit.fingerprint, *measured).group_by(ReleaseBenefit.fingerprint)
    return {row["fingerprint"]: row for row in warehouse.rows(statement)}


def charges_of(warehouse: Warehouse, unit_id: str) -> list[dict[str, Any]]:
    """What one unit has paid, by period."""
    return warehouse.rows(
        select(TransferCharge.__table__).where(TransferCharge.unit_id == unit_id).order_by(TransferCharge.period)
    )
