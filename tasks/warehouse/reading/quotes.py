"""Quotes of delimited text: the one that opens and never closes swallows every row after it. Pure.

A parser cannot tell such a field from a long text, so the bytes are watched as they pass: a quote that opens stands
after a delimiter or a line's end, one that closes stands before such, and at the end of a file none is open.

Some exports write a quote inside a text as `\\"` and not twice. Both ways are one to a file, so `escapes_quotes` tells
them by the whole of it: only where quotes do not pair as they stand, and do pair once each `\\"` counts as a quote
inside a text, is that what it means. A path that ends in a backslash (`"C:\\"`) stays what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

QUOTE, NEWLINE, RETURN = 0x22, 0x0A, 0x0D
PIECE_BYTES = 1 << 17  # what is derived from a piece stays in the processor's cache
ESCAPED = b'\\"'
ESCAPED_QUOTE = re.compile(rb'(?<!\\)((?:\\\\)*)\\"')


class QuoteError(ValueError):
    """Raised where quotes do not pair.

    Attributes:
        opened: byte, counted from where the watch began, of the quote that opens.
        closed: byte of the quote that would close it but is followed by other text; None where none closes it.
    """

    def __init__(self, opened: int, closed: int | None) -> None:
        self.opened, self.closed = opened, closed
        super().__init__(f"quote at byte {opened} closes at {closed}")


class QuoteWatch:
    """Takes the bytes of delimited text block by block and raises at the first quote that does not pair.

    Args:
        delimiters: any of these stands between two fields.

    Attributes:
        row_end: bytes, counted from where the watch began, up to the end of the last line that is outside quotes.
    """

    def __init__(self, delimiters: str) -> None:
        self._ends = np.zeros(256, dtype=bool)
        self._ends[[*map(ord, delimiters), NEWLINE, RETURN]] = True
        self.row_end = 0
        self._before = NEWLINE
        self._held = b""
        self._passed = 0
        self._opened: int | None = None
        self._closed_at = -2
        self._last_opened = 0

    @property
    def is_open(self) -> bool:
        """Whether what comes next stands inside quotes."""
        return self._opened is not None

    @property
    def at_row_start(self) -> bool:
        """Whether a row ended just before what comes next."""
        return self._before == NEWLINE and not self._held and not self.is_open

    def feed(self, block: bytes) -> None:
        """Look at the next bytes; quotes at their very end wait for what follows them.

        Raises:
            QuoteError: if text follows a closing quote.
        """
        for start in range(0, len(block), PIECE_BYTES):
            self._feed(block[start : start + PIECE_BYTES])

    def _feed(self, block: bytes) -> None:
        data = self._held + block if self._held else block
        whole = len(data.rstrip(b'"'))
        places = self._look(np.frombuffer(data, dtype=np.uint8)[:whole], data[whole : whole + 1])
        self._find_row_end(data, whole, places)
        if whole:
            self._before = data[whole - 1]
        self._held = data[whole:]
        self._passed += whole

    def finish(self) -> None:
        """The end of the text.

        Raises:
            QuoteError: if a quote is still open.
        """
        data = self._held + b"\n"
        self._look(np.frombuffer(data, dtype=np.uint8), b"")
        if self._opened is not None:
            raise QuoteError(self._opened, None)

    def _find_row_end(self, data: bytes, whole: int, places: Any) -> None:
        """The last line's end with an even number of quotes between it and text that is outside quotes."""
        place = data.rfind(b"\n", 0, whole)
        while place >= 0:
            between = len(places) - int(np.searchsorted(places, place))
            if (between % 2 == 1) == self.is_open:
                self.row_end = self._passed + place + 1
                return
            place = data.rfind(b"\n", 0, place)

    def _look(self, data: Any, following: bytes) -> Any:
        """Pair the quotes; returns the places of those that open or close."""
        places = np.flatnonzero(data == QUOTE)
        if not len(places):
            return places
        before = np.where(places > 0, data[places - 1], self._before)
        after = np.append(data, np.frombuffer(following or b"\n", dtype=np.uint8))[places + 1]
        may_open, may_close = self._ends[before], self._ends[after] | (after == QUOTE)
        if self._pair_at_once(places, may_open, may_close):
            return places
        return self._pair_one_by_one(places, may_open, may_close)

    def _pair_at_once(self, places: Any, may_open: Any, may_close: Any) -> bool:
        """Whether every other quote opens and the others close; then nothing else has to be done."""
        first = 0 if self._opened is None else 1
        adjacent = np.diff(places, prepend=self._closed_at - self._passed) == 1
        turn = (np.arange(len(places)) + first) % 2
        if not np.where(turn == 0, may_open | adjacent, may_close).all():
            return False
        opening = np.flatnonzero((turn == 0) & ~adjacent)
        opened = self._passed + int(places[opening[-1]]) if len(opening) else self._last_opened
        self._last_opened = opened
        self._closed_at = self._passed + int(places[-1]) if turn[-1] == 1 else -2
        self._opened = opened if turn[-1] == 0 else None
        return True

    def _pair_one_by_one(self, places: Any, may_open: Any, may_close: Any) -> Any:
        pairing: list[int] = []
        for place, opens, closes in zip((places + self._passed).tolist(), may_open, may_close, strict=True):
            if self._opened is not None:
                if not closes:
                    raise QuoteError(self._opened, place)
                self._closed_at, self._opened = place, None
            elif place == self._closed_at + 1:  # the second of a doubled quote: the field goes on
                self._opened = self._last_opened
            elif opens:
                self._opened = self._last_opened = place
            else:  # a quote inside an unquoted field, which is text
                continue
            pairing.append(place - self._passed)
        return np.array(pairing, dtype=np.int64)


class Unescaped:
    """Makes each `\\"` a quote written twice, block by block, once it is told to; no byte moves."""

    def __init__(self, *, active: bool) -> None:
        self.active = active
        self._held = b""

    def feed(self, block: bytes, *, ended: bool = False) -> bytes:
        """The next bytes; backslashes at their end wait for what follows them, unless nothing does."""
        data = self._held + block
        whole = len(data) if ended else len(data.rstrip(b"\\"))
        self._held = data[whole:]
        return unescaped(data[:whole]) if self.active else data[:whole]


def unescaped(data: bytes) -> bytes:
    """The same with each `\\"` as a quote written twice; a backslash that is itself escaped escapes nothing."""
    return ESCAPED_QUOTE.sub(rb'\1""', data) if ESCAPED in data else data


def escapes_quotes(blocks: Iterable[bytes], delimiters: str, *, whole: bool) -> bool:
    """Whether a text writes quotes inside its fields as `\\"`: as they stand they do not pair, read so they do.

    Args:
        blocks: the bytes below the header.
        delimiters: what may stand between two fields.
        whole: whether the text ends with them.
    """
    plain, other, change = QuoteWatch(delimiters), QuoteWatch(delimiters), Unescaped(active=True)
    pairs = True
    try:
        for block in blocks:
            pairs = pairs and _fed(plain, block)
            other.feed(change.feed(block))
        other.feed(change.feed(b"", ended=True))
        if whole:
            other.finish()
    except QuoteError:
        return False
    return not (pairs and (not whole or _finished(plain)))


def _fed(watch: QuoteWatch, block: bytes) -> bool:
    try:
        watch.feed(block)
    except QuoteError:
        return False
    return True


def _finished(watch: QuoteWatch) -> bool:
    try:
        watch.finish()
    except QuoteError:
        return False
    return True
