"""The platform's Prefect server, asked over HTTP: Prefect itself is never imported here."""

from __future__ import annotations

import os
from typing import Any

import httpx

from service.problems import unavailable

SECONDS = 10.0
MOST_PAUSED = 50
PAUSED = {"state": {"type": {"any_": ["PAUSED"]}}}


def prefect_client(seconds: float = SECONDS) -> httpx.Client:
    """A client of the platform's server.

    Args:
        seconds: to wait for an answer.

    Raises:
        ProblemError: 503 where none is known.
    """
    address, login = os.environ.get("PREFECT_API_URL"), os.environ.get("PREFECT_API_AUTH_STRING", "")
    if not address:
        raise unavailable("no Prefect server is known here; `raptorflow up` starts one")
    user, _, password = login.partition(":")
    # Certificates of authorities take 20 ms to read; an address without TLS shows none.
    transport = _Answering(verify=address.startswith("https:"))
    try:
        return httpx.Client(
            base_url=address, auth=(user, password) if login else None, timeout=seconds, transport=transport
        )
    except httpx.InvalidURL as error:
        raise unavailable("PREFECT_API_URL is no address; it looks like http://127.0.0.1:4200/api") from error


class _Answering(httpx.HTTPTransport):
    """Says in our words that the server does not answer."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, and read all of its answer: a server may also fall silent in the middle of one."""
        try:
            answer = super().handle_request(request)
            answer.read()
            return answer
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise unavailable("the Prefect server does not answer now; send the same again") from error


def sound(answer: httpx.Response) -> Any:
    """What it answered; 503 where that is an error of its own, or nothing that Prefect answers."""
    if not answer.is_success:
        raise unavailable(f"the Prefect server answers {answer.status_code}; send the same again")
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        raise unavailable("what answers at PREFECT_API_URL is no Prefect server; `raptorflow up` starts one") from error


def paused_runs(seconds: float) -> list[dict[str, Any]]:
    """Runs that wait for a person, the newest first.

    Raises:
        ProblemError: 503 where no server is known, or it does not answer within these seconds.
    """
    with prefect_client(seconds) as prefect:
        wanted = {"flow_runs": PAUSED, "limit": MOST_PAUSED, "sort": "START_TIME_DESC"}
        runs = sound(prefect.post("/flow_runs/filter", json=wanted))
    return [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []
