"""What a route asks of its caller, as parameters: a key with a scope, and a workspace that the key opens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request

from service.gate import Caller, KeyGate
from service.problems import ProblemError
from tasks.access import Scope

# Declared for the description of the API alone; the gate reads the headers itself, and a dependency that reads them
# again, on every request, would cost a sixth of an assignment.
SCHEMES = {
    "APIKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, for OpenFeature's providers.",
    },
    "HTTPBearer": {"type": "http", "scheme": "bearer", "description": "A key that `raptorflow keys create` made."},
}


def declare_keys(app: FastAPI) -> None:
    """Let the description of the API say that everything in it asks for a key."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        schema = describe()
        schema["components"]["securitySchemes"] = SCHEMES
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["security"] = [{"HTTPBearer": []}, {"APIKeyHeader": []}]
        return schema

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI's manual has it


SCOPES: dict[Callable[..., Any], Scope] = {}  # what a route's dependency asks for, so that tools know it too


def _needs(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    async def admitted(request: Request) -> Caller:
        gate: KeyGate = request.app.state.gate
        caller = await gate.admit(request, scope)
        if request.scope["query_string"]:
            _require_known_parameters(request)
        return caller

    SCOPES[admitted] = scope
    return admitted


def _require_known_parameters(request: Request) -> None:
    """Raise `ProblemError` for a parameter that the description does not name: left aside, it would seem obeyed."""
    route = getattr(request.scope.get("route"), "path", "")
    operation = request.app.openapi()["paths"].get(route, {}).get(request.method.lower(), {})
    taken = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    for name, _value in request.query_params.multi_items():
        if name not in taken:
            words = f"this address takes {', '.join(taken)}" if taken else "this address takes none"
            problem = f"there is no such parameter; {words}"
        elif len(request.query_params.getlist(name)) > 1:
            problem = "it is given twice; give it once"
        else:
            continue
        errors = [{"field": f"query.{name}", "problem": problem}]
        raise ProblemError(422, f"query.{name}: {problem}", errors=errors)


Reader = Annotated[Caller, Depends(_needs(Scope.READ))]
Assigner = Annotated[Caller, Depends(_needs(Scope.ASSIGN))]
Writer = Annotated[Caller, Depends(_needs(Scope.WRITE))]
Admin = Annotated[Caller, Depends(_needs(Scope.ADMIN))]
WorkspaceName = Annotated[
    str | None, Query(max_length=128, description="Whose; may be left out where the key opens one workspace alone.")
]
