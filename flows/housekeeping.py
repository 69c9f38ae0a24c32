"""Throws away what nobody needs any more."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Housekeeping
from tasks.models.steps import delete_old_models
from tasks.reporting import announce, publish_table


@flow(name="housekeeping")
def housekeeping(options: Housekeeping = Housekeeping()) -> list[dict[str, Any]]:
    """Delete old model versions: never champion, challenger, previous, pinned, or one of a model's last five.

    A dry run, the default, only says what would go.
    """
    gone = delete_old_models(options.older_than_days, options.dry_run)
    publish_table("housekeeping-models", gone, "Model versions that went, or would go")
    announce(f"{len(gone)} model versions {'would go' if options.dry_run else 'deleted'}")
    return gone
