"""What requests cost, counted as they are answered; it is turned into Prometheus' families when somebody scrapes.

A route is named by its template, never by its address: neither ids nor what strangers make up become a name. No figure
is of a workspace: their number has no bound, and their names are customers'.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter

from service.security_headers import App, Message, Receive, Scope, Send, for_requests

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
NOT_A_ROUTE = "none"


class RequestFigures:
    """ASGI middleware on the event loop, so that nothing is locked: counts by route and status, seconds by route."""

    def __init__(self, app: App, figures: Figures) -> None:
        self._app, self._figures = app, figures

    @for_requests
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and count when the answer begins."""
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._figures.count(getattr(scope.get("route"), "path", NOT_A_ROUTE), status, began)
            await send(message)

        await self._app(scope, receive, sending)


class Figures:
    """What was counted since the process started."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.seconds: dict[str, tuple[list[int], list[float]]] = {}

    def count(self, route: str, status: int, began: float) -> None:
        """One answer that begins now."""
        took = time.perf_counter() - began
        self.answers[route, status] += 1
        known = self.seconds.get(route)
        if known is None:
            known = self.seconds[route] = ([0] * (len(BOUNDS) + 1), [0.0])
        known[0][bisect_left(BOUNDS, took)] += 1
        known[1][0] += took
