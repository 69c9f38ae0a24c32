"""Starts again what dies, with growing pauses; what keeps dying is given up alone, and said so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flows.platform.children import Child
from flows.platform.errors import StartFailedError

MOST_RESTARTS, WITHIN_SECONDS = 5, 600.0
LONGEST_PAUSE = 30.0
Say = Callable[[str], None]


@dataclass(slots=True)
class Watched:
    """One child and what became of it.

    Attributes:
        child: the process.
        died: when it was found dead within the last ten minutes, in seconds of a clock that only goes on.
        starts_at: when it is started again; None while it runs.
        is_given_up: it is not started any more.
    """

    child: Child
    died: list[float] = field(default_factory=list)
    starts_at: float | None = None
    is_given_up: bool = False

    def look(self, now: float, say: Say) -> None:
        """Start it again if that is due, or give it up."""
        if self.is_given_up:
            return
        if self.starts_at is None and self.child.has_ended():
            self._count(now, say)
        if self.starts_at is not None and now >= self.starts_at:
            self._start(now, say)

    def _count(self, now: float, say: Say) -> None:
        self.died = [then for then in self.died if now - then < WITHIN_SECONDS] + [now]
        if len(self.died) > MOST_RESTARTS:
            self.is_given_up = True
            say(given_up(self.child, len(self.died)))
            return
        pause = 0.0 if len(self.died) == 1 else min(2.0 ** (len(self.died) - 1), LONGEST_PAUSE)
        self.starts_at = now + pause
        say(
            f"{self.child.name} ended; starting it again{f' in {pause:.0f} s' if pause else ''} (log: {self.child.log})"
        )

    def _start(self, now: float, say: Say) -> None:
        self.starts_at = None
        try:
            self.child.start()
        except OSError as error:  # no memory, or a disk that takes no log: tried again like one that died
            say(f"{self.child.name} did not start: {error}")
            self._count(now, say)


def given_up(child: Child, times: int) -> str:
    """What an operator reads, also long after."""
    return (
        f"GIVEN UP: {child.name} ended {times} times in ten minutes and is not started again; the rest goes on. "
        f"Its log says why: {child.log}. Correct that, then Ctrl-C and `raptorflow up`"
    )


def watch(children: Sequence[Child], say: Say) -> None:
    """Look after children for ever, once a second.

    Raises:
        StartFailedError: once every one of them is given up.
    """
    watched = [Watched(child) for child in children]
    while True:
        time.sleep(1)
        for one in watched:
            one.look(time.monotonic(), say)
        if all(one.is_given_up for one in watched):
            raise StartFailedError("everything", "ended again and again", children[0].log)
