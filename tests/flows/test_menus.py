"""Forms offer what is in the warehouse when they are opened: none, a dozen or hundreds; what is stored does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from prefect.utilities.schema_tools import is_valid_schema, validate

from flows.platform.catalogue import form, load, read_yaml
from flows.platform.menus import FORM, FormMenus, with_menus
from tasks.experiments.service import ExperimentService
from tasks.reporting.menus import MOST_CHOICES, OWNERS, Menu, choices
from tasks.settings import get_settings
from tasks.swarm.profiles import AgentRole
from tasks.warehouse import Warehouse
from tests.factories import START, content_row, store_content
from tests.tasks.models.served_versions import let_serve

ENTRYPOINTS = {entry["name"]: entry["entrypoint"] for entry in read_yaml("prefect.yaml")["deployments"]}
FORMS = {name: form(load(entrypoint)) for name, entrypoint in ENTRYPOINTS.items()}


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All fields of a form, by name."""
    for definition in schema["definitions"].values():
        yield from definition.get("properties", {}).items()


def offered(deployment: str, field: str, found: list[str]) -> list[str] | None:
    filled = dict(fields(with_menus(FORMS[deployment], lambda _: found)))[field]
    shown: list[str] | None = filled.get("items", filled).get("enum")
    return shown


@pytest.fixture
def stored(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The warehouse of the settings."""
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", warehouse.url)
    get_settings.cache_clear()
    return warehouse


def test_every_field_that_names_what_is_there_has_a_menu_that_somebody_owns() -> None:
    named = {
        (deployment, name): field["menu"]
        for deployment, schema in FORMS.items()
        for name, field in fields(schema)
        if "menu" in field
    }
    about_workspaces = {
        (deployment, name)
        for deployment, schema in FORMS.items()
        for name, _ in fields(schema)
        if name in ("workspace_id", "workspace_ids")
    }
    assert about_workspaces == {key for key, menu in named.items() if menu == "workspaces"}
    assert {*named.values()} == {*Menu} == {*OWNERS}


@pytest.mark.parametrize("many", [12, 300])
@pytest.mark.parametrize(
    ("deployment", "field", "before"),
    [
        ("pattern-learning", "workspace_ids", []),
        ("pattern-learning", "content_types", []),
        ("model-rollback", "workspace_id", [""]),
        ("model-rollback", "target_version", [""]),
        ("model-promotion", "version", [""]),
        ("debate-synthesis", "agent_roles", []),
    ],
)
def test_a_menu_offers_all_there_is_and_nothing_where_a_field_may_stay_empty(
    deployment: str, field: str, before: list[str], many: int
) -> None:
    found = [f"client-{i:03}" for i in range(many)]
    assert offered(deployment, field, found) == before + found
    assert offered(deployment, field, []) is None, "where there is nothing yet, a name may be written"


@pytest.mark.parametrize("deployment", FORMS)
def test_a_filled_form_is_a_schema_that_takes_its_own_defaults_and_refuses_what_is_not_there(deployment: str) -> None:
    filled = with_menus(FORMS[deployment], lambda menu: ["acme", *AgentRole] if menu == "experts" else ["acme"])
    assert is_valid_schema(filled) is None
    validate({}, filled, raise_on_error=True)
    for name, field in fields(FORMS[deployment]):
        if "menu" in field:
            several = field.get("type") == "array"
            validate({"options": {name: ["acme"] if several else "acme"}}, filled, raise_on_error=True)
            refused = validate({"options": {name: ["nobody"] if several else "nobody"}}, filled)
            assert bool(refused) == ("or_another" not in field), (name, refused)


def test_the_choices_are_those_of_the_warehouse(stored: Warehouse) -> None:
    assert {menu: choices(menu) for menu in Menu if menu != Menu.EXPERTS} == {
        Menu.WORKSPACES: [],
        Menu.CONTENT_TYPES: [],
        Menu.EXPERIMENTS: [],
        Menu.VERSIONS: [],
        Menu.INSTALLATIONS: [],
    }
    rows = [content_row(i, workspace_id=name, content_type=kind) for i, (name, kind) in enumerate(
        [("b", "blog"), ("a", "social"), ("a", "blog")])]  # fmt: skip
    store_content(stored, rows)
    for workspace_id in ("a", "b"):
        ExperimentService(warehouse=stored).create_experiment(
            "Subject lines", workspace_id, [{"name": "x"}, {"name": "y"}], "clicks", baseline=(5.0, 2.0)
        )
    assert choices(Menu.WORKSPACES) == ["a", "b"]
    assert choices(Menu.CONTENT_TYPES) == ["blog", "social"]
    assert choices(Menu.EXPERIMENTS) == ["Subject lines"], "one name of two workspaces is one choice"
    let_serve(stored, name="v_2", trained_at=START)
    let_serve(stored, name="v_1")
    let_serve(stored, name="v_0", status="rejected")
    assert choices(Menu.VERSIONS) == ["v_1", "v_2"], "the newest first, and none that nothing can serve"
    assert "copywriting_ninja" in choices(Menu.EXPERTS)


def test_a_menu_too_long_for_a_page_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OWNERS, Menu.WORKSPACES, lambda _: [f"w{i}" for i in range(MOST_CHOICES + 1)])
    assert choices(Menu.WORKSPACES) == []


def asked(path: str, deployment: dict[str, Any]) -> dict[str, Any]:
    """What a page gets for a deployment."""
    stored, sent = json.dumps(deployment).encode(), list[dict[str, Any]]()

    async def server(scope: Any, receive: Any, send: Any) -> None:
        length = (b"content-length", str(len(stored)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": stored})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    asyncio.run(FormMenus(server)(scope, None, send))  # type: ignore[arg-type]
    body: bytes = sent[1]["body"]
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(body)).encode()
    found: dict[str, Any] = json.loads(body)
    return found


def test_a_page_that_opens_one_deployment_gets_the_menus_and_nobody_else_does(sqlite_warehouse: Warehouse) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAPTORFLOW_DATABASE_URL", sqlite_warehouse.url)
        get_settings.cache_clear()
        store_content(sqlite_warehouse, [content_row()])
        deployment = {"name": "pattern-learning", FORM: FORMS["pattern-learning"], "tags": ["kept"]}
        page = asked(f"/api/deployments/{uuid4()}", deployment)
        assert dict(fields(page[FORM]))["workspace_ids"]["items"]["enum"] == ["acme"]
        assert page["tags"] == ["kept"]
        assert asked("/api/deployments/name/pattern-learning/pattern-learning", deployment) == deployment
        patch.setenv("RAPTORFLOW_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
        get_settings.cache_clear()
        assert asked(f"/api/deployments/{uuid4()}", deployment) == deployment, "a form without menus is still a form"
