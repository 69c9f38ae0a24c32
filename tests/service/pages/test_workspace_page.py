"""A workspace's page shows what works with intervals, and says of an unknown one nothing but that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from tasks.learnings import LearningService
from tasks.warehouse import Warehouse
from tests.generators.agencies import HOSTILE, HOSTILE_ID, write_agency
from tests.learning_history import write_history
from tests.service.pages.conftest import Agency

Pages = Callable[[Warehouse], TestClient]
BUTTON: dict[str, Any] = {"kind": "experiment", "metric": "click_rate", "winner": "green", "lift": 0.1}
BUTTON |= {"arms": {"control": "Blue", "green": "Green"}, "hypothesis": "a button that is seen"}


def test_patterns_come_with_intervals_in_words_and_as_pictures(warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 5)
    text = pages(warehouse).get("/workspace?id=client-0003").text
    assert "asks a question" in text
    assert "90 % interval" in text
    assert text.count('<svg class="interval"') == 4
    assert "association, not cause" in text.lower()
    assert "Analysis of" in text


def test_too_little_data_says_how_much_would_be_enough(agency: Agency) -> None:
    text = agency.browser.get("/workspace?id=client-0004").text
    assert "31 posts with engagement, needs 200" in text
    assert "too little" in text
    assert "other workspaces of the organization, or" in text


def test_beside_a_lift_stands_what_doing_it_would_bring(agency: Agency) -> None:
    text = agency.browser.get("/workspace?id=client-0003").text
    rows = text.split("If you do it</th>")[1].split("</table>")[0]
    assert "+9 % (-2 … +21)" in rows
    assert "from 3 experiments of yours and 1 of your organization" in rows
    assert rows.count("not enough experiments") == 2
    assert "The cheapest one that would tell" in text


def test_early_signals_are_something_to_try_and_no_pattern(agency: Agency) -> None:
    text = agency.browser.get("/workspace?id=client-0013").text
    assert "Worth a try: end with a call to action, &lt;client-0013&gt;" in text
    assert "effect +18 % (95 %: -2 … +41 %), 5 workspaces; an association" in text
    assert "enough would be 200 posts" in text
    assert "If you do it</th>" not in text


def test_what_was_learned_says_whether_it_still_holds(agency: Agency) -> None:
    browser = agency.browser
    for address in ("/workspace?id=client-0001", "/learnings?id=client-0001"):
        text = browser.get(address).text
        assert "Client 0001 &amp; Sons: a question in the title wins" in text
        assert "+12% (90%: +2% … +23%)" in text
        assert "yes, as far as is known" in text
        assert "no; a later experiment found the opposite" in text
        assert "Client 0000" not in text


def test_a_question_recalls_what_this_workspace_learned_and_nobody_elses(warehouse: Warehouse, pages: Pages) -> None:
    for name in ("acme", "other"):
        write_history(warehouse, name, [BUTTON | {"name": f"Green button of {name}"}])
    LearningService(warehouse).remember(["acme", "other"], "test")
    browser = pages(warehouse)
    text = browser.get("/learnings", params={"id": "acme", "q": "which color of a button?"}).text
    assert "1 learning about" in text
    assert "Green button of acme" in text
    assert "of other" not in text
    for q in (
        "zebra",
        "!!!",
        HOSTILE,
        "a\0b",
        "'; DROP TABLE learning --",
        '" OR * NEAR(',
        "\ud800".encode("utf-8", "surrogatepass"),
    ):
        answer = browser.get("/learnings", params={"id": "acme", "q": q})
        assert answer.status_code == 200, q
        assert "0 learnings about" in answer.text
        assert "<script>alert" not in answer.text
    assert browser.get("/learnings?id=nobody").status_code == 404


def test_ids_hold_any_sign(agency: Agency) -> None:
    browser = agency.browser
    home = browser.get("/?q=y%3D1").text
    href = home[home.index('href="/workspace?id=..') + 6 :].split('"')[0].replace("&amp;", "&")
    assert browser.get(href).status_code == 200
    assert browser.get("/workspace", params={"id": HOSTILE_ID}).text.count("<b>") == 0


def test_an_unknown_workspace_is_a_page_that_names_nobody(warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 3, nights=1)
    browser = pages(warehouse)
    for workspace_id in ("nobody", "\0", "a\0b", "client-0001 ", "%", "\ud800", "x" * 600, ""):
        for path in ("/workspace", "/learnings"):
            answer = browser.get(path, params={"id": workspace_id.encode("utf-8", "surrogatepass")})
            assert answer.status_code in (404, 422)
            assert answer.headers["content-type"].startswith("text/html")
            assert "client-0000" not in answer.text
            assert "Traceback" not in answer.text
