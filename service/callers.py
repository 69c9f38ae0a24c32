"""What a route asks of its caller, as parameters: a key with a scope, and a workspace that the key opens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from service.gate import Caller, KeyGate
from tasks.access import Scope

# Declared for the description of the API alone; the gate reads the headers itself.
BEARER = HTTPBearer(auto_error=False, description="A key that `raptorflow keys create` made.")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, for OpenFeature's providers.")


SCOPES: dict[Callable[..., Any], Scope] = {}  # what a route's dependency asks for, so that tools know it too


def _needs(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    async def admitted(request: Request) -> Caller:
        gate: KeyGate = request.app.state.gate
        return await gate.admit(request, scope)

    SCOPES[admitted] = scope
    return admitted


DECLARED = [Security(BEARER), Security(HEADER)]
Reader = Annotated[Caller, Depends(_needs(Scope.READ))]
Assigner = Annotated[Caller, Depends(_needs(Scope.ASSIGN))]
Writer = Annotated[Caller, Depends(_needs(Scope.WRITE))]
Admin = Annotated[Caller, Depends(_needs(Scope.ADMIN))]
WorkspaceName = Annotated[
    str | None, Query(max_length=128, description="Whose; may be left out where the key opens one workspace alone.")
]
