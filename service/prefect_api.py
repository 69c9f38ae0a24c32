"""The platform's Prefect server, asked over HTTP: Prefect itself is never imported here."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx

from service.problems import unavailable

SECONDS = 10.0
NOT_PREFECT = "what answers at PREFECT_API_URL is no Prefect server; `raptorflow up` starts one"
MOST_PAUSED = 50
PAUSED = {"state": {"type": {"any_": ["PAUSED"]}}}


def prefect_client(seconds: float = SECONDS) -> httpx.Client:
    """A client of the platform's server.

    Args:
        seconds: to wait for the whole of an answer.

    Raises:
        ProblemError: 503 where none is known.
    """
    address, login = os.environ.get("PREFECT_API_URL"), os.environ.get("PREFECT_API_AUTH_STRING", "")
    if not address:
        raise unavailable("no Prefect server is known here; `raptorflow up` starts one")
    user, _, password = login.partition(":")
    # Certificates of authorities take 20 ms to read; an address without TLS shows none.
    transport = _Answering(seconds, is_verified=address.startswith("https:"))
    try:
        return httpx.Client(base_url=address, auth=(user, password) if login else None, transport=transport)
    except httpx.InvalidURL as error:
        raise unavailable("PREFECT_API_URL is no address; it looks like http://127.0.0.1:4200/api") from error


class _Answering(httpx.BaseTransport):
    """Says in our words that the server does not answer in time: all of its answer, however slowly it drips."""

    def __init__(self, seconds: float, *, is_verified: bool) -> None:
        self._seconds, self._is_verified = seconds, is_verified

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, and read all of its answer."""
        try:
            answer = asyncio.run(asyncio.wait_for(self._read(request), self._seconds))
        except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
            raise unavailable("the Prefect server does not answer now; send the same again") from error
        return httpx.Response(answer.status_code, content=answer.content)

    async def _read(self, request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncHTTPTransport(verify=self._is_verified) as transport:
            answer = await transport.handle_async_request(request)
            await answer.aread()
            return answer


def sound(answer: httpx.Response) -> Any:
    """What it answered; 503 where that is an error of its own, or nothing that Prefect answers."""
    if not answer.is_success:
        raise unavailable(f"the Prefect server answers {answer.status_code}; send the same again")
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        raise unavailable(NOT_PREFECT) from error


def sound_object(answer: httpx.Response) -> dict[str, Any]:
    """One thing that it answered, which has an id; 503 for anything else."""
    thing = sound(answer)
    if not isinstance(thing, dict) or not isinstance(thing.get("id"), str):
        raise unavailable(NOT_PREFECT)
    return thing


def paused_runs(seconds: float) -> list[dict[str, Any]]:
    """Runs that wait for a person, the newest first.

    Raises:
        ProblemError: 503 where no server is known, or it does not answer within these seconds.
    """
    with prefect_client(seconds) as prefect:
        wanted = {"flow_runs": PAUSED, "limit": MOST_PAUSED, "sort": "START_TIME_DESC"}
        runs = sound(prefect.post("/flow_runs/filter", json=wanted))
    return [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []
