"""How the command line looks: rich tables for people, JSON for machines."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tasks.errors import reason_of
from tasks.json_output import json_text, plain
from tasks.plain_text import terminal

if TYPE_CHECKING:
    from tasks.content.sample import Sample

PIPED_WIDTH = 200  # a pipe has no width of its own; grep and less do not mind long lines
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPED_WIDTH)
MOST_LINES = 12
WORKSPACE = ("workspace", "workspace_id")
NONE_YET = "[bold]raptorflow run meta-learning[/] looks for some"
OnProgress = Callable[[int, int | None], None]


def say(text: str) -> None:
    """A line or two."""
    out.print(terminal(text), soft_wrap=True, markup=False)


def _plain(text: object) -> str:
    """Text that others wrote, for a line that holds markup of ours."""
    return escape(terminal(str(text)))


def opening(bold: str, rest: str) -> None:
    """The first line of something long."""
    out.print(f"[bold]{_plain(bold)}[/]{_plain(rest)}")


def names(title: str, items: Iterable[str], json_wanted: bool = False) -> None:
    """A short list."""
    if json_wanted:
        print_json(list(items))
        return
    out.print(f"[bold]{title}[/]: {_plain(', '.join(items))}")


def written(sample: Sample) -> None:
    """Where the sample was written, and how to go on."""
    out.print("written; take it in with")
    for kind, path in sample.files.items():
        mapping = f" --mapping {sample.mappings[kind]}" if kind in sample.mappings else ""
        say(f"  raptorflow ingest {kind} {path}{mapping}")
    say(f"and compare what is found with what was planted: {sample.planted}")


def print_json(value: Any) -> None:
    """Print a value for machines: no colors, no wrapping."""
    print(json_text(value))  # noqa: T201 - rich would wrap it


def table(title: str, rows: Sequence[Mapping[str, Any]], json_wanted: bool = False, none_yet: str = NONE_YET) -> None:
    """Rows of the warehouse, or how to get some; rows that hold sentences get a table for each workspace."""
    if json_wanted:
        print_json(rows)
        return
    if not rows:
        out.print(f"no {title} yet; {none_yet}")
        return
    first = next(iter(rows[0]))
    has_sentences = any(" " in _cell(value) for row in rows for name, value in row.items() if name != first)
    if first not in WORKSPACE or not has_sentences:
        _table(title, rows)
        return
    for workspace, own in groupby(rows, lambda row: row[first]):
        _table(f"{title} of {workspace}", [{name: row[name] for name in row if name != first} for row in own])


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    shown = Table(
        title=_plain(title), title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    cells = {name: [_cell(row[name]) for row in rows] for name in rows[0]}
    for name, column in cells.items():
        shown.add_column(_plain(name.replace("_", " ")), overflow="fold", **_layout(column, rows[0][name]))
    for line in zip(*cells.values(), strict=True):
        shown.add_row(*map(Text, line))
    out.print(shown)


def _layout(cells: Sequence[str], first: Any) -> dict[str, Any]:
    """Numbers to the right; names and numbers stay whole, so that sentences are folded in a narrow terminal."""
    numeric = isinstance(first, int | float) and not isinstance(first, bool)
    whole = max(map(len, cells)) if not any(" " in cell for cell in cells) else None
    return {"justify": "right" if numeric else "left", "min_width": whole}


def ingestion(report: Any, ready: Sequence[Any], then: str, json_wanted: bool) -> None:
    """What became of the files, and what can be learned now."""
    if json_wanted:
        print_json(plain(report) | {"readiness": ready})
        return
    left_out = f", {report.left_out:,} left out" if report.left_out else ""
    rate = f" · {report.read / report.seconds:,.0f} rows/s" if report.seconds else ""
    out.print(
        f"{report.kind}: {report.read:,} read, {report.written:,} written, "
        f"{report.unchanged:,} unchanged, {report.rejected:,} rejected{left_out} · {report.seconds:.1f} s{rate}"
    )
    for note in report.notes:
        say(f"  {note}")
    for reason, count in sorted(report.reasons.items(), key=lambda item: -item[1])[:5]:
        say(f"  {count:>8,} × {reason}")
    if report.rejected:
        say(f"  rejected rows: {report.rejects_path}")
    for one in ready[:MOST_LINES]:
        say(str(one))
    if len(ready) > MOST_LINES:
        say(f"… and {len(ready) - MOST_LINES} more")
    say(f"next: {then}")


def facts(title: str, values: Mapping[str, Any], json_wanted: bool) -> None:
    """One thing's values, one below the other."""
    if json_wanted:
        print_json(values)
        return
    opening(title, "")
    for name, value in values.items():
        say(f"  {name.replace('_', ' '):<12} {value}")


