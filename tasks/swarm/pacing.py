"""What one endpoint bears: how fast it may be asked, and whether it answers at all; shared by a process's debates.

An endpoint that says "slow down" is asked one request at a time from then on, with a gap between departures that is
learned: wider after a refusal, narrower with every reply, never as narrow again as what was refused. One that does not
answer is left alone for a while, which doubles; then one request looks whether it is back, and the others wait for it.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

OPENS_AFTER = 3  # calls in a row that failed for good
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 2.0, 60.0
PROBE_SECONDS = 30.0  # after which one that looks is taken for lost
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
WIDEST_FIRST_GAP, NARROWEST_GAP, WIDEST_GAP = 1.0, 0.02, 30.0
LONGEST_BLOCK_SECONDS = 600.0  # whatever an endpoint asks: it may have been a mistake, and is asked again then
MOST_REFUSALS_IN_A_ROW = 10
LOOK_AGAIN_SECONDS = 0.05
JITTER = 0.1
DURATION = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,4})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?")


class EndpointPace:
    """The pace of one endpoint. No lock is needed: nothing here waits between a look and what follows from it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._gap = self._refused_gap = 0.0
        self._departed_at = self._next_at = self._blocked_until = self._refused_at = float("-inf")
        self._spacing = 0.0
        self._refusals = self._failures = 0
        self._rest = FIRST_REST_SECONDS
        self._why = ""
        self._open_until = self._probe_until = float("-inf")

    async def may_leave(self, ends_at: float, longest_wait: float) -> str | None:
        """Wait until a request may leave; else why none may: it is not sent.

        Args:
            ends_at: on the clock, when the debate is over.
            longest_wait: seconds that an endpoint may ask to wait.
        """
        while True:
            now = self._clock()
            resting = self._resting(now)
            if resting is not None:
                if resting:
                    return f"the endpoint does not answer ({self._why}); request not sent"
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
                continue
            if self._blocked_until - now > longest_wait:
                return f"{self._why}; it asks to wait {self._blocked_until - now:.0f} s; request not sent"
            wait = max(self._blocked_until, self._next_at) - now
            if wait <= 0:
                self._leave(now)
                return None
            if now + wait >= ends_at:
                return f"{self._why}; it is busy for {wait:.1f} s more, and the debate ends before; request not sent"
            await asyncio.sleep(wait)

    def answered(self, left_at: float) -> None:
        """Take note of a reply to what left at this time."""
        self._failures, self._rest, self._probe_until = 0, FIRST_REST_SECONDS, float("-inf")
        if left_at < self._refused_at:
            return  # it left in the same wave as what was refused, and shows no pace
        self._refusals = 0
        self._gap = max(0.9 * self._gap, 1.15 * self._refused_gap)
        self._refused_gap *= 0.99
        if self._gap < NARROWEST_GAP:
            self._gap = 0.0

    def refused(self, left_at: float, told: float | None, why: str) -> None:
        """Take note of "slow down": one refusal for all that left before the first was known.

        Args:
            told: seconds that the endpoint asks to wait; None where it does not say.
        """
        self._why = why
        now = self._clock()
        asked_wait = None if told is None else min(told, LONGEST_BLOCK_SECONDS)
        self._failures, self._probe_until = 0, float("-inf")
        if left_at >= self._refused_at:
            self._refused_at = now
            self._refusals += 1
            if self._gap > 0.0:
                self._refused_gap = min(max(self._refused_gap, self._spacing), WIDEST_GAP / 2)
            first = min(asked_wait or FIRST_WAIT_SECONDS, WIDEST_FIRST_GAP)
            self._gap = min(max(1.5 * self._gap, first), WIDEST_GAP)
        usual = min(FIRST_WAIT_SECONDS * 2.0 ** (self._refusals - 1), LONGEST_WAIT_SECONDS)
        least = (usual - FIRST_WAIT_SECONDS) / 2.0  # also where it says "at once", and refuses again and again
        wait = jittered(usual) if asked_wait is None else max(asked_wait * (1.0 + 0.02 * random.random()), least)
        self._blocked_until = max(self._blocked_until, now + wait)
        if self._refusals >= MOST_REFUSALS_IN_A_ROW:
            self._refusals = 0
            self._open(now)

    def stumbled(self, why: str) -> None:
        """Take note of a request that got no reply; the call may try again, unless it was to look."""
        self._why = why
        if self._probe_until > self._clock():
            self._probe_until = float("-inf")
            self._open(self._clock())

    def failed(self) -> None:
        """Take note of a call that got no reply however often it tried."""
        now = self._clock()
        self._failures += 1
        if self._failures >= OPENS_AFTER and self._open_until < now:
            self._open(now)

    def _resting(self, now: float) -> bool | None:
        """None where requests may leave; True while none may; False while another one looks."""
        if self._failures < OPENS_AFTER:
            return None
        if now < self._open_until:
            return True
        if now < self._probe_until:
            return False
        self._probe_until = now + PROBE_SECONDS
        return None

    def _open(self, now: float) -> None:
        self._failures = max(self._failures, OPENS_AFTER)
        self._open_until = now + jittered(self._rest)
        self._rest = min(2.0 * self._rest, LONGEST_REST_SECONDS)

    def _leave(self, now: float) -> None:
        self._spacing = now - self._departed_at
        self._departed_at = now
        self._next_at = now + jittered(self._gap)


_PACES: dict[str, EndpointPace] = {}


def pace_of(endpoint: str) -> EndpointPace:
    """The one pace of an endpoint in this process."""
    return _PACES.setdefault(endpoint, EndpointPace())


def jittered(seconds: float) -> float:
    """A little longer, so that those who waited together do not come back together."""
    return seconds * (1.0 + JITTER * random.random())


def told_to_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a reply's headers ask to wait, at least 0; None where they do not say.

    Milliseconds, seconds and dates are understood, and the reset of a limit on requests (`6m0s`, `120ms`).
    """
    in_ms = _number(headers.get("retry-after-ms"))
    if in_ms is not None:
        return max(0.0, in_ms / 1000.0)
    header = headers.get("retry-after")
    seconds = _number(header)
    if seconds is not None:
        return max(0.0, seconds)
    at = _date(header)
    if at is not None:  # by the endpoint's own clock where it shows one
        return max(0.0, (at - (_date(headers.get("date")) or now or datetime.now(UTC))).total_seconds())
    return _duration(headers.get("x-ratelimit-reset-requests"))


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _date(text: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _duration(text: str | None) -> float | None:
    """When a limit is whole again; a request may fit before, so no more than the longest wait of ours."""
    match = DURATION.fullmatch((text or "").strip())
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds, thousandths = (float(one or 0) for one in match.groups())
    return min(3600 * hours + 60 * minutes + seconds + thousandths / 1000, LONGEST_WAIT_SECONDS)
