"""A draft is scored by the API's own function; what is typed stays text, and is kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.app import create_app
from service.draft_score import score_draft
from service.pages.draft import LONGEST
from tasks.json_output import plain
from tasks.models.service import ModelService
from tasks.warehouse import Warehouse
from tests.generators.agencies import HOSTILE
from tests.service.pages.conftest import Agency

PAGE = "/draft?id=client-0005"  # six patterns: a question, a video, many words, a call to action, a day, a word


class ScoredHere:
    """The service's scoring without the process beside it, which has tests of its own."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse, self.drafts = warehouse, list[Mapping[str, Any]]()

    def score(self, workspace_id: str, draft: Mapping[str, Any]) -> Any:
        self.drafts.append(draft)
        return plain(score_draft(self.warehouse, ModelService(self.warehouse), workspace_id, draft))


@pytest.fixture
def app(agency: Agency) -> Iterator[FastAPI]:
    app = create_app(agency.warehouse)
    app.state.scoring = ScoredHere(agency.warehouse)
    yield app
    app.state.warehouse.close()


@pytest.fixture
def browser(app: FastAPI) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


def test_patterns_met_and_missed_change_with_the_draft(browser: TestClient) -> None:
    with_question = browser.post(PAGE, data={"title": "How do you like it?", "media_type": "video"}).text
    without = browser.post(PAGE, data={"title": "We are here", "media_type": "photo"}).text
    had, lacked = with_question.split("Has already")[1], without.split("What a change would bring")[1]
    assert "asks a question" in had.split("</ul>")[0]
    assert "is a video" in had.split("</ul>")[0]
    assert "asks a question" in lacked.split("</ul>")[0]
    assert "by experiments, expect +9 % (-2 … +21 %); comparable posts that do: +" in lacked
    assert "not enough experiments; by public archives +9 % (-2 … +21 %)" in lacked
    assert "association, not cause" in without.lower()
    assert "Nothing can be said: the model cannot be asked now" in without  # the rows name a file that is not there


def test_the_script_gets_the_result_alone_and_the_button_the_page(browser: TestClient) -> None:
    form = {"title": "We are here"}
    part, whole = (browser.post(PAGE, data=form, headers=headers).text for headers in ({"x-part": "result"}, {}))
    assert "<html" not in part
    assert part.strip() in whole
    assert 'value="We are here"' in whole


def test_a_time_is_on_the_workspaces_clock(app: FastAPI, browser: TestClient) -> None:
    assert browser.post(PAGE, data={"title": "a", "published_at": "2026-07-01T15:00"}).status_code == 200
    assert app.state.scoring.drafts[-1]["published_at"].isoformat() == "2026-07-01T15:00:00+00:00"


def test_an_empty_form_scores_nothing(app: FastAPI, browser: TestClient) -> None:
    assert "Type a title" in browser.post(PAGE, data={"title": "  ", "body": ""}).text
    assert app.state.scoring.drafts == []


def test_markup_in_a_draft_and_in_posts_stays_text(browser: TestClient) -> None:
    hostile = {name: HOSTILE[:limit] for name, limit in LONGEST.items() if name != "published_at"}
    for address in (PAGE, "/draft?id=..%2Fx%3Fy%3D1%26z%3D%3Cb%3E%22%252F%23%27"):
        text = browser.post(address, data=hostile | {"body": f"</textarea>{HOSTILE}"}).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert text.count("</textarea>") == 1
        assert "&lt;script&gt;alert" in text


@pytest.mark.parametrize(
    ("form", "status", "fix"),
    [
        ({"title": "a", "published_at": "tomorrow"}, 422, "2026-11-29T15:00"),
        ({"title": "a", "published_at": "0001-01-01T00:00"}, 422, "2026-11-29T15:00"),
        ({"title": "a", "published_at": "9999-12-31T23:59"}, 422, "2026-11-29T15:00"),
        ({"title": "x" * 1001}, 422, "1,000 characters"),
        ({"title": "a\0b"}, 422, "remove it"),
        ({"body": "x" * 300_000}, 413, "shorten it"),
        ({f"f{i}": "1" for i in range(40)}, 422, "cannot be read"),
    ],
)
def test_bad_input_names_the_fix(form: dict[str, str], status: int, fix: str, browser: TestClient) -> None:
    answer = browser.post(PAGE, data=form)
    assert answer.status_code == status
    assert fix in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_an_unknown_workspace_is_scored_for_nobody(app: FastAPI, browser: TestClient) -> None:
    assert browser.post("/draft?id=nobody", data={"title": "a"}).status_code == 404
    assert app.state.scoring.drafts == []
