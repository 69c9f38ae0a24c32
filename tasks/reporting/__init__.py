"""How results look: Prefect artifacts, events, progress and summaries, in one place."""

from tasks.reporting.artifacts import (
    artifact_key,
    figure,
    markdown_table,
    publish_link,
    publish_markdown,
    publish_table,
)
from tasks.reporting.events import emit
from tasks.reporting.experiment_report import experiment_report
from tasks.reporting.links import model_link, report_link
from tasks.reporting.model_report import model_report
from tasks.reporting.pattern_report import pattern_report, workspace_reports
from tasks.reporting.progress import Progress, announce, step
from tasks.reporting.summary import as_markdown, summarise

__all__ = [
    "Progress",
    "announce",
    "artifact_key",
    "as_markdown",
    "emit",
    "experiment_report",
    "figure",
    "markdown_table",
    "model_link",
    "model_report",
    "pattern_report",
    "publish_link",
    "publish_markdown",
    "publish_table",
    "report_link",
    "step",
    "summarise",
    "workspace_reports",
]
