"""Experts who are language models: a turn is a prompt, a reply that is checked, and at most a few repairs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tasks.swarm.answers import UnusableReplyError, read
from tasks.swarm.budget import Budget
from tasks.swarm.limits import Limits
from tasks.swarm.llm import LanguageModel, Reply
from tasks.swarm.positions import Turns
from tasks.swarm.prompts import Prompt, prompt_for, repair
from tasks.swarm.records import Brief, Expert, Message, Proposal, Turn, TurnRequest, Usage

Keep = Callable[[str, int, dict[str, Any]], Awaitable[None]]
Recorded = Mapping[str, Sequence[dict[str, Any]]]


class LLMDeliberator:
    """Answers turns through a language model; every exchange is kept before it is read.

    Args:
        recorded: exchanges of earlier attempts by turn; replies among them are read again instead of paid again.
        keep: stores one exchange.
    """

    is_paid = True

    def __init__(self, model: LanguageModel, limits: Limits, recorded: Recorded, keep: Keep) -> None:
        self._model, self._limits, self._keep = model, limits, keep
        self._recorded = {key: list(exchanges) for key, exchanges in recorded.items()}
        self._budget = Budget(limits, spent_on(recorded, limits))

    async def answer(self, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        """One turn: valid, repaired, abstained (nothing usable came) or failed (nothing came)."""
        expert = next(one for one in brief.experts if one.agent_id == request.agent_id)
        prompt = prompt_for(brief, turns, request, self._limits.text_length)
        asking = _Asking(self, expert, request.key)
        message, flags, excuse = await asking.until_usable(prompt)
        failed = asking.trouble is not None
        idle = message is None or (isinstance(message, Proposal) and message.option is None)
        status = "failed" if failed else "abstained" if idle else "repaired" if asking.repairs else "valid"
        return Turn(
            **request.model_dump(),
            status=status,
            message=message,
            shown_as=prompt.shown_as,
            flags=flags,
            excuse=excuse,
            usage=asking.usage,
        )

    async def exchange(self, key: str, done: int, messages: list[dict[str, str]], prompt: Prompt, **how: Any) -> Reply:
        """The reply to one request: the recorded one if this turn got so far before, else a new one, kept at once."""
        paid = [one for one in self._recorded.get(key, ()) if one["reply"]["trouble"] is None]
        if done < len(paid):
            return Reply.model_validate(paid[done]["reply"])
        reserved = self._budget.reserve(messages, how["max_tokens"])
        if reserved is None:
            return Reply(trouble="budget_exhausted", error="the worst case of this call does not fit the budget")
        reply = await self._model.reply(messages, prompt.form.schema(), **how)
        self._budget.settle(reserved, usage_of(reply, self._limits))
        exchange = {"request": {"messages": messages} | how, "reply": reply.model_dump(mode="json")}
        number = len(self._recorded.setdefault(key, []))
        self._recorded[key].append(exchange)
        # A reply is paid: it is stored even where the debate is being cancelled.
        await asyncio.shield(self._keep(key, number, exchange))
        return reply

    @property
    def limits(self) -> Limits:
        """The debate's limits."""
        return self._limits


class _Asking:
    """The requests of one turn."""

    def __init__(self, deliberator: LLMDeliberator, expert: Expert, key: str) -> None:
        self._deliberator, self._expert, self._key = deliberator, expert, key
        self.usage = Usage()
        self.repairs = self._done = 0
        self.trouble: str | None = None

    async def until_usable(self, prompt: Prompt) -> tuple[Message | None, tuple[str, ...], str | None]:
        """The message, its flags, and the excuse where there is none."""
        messages, room = prompt.messages, self._deliberator.limits.max_completion_tokens
        while True:
            reply = await self._ask(messages, prompt, room)
            if reply.trouble is not None:
                self.trouble = reply.trouble
                return None, (reply.trouble,), f"{reply.trouble}: {reply.error}"
            if reply.refusal:
                return None, ("refusal",), "refusal"
            try:
                message, flags = _usable(reply, prompt)
            except UnusableReplyError as problem:
                if not self._may_ask_again(reply, room):
                    return None, (), f"no usable reply: {problem}"
                self.repairs += 1
                if reply.finish_reason == "length":
                    room *= 2  # asked the same again, with room; a prefix is never read
                else:
                    messages = [*prompt.messages, *repair(str(problem), reply.text)]
            else:
                return message, flags, None

    def _may_ask_again(self, reply: Reply, room: int) -> bool:
        limits = self._deliberator.limits
        is_longer_already = reply.finish_reason == "length" and room > limits.max_completion_tokens
        return self.repairs < limits.repairs and not is_longer_already

    async def _ask(self, messages: list[dict[str, str]], prompt: Prompt, max_tokens: int) -> Reply:
        how = {"model": self._expert.model, "temperature": self._expert.temperature, "max_tokens": max_tokens}
        reply = await self._deliberator.exchange(self._key, self._done, messages, prompt, **how)
        self._done += 1
        self.usage += usage_of(reply, self._deliberator.limits)
        return reply


def _usable(reply: Reply, prompt: Prompt) -> tuple[Message, tuple[str, ...]]:
    if reply.finish_reason == "length":
        raise UnusableReplyError("it was cut off; be shorter")
    return read(reply.text, prompt.form)


def usage_of(reply: Reply, limits: Limits) -> Usage:
    """What one reply cost; a reply without figures is unmeasured, not free; a failed call is counted as a call."""
    if reply.trouble == "budget_exhausted":
        return Usage()
    measured = reply.prompt_tokens is not None and reply.completion_tokens is not None
    if not measured:
        return Usage(calls=1, unmeasured_calls=1 if reply.trouble in (None, "call_deadline", "deadline") else 0)
    prompt, completion = reply.prompt_tokens or 0, reply.completion_tokens or 0
    has_price = limits.prompt_price + limits.completion_price > 0
    cost = (prompt * limits.prompt_price + completion * limits.completion_price) / 1e6 if has_price else None
    return Usage(calls=1, prompt_tokens=prompt, completion_tokens=completion, cost=cost)


def spent_on(recorded: Recorded, limits: Limits) -> Usage:
    """What earlier attempts of this debate have cost."""
    replies = [Reply.model_validate(one["reply"]) for exchanges in recorded.values() for one in exchanges]
    return sum((usage_of(reply, limits) for reply in replies), Usage())
