"""One line of a log as JSON, for those who collect logs by machine: time, level, logger, message."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from tasks.settings import get_settings

# Prefect's `12:00:01.000 | ERROR   | name - …`, uvicorn's `ERROR:    …`, MLflow's `2026/01/01 12:00:01 ERROR name: …`.
LEVEL = re.compile(r"^[\d:./| -]*\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
PYTHONS_OWN = ("Traceback (most recent call last):", "Fatal Python error")
# What Prefect's processes read as they set up their logs; the rest of its configuration stays.
PREFECTS_LINES = {
    "PREFECT_LOGGING_FORMATTERS_JSON_CLASS": f"{__name__}.JsonLines",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER": "json",
    "PREFECT_LOGGING_HANDLERS_DEBUG_FORMATTER": "json",
    "PREFECT_LOGGING_COLORS": "false",
}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON, its traceback included."""

    def __init__(self, *_format: Any, **_options: Any) -> None:
        super().__init__()  # a configuration gives every formatter a format, and this one has but one

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC)
        more = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        named = {name: value for name in ("flow_run_id", "task_run_id") if (value := getattr(record, name, None))}
        return line(record.getMessage(), at, level=record.levelname, logger=record.name, **named, **more)


def line(message: str, at: datetime, *, level: str, **more: object) -> str:
    """One line: the keys that every line has, and what else is known."""
    return json.dumps({"time": at.isoformat(), "level": level, "message": message} | more, default=str)


def json_line(text: str, at: datetime, source: str) -> str:
    """A line that a process printed, as JSON that names the process; one that is JSON already keeps what it says."""
    try:
        record = json.loads(text) if text.startswith("{") else None
    except ValueError:
        record = None
    if isinstance(record, dict):
        return json.dumps({"source": source} | record)
    level = LEVEL.match(text)
    known = level[1] if level else "ERROR" if text.startswith(PYTHONS_OWN) else "INFO"
    return line(text, at, level=known, source=source)


def in_json() -> bool:
    """Whether logs are lines of JSON, by RAPTORFLOW_LOG_FORMAT."""
    return get_settings().log_format == "json"


def configuration() -> dict[str, Any]:
    """A configuration of Python's logging with which a server and all its libraries write such lines."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "WARNING", "handlers": ["out"]},
    }
