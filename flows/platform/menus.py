"""Menus of forms: fields that name one offer what is in the warehouse when the form is opened.

What the server stores of a form has no such menu: it would refuse, for automations too, whatever came since. A page
asks the server to hold a form to what the page was shown, so what is on no menu is marked there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from flows.parameters import MENU, OR_ANOTHER
from flows.platform.front_door import App
from flows.platform.rewriting import rewritten
from flows.platform.sign_in import Receive, Scope, Send
from tasks.errors import RaptorflowError

ONE_DEPLOYMENT = re.compile(r"/api/deployments/[0-9a-f-]{36}")
FORM = "parameter_openapi_schema"
logger = logging.getLogger("raptorflow")
Choices = Callable[[str], list[str]]


class FormMenus:
    """ASGI middleware that fills in the menus of a deployment's form as a page opens it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand everything on; of one deployment, fill in its form."""
        is_one = scope["type"] == "http" and scope["method"] == "GET" and ONE_DEPLOYMENT.fullmatch(scope["path"])
        if not is_one:
            await self._app(scope, receive, send)
            return
        await rewritten(self._app, scope, receive, send, self._filled)

    async def _filled(self, body: bytes) -> bytes:
        deployment = json.loads(body)
        schema = deployment.get(FORM) or {}
        try:
            filled = await asyncio.to_thread(with_menus, schema, _there)
        except Exception as error:  # noqa: BLE001 - a form without menus is better than none, whatever is broken
            reason = str(error) if isinstance(error, RaptorflowError) else type(error).__name__
            logger.warning("menus of %s: %s", deployment.get("name"), reason)
            return body
        return json.dumps(deployment | {FORM: filled}).encode()


def _there(menu: str) -> list[str]:
    from tasks.reporting.menus import Menu, choices  # brings all capabilities, which the server needs for nothing else

    return choices(Menu(menu))


def with_menus(schema: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """A form's schema, whose fields offer what there is; a field of which there is nothing is one to write in."""
    return {name: _filled(value, choices) for name, value in schema.items()}


def _filled(value: Any, choices: Choices) -> Any:
    if isinstance(value, list):
        return [_filled(item, choices) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get(MENU), str) and (offered := choices(value[MENU])):
        return _field(value, offered)
    return with_menus(value, choices)


def _field(field: dict[str, Any], offered: list[str]) -> dict[str, Any]:
    if field.get("type") == "array":
        return field | {"items": field["items"] | {"enum": offered}}
    empty = [""] if field.get("default") == "" else []
    if OR_ANOTHER not in field:
        return field | {"enum": [*empty, *offered]}
    there = {"type": field["type"], "title": "One that is there", "enum": [*empty, *offered]}
    another = {"type": field["type"], "title": field[OR_ANOTHER]}
    return {name: value for name, value in field.items() if name != "type"} | {"anyOf": [there, another]}
