"""Runs that wait for a person: Prefect holds them, so it is asked, seldom and never for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.pages import addresses
from service.pages.attention import APPROVAL, PressingNeed
from service.pages.wording import instant
from service.prefect_api import paused_runs
from service.problems import ProblemError
from tasks.plain_text import visible

SECONDS_SHARED, PATIENCE_SECONDS = 5.0, 1.0
UNKNOWN = "Whether a run waits for an approval is not known: "


@dataclass(frozen=True, slots=True)
class Approvals:
    """What waits, or why that is not known.

    Attributes:
        needs: the newest first.
        problem: a sentence where the server was not asked or did not answer; empty where it did.
    """

    needs: Sequence[PressingNeed]
    problem: str = ""


class SharedApprovals:
    """Prefect is asked once in a few seconds, by one viewer; who comes meanwhile is given what was known before."""

    def __init__(self) -> None:
        self._known, self._until = Approvals(()), 0.0
        self._turn = threading.Lock()

    def known(self) -> Approvals:
        """What waits now, or did a moment ago."""
        if time.monotonic() >= self._until and self._turn.acquire(blocking=self._until == 0.0):
            try:
                if time.monotonic() >= self._until:
                    self._known = waiting_approvals()
                    self._until = time.monotonic() + SECONDS_SHARED
            finally:
                self._turn.release()
        return self._known


APPROVALS = SharedApprovals()


def waiting_approvals() -> Approvals:
    """Ask Prefect."""
    try:
        return Approvals([_need(run) for run in paused_runs(PATIENCE_SECONDS)])
    except ProblemError as error:
        return Approvals((), f"{UNKNOWN}{error.detail.partition(';')[0]}.")


def _need(run: Mapping[str, Any]) -> PressingNeed:
    run_id, name = visible(run.get("id", "")), visible(run.get("name") or "a run")
    options = run.get("parameters") or {}
    options = options.get("options") if isinstance(options, Mapping) else {}
    since = _since(run.get("state"))
    what = f"paused{f' since {instant(since)}' if since else ''}: it goes on once its form is filled in"
    return PressingNeed(APPROVAL, _whose(options), name, what, addresses.prefect_run(run_id) or addresses.run(run_id))


def _whose(options: Any) -> str | None:
    """The one workspace that a run is about; None where it is about several, or all."""
    if not isinstance(options, Mapping):
        return None
    named = [options.get("workspace_id")] if options.get("workspace_id") else options.get("workspace_ids")
    return visible(named[0]) if isinstance(named, list) and len(named) == 1 else None


def _since(state: Any) -> datetime | None:
    try:
        since = datetime.fromisoformat(str(state["timestamp"]))
        return since.astimezone(UTC) if since.tzinfo else None
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
