"""What a debate may take (seconds, tokens, money, calls at a time), and what is left of it."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.errors import OutOfRangeError, require_between
from tasks.settings import get_settings
from tasks.swarm.messages import Usage

# No tokenizer is common to all endpoints. Letters of English are 4 to 5 a token and JSON about 3.5; many models give
# every digit a token of its own; and what is beyond ASCII has at most as many tokens as bytes, 3 for a sign of Chinese.
CHARACTERS_PER_TOKEN = 3.0
TOKENS_PER_MESSAGE = 8
_DIGITS = re.compile(r"[0-9]")
PARTS_OF_TIME = 0.5  # of what is left, for the parts; the rest is the whole's


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one debate with a language model; the evidence panel needs none.

    Attributes:
        call_seconds: wall clock of one call's requests, a dripping server included; waits for a turn are not.
        debate_seconds: wall clock of the whole debate, its parts included.
        max_total_tokens: prompt and completion tokens of all calls, failed and repeated ones included.
        max_cost: the same in money, by the two prices.
        prompt_price, completion_price: for a million tokens, in the currency of `max_cost`.
        max_completion_tokens: of one answer; a model that thinks first gets eight times as many, and what was cut off
            is asked once more with room for twice as much.
        max_concurrency: calls at a time, those of the debate's parts included.
        repairs: how often an unusable reply is asked for again.
        attempts: how often a call is tried where the endpoint is broken; the only layer that tries again. One that is
            busy is asked when its pace allows.
        longest_wait_seconds: the longest Retry-After that is waited for.
        text_length: longest free text a reply may hold, in characters.
        lookups: how often an expert may look something up before it answers; each is another call.
    """

    call_seconds: float = 60.0
    debate_seconds: float = 600.0
    max_total_tokens: int = 200_000
    max_cost: float | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0
    max_completion_tokens: int = 700
    max_concurrency: int = 8
    repairs: int = 2
    attempts: int = 3
    longest_wait_seconds: float = 30.0
    text_length: int = 400
    lookups: int = 1

    def __post_init__(self) -> None:
        for name in ("call_seconds", "debate_seconds", "longest_wait_seconds"):
            _require_positive(name, getattr(self, name), "a number of seconds above 0")
        _require_positive("max_total_tokens", self.max_total_tokens, "a number of tokens above 0")
        if self.max_cost is not None:
            _require_positive("max_cost", self.max_cost, "an amount above 0, or None for no bound")
        for name in ("prompt_price", "completion_price"):
            require_between(name, getattr(self, name), 0.0, 1e6)
        if self.max_cost is not None and self.prompt_price + self.completion_price <= 0:
            prices = "prompt_price and completion_price (RAPTORFLOW_LLM_PROMPT_PRICE, RAPTORFLOW_LLM_COMPLETION_PRICE)"
            raise OutOfRangeError(prices, 0, "above 0 where max_cost is set")
        require_between("max_completion_tokens", self.max_completion_tokens, 16, 100_000)
        require_between("max_concurrency", self.max_concurrency, 1, 256)
        require_between("repairs", self.repairs, 0, 5)
        require_between("attempts", self.attempts, 1, 10)
        require_between("lookups", self.lookups, 0, 5)
        require_between("text_length", self.text_length, 20, 4_000)

    def shared_by(self, debates: int) -> Limits:
        """The same for one of several debates that spend one budget."""
        cost = None if self.max_cost is None else self.max_cost / debates
        return replace(self, max_total_tokens=max(self.max_total_tokens // debates, 1), max_cost=cost)


def configured_limits(**changes: Any) -> Limits:
    """The settings' limits: the room of a reply, prices, the most a debate may cost, and lookups; `changes` come first.

    Raises:
        OutOfRangeError: if one of them is no number within its bounds; a cost without prices bounds nothing.
    """
    settings = get_settings()
    given = {
        "max_completion_tokens": ("RAPTORFLOW_LLM_MAX_COMPLETION_TOKENS", settings.llm_max_completion_tokens),
        "prompt_price": ("RAPTORFLOW_LLM_PROMPT_PRICE", settings.llm_prompt_price),
        "completion_price": ("RAPTORFLOW_LLM_COMPLETION_PRICE", settings.llm_completion_price),
        "max_cost": ("RAPTORFLOW_LLM_MAX_COST", settings.llm_max_cost),
        "lookups": ("RAPTORFLOW_LLM_LOOKUPS", settings.llm_lookups),
    }
    numbers: dict[str, Any] = {
        name: _number(variable, text) for name, (variable, text) in given.items() if text and text.strip()
    }
    return Limits(**numbers | changes)


@dataclass(slots=True)
class Allowance:
    """What a debate and its parts share while they are held: calls at a time, and when all must be over.

    Attributes:
        seconds: the whole's, as it is said where they are over.
        ends_at: on `time.monotonic`.
        was_left_behind: whether an earlier run was killed, so that requests of it may be paid that nobody has recorded.
    """

    seconds: float
    slots: asyncio.Semaphore
    ends_at: float
    was_left_behind: bool = False

    @classmethod
    def of(cls, limits: Limits) -> Allowance:
        """From now on."""
        return cls(
            limits.debate_seconds,
            asyncio.Semaphore(limits.max_concurrency),
            time.monotonic() + limits.debate_seconds,
        )

    def left(self) -> float:
        """Seconds until it ends."""
        return self.ends_at - time.monotonic()

    def for_parts(self) -> Allowance:
        """The same slots, and half of the time that is left: the whole is decided after its parts."""
        return replace(self, ends_at=time.monotonic() + PARTS_OF_TIME * self.left())

    def wait_out(self, seconds: float) -> None:
        """Let it end so much later."""
        self.ends_at += seconds


@dataclass(frozen=True, slots=True)
class Reserved:
    """What one call may take at its worst.

    Attributes:
        prompt, room: tokens of the prompt and of the reply, as they would be elsewhere.
        tokens, cost: of both together, as this endpoint was seen to count.
    """

    prompt: int
    room: int
    tokens: int
    cost: float


class DebateBudget:
    """Tokens and money of one debate: reserved at their worst before a call, settled at what it took.

    A call whose worst case does not fit is not started. An unmeasured call keeps its worst case, so that an endpoint
    that counts nothing has no endless budget. A tokenizer that takes more than was thought the worst, or an endpoint
    that minds no limit of its replies, is expected to do so again.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tokens = self._cost = 0.0
        self._prompt_factor = self._room_factor = 1.0

    def reserve(self, messages: Sequence[Mapping[str, Any]], max_tokens: int) -> Reserved | None:
        """What the worst case takes, now set aside; None where it does not fit."""
        reserved = self._worst(messages, max_tokens)
        most = self._limits.max_cost
        is_too_much = self._tokens + reserved.tokens > self._limits.max_total_tokens
        if is_too_much or (most is not None and self._cost + reserved.cost > most):
            return None
        self._tokens += reserved.tokens
        self._cost += reserved.cost
        return reserved

    def settle(self, reserved: Reserved, usage: Usage) -> None:
        """Put what was taken in place of what was set aside."""
        if usage.unmeasured_calls:
            return
        self._tokens += usage.prompt_tokens + usage.completion_tokens - reserved.tokens
        self._cost += (usage.cost or 0.0) - reserved.cost
        self._prompt_factor = max(self._prompt_factor, usage.prompt_tokens / reserved.prompt)
        self._room_factor = max(self._room_factor, usage.completion_tokens / reserved.room)

    def add_earlier(self, messages: Sequence[Mapping[str, Any]], max_tokens: int, usage: Usage) -> None:
        """Count a call of an earlier attempt at this debate, whether or not it still fits."""
        reserved = self._worst(messages, max_tokens)
        self._tokens += reserved.tokens
        self._cost += reserved.cost
        self.settle(reserved, usage)

    def _worst(self, messages: Sequence[Mapping[str, Any]], max_tokens: int) -> Reserved:
        prompt = worst_prompt_tokens(messages)
        scaled, room = math.ceil(prompt * self._prompt_factor), math.ceil(max_tokens * self._room_factor)
        return Reserved(prompt, max_tokens, scaled + room, self.cost_of(scaled, room))

    def cost_of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Money for these tokens."""
        limits = self._limits
        return (prompt_tokens * limits.prompt_price + completion_tokens * limits.completion_price) / 1e6


def worst_prompt_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """At least as many tokens as a prompt is likely to have."""
    return sum(_worst_tokens(str(one["content"])) + TOKENS_PER_MESSAGE for one in messages)


def _worst_tokens(text: str) -> int:
    size, plain = len(text.encode("utf-8", "replace")), len(text.encode("ascii", "ignore"))
    digits = len(_DIGITS.findall(text))
    return math.ceil((plain - digits) / CHARACTERS_PER_TOKEN) + digits + size - plain


def _number(variable: str, text: str) -> float:
    try:
        number = float(text)
        return int(number) if number.is_integer() else number
    except ValueError:
        raise OutOfRangeError(variable, text, "a number") from None


def _require_positive(name: str, value: float, expected: str) -> None:
    if not math.isfinite(value) or value <= 0:
        raise OutOfRangeError(name, value, expected)
