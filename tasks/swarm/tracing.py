"""One MLflow trace a debate with a span a turn, where a tracking server is set; else MLflow is not even imported.

A trace is made of the debate's own record when it is over, so that tracing costs no turn any time, and a server that is
away costs a warning. Keys are in no record, and so in no trace.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.plain_text import visible
from tasks.settings import get_settings, hidden

EXPERIMENT = "AgentDebateOrchestrator/debates"
USAGE = "mlflow.chat.tokenUsage"  # where MLflow's pages look for tokens
SERVERS = ("http://", "https://")
Result = Mapping[str, Any]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TurnSpan:
    """One turn as a span: its requests and replies, what it cost, and when, in seconds since 1970."""

    name: str
    inputs: list[Any]
    outputs: dict[str, Any]
    is_failed: bool
    began: float
    ended: float
    attributes: dict[str, Any] = field(default_factory=dict)


def tracking_server() -> str | None:
    """The address of the MLflow server that is set; None where MLflow is embedded or a bare database."""
    address = get_settings().mlflow_url or ""
    return address if address.startswith(SERVERS) else None


def trace_debate(result: Result) -> bool:
    """Write a debate's trace where a tracking server is set, and say whether it was written; it never raises."""
    address = tracking_server()
    spans = spans_of(result)
    if address is None or not spans:
        return False
    try:
        _write(address, result, spans)
    except Exception as error:  # noqa: BLE001 - whatever a server or its client does, the debate was held and stored
        reason = hidden(visible(f"{type(error).__name__}: {error}"), address)[:300]
        logger.warning("the trace of debate %s was not written: %s", result["debate_id"], reason)
        return False
    return True


def spans_of(result: Result) -> list[TurnSpan]:
    """The turns that asked a model, in the order they ended."""
    spans = [_span(turn) for turn in result["transcript"]["turns"]]
    return sorted((one for one in spans if one is not None), key=lambda one: (one.ended, one.name))


def _span(turn: Mapping[str, Any]) -> TurnSpan | None:
    exchanges: Sequence[Mapping[str, Any]] = [one for one in turn["exchanges"] if one["reply"].get("ended_at")]
    if not exchanges:
        return None
    replies, usage = [one["reply"] for one in exchanges], turn["usage"]
    tokens = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
    attributes = {
        USAGE: tokens | {"total_tokens": sum(tokens.values())},
        "agent": turn["agent_id"],
        "phase": turn["phase"],
        "round": turn["round"],
        "status": turn["status"],
        "calls": usage["calls"],
        "unmeasured_calls": usage["unmeasured_calls"],
        "cost": usage["cost"],
        "model": exchanges[-1]["request"]["model"] or "the debate's",
    }
    return TurnSpan(
        name=f"{turn['round']}:{turn['phase']}:{turn['agent_id']}",
        inputs=[one["request"]["messages"] for one in exchanges],
        outputs={"replies": [reply["text"] for reply in replies], "message": turn["message"], "excuse": turn["excuse"]},
        is_failed=turn["status"] == "failed",
        began=replies[0]["ended_at"] - replies[0]["seconds"],
        ended=replies[-1]["ended_at"],
        attributes=attributes,
    )


def _write(address: str, result: Result, spans: Sequence[TurnSpan]) -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    import mlflow

    mlflow.set_tracking_uri(address)
    client = mlflow.MlflowClient(tracking_uri=address)
    known = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = known.experiment_id if known else client.create_experiment(EXPERIMENT)
    brief = result["transcript"]["brief"]
    root = client.start_trace(
        "debate",
        "AGENT",
        inputs={"problem": brief["problem"], "options": result["options"], "context": brief["context"]},
        attributes={name: result[name] for name in ("debate_id", "workspace_id", "usage", "rounds_run", "stop_reason")},
        tags={"debate_id": result["debate_id"], "status": result["status"], "part_of": brief["part_of"] or ""},
        experiment_id=experiment_id,
        start_time_ns=_ns(min(one.began for one in spans)),
    )
    for one in spans:
        span = client.start_span(
            one.name,
            root.trace_id,
            root.span_id,
            "CHAT_MODEL",
            inputs=one.inputs,
            attributes=one.attributes,
            start_time_ns=_ns(one.began),
        )
        status = "ERROR" if one.is_failed else "OK"
        client.end_span(root.trace_id, span.span_id, one.outputs, status=status, end_time_ns=_ns(one.ended))
    outputs = {name: result[name] for name in ("status", "label", "decision", "reason", "confidence", "agreement")}
    status = "ERROR" if result["status"] == "failed" else "OK"
    ended = _ns(max(one.ended for one in spans))
    client.end_trace(root.trace_id, outputs, status=status, end_time_ns=ended)
    mlflow.flush_trace_async_logging()


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
