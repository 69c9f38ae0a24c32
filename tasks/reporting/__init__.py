"""How results look: Prefect artifacts, events, progress and summaries, in one place.

The reports of patterns and of experiments are imported from their own modules: each brings its capability with it,
which the process of another flow would load for nothing.
"""

from tasks.reporting.artifacts import (
    artifact_key,
    figure,
    fixed_key,
    markdown_table,
    publish_facts,
    publish_markdown,
    publish_table,
    strong,
)
from tasks.reporting.events import Event, emit
from tasks.reporting.index import Overview, overview, publish_with_index
from tasks.reporting.links import model_link, model_name, report_link
from tasks.reporting.model_report import publish_moved
from tasks.reporting.progress import ProgressBar, announce, step
from tasks.reporting.report_rows import published_rows, report_rows

__all__ = [
    "Event",
    "Overview",
    "ProgressBar",
    "announce",
    "artifact_key",
    "emit",
    "figure",
    "fixed_key",
    "markdown_table",
    "model_link",
    "model_name",
    "overview",
    "publish_facts",
    "publish_markdown",
    "publish_moved",
    "publish_table",
    "publish_with_index",
    "published_rows",
    "report_link",
    "report_rows",
    "step",
    "strong",
]
