"""Prefect artifacts: Markdown, tables and figures under keys that begin with the flow's name."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from tasks.plain_text import DIGEST, Markdown, digest, markdown, slug, visible

MAXIMUM_CELL = 200
# Last words of our own keys, and of model types: an id that ends in one is told apart by its digest.
OF_FLOWS = ("answered", "backfill", "challenger", "mlflow", "models", "plan", "release", "report")
OF_REPORTS = ("all", "clients", "drift", "news", "raptorflow", "snapshots", "summary", "workspaces")
OUR_WORDS = frozenset({*OF_FLOWS, *OF_REPORTS, "analyzer", "classifier", "predictor"})


def artifact_key(flow_name: str, about: str, *words: str) -> str:
    """The key of a page about one thing, such as a workspace: no two things share one.

    Prefect takes lower case letters, digits and dashes. An id that is made of them keeps its key; any other is
    followed by a digest of it, and so is one that could be taken for such a key or for one of our own.

    Args:
        flow_name: whose page it is.
        about: an id that somebody else chose.
        words: our own, from a list that is closed: a model type, `mlflow`.
    """
    return fixed_key(flow_name, _slug_of(about), *words)


def fixed_key(*words: str) -> str:
    """A key of our own words and ids alone, such as a flow's one report; its last word is one of `OUR_WORDS`."""
    return "-".join(slug(word) for word in words)


def _slug_of(about: str) -> str:
    kept = slug(about)
    last = kept.rpartition("-")[2]
    is_digest = len(last) == DIGEST and set(last) <= set("0123456789abcdef")
    if kept == about and last not in OUR_WORDS and not is_digest:
        return kept
    return f"{kept}-{digest(about)}".lstrip("-")


def publish_markdown(key: str, text: str, description: str) -> None:
    """A report people read. Its text is Markdown, its description plain text."""
    create_markdown_artifact(key=key, markdown=text, description=markdown(description))


def publish_table(
    key: str, rows: Sequence[Mapping[str, Any]], description: str, cell: int | None = MAXIMUM_CELL
) -> None:
    """A table people sort; numbers are rounded to what they can carry, texts cut after so many letters, if any."""
    table = [plain_cells(row, cell) for row in rows]
    create_table_artifact(key=key, table=table, description=markdown(description))


def plain_cells(row: Mapping[str, Any], cell: int | None = None) -> dict[str, Any]:
    """A row as a published table holds it, so that it can be compared with one that is read again; None is empty."""
    return {visible(name): _plain_cell(value, cell) for name, value in row.items()}


def publish_facts(key: str, facts: Mapping[str, Any], description: str) -> None:
    """One thing's values, one below the other: Prefect's page would cut them as one long row."""
    publish_table(key, [{"what": name.replace("_", " "), "value": value} for name, value in facts.items()], description)


def publish_link(key: str, address: str, text: str, description: str) -> None:
    """A way to the next page."""
    create_link_artifact(key=key, link=address, link_text=markdown(text), description=markdown(description))


def figure(png: bytes, alternative: str) -> str:
    """A picture inside Markdown; a `data:` URI shows in both Prefect UIs."""
    return f"![{markdown(alternative)}](data:image/png;base64,{base64.b64encode(png).decode()})"


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table; empty text for no rows."""
    if not rows:
        return ""
    names = list(rows[0])
    lines = [f"| {' | '.join(map(markdown, names))} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(markdown(_cell(row.get(name))) for name in names)} |" for row in rows]
    return "\n".join(lines)


def reasons(pairs: Iterable[tuple[str, Any]]) -> str:
    """What each is about and why, as a list: sentences wrap in it, and a table would be cut."""
    return "\n".join(f"- {strong(about)}: {markdown(why)}" for about, why in pairs)


def strong(text: object) -> Markdown:
    """The text in bold; bold needs a letter beside its stars, so text without any stays as it is."""
    shown = markdown(text)
    return Markdown(f"**{shown}**") if shown else shown


def _plain_cell(value: Any, most: int | None) -> Any:
    cell = _cell(value, most)
    return visible(cell) if isinstance(cell, str) else cell


def _cell(value: Any, most: int | None = MAXIMUM_CELL) -> Any:
    if isinstance(value, Markdown):
        return value
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, list | dict):
        value = json.dumps(value, default=str)
    if isinstance(value, str) and most is not None and len(value) > most:
        return value[: most - 1] + "…"
    return "" if value is None else value
