"""A draft as a person types it: read from the form, scored by the API's own function, shown beside its patterns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from fastapi import Request

from service.pages.charts import common_domain
from service.pages.names import known_workspace
from service.problems import ProblemError
from tasks.patterns.store import content_types
from tasks.warehouse import Warehouse
from tasks.warehouse.calendar_range import FIRST, LAST

LONGEST = {"title": 1_000, "body": 20_000, "media_type": 64, "channel": 64, "content_type": 64, "published_at": 32}
MOST_FIELDS, MOST_BYTES = 20, 200_000
MEDIA = ("photo", "video", "carousel", "link", "text", "story", "poll", "animation", "audio", "event")
SIDES = ("missed", "met", "unknown")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form holds; empty where nothing was typed."""

    title: str = ""
    body: str = ""
    media_type: str = ""
    channel: str = ""
    content_type: str = ""
    published_at: str = ""

    @property
    def has_text(self) -> bool:
        """Whether there is anything to score."""
        return bool(self.title.strip() or self.body.strip())

    def as_asked(self, timezone: str) -> dict[str, Any]:
        """As the scoring takes it; a time is on the workspace's clock.

        Raises:
            ProblemError: 422 for a time that is none.
        """
        given: dict[str, Any] = {name: getattr(self, name).strip() or None for name in LONGEST}
        if given["published_at"] is not None:
            given["published_at"] = _instant(given["published_at"], timezone)
        return given


async def read_draft(request: Request) -> Draft:
    """The draft of a form, urlencoded.

    Raises:
        ProblemError: 413 or 422 where it is no such form.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise ProblemError(413, f"A draft may have {LONGEST['body']:,} characters; shorten it.")
    try:
        fields = parse_qs(body.decode(), max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise ProblemError(422, "The form cannot be read: it is to be sent as a browser does, in UTF-8.") from None
    return draft_of({name: values[-1] for name, values in fields.items()})


def draft_of(fields: Mapping[str, str]) -> Draft:
    """The draft of named fields; others are left out.

    Raises:
        ProblemError: 422 with the field that is too long, or holds what is no text.
    """
    known = {name: fields.get(name, "") for name in LONGEST}
    for name, value in known.items():
        if len(value) > LONGEST[name]:
            words = name.replace("_", " ").capitalize()
            raise ProblemError(422, f"{words} may have {LONGEST[name]:,} characters; it has {len(value):,}.")
        if "\0" in value:
            raise ProblemError(422, f"{name.replace('_', ' ').capitalize()} holds a sign that is no text; remove it.")
    return Draft(**known)


def form_context(warehouse: Warehouse, workspace_id: str, draft: Draft) -> dict[str, Any]:
    """The form, filled in as it was."""
    workspace = known_workspace(warehouse, workspace_id)
    types = sorted(content_types(warehouse, workspace_id))
    return {"draft": draft, "media": MEDIA, "result": None, "types": types, "workspace": workspace}


def result_context(scored: Mapping[str, Any]) -> dict[str, Any]:
    """What scoring said, as a page shows it: changes of known worth first, the largest first."""
    sides = {side: sorted(scored[side], key=_least_worth_last) for side in SIDES}
    shown = [one["worth_interval_pct"] or one["lift_interval_pct"] for side in SIDES for one in sides[side]]
    changes = [one for side in SIDES for one in sides[side] if one["change"]]
    return {
        "changes": sorted(changes, key=_least_worth_last),
        "domain": common_domain([(low, high) for low, high in shown]),
        "kept": [one for one in sides["met"] if not one["change"]],
        "result": scored,
        "unknown": sides["unknown"],
    }


def _least_worth_last(one: Mapping[str, Any]) -> tuple[bool, float]:
    is_unknown = one["worth_pct"] is None
    worth: float = one["lift_pct"] if is_unknown else one["worth_pct"]
    return is_unknown, -abs(worth)


def _instant(text: str, timezone: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        instant = instant if instant.tzinfo is not None else instant.replace(tzinfo=ZoneInfo(timezone))
        is_sound = FIRST <= instant <= LAST
    except (ValueError, OverflowError):
        is_sound = False
    if not is_sound:
        raise ProblemError(422, "The time is to be written as 2026-11-29T15:00, and between 1900 and 2200.")
    return instant
