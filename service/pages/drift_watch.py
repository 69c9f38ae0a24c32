"""Strips that keep up while people look: one reading of the warehouse a model and moment, however many look at it.

A reading asks two numbers; only where they changed is the strip made, once, and every viewer is sent the same bytes.
Who reads slowly misses strips in between, never the newest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anyio import move_on_after, to_thread
from starlette.responses import StreamingResponse

from service.first_imports import ONE_AT_A_TIME
from service.problems import unavailable
from service.security_headers import Receive, Scope, Send
from service.warehouse_access import WarehouseAccess

if TYPE_CHECKING:
    from tasks.models.records import ModelKey

SECONDS_BETWEEN_READINGS = 1.0
SECONDS_OF_SILENCE = 15.0  # after which a word is sent, so that proxies keep the line and who has gone is noticed
LONGEST_SECONDS = 600.0  # a browser comes again by itself; a line that nobody reads is not kept for ever
MOST_VIEWERS = 500
NO_PLACE = "too many people watch models now; load the page again later"
logger = logging.getLogger("raptorflow.service")


class Channel:
    """One model's strip and who looks at it; on the event loop alone."""

    def __init__(self) -> None:
        self.viewers, self.number, self.event = 0, 0, b""
        self.woken, self.woken_at = asyncio.Event(), time.monotonic()
        self.reading: asyncio.Task[None] | None = None

    def publish(self, event: bytes) -> None:
        """Let all viewers have this one."""
        self.number, self.event = self.number + 1, event
        self.wake()

    def wake(self) -> None:
        """Let all viewers look whether there is another strip; who finds none says so to its browser."""
        self.woken_at = time.monotonic()
        self.woken.set()
        self.woken = asyncio.Event()


class DriftWatch:
    """One a process."""

    def __init__(self, access: WarehouseAccess) -> None:
        self._access = access
        self._channels: dict[ModelKey, Channel] = {}
        self._places = 0

    @property
    def viewers(self) -> int:
        """How many look now."""
        return sum(channel.viewers for channel in list(self._channels.values()))

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place for one viewer; False where there is none. On the event loop, so that no two take the last one."""
        has_one = self._places < MOST_VIEWERS
        self._places += has_one
        try:
            yield has_one
        finally:
            self._places -= has_one

    async def events(self, key: ModelKey) -> AsyncIterator[bytes]:
        """What one viewer is sent: the strip now, and each time it changes."""
        channel = self._channels.setdefault(key, Channel())
        channel.viewers += 1
        if channel.reading is None:
            channel.reading = asyncio.create_task(self._read(key, channel))
        try:
            yield b"retry: 2000\n\n"
            seen, ends = 0, time.monotonic() + LONGEST_SECONDS
            while time.monotonic() < ends:
                if channel.number == seen:
                    await channel.woken.wait()
                is_new, seen = channel.number != seen, channel.number
                yield channel.event if is_new else b": nothing new\n\n"
        finally:
            channel.viewers -= 1
            if not channel.viewers:
                channel.reading.cancel()
                self._channels.pop(key, None)

    async def _read(self, key: ModelKey, channel: Channel) -> None:
        known: object = None
        while True:
            try:
                state, event = await to_thread.run_sync(self._strip, key, known)
                known = state
                if event is not None:
                    channel.publish(event)
                elif time.monotonic() - channel.woken_at > SECONDS_OF_SILENCE:
                    channel.wake()
            except Exception as error:  # noqa: BLE001 - a warehouse that is locked or away answers the next reading
                logger.warning("a strip waits: %s", type(error).__name__)
            await asyncio.sleep(SECONDS_BETWEEN_READINGS)

    def _strip(self, key: ModelKey, known: object) -> tuple[object, bytes | None]:
        """What there is now, and the strip where it is something else than before."""
        with ONE_AT_A_TIME:
            from service.pages.drift_strip import strip_context
            from service.pages.rendering import part
            from tasks.models.store import stream_mark

        warehouse = self._access.open()
        state = stream_mark(warehouse, key)
        if state == known:
            return state, None
        return state, event_of(part("drift_strip.html", strip_context(warehouse, key)))


class StripResponse(StreamingResponse):
    """Strips as an answer. Who reads nothing holds up what makes them, which then cannot end by itself."""

    def __init__(self, watch: DriftWatch, key: ModelKey) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(watch.events(key), media_type="text/event-stream", headers=headers)
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as long as there is room for one more."""
        with self._watch.place() as has_one:
            if has_one:
                await super().__call__(scope, receive, send)
            else:
                await unavailable(NO_PLACE).response()(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send all strips, or leave whoever reads none of them."""
        with move_on_after(LONGEST_SECONDS + 2 * SECONDS_OF_SILENCE):
            await super().stream_response(send)


def event_of(text: str) -> bytes:
    """Text as one server-sent event."""
    return "".join([*(f"data: {line}\n" for line in text.splitlines() if line), "\n"]).encode()
