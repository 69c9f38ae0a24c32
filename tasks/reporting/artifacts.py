"""Prefect artifacts: Markdown, tables and figures under keys that begin with the flow's name."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

MAXIMUM_CELL = 200


def artifact_key(flow_name: str, *parts: str) -> str:
    """A key Prefect accepts: lower case, dashes, the flow's name first."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in (flow_name, *parts) if part)


def publish_markdown(key: str, text: str, description: str) -> None:
    """A report people read."""
    create_markdown_artifact(key=key, markdown=text, description=description)


def publish_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """A table people sort; numbers are rounded to what they can carry."""
    create_table_artifact(
        key=key, table=[{k: _cell(v) for k, v in row.items()} for row in rows], description=description
    )


def publish_facts(key: str, facts: Mapping[str, Any], description: str) -> None:
    """One thing's values, one below the other: Prefect's page would cut them as one long row."""
    publish_table(key, [{"what": name.replace("_", " "), "value": value} for name, value in facts.items()], description)


def publish_link(key: str, address: str, text: str, description: str) -> None:
    """A way to the next page."""
    create_link_artifact(key=key, link=address, link_text=text, description=description)


def figure(png: bytes, alternative: str) -> str:
    """A picture inside Markdown; a `data:` URI shows in both Prefect UIs."""
    return f"![{alternative}](data:image/png;base64,{base64.b64encode(png).decode()})"


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table; empty text for no rows."""
    if not rows:
        return ""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(_escape(_cell(row.get(name))) for name in names)} |" for row in rows]
    return "\n".join(lines)


def reasons(pairs: Iterable[tuple[str, Any]]) -> str:
    """What each is about and why, as a list: sentences wrap in it, and a table would be cut."""
    return "\n".join(f"- **{about}**: {_escape(why)}" for about, why in pairs)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, list | dict):
        value = json.dumps(value, default=str)
    if isinstance(value, str) and len(value) > MAXIMUM_CELL:
        return value[: MAXIMUM_CELL - 1] + "…"
    return "" if value is None else value


def _escape(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
