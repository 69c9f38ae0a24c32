"""Spans are sent where OpenTelemetry's variables ask for them; else its SDK is not even imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import tracing

ROOT = Path(__file__).resolve().parents[2]
FLOW = """
import logging, sys
logging.basicConfig(level=logging.WARNING)
import flows
if len(sys.argv) > 1:
    from flows.housekeeping import housekeeping
    from flows.parameters import Housekeeping
    housekeeping(Housekeeping())
print("SDK" if "opentelemetry.sdk.trace" in sys.modules else "no SDK", file=sys.stderr)
"""


def ran(prefect: str | None, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PREFECT_"))}
    server = {"PREFECT_API_URL": prefect} if prefect else {}
    arguments = ["run"] if prefect else []
    return subprocess.run(
        [sys.executable, "-c", FLOW, *arguments],
        cwd=ROOT, env=kept | server | variables, capture_output=True, text=True, check=True,
    )  # fmt: skip


def test_without_its_variables_nothing_is_imported_and_with_them_a_missing_exporter_is_one_line() -> None:
    assert "no SDK" in ran(None).stderr
    off = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}
    assert "no SDK" in ran(None, **off).stderr
    missing = ran(None, OTEL_TRACES_EXPORTER="none_such").stderr.splitlines()
    assert len([line for line in missing if "no exporter 'none_such' is installed" in line]) == 1


def test_a_flow_and_its_steps_are_spans_of_one_trace(prefect_api: str, home: Path) -> None:
    printed = ran(prefect_api, OTEL_TRACES_EXPORTER="console").stdout
    decoder, spans, rest = json.JSONDecoder(), [], printed.strip()
    while rest:
        span, end = decoder.raw_decode(rest)
        spans.append(span)
        rest = rest[end:].strip()
    whole = [span for span in spans if span["attributes"].get("prefect.run.type") == "flow"]
    steps = [span for span in spans if span["attributes"].get("prefect.run.type") == "task"]
    assert len(whole) == 1
    assert {span["context"]["trace_id"] for span in spans} == {whole[0]["context"]["trace_id"]}
    assert {step["parent_id"] for step in steps} == {whole[0]["context"]["span_id"]}
    assert any("delete-old-snapshots" in step["name"] for step in steps)
    assert whole[0]["resource"]["attributes"]["service.name"] == "raptorflow"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, []),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector", "OTEL_TRACES_EXPORTER": "none"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector", "OTEL_SDK_DISABLED": "TRUE"}, []),
    ],
)
def test_which_exporters_are_wanted(
    variables: dict[str, str], wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracing.exporters() == wanted
    assert bool(tracing.settings()) == bool(wanted)
