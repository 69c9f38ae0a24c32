"""Experts who are language models: a turn is a prompt, a reply that is checked, and at most a few repairs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from tasks.swarm.limits import Allowance, DebateBudget, Limits
from tasks.swarm.llm import LanguageModel, Reply
from tasks.swarm.lookups import Lookup, LookupAnswer, lookup_in, refusal
from tasks.swarm.messages import Message, Turn, TurnRequest, Turns, Usage
from tasks.swarm.prompts import Prompt, looked_up, prompt_for, repair
from tasks.swarm.records import Brief, Expert
from tasks.swarm.replies import UnsureReplyError, UnusableReplyError, meant_in, read_answer, read_reply

Exchange = tuple[str, int, dict[str, Any]]
LookUp = Callable[[Brief, Lookup], Awaitable[LookupAnswer]]
Write = Callable[[Exchange | None, Turn | None], Awaitable[None]]
Outcome = tuple[Message | None, tuple[str, ...], str | None]
Recorded = Mapping[str, Sequence[dict[str, Any]]]
INTERRUPTED = Reply(trouble="interrupted", error="the run ended before the reply came; it may have been paid")
MAY_BE_PAID = (None, "call_deadline", "deadline", "interrupted")
LOST = Usage(calls=1, unmeasured_calls=1)


class LLMDeliberator:
    """Answers turns through a language model; every exchange is stored, the last one of a turn together with it.

    Args:
        allowance: the debate's clock, which stands still while a person is asked.
        recorded: exchanges of earlier attempts by turn; replies among them are read again instead of paid again.
        under_way: turns whose requests a run that was killed may have sent: they count as paid, without a reply.
        write: stores an exchange with its number, and the turn it completes.
        look_up: finds what an expert asks for.
    """

    keeps_turns = True

    def __init__(
        self,
        model: LanguageModel,
        limits: Limits,
        allowance: Allowance,
        recorded: Recorded,
        under_way: set[str],
        write: Write,
        look_up: LookUp,
    ) -> None:
        self.model, self.limits, self.allowance, self.write = model, limits, allowance, write
        self.look_up = look_up
        self.recorded, self.under_way = recorded, under_way
        self.budget = DebateBudget(limits)
        for exchange in (one for exchanges in recorded.values() for one in exchanges):
            request, earlier = exchange["request"], Reply.model_validate(exchange["reply"])
            if earlier.trouble != "budget_exhausted":
                self.budget.add_earlier(request["messages"], request["max_tokens"], usage_of(earlier, limits))

    async def answer(self, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        """One turn: valid, repaired, abstained (nothing usable came) or failed (nothing came, or drafts alone)."""
        expert = next(one for one in brief.experts if one.agent_id == request.agent_id)
        prompt = prompt_for(brief, turns, request, self.limits.text_length, self.limits.lookups)
        asking = _Asking(self, brief, expert, prompt, request.key)
        message, flags, excuse = await asking.until_usable()
        usable = "repaired" if asking.repairs else "valid"
        status = "failed" if asking.is_failed else "abstained" if message is None else usable
        turn = Turn(
            **request.model_dump(),
            status=status,
            message=message,
            shown_as=prompt.shown_as,
            flags=flags,
            excuse=excuse,
            usage=asking.usage,
        )
        await asking.keep(turn)
        return turn

    def wait_out(self, seconds: float) -> None:
        """Let the debate's deadline be so much later."""
        self.allowance.wait_out(seconds)


