"""Spans of flows and their steps for OpenTelemetry, where its own variables ask for them; else nothing is imported.

Prefect makes the spans (a flow run, and each of its tasks), where its setting says so and a process has something to
send them with. What is sent: names, ids, states and types of parameters; no value, and no row.
"""

from __future__ import annotations

import logging
import os
from typing import Any

# Prefect's name of the setting is older than its use without its cloud.
PREFECTS_SETTING = {"PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "true"}
ADDRESSES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
logger = logging.getLogger("raptorflow")


def exporters() -> list[str]:
    """Names of the exporters that OpenTelemetry's variables ask for; `otlp` where only an address is given."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    default = "otlp" if any(os.environ.get(name) for name in ADDRESSES) else ""
    named = [name.strip() for name in os.environ.get("OTEL_TRACES_EXPORTER", default).split(",")]
    return [name for name in named if name not in ("", "none")]


def settings() -> dict[str, str]:
    """What Prefect has to read before it is imported."""
    return PREFECTS_SETTING if exporters() else {}


def begin_tracing() -> None:
    """Send spans, if that is asked for, unless this process has been given a tracer already."""
    wanted = exporters()
    if not wanted:
        return
    for name, value in PREFECTS_SETTING.items():
        os.environ.setdefault(name, value)
    from opentelemetry import trace
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    ours = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "raptorflow"}
    provider = TracerProvider(resource=Resource.create(ours))
    for name in wanted:
        exporter = _exporter(name)
        if exporter is not None:
            provider.add_span_processor(BatchSpanProcessor(exporter()))
    trace.set_tracer_provider(provider)


def _exporter(name: str) -> Any:
    """The exporter that a package has registered under a name; None where there is none, which stops no run."""
    from importlib.metadata import entry_points

    for registered in entry_points(group="opentelemetry_traces_exporter", name=name):
        return registered.load()
    logger.warning(
        "OpenTelemetry: no exporter '%s' is installed, so no spans are sent to it; for otlp: "
        "pip install opentelemetry-exporter-otlp-proto-http, or OTEL_TRACES_EXPORTER=none",
        name,
    )
    return None
