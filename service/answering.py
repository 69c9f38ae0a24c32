"""Answers of a thread that writes what waits together, handed back to those who wait on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol


class Awaited(Protocol):
    """Something that was handed to such a thread, with where its answer is waited for."""

    @property
    def answer(self) -> asyncio.Future[Any]:
        """Of the event loop that is to be answered."""
        ...


def hand_back(waiting: Sequence[Awaited], answers: Sequence[Any]) -> None:
    """Give each its answer, or the exception that it is; called in the thread that writes.

    Args:
        waiting: at least one, all of the same event loop; nothing happens where that has ended.
        answers: one each.
    """
    loop = waiting[0].answer.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(_answer, waiting, answers)


def _answer(waiting: Sequence[Awaited], answers: Sequence[Any]) -> None:
    for one, answer in zip(waiting, answers, strict=True):
        if one.answer.done():  # whoever asked has gone
            continue
        if isinstance(answer, Exception):
            one.answer.set_exception(answer)
        else:
            one.answer.set_result(answer)
