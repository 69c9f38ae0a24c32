"""What a dry run leaves: the plan, as an artifact in Prefect and on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reporting import announce, fixed_key, publish_table

FORM_COLUMNS = ("workspace_id", "model_type", "version_name", "serves")  # what a form takes; more would be cut


def show_choices(flow_name: str, models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Publish the models such a flow can be about, for who has named none; a model's newest versions first."""
    rows = [{name: row[name] for name in FORM_COLUMNS} for row in models if row["status"] == "registered"]
    return show_plan(flow_name, rows, f"no workspace was named; {len(rows)} registered versions to choose from")


def show_plan(flow_name: str, rows: Sequence[Mapping[str, Any]], what: str) -> dict[str, Any]:
    """Publish what the flow would do, one row a step, and give it back as `plan`."""
    publish_table(fixed_key(flow_name, "plan"), rows, f"Dry run, nothing was done: {what}")
    announce(f"dry run, nothing was done: {what}")
    return {"plan": [dict(row) for row in rows]}
