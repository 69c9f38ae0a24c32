"""Templates to pages: every value is text, whatever it holds; an unknown name in a template is an error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.pages import charts, wording
from service.pages.addresses import LINKS, mlflow_model, prefect_run
from service.pages.files import address_of
from tasks.plain_text import visible

NO_STORE = {"cache-control": "no-store"}
# What leads on from every page, in the order in which it matters.
MENU = (
    ("/", "Home"),
    ("/experiments", "Experiments"),
    ("/calendar", "Calendar"),
    ("/models", "Models"),
    ("/debates", "Debates"),
    ("/runs", "Runs"),
    ("/releases", "Releases"),
)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "age": wording.age,
        "count": wording.count,
        "day": wording.day,
        "instant": wording.instant,
        "machine": wording.machine_instant,
        "per_cent": wording.per_cent_of_one,
        "plain": visible,
        "sentence": wording.sentence,
        "words": wording.words,
    }
    made.globals |= {"address_of": address_of, "link": LINKS, "menu": MENU, "interval_mark": charts.interval_mark}
    made.globals |= {"mlflow_model": mlflow_model, "prefect_run": prefect_run, "plural": wording.plural}
    return made


ENVIRONMENT = _environment()


def page(request: Request, template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A page.

    Args:
        request: what was asked; its address is the page's permalink.
        template: a file of `templates/`.
        context: what it shows.
        status: HTTP status.
    """
    now = datetime.now(UTC)
    common = {"here": request.url.path, "permalink": _own_address(request), "now": now}
    text = ENVIRONMENT.get_template(template).render(common | dict(context))
    return HTMLResponse(text, status, NO_STORE)


def part(template: str, context: Mapping[str, Any]) -> str:
    """A part of a page, as its script puts it in place of the one that is there."""
    return ENVIRONMENT.get_template(template).render({"now": datetime.now(UTC)} | dict(context))


def error_page(request: Request, status: int, why: str, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """A page that says why there is none."""
    answer = page(request, "error.html", {"status": status, "why": visible(why)}, status)
    answer.headers.update(headers or {})
    return answer


def _own_address(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
