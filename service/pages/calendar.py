"""Experiments over weeks: what ran, what runs and until when, and what is a draft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from service.pages import addresses
from service.pages.charts import Tick
from service.pages.listing import PageOfRows, paged
from service.pages.wording import day
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse

WEEKS, WEEKS_BEFORE, WEEKS_A_STEP = 16, 6, 8
A_WEEK = timedelta(weeks=1)
WIDTH, HEIGHT = 640.0, 16
WEEKS_A_TICK = 4
STATES = ("running", "draft", "completed")
ORDER = {name: place for place, name in enumerate(STATES)}
LONGEST_WEEK = 10
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CalendarBar:
    """Places: from `start` to `known` it ran, from there to `end` it is expected to run."""

    start: float
    known: float
    end: float


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """One experiment over the weeks.

    Attributes:
        state: running, completed or draft; its bar looks so.
        bar: None where it has no place in these weeks.
        in_words: what the bar shows, for those who do not see it.
    """

    experiment_id: str
    workspace_id: str
    name: str
    state: str
    ends: str
    bar: CalendarBar | None
    in_words: str


@dataclass(frozen=True, slots=True)
class ExperimentCalendar:
    """Some weeks.

    Attributes:
        ticks: days of every fourth Monday.
        grid: of all Mondays, as the path of an SVG.
        now: place of this moment; None where it is outside.
    """

    start: datetime
    end: datetime
    rows: Sequence[CalendarRow]
    ticks: Sequence[Tick]
    grid: str
    now: float | None
    width: float = WIDTH


@dataclass(frozen=True, slots=True)
class WantedWeeks:
    """Which experiments a person wants to see, around which week."""

    q: str
    status: str
    week: str
    page: int

    def keeps(self, row: Row) -> bool:
        """Whether an experiment is among them."""
        text = f"{row['name']} {row['workspace_id']} {row['experiment_id']} {row['metric_name']}".casefold()
        return self.status in ("", row["status"]) and all(word in text for word in self.q.casefold().split())

    def around(self, now: datetime) -> datetime:
        """The instant in question: the week named, or now where none is."""
        try:
            named = date.fromisoformat(self.week[:LONGEST_WEEK])
            around = datetime(named.year, named.month, named.day, tzinfo=UTC)
        except ValueError:
            return now
        return around if 1970 < around.year < 2200 else now

    def address(self, **changes: object) -> str:
        """The calendar under this filter, with changes."""
        return addresses.filtered("/calendar", **({"q": self.q, "status": self.status, "week": self.week} | changes))


def calendar_context(warehouse: Warehouse, wanted: WantedWeeks) -> dict[str, Any]:
    """What the page shows."""
    now = datetime.now(UTC)
    around = wanted.around(now)
    all_rows = ExperimentService(warehouse=warehouse).list_experiments()
    shown = _within(filter(wanted.keeps, all_rows), around, now)
    rows: PageOfRows = paged(shown, wanted.page)
    step = A_WEEK * WEEKS_A_STEP
    return {
        "calendar": calendar_of(rows.rows, around, now),
        "drafts": sum(row["status"] == "draft" for row in all_rows),
        "earlier": (around - step).date().isoformat(),
        "later": (around + step).date().isoformat(),
        "list": rows,
        "running": sum(row["status"] == "running" for row in all_rows),
        "states": STATES,
        "total": len(all_rows),
        "wanted": wanted,
    }


def calendar_of(rows: Sequence[Row], around: datetime, now: datetime, most: int | None = None) -> ExperimentCalendar:
    """Experiments as listed, over the weeks around an instant; those that fall outside are left out."""
    start, end = _window(around)
    shown, mondays = _within(rows, around, now)[:most], [start + A_WEEK * k for k in range(WEEKS)]
    return ExperimentCalendar(
        start,
        end,
        [_row(row, start, end, now) for row in shown],
        [Tick(_place(monday, start, end), f"{monday.day} {monday:%b}") for monday in mondays[::WEEKS_A_TICK]],
        "".join(f"M{_place(monday, start, end):g} 0V{HEIGHT}" for monday in mondays),
        _place(now, start, end) if start <= now <= end else None,
    )


def _within(rows: Iterable[Row], around: datetime, now: datetime) -> list[Row]:
    """What falls into the weeks: running ones first, those that end next first; drafts stand with those of today."""
    start, end = _window(around)
    kept = [
        row for row in rows if (start <= now <= end if row["started_at"] is None else _overlaps(row, start, end, now))
    ]
    return sorted(kept, key=_ends_first)


def _overlaps(row: Row, start: datetime, end: datetime, now: datetime) -> bool:
    expected = row["expected_at"]
    last = row["completed_at"] or (None if expected is None else max(expected, now))
    return bool(row["started_at"] <= end and (last is None or last >= start))


def _ends_first(row: Row) -> tuple[int, float, str]:
    last = row["completed_at"] or row["expected_at"]
    at = float("inf") if last is None else last.timestamp()
    return ORDER.get(row["status"], len(ORDER)), -at if row["completed_at"] else at, row["experiment_id"]


def _window(around: datetime) -> tuple[datetime, datetime]:
    monday = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(days=around.weekday())
    start = monday - A_WEEK * WEEKS_BEFORE
    return start, start + A_WEEK * WEEKS


def _row(row: Row, start: datetime, end: datetime, now: datetime) -> CalendarRow:
    began, ended, expected = row["started_at"], row["completed_at"], row["expected_at"]
    about = (row["experiment_id"], row["workspace_id"], row["name"])
    if began is None:
        return CalendarRow(*about, "draft", "–", None, "not started yet")
    if ended is not None:
        bar = CalendarBar(_place(began, start, end), _place(ended, start, end), _place(ended, start, end))
        return CalendarRow(*about, "completed", day(ended), bar, f"from {day(began)} to {day(ended)}")
    is_late = expected is not None and expected < now
    until = now if expected is None or is_late else expected
    bar = CalendarBar(*(_place(one, start, end) for one in (began, min(now, end), until)))
    ends = "overdue" if is_late else "not foreseen" if expected is None else f"about {day(expected)}"
    return CalendarRow(*about, "running", ends, bar, f"since {day(began)}, ends: {ends}")


def _place(instant: datetime, start: datetime, end: datetime) -> float:
    share = (instant - start) / (end - start)
    return round(WIDTH * min(max(share, 0.0), 1.0), 1)