class _Asking:
    """The requests of one turn, until a reply can be used or no more may be sent."""

    def __init__(self, deliberator: LLMDeliberator, brief: Brief, expert: Expert, prompt: Prompt, key: str) -> None:
        self._by, self._brief, self._expert, self._prompt, self._key = deliberator, brief, expert, prompt, key
        earlier = deliberator.recorded.get(key, ())
        self._paid = [one["reply"] for one in earlier if one["reply"]["trouble"] is None]
        self._number = len(earlier)
        self._unsaved: Exchange | None = None
        self.usage = Usage()
        self.repairs = 0
        self.looked_up: tuple[str, ...] = ()
        self._last_text = ""
        self.had_more_room = False
        self.is_failed = False

    async def until_usable(self) -> Outcome:
        """The message, its flags, and the excuse where there is none.

        What an expert answered before it looked something up stands where no usable answer comes after that.
        """
        before: Outcome | None = None
        while True:
            message, flags, excuse = await self._answered()
            if message is None:
                break
            lookup = self._wants()
            if lookup is None:
                return message, (*flags, *self.looked_up), None
            before = message, flags, None
            await self._look_up(lookup)
        if before is None:
            return None, flags, excuse
        self.is_failed = False
        return before[0], (*before[1], *self.looked_up), None

    async def _answered(self) -> Outcome:
        """A usable answer to the prompt as it is, asked for again where it could not be used."""
        messages = self._prompt.messages
        unsure: UnsureReplyError | None = None
        while True:
            reply = await self._ask(messages)
            if reply.trouble is not None:
                self.is_failed = True
                return None, (reply.trouble,), f"{reply.trouble}: {reply.error}"
            if reply.refusal:
                return None, ("refusal",), "refusal"
            try:
                message, flags = _usable(reply, self._prompt, unsure)
            except UnusableReplyError as problem:
                is_cut = reply.finish_reason == "length"
                excuse = self._given_up(problem, unsure, is_cut=is_cut)
                if excuse is not None:
                    return None, (), excuse
                unsure = problem if isinstance(problem, UnsureReplyError) else unsure
                messages = messages if is_cut else [*self._prompt.messages, *repair(str(problem), reply.text)]
            else:
                self._last_text = reply.text
                return message, flags, None

    def _given_up(self, problem: UnusableReplyError, unsure: UnsureReplyError | None, *, is_cut: bool) -> str | None:
        """Why an expert is not asked again after an unusable reply; None where it is, which is counted."""
        if unsure is not None and isinstance(problem, UnsureReplyError):  # told once that it may be none
            self.is_failed = True
            return f"a draft twice, and no answer: {problem}"
        if self.repairs >= self._by.limits.repairs or (is_cut and self.had_more_room):
            return f"no usable reply: {problem}"
        self.repairs += 1
        self.had_more_room = self.had_more_room or is_cut  # asked the same again, with room; a prefix is never read
        return None

    def _wants(self) -> Lookup | None:
        """What the expert wants to look up, if it still may."""
        form = self._prompt.form
        may = form.offers_lookups and len(self.looked_up) < self._by.limits.lookups
        return lookup_in(meant_in(self._last_text, form)) if may else None

    async def _look_up(self, lookup: Lookup) -> None:
        """Put what was looked up into the prompt."""
        problem = refusal(lookup)
        answer = problem or await self._by.look_up(self._brief, lookup)
        self.looked_up = (*self.looked_up, f"looked_up:{'refused' if problem else lookup.kind}")
        self._prompt = looked_up(self._brief, self._prompt, self._last_text, lookup, answer)

    async def keep(self, turn: Turn | None = None) -> None:
        """Store what is not stored yet; what was paid is stored even where the debate is being cancelled."""
        exchange, self._unsaved = self._unsaved, None
        if exchange is not None or turn is not None:
            await asyncio.shield(self._by.write(exchange, turn))

    async def _ask(self, messages: list[dict[str, str]]) -> Reply:
        """The recorded reply if this turn got so far before, else a new one."""
        await self.keep()
        reply = Reply.model_validate(self._paid.pop(0)) if self._paid else await self._send(messages)
        self.usage += usage_of(reply, self._by.limits)
        return reply

    async def _send(self, messages: list[dict[str, str]]) -> Reply:
        answer = self._by.limits.max_completion_tokens * (2 if self.had_more_room else 1)
        room = self._by.model.room(self._expert.model, answer)
        how: dict[str, Any] = {"model": self._expert.model, "temperature": self._expert.temperature, "max_tokens": room}
        if self._key in self._by.under_way:
            self._by.under_way.discard(self._key)
            self._by.budget.add_earlier(messages, room, LOST)
            self._note(messages, how, INTERRUPTED)
            await self.keep()
        reserved = self._by.budget.reserve(messages, room)
        if reserved is None:
            return Reply(trouble="budget_exhausted", error="the worst case of this call does not fit the budget")
        try:
            reply = await self._by.model.reply(messages, self._prompt.form.schema(), **how)
        except asyncio.CancelledError:
            self._note(messages, how, INTERRUPTED)
            await self.keep()
            raise
        self._by.budget.settle(reserved, usage_of(reply, self._by.limits))
        self._note(messages, how, reply)
        return reply

    def _note(self, messages: list[dict[str, str]], how: dict[str, Any], reply: Reply) -> None:
        request = {"messages": messages} | how
        self._unsaved = (self._key, self._number, {"request": request, "reply": reply.model_dump(mode="json")})
        self._number += 1


def _usable(reply: Reply, prompt: Prompt, unsure: UnsureReplyError | None) -> tuple[Message, tuple[str, ...]]:
    """The message of a reply; one that was unsure by what is said around it may be meant where it is sent again."""
    if reply.finish_reason == "length":
        raise UnusableReplyError("it was cut off; be shorter")
    try:
        message, flags = read_reply(reply.text, prompt.form)
    except UnsureReplyError as problem:
        if not problem.is_meant(unsure, prompt.form):
            raise
        message, flags = read_answer(problem.answer, prompt.form)
    return cast(Message, message), flags


def usage_of(reply: Reply, limits: Limits) -> Usage:
    """What one reply cost; a reply without figures is unmeasured, not free; a failed call is counted as a call."""
    if reply.trouble == "budget_exhausted":
        return Usage()
    measured = reply.prompt_tokens is not None and reply.completion_tokens is not None
    if not measured:
        return Usage(calls=1, unmeasured_calls=1 if reply.trouble in MAY_BE_PAID else 0)
    # Never below 0, which would give a budget more than it had; a record of an earlier version may hold such a number.
    prompt, completion = max(0, reply.prompt_tokens or 0), max(0, reply.completion_tokens or 0)
    has_price = limits.prompt_price + limits.completion_price > 0
    cost = (prompt * limits.prompt_price + completion * limits.completion_price) / 1e6 if has_price else None
    return Usage(calls=1, prompt_tokens=prompt, completion_tokens=completion, cost=cost)
