"""Transfer's tables: who may read which is decided here, because nothing else in the room holds SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import polars as pl
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from tasks.transfer.catalogue import CATALOGUE_VERSION
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    ReleaseBenefit,
    ReleaseImport,
    TransferCharge,
    TransferEstimate,
    TransferRelease,
    TransferSum,
    Workspace,
)
from tasks.warehouse.standing import stored_state

PENDING, PUBLISHED, WITHHELD = "pending", "published", "withheld"


def replace_estimates(warehouse: Warehouse, workspace_ids: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write the estimates of these workspaces; what they no longer estimate, or no longer share, is gone."""
    with warehouse.begin() as connection:
        connection.execute(delete(TransferEstimate).where(TransferEstimate.workspace_id.in_(workspace_ids)))
        if rows:
            connection.execute(insert(TransferEstimate), rows)


def hold_until(warehouse: Warehouse, workspace_ids: Sequence[str], as_of: datetime) -> None:
    """Estimates of these workspaces hold for a later day too: what they rest on has not changed."""
    held = (TransferEstimate.workspace_id.in_(workspace_ids), TransferEstimate.as_of < as_of)
    if workspace_ids and warehouse.rows(select(TransferEstimate.workspace_id).where(*held).limit(1)):
        with warehouse.begin() as connection:
            connection.execute(update(TransferEstimate).where(*held).values(as_of=as_of))


def kept_estimates(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str]:
    """A hash a workspace of how many estimates are kept, and by which run."""
    columns = (TransferEstimate.workspace_id, TransferEstimate.run_id)
    return stored_state(warehouse, workspace_ids, select(*columns, func.count().label("n")).group_by(*columns))


def others_state(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str]:
    """A hash a workspace of what others can tell it: its sharing siblings' estimates, and the releases there are."""
    mine, other, estimate = aliased(Workspace), aliased(Workspace), TransferEstimate
    siblings = (
        select(mine.workspace_id, other.workspace_id.label("sibling"), estimate.run_id, func.count().label("n"))
        .join(other, other.organisation_id == mine.organisation_id)
        .join(estimate, estimate.workspace_id == other.workspace_id)
        .where(other.shares_insights, other.workspace_id != mine.workspace_id)
        .group_by(mine.workspace_id, other.workspace_id, estimate.run_id)
    )
    benefit = select(ReleaseBenefit.workspace_id, ReleaseBenefit.fingerprint, ReleaseBenefit.refused)
    own = select(TransferRelease.period, TransferRelease.as_of).where(TransferRelease.status == PUBLISHED)
    imported = select(ReleaseImport.fingerprint, ReleaseImport.period, ReleaseImport.sums_sha256)
    releases = sorted(str(sorted(row.items())) for one in (own, imported) for row in warehouse.rows(one))
    known = stored_state(warehouse, workspace_ids, siblings, benefit)
    return {name: sha256(f"{state} {releases}".encode()).hexdigest() for name, state in known.items()}


def forget_leavers(warehouse: Warehouse) -> None:
    """Remove the estimates of workspaces that do not share, or no longer exist."""
    sharing = select(Workspace.workspace_id).where(Workspace.shares_insights)
    with warehouse.begin() as connection:
        connection.execute(delete(TransferEstimate).where(TransferEstimate.workspace_id.not_in(sharing)))


def sharing_workspaces(warehouse: Warehouse) -> pl.DataFrame:
    """`workspace_id`, `organisation_id`, `industry`, `size` of all that share, by id."""
    columns = (Workspace.workspace_id, Workspace.organisation_id, Workspace.industry, Workspace.size)
    return warehouse.read(select(*columns).where(Workspace.shares_insights).order_by(Workspace.workspace_id))


def workspaces_among(warehouse: Warehouse, workspace_ids: Sequence[str]) -> pl.DataFrame:
    """`workspace_id`, `shares_insights` of those of these workspaces that exist."""
    columns = (Workspace.workspace_id, Workspace.shares_insights)
    return warehouse.read(select(*columns).where(Workspace.workspace_id.in_(workspace_ids)))


def own_estimates(warehouse: Warehouse, workspace_id: str) -> pl.DataFrame:
    """The estimates of one workspace, for itself."""
    return warehouse.read(select(TransferEstimate.__table__).where(TransferEstimate.workspace_id == workspace_id))


def sibling_estimates(warehouse: Warehouse, workspace_id: str, organisation_id: str, as_of: datetime) -> pl.DataFrame:
    """Estimates of the other sharing workspaces of one organization, with their `industry` and `size`."""
    shared = (Workspace.organisation_id == organisation_id, Workspace.shares_insights, TransferEstimate.as_of <= as_of)
    joined = TransferEstimate.__table__.join(
        Workspace.__table__, Workspace.__table__.c.workspace_id == TransferEstimate.__table__.c.workspace_id
    )
    statement = select(TransferEstimate.__table__, Workspace.industry, Workspace.size).select_from(joined)
    return warehouse.read(statement.where(*shared, Workspace.workspace_id != workspace_id))


