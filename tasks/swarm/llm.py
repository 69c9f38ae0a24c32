"""The only module that imports `openai`: one reply from an OpenAI-compatible endpoint, or why there is none.

The SDK's own retries are off: trying again stands here and nowhere else, bounded by attempts, by the longest wait, by
the call's and the debate's wall clock, and by a circuit that opens when an endpoint does not answer. Structured output
is asked for as far as the endpoint supports it: json_schema, then json_object, then the prompt alone. `.parse` is not
used: it loses text and usage of replies it cannot read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tasks.settings import get_settings
from tasks.swarm.errors import ModelNotReachableError
from tasks.swarm.limits import Limits
from tasks.swarm.profiles import require_text
from tasks.swarm.records import Record
from tasks.swarm.response_formats import RESPONSE_FORMATS, Call, ModelSupport, ResponseFormat, learn

OPENS_AFTER = 3
FIRST_WAIT_SECONDS = 0.5
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint.

    Attributes:
        base_url: None is OpenAI's own.
        api_key: None for local servers that ask for none.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_text("model", self.model, 128)
        if not self.base_url and not self.api_key:
            raise ModelNotReachableError(self.model)


def configured_endpoint() -> Endpoint | None:
    """The settings' endpoint; None where no model is named.

    Raises:
        ModelNotReachableError: if a model is named, but neither a key nor an address is.
    """
    settings = get_settings()
    if not settings.llm_model:
        return None
    return Endpoint(settings.llm_model, settings.llm_base_url, settings.llm_api_key)


class Reply(Record):
    """What came back.

    Attributes:
        rung: the response format that was asked for.
        trouble: None, or `unavailable`, `refused_request`, `call_deadline`, `deadline`, `budget_exhausted`.
        tries: requests sent for this one reply.
    """

    text: str = ""
    finish_reason: str | None = None
    refusal: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    rung: str | None = None
    trouble: str | None = None
    error: str | None = None
    tries: int = 0
    seconds: float = 0.0


class LanguageModel:
    """One endpoint during one debate; an async context manager.

    Args:
        client: from `open_client`, closed on leaving.
        endpoint: where, which model, which key.
        limits: deadlines count from entering.
    """

    def __init__(self, client: Any, endpoint: Endpoint, limits: Limits) -> None:
        self._client, self._endpoint, self._limits = client, endpoint, limits
        self._known: dict[str, ModelSupport] = {}
        self._failed_in_a_row = 0
        self._slots = asyncio.Semaphore(limits.max_concurrency)

    async def __aenter__(self) -> Self:
        self._ends_at = time.monotonic() + self._limits.debate_seconds
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._client.close()

    def wait_out(self, seconds: float) -> None:
        """Let the deadline be so much later."""
        self._ends_at += seconds

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
        started = time.monotonic()
        left = self._ends_at - started
        if left <= 0:
            return Reply(trouble="deadline", error="the debate's time is over")
        call = Call(list(messages), schema, model or self._endpoint.model, temperature, max_tokens)
        try:
            async with asyncio.timeout(min(left, self._limits.call_seconds)):
                reply = await self._try(call)
        except TimeoutError:
            whole = left <= self._limits.call_seconds
            limit = self._limits.debate_seconds if whole else self._limits.call_seconds
            what = "the debate's" if whole else "the call's"
            error = f"no whole reply within {what} {limit:g} s"
            reply = Reply(trouble="deadline" if whole else "call_deadline", error=error, tries=call.tries)
        return reply.model_copy(update={"seconds": round(time.monotonic() - started, 3)})

    async def _try(self, call: Call) -> Reply:
        import openai

        error = ""
        for attempt in range(self._limits.attempts):
            if self._failed_in_a_row >= OPENS_AFTER:
                return Reply(
                    trouble="unavailable", error="the endpoint does not answer; request not sent", tries=call.tries
                )
            try:
                reply = await self._send(call)
            except openai.OpenAIError as problem:
                error, wait, is_final = _judge(problem, FIRST_WAIT_SECONDS * 2.0**attempt)
                error = self._redacted(error)
                if is_final:
                    return Reply(trouble="refused_request", error=error, tries=call.tries)
            else:
                self._failed_in_a_row = 0
                return reply
            if wait > self._limits.longest_wait_seconds:
                error += f"; asked to wait {wait:g} s"
                break
            if attempt + 1 < self._limits.attempts:
                await asyncio.sleep(wait)
        self._failed_in_a_row += 1
        return Reply(trouble="unavailable", error=error, tries=call.tries)

    async def _send(self, call: Call) -> Reply:
        """One request, asked again at once with less where the endpoint does not know what was asked for."""
        import openai

        known = self._known.setdefault(call.model, ModelSupport())
        while True:
            async with self._slots:
                place, adapted = known.place, set(known.adapted)
                call.tries += 1
                try:
                    completion = await self._client.chat.completions.create(
                        **call.payload(RESPONSE_FORMATS[place], adapted)
                    )
                    return _read(completion, RESPONSE_FORMATS[place], call.tries)
                except (openai.BadRequestError, openai.UnprocessableEntityError) as problem:
                    if not learn(known, place, adapted, _complaint(problem).lower()):
                        raise

    def _redacted(self, text: str) -> str:
        key = self._endpoint.api_key
        return text.replace(key, "[key]") if key else text


def open_client(endpoint: Endpoint, limits: Limits) -> Any:
    """The SDK's client. It imports the SDK and reads certificates, which takes long enough to block an event loop."""
    import openai

    address = urlsplit(endpoint.base_url or "")
    # Proxy settings of the environment catch loopback addresses, too; plain HTTP needs no certificates read.
    local = address.hostname in LOOPBACK
    own = openai.DefaultAsyncHttpx2Client(trust_env=False, verify=address.scheme != "http") if local else None
    return openai.AsyncOpenAI(
        api_key=endpoint.api_key or "none",
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=limits.call_seconds,
        http_client=own,
    )


def _read(completion: Any, response_format: ResponseFormat, tries: int) -> Reply:
    import openai

    if not hasattr(completion, "choices"):  # the SDK hands back whatever came, such as a proxy's page of HTML
        raise openai.OpenAIError("what came back is no chat completion")
    choice = (completion.choices or [None])[0]
    message = choice.message if choice else None
    usage = completion.usage
    return Reply(
        text=(message.content if message else None) or "",
        finish_reason=choice.finish_reason if choice else None,
        refusal=message.refusal if message else None,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        rung=response_format,
        tries=tries,
    )


def _complaint(problem: Any) -> str:
    return f"HTTP {problem.status_code}: {str(problem.message)[:300]}"


def _judge(problem: Any, usual_wait: float) -> tuple[str, float, bool]:
    """What went wrong, how long to wait before trying again, and whether that would be in vain."""
    import openai

    if not isinstance(problem, openai.APIStatusError):
        return f"no reply ({problem.__cause__ or problem})", usual_wait, False
    is_final = problem.status_code not in (408, 409, 429) and problem.status_code < 500
    try:
        wait = max(0.0, float(problem.response.headers["retry-after"]))
    except (KeyError, ValueError):
        wait = usual_wait
    return _complaint(problem), wait, is_final
