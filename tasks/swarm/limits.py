"""What a debate may take (seconds, tokens, money, calls at a time), and what is left of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.errors import OutOfRangeError, require_between
from tasks.swarm.messages import Usage

CHARACTERS_PER_TOKEN = 3.0  # on the safe side of English, 4 to 5, and of JSON, about 3.5
TOKENS_PER_MESSAGE = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one debate with a language model; the evidence panel needs none.

    Attributes:
        call_seconds: wall clock of one request, waits and a dripping server included.
        debate_seconds: wall clock of the whole debate.
        max_total_tokens: prompt and completion tokens of all calls, failed and repeated ones included.
        max_cost: the same in money, by the two prices.
        prompt_price, completion_price: for a million tokens, in the currency of `max_cost`.
        max_completion_tokens: of one reply; asked once more with twice as many where it was cut off.
        max_concurrency: calls at a time.
        repairs: how often an unusable reply is asked for again.
        attempts: how often a call is tried where the endpoint is busy or broken; the only layer that tries again.
        longest_wait_seconds: the longest Retry-After that is waited for.
        text_length: longest free text a reply may hold, in characters.
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

    def __post_init__(self) -> None:
        for name in ("call_seconds", "debate_seconds", "longest_wait_seconds"):
            _require_positive(name, getattr(self, name), "a number of seconds above 0")
        _require_positive("max_total_tokens", self.max_total_tokens, "a number of tokens above 0")
        if self.max_cost is not None:
            _require_positive("max_cost", self.max_cost, "an amount above 0, or None for no bound")
        for name in ("prompt_price", "completion_price"):
            require_between(name, getattr(self, name), 0.0, 1e6)
        if self.max_cost is not None and self.prompt_price + self.completion_price <= 0:
            raise OutOfRangeError("prompt_price and completion_price", 0, "above 0 where max_cost is set")
        require_between("max_completion_tokens", self.max_completion_tokens, 16, 100_000)
        require_between("max_concurrency", self.max_concurrency, 1, 256)
        require_between("repairs", self.repairs, 0, 5)
        require_between("attempts", self.attempts, 1, 10)
        require_between("text_length", self.text_length, 20, 4_000)

    def shared_by(self, debates: int) -> Limits:
        """The same for one of several debates that spend one budget."""
        cost = None if self.max_cost is None else self.max_cost / debates
        return replace(self, max_total_tokens=max(self.max_total_tokens // debates, 1), max_cost=cost)


class DebateBudget:
    """Tokens and money of one debate: reserved at their worst before a call, settled at what it took.

    A call whose worst case does not fit is not started.
    """

    def __init__(self, limits: Limits, spent: Usage) -> None:
        self._limits = limits
        self._tokens = float(spent.prompt_tokens + spent.completion_tokens)
        self._cost = spent.cost or 0.0

    def reserve(self, messages: Sequence[dict[str, str]], max_tokens: int) -> tuple[float, float] | None:
        """Tokens and money of the worst case, now set aside; None where they do not fit."""
        prompt = worst_prompt_tokens(messages)
        tokens, cost = prompt + max_tokens, self.cost_of(prompt, max_tokens)
        most = self._limits.max_cost
        if self._tokens + tokens > self._limits.max_total_tokens or (most is not None and self._cost + cost > most):
            return None
        self._tokens += tokens
        self._cost += cost
        return tokens, cost

    def settle(self, reserved: tuple[float, float], usage: Usage) -> None:
        """Put what was taken in place of what was set aside; an unmeasured call keeps its worst case."""
        if usage.unmeasured_calls:
            return
        self._tokens += usage.prompt_tokens + usage.completion_tokens - reserved[0]
        self._cost += (usage.cost or 0.0) - reserved[1]

    def cost_of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Money for these tokens."""
        limits = self._limits
        return (prompt_tokens * limits.prompt_price + completion_tokens * limits.completion_price) / 1e6


def worst_prompt_tokens(messages: Sequence[dict[str, str]]) -> int:
    """More tokens than a prompt is likely to have; no tokenizer is common to all endpoints."""
    return sum(math.ceil(len(one["content"]) / CHARACTERS_PER_TOKEN) + TOKENS_PER_MESSAGE for one in messages)


def _require_positive(name: str, value: float, expected: str) -> None:
    if not math.isfinite(value) or value <= 0:
        raise OutOfRangeError(name, value, expected)
