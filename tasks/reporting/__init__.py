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
from tasks.reporting.links import model_link, model_name, report_link
from tasks.reporting.model_report import model_report, publish_moved
from tasks.reporting.progress import ProgressBar, announce, step
from tasks.reporting.summary import as_markdown, summarize

__all__ = [
    "Event",
    "ProgressBar",
    "announce",
    "artifact_key",
    "as_markdown",
    "emit",
    "figure",
    "fixed_key",
    "markdown_table",
    "model_link",
    "model_name",
    "model_report",
    "publish_facts",
    "publish_markdown",
    "publish_moved",
    "publish_table",
    "report_link",
    "step",
    "strong",
    "summarize",
]
