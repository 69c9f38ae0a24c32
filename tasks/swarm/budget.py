"""Tokens and money of one debate: reserved at their worst before a call, settled at what it took."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tasks.swarm.limits import Limits
from tasks.swarm.messages import Usage

CHARACTERS_PER_TOKEN = 3.0  # on the safe side of English, 4 to 5, and of JSON, about 3.5
TOKENS_PER_MESSAGE = 8


class Budget:
    """What is left; a call whose worst case does not fit is not started."""

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
        """Put what was taken in place of what was set aside; a call nobody measured keeps its worst case."""
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