def result(flow: str, ended: Any, json_wanted: bool) -> None:
    """How a flow ended."""
    if json_wanted:
        print_json(ended)
    elif isinstance(ended, list) and ended and hasattr(ended[0], "workspace_id"):
        outcomes(flow, ended)
    elif isinstance(ended, dict) and isinstance(ended.get("workspaces"), Mapping):
        summary(ended)
    elif isinstance(ended, dict) and "plan" in ended:
        plan(ended["plan"])
    elif isinstance(ended, dict) and "nights" in ended:
        table("nights run again, and their workspaces", ended["nights"])
    elif isinstance(ended, dict) and "decision" in ended:
        say(f"{ended['status']}: {ended['decision'] or ended['reasoning']}")
    else:
        out.print(f"{flow}: done")


def outcomes(flow: str, ended: Sequence[Any]) -> None:
    """How a step ended for each workspace, and why for those that it found nothing for."""
    from tasks.reporting.pattern_report import why_nothing

    counts = Counter(outcome.status for outcome in ended)
    out.print(f"{flow}, workspaces: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    _why(why_nothing(ended))


def _why(reasons: Sequence[Mapping[str, Any]]) -> None:
    """Each workspace's reason; of many workspaces those that failed, and how many others for which kind of reason."""
    if len({row["workspace"] for row in reasons}) <= MOST_LINES:
        if reasons:
            table("why", reasons)
        return
    failed = [row for row in reasons if row["status"] == "failed"]
    if failed:
        table("why", failed[:MOST_LINES])
    if len(failed) > MOST_LINES:
        say(f"… and {len(failed) - MOST_LINES} more")
    others: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in reasons:
        if row["status"] != "failed":
            kind = tuple(str(row[name]) for name in ("step", "type", "status") if row.get(name) is not None)
            others.setdefault(kind, []).append(row)
    for kind, rows in others.items():
        many = len({row["workspace"] for row in rows})
        say(f"{', '.join(kind)}: {many:,} workspaces, such as {rows[0]['workspace']}: {rows[0]['why']}")
    out.print("each workspace's reason: --json, or the report of this run in Prefect")


def plan(rows: Sequence[Mapping[str, Any]]) -> None:
    """What a dry run would have done."""
    if rows:
        table("dry run, nothing was done", rows)
    else:
        out.print("dry run: there is nothing to do")


def changes(applied: Sequence[Any], json_wanted: bool) -> None:
    """What deploying changed."""
    if json_wanted:
        print_json(applied)
        return
    for change in applied:
        say(str(change))
    if all(change.waits for change in applied):
        out.print("nothing to change")


def platform(status: Any, json_wanted: bool, details: bool = False) -> None:
    """How the platform is, in ten lines; with details its parts and runs as tables."""
    if json_wanted:
        print_json(status)
        return
    for line in status.as_lines():
        say(line)
    if not details:
        return
    for title, rows in (("health", status.health), ("next runs", status.next_runs), ("last runs", status.last_runs)):
        if rows:
            table(title, rows)
        else:
            out.print(f"[bold]{title}[/]: none")


def failures(ended: Any) -> int:
    """How many workspaces a flow could not do."""
    if isinstance(ended, Mapping):
        counts = [row for row in (ended.get("workspaces"), *(ended.get("nights") or ())) if isinstance(row, Mapping)]
        return sum(int(row.get("failed", 0)) for row in counts)
    return sum(getattr(one, "status", None) == "failed" for one in ended) if isinstance(ended, list) else 0


def summary(ended: Mapping[str, Any]) -> None:
    """The closing summary of a chain."""
    counts = ended["workspaces"]
    out.print("workspaces, by their worst step: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
    _why(ended["reasons"])


@contextmanager
def progress(what: str) -> Iterator[OnProgress]:
    """A progress bar; the callback takes rows done and rows in all, if known."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} rows"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines(logging.Handler):
    """One plain line a message, never folded; of an error its reason, the traceback is in Prefect's log."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        why = f": {reason_of(error)}" if error else ""
        self.console.print(terminal(f"  {record.getMessage()}{why}"), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def watching(what: str) -> Iterator[None]:
    """Show the steps of a flow as they end."""
    console = Console(stderr=True)
    handler = _Lines(console)
    # SQLAlchemy logs a connection that cannot be given back, as on a full disk, with its whole traceback.
    loggers = [logging.getLogger(name) for name in ("raptorflow", "sqlalchemy")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False  # Prefect gives the root logger a handler, and everything would be said twice
    loggers[0].setLevel(logging.INFO)
    try:
        with console.status(f"{what} is running"):
            yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3g}"
    if isinstance(value, list | tuple):
        return terminal(", ".join(map(str, value)))
    return terminal(str(value))
