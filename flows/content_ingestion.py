"""Takes files into the warehouse."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import deployment, flow_run

from flows.parameters import ContentIngestion
from flows.readiness import readiness
from tasks.experiments.steps import take_in_logs
from tasks.reporting import announce, publish_facts
from tasks.warehouse.records import LOGS
from tasks.warehouse.steps import ingest_files

COUNTS = ("read", "written", "unchanged", "rejected")
SHOWN_WORKSPACES = 20  # in the log; the report has all


@flow(name="content-ingestion", flow_run_name="content-ingestion · {options.kind}")
def content_ingestion(options: ContentIngestion = ContentIngestion()) -> dict[str, Any]:
    """Take files into the warehouse: checked, with features, idempotent; rejected rows go to a file with reasons."""
    how = {"mapping": options.mapping, "preset": options.preset, "workspace": options.workspace_id}
    how |= {"timezone": options.timezone, "experiment": options.experiment, "control": options.control}
    is_from_form = deployment.id is not None  # by hand it is the person's own process, with the person's own rights
    report = ingest_files(options.kind, options.files, how, str(flow_run.id), is_from_form)
    if options.kind in LOGS and report.get("workspaces"):
        report["notes"] = [*report["notes"], *take_in_logs(report["workspaces"])]
    ready = [str(one) for one in readiness(options.kind, report.get("workspaces", []))]
    if ready:
        report["readiness"] = ready
    publish_facts("content-ingestion-report", report, "Rows read, written, unchanged and rejected")
    counts = " · ".join(f"{report[name]:,} {name}" for name in COUNTS if name in report)
    announce(f"{options.kind}: {report.get('status') or counts}")
    for line in [*report.get("notes", []), *ready[:SHOWN_WORKSPACES]]:
        announce(line)
    return report
