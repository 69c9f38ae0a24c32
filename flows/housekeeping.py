"""Throws away what nobody needs any more."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Housekeeping
from tasks.models.steps import delete_old_models
from tasks.reporting import announce, publish_table
from tasks.warehouse.steps import delete_old_snapshots

Rows = list[dict[str, Any]]


@flow(name="housekeeping", flow_run_name="housekeeping · {options}")
def housekeeping(options: Housekeeping = Housekeeping()) -> dict[str, Rows]:
    """Delete old model versions and snapshots that nobody uses any more.

    Never a version that is champion, challenger, previous, pinned or one of a model's last five. A snapshot that is
    asked for again is frozen again. What is to go is published before anything goes; a dry run, the default, ends so.
    """
    models, snapshots = _sweep(options, dry_run=True)
    publish_table("housekeeping-models", models, "Model versions that are to go")
    publish_table("housekeeping-snapshots", snapshots, "Snapshots that are to go")
    if not options.dry_run:
        models, snapshots = _sweep(options, dry_run=False)
    freed = sum(row["megabytes"] for row in snapshots)
    what = f"{len(models)} model versions, {len(snapshots)} snapshots ({freed:,.1f} MB)"
    announce(f"{what} {'would go' if options.dry_run else 'deleted'}")
    return {"models": models, "snapshots": snapshots}


def _sweep(options: Housekeeping, *, dry_run: bool) -> tuple[Rows, Rows]:
    models = delete_old_models(options.older_than_days, dry_run)
    return models, delete_old_snapshots(options.snapshots_older_than_days, dry_run)
