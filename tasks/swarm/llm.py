"""One reply from an OpenAI-compatible endpoint, or why there is none.

Trying again stands here and nowhere else: bounded by attempts, by the longest wait, by the call's and the debate's
wall clock, and by the endpoint's pace (`tasks.swarm.pacing`), which all debates of a process share. Waiting for a turn
is no part of a call's seconds. Structured output is asked for as far as the endpoint supports it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from tasks.settings import get_settings
from tasks.swarm.completions import Completion, NoCompletionError, complaint_of, read_completion
from tasks.swarm.endpoint_http import TransitError, addresses_for, key_header, post, shown
from tasks.swarm.errors import EndpointUnusableError, ModelNotReachableError
from tasks.swarm.limits import Allowance, Limits
from tasks.swarm.pacing import FIRST_WAIT_SECONDS, jittered, pace_of, told_to_wait
from tasks.swarm.profiles import require_text
from tasks.swarm.records import Record
from tasks.swarm.response_formats import FINAL, RESPONSE_FORMATS, Call, ModelSupport, Snapshot, learn

BUSY, BUSY_IF_TOLD = (429,), (503, 529)
AGAIN = (408, 409, 425)
UNWANTED = (400, 422)
NOTHING_THERE = (404, 405)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint.

    Attributes:
        base_url: None is OpenAI's own; with or without `/v1`, or an Azure resource's.
        api_key: None for local servers that ask for none.
        api_version: Azure's, where another one than usual is wanted.

    Raises:
        InputError: if the address is none, the key holds signs no header may, or both are missing.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_version: str | None = None

    def __post_init__(self) -> None:
        require_text("model", self.model, 128)
        if not self.base_url and not self.api_key:
            raise ModelNotReachableError(self.model)
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise EndpointUnusableError.for_key()
        try:
            address = urlsplit((self.base_url or "https://x").strip())
            is_address = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise EndpointUnusableError.for_address(shown_or_blank(self.base_url or ""))


def shown_or_blank(address: str) -> str:
    """The address without what may be secret in it; nothing of one that cannot be taken apart."""
    try:
        return shown(address)
    except ValueError:
        return "…"


def configured_endpoint() -> Endpoint | None:
    """The settings' endpoint; None where no model is named.

    Raises:
        InputError: if a model is named, but neither a key nor an address is, or one of them cannot be used.
    """
    settings = get_settings()
    if not settings.llm_model:
        return None
    return Endpoint(settings.llm_model, settings.llm_base_url, settings.llm_api_key, settings.llm_api_version)


class Reply(Record):
    """What came back.

    Attributes:
        rung: the response format that was asked for.
        trouble: None, or `unavailable`, `refused_request`, `call_deadline`, `deadline`, `budget_exhausted`,
            `interrupted`.
        reasoned: whether the model thought before it answered.
        tries: requests sent for this one reply.
        seconds: under way, waits for the endpoint's pace and for a free slot left out.
        ended_at: seconds since 1970; None in records of earlier versions, and where no request was sent.
    """

    text: str = ""
    finish_reason: str | None = None
    refusal: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoned: bool = False
    rung: str | None = None
    trouble: str | None = None
    error: str | None = None
    tries: int = 0
    seconds: float = 0.0
    ended_at: float | None = None


class _Trouble(Exception):  # noqa: N818 - never leaves this module
    """Why one request got no reply: `kind` says what to do about it, `wait` how long the endpoint asks to wait."""

    def __init__(self, kind: str, says: str, wait: float | None = None) -> None:
        self.kind, self.says, self.wait = kind, says, wait
        super().__init__(says)


class LanguageModel:
    """One endpoint during one debate; an async context manager.

    Args:
        client: from `endpoint_http.open_client`, closed on leaving.
        endpoint: where, which model, which key.
        allowance: calls at a time and the end, shared with the debate's parts.
    """

    def __init__(self, client: httpx.AsyncClient, endpoint: Endpoint, limits: Limits, allowance: Allowance) -> None:
        self._client, self._endpoint, self._limits, self._allowance = client, endpoint, limits, allowance
        self._known: dict[str, ModelSupport] = {}
        self._pace = pace_of(f"{endpoint.base_url}|{hash(endpoint.api_key)}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._client.aclose()

    def room(self, model: str | None, max_tokens: int) -> int:
        """Tokens to give a reply: more where this model is known to think before it answers."""
        return self._support(model or self._endpoint.model).room(max_tokens)

    async def reply(
        self,
        messages: Sequence[dict[str, str]],
        schema: dict[str, Any],
        *,
        model: str | None,
        temperature: float,
        max_tokens: int,
    ) -> Reply:
        """One reply; never raises for the endpoint's sake, never takes longer than its deadlines."""
        left = self._allowance.left()
        if left <= 0:
            return Reply(trouble="deadline", error="the debate's time is over")
        call = Call(list(messages), schema, model or self._endpoint.model, temperature, max_tokens)
        try:
            async with asyncio.timeout(left):
                reply = await self._until_answered(call)
        except TimeoutError:
            error = f"no whole reply within the debate's {self._allowance.seconds:g} s"
            reply = Reply(trouble="deadline", error=error)
        ended_at = round(time.time(), 3) if call.tries else None
        update = {"tries": call.tries, "seconds": round(call.active_seconds, 3), "ended_at": ended_at}
        return reply.model_copy(update=update | {"error": self._redacted(reply.error)})

    async def _until_answered(self, call: Call) -> Reply:
        known = self._support(call.model)
        broken = 0
        while True:
            try:
                return await self._one_request(call, known)
            except _Trouble as trouble:
                if trouble.kind == "again":
                    continue
                if trouble.kind == "busy":
                    if trouble.wait is None or trouble.wait <= self._limits.longest_wait_seconds:
                        continue  # its pace says when
                    return Reply(trouble="unavailable", error=f"{trouble.says}; asked to wait {trouble.wait:g} s")
                if trouble.kind != "broken":
                    return Reply(trouble=trouble.kind, error=trouble.says)
                broken += 1
                if broken >= self._limits.attempts:
                    self._pace.failed()
                    return Reply(trouble="unavailable", error=trouble.says)
                wait = jittered(FIRST_WAIT_SECONDS * 2.0 ** (broken - 1))
                await asyncio.sleep(wait if trouble.wait is None else min(trouble.wait, wait))

    async def _one_request(self, call: Call, known: ModelSupport) -> Reply:
        """One request when the endpoint's pace and a free slot let it leave.

        Raises:
            _Trouble: if no reply came of it.
        """
        async with self._allowance.slots:
            closed = await self._pace.may_leave(self._allowance.ends_at, self._limits.longest_wait_seconds)
            if closed is not None:
                raise _Trouble("unavailable", closed)
            before, left_at = known.snapshot(), time.monotonic()
            try:
                completion = await self._sent(call, known, before)
            except _Trouble as trouble:
                self._take_note(trouble, left_at)
                if trouble.kind == "refused_request" and known.snapshot() != before:
                    raise _Trouble("again", trouble.says) from None  # it, or another call, has learned better
                raise
            finally:
                call.active_seconds += time.monotonic() - left_at
        self._pace.answered(left_at)
        known.reasons = known.reasons or completion.reasoned
        read = {name: getattr(completion, name) for name in Completion.__slots__}
        return Reply(**read, rung=RESPONSE_FORMATS[before[0]])

    def _take_note(self, trouble: _Trouble, left_at: float) -> None:
        if trouble.kind == "busy":
            self._pace.refused(left_at, trouble.wait, trouble.says)
        elif trouble.kind == "broken":
            self._pace.stumbled(trouble.says)
        elif trouble.kind == "call_deadline":
            self._pace.stumbled(trouble.says)
            self._pace.failed()
        else:
            self._pace.answered(left_at)

    async def _sent(self, call: Call, known: ModelSupport, before: Snapshot) -> Completion:
        """The completion in the reply to one request."""
        places = addresses_for(self._endpoint.base_url, call.model, self._endpoint.api_version)
        tried = places[: known.address + 1]
        headers = key_header(self._endpoint.base_url, self._endpoint.api_key)
        payload = call.payload(known)
        call.tries += 1
        limit = self._limits.call_seconds
        try:
            async with asyncio.timeout(max(limit - call.active_seconds, 0.0)):
                answer = await post(self._client, tried[-1], headers, payload)
        except TimeoutError:
            raise _Trouble("call_deadline", f"no whole reply within the call's {limit:g} s") from None
        except TransitError as problem:
            raise _Trouble("refused_request" if problem.is_final else "broken", str(problem)) from None
        where = " and ".join(map(shown, tried))
        try:
            if answer.status < 300:
                return read_completion(answer.body)
            status, says = answer.status, complaint_of(answer.body)
        except NoCompletionError as problem:
            is_page = not problem.is_error and len(tried) < len(places)
            status, says = problem.status or (404 if is_page else 502), problem.says
        says = f"HTTP {answer.status}: {says} (from {where})"
        is_missing = status in NOTHING_THERE and len(tried) < len(places)
        if (is_missing or status in UNWANTED) and known.snapshot() == before:  # else another call has learned meanwhile
            learn(known, says.lower(), len(places), is_missing=is_missing)
        raise _Trouble(*_kind_of(status, says, told_to_wait(answer.headers)))

    def _support(self, model: str) -> ModelSupport:
        return self._known.setdefault(model, ModelSupport())

    def _redacted(self, text: str | None) -> str | None:
        key = self._endpoint.api_key
        return text.replace(key, "[key]") if key and text else text


def _kind_of(status: int, says: str, told: float | None) -> tuple[str, str, float | None]:
    """What to do about a reply that is none."""
    if any(word in says.lower() for word in FINAL):
        return "refused_request", says, None
    if status in BUSY or (status in BUSY_IF_TOLD and told is not None):
        return "busy", says, told
    return "broken" if status in AGAIN or status >= 500 else "refused_request", says, told