def all_estimates(warehouse: Warehouse) -> pl.DataFrame:
    """Everyone's estimates: for the private release alone."""
    return warehouse.read(
        select(TransferEstimate.__table__).order_by(TransferEstimate.workspace_id, TransferEstimate.pattern_key)
    )


def reserve(warehouse: Warehouse, release: dict[str, Any], charges: Sequence[dict[str, Any]]) -> bool:
    """Charge the units and open the period's release, in one transaction.

    False, and nothing written, if this period or a later one was opened or charged before: a clock that was set back
    must not open paid periods anew.
    """
    period = release["period"]
    try:
        with warehouse.begin() as connection:
            if _reached(connection, TransferRelease, period) or _reached(connection, TransferCharge, period):
                return False
            connection.execute(insert(TransferRelease), [release])
            connection.execute(insert(TransferCharge), charges)
    except IntegrityError:  # another run opened the same period between the look and the write
        return False
    return True


def _reached(connection: Connection, table: type[TransferRelease] | type[TransferCharge], period: str) -> bool:
    return connection.execute(select(table.period).where(table.period >= period).limit(1)).first() is not None


def withhold(warehouse: Warehouse, period: str) -> None:
    """A release that was opened and not published will not be drawn: it may have been, where nobody can see it now."""
    pending = (TransferRelease.period == period, TransferRelease.status == PENDING)
    with warehouse.begin() as connection:
        connection.execute(update(TransferRelease).where(*pending).values(status=WITHHELD))


def publish(warehouse: Warehouse, period: str, sums: Sequence[dict[str, Any]], drawn: dict[str, Any]) -> bool:
    """Write a pending release's noisy sums; false, and nothing written, if another run published it first.

    The update is the lock: of two runs that both drew noise, only one draw may ever be seen.

    Args:
        warehouse: where to.
        period: of the release.
        sums: rows of its sums.
        drawn: what its row says of them: `catalogue_version`, `noise_scale`, `chain_hash`.
    """
    pending = (TransferRelease.period == period, TransferRelease.status == PENDING)
    with warehouse.begin() as connection:
        if connection.execute(update(TransferRelease).where(*pending).values(status=PUBLISHED, **drawn)).rowcount != 1:
            return False
        warehouse.upsert(connection, TransferSum, sums)
    return True


def release_of(warehouse: Warehouse, period: str) -> dict[str, Any] | None:
    """The period's release, pending or published."""
    rows = warehouse.rows(select(TransferRelease.__table__).where(TransferRelease.period == period))
    return rows[0] if rows else None


def all_releases(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Every release of this installation, the newest first."""
    return warehouse.rows(select(TransferRelease.__table__).order_by(TransferRelease.as_of.desc()))


def published_releases(warehouse: Warehouse, as_of: datetime, most: int) -> list[dict[str, Any]]:
    """The releases published by an instant, newest first, at most so many, all of the catalogue as it is."""
    of_catalogue = TransferRelease.catalogue_version == CATALOGUE_VERSION
    published = (TransferRelease.status == PUBLISHED, TransferRelease.as_of <= as_of, of_catalogue)
    newest = TransferRelease.as_of.desc()
    return warehouse.rows(select(TransferRelease.__table__).where(*published).order_by(newest).limit(most))


def released_sums(warehouse: Warehouse, period: str) -> list[dict[str, Any]]:
    """Noisy sums of one release by segment, which anyone may read."""
    return warehouse.rows(select(TransferSum.__table__).where(TransferSum.period == period))


def charges_of(warehouse: Warehouse, period: str) -> list[dict[str, Any]]:
    """`unit_id` and `rho` of the units charged in a period."""
    charges = select(TransferCharge.unit_id, TransferCharge.rho).where(TransferCharge.period == period)
    return warehouse.rows(charges)


def published_in_order(warehouse: Warehouse) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """All published releases, oldest first, and the sums of each by its period."""
    columns = (TransferRelease.period, TransferRelease.ledger_hash, TransferRelease.chain_hash)
    published = select(*columns).where(TransferRelease.status == PUBLISHED).order_by(TransferRelease.period)
    sums: dict[str, list[dict[str, Any]]] = {}
    for row in warehouse.rows(select(TransferSum.__table__)):
        sums.setdefault(row["period"], []).append(row)
    return warehouse.rows(published), sums
