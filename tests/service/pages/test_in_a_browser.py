"""Every page in Debian's chromium: nothing wider than the screen, nothing that the content policy forbids, by keyboard.

Screenshots go to the folder RAPTORFLOW_SCREENSHOTS names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service.app import create_app
from tasks.warehouse import Warehouse
from tests.generators.agencies import write_agency
from tests.service.conftest import listening
from tests.service.pages.test_draft_page import ScoredHere
from tests.service.pages.test_drift_strip import PAGE as STRIP
from tests.service.pages.test_experiment_pages import running
from tests.tasks.models.served_versions import let_serve, predict

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

CHROMIUM = shutil.which("chromium")
PAGES = {
    "home": "/",
    "filtered": "/?need=failed&industry=saas&order=oldest",
    "workspace": "/workspace?id=client-0005",
    "hostile": "/workspace?id=..%2Fx%3Fy%3D1%26z%3D%3Cb%3E%22%252F%23%27",
    "too-little": "/workspace?id=client-0004",
    "early": "/workspace?id=client-0013",
    "learnings": "/learnings?id=client-0005&q=question",
    "draft": "/draft?id=client-0005",
    "experiments": "/experiments",
    "calendar": "/calendar",
    "backlog": "/backlog?id=client-0005",
    "models": "/models",
    "model": "/model?id=client-0006&type=ENGAGEMENT_PREDICTOR",
    "debates": "/debates",
    "runs": "/runs",
    "releases": "/releases",
    "not-found": "/workspace?id=nobody",
    "wrong": "/?page=0",
}
SCREENS = {
    "wide-light": (1280, "light"),
    "wide-dark": (1280, "dark"),
    "narrow-light": (360, "light"),
    "narrow-dark": (360, "dark"),
}
BROKEN_WORDS = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const broken = [], range = document.createRange()
  for (let node = texts.nextNode(); node; node = texts.nextNode())
    for (const word of node.data.matchAll(/(?<![^\\s(])[a-z]{2,12}(?![^\\s,.;:)])/gi)) {
      range.setStart(node, word.index)
      range.setEnd(node, word.index + word[0].length)
      if (new Set([...range.getClientRects()].map(part => Math.round(part.top))).size > 1) broken.push(word[0])
    }
  return broken
}"""
OVERFLOWING = """() => [...document.querySelectorAll("td, th, dd, li")]
  .filter(cell => cell.clientHeight && cell.scrollHeight > cell.clientHeight + 4)
  .map(cell => cell.dataset.label || cell.innerText)"""
RUNS_OF_MARKUP = "window.alert = () => { throw new Error('a text has run as a script') }"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: `apt-get install chromium`")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def screen(chromium: Browser, name: str, problems: list[str], **more: bool) -> BrowserContext:
    width, scheme = SCREENS[name]
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **more)  # type: ignore[arg-type]
    context.add_init_script(RUNS_OF_MARKUP)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    return context


def look_at_all(
    warehouse: Warehouse,
    chromium: Browser,
    about: str,
    chosen: Collection[str] = PAGES,
    screens: Collection[str] = SCREENS,
    more: Mapping[str, str] | None = None,
) -> list[str]:
    """What is wrong on some pages and screens; all of them unless some are chosen."""
    problems: list[str] = []
    app = create_app(warehouse)
    with listening(app) as address:
        for name in screens:
            context = screen(chromium, name, problems)
            page = context.new_page()
            for what, where in ({name: PAGES[name] for name in chosen} | dict(more or {})).items():
                answer = page.goto(f"{address}{where}", wait_until="load")
                problems += [f"{what} on {name} failed"] if answer is None or answer.status >= 500 else []
                wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                problems += [f"{what} on {name} is {wider} pixels wider than the screen"] if wider > 0 else []
                problems += [f"{what} on {name}: {cell} overlaps what follows" for cell in page.evaluate(OVERFLOWING)]
                problems += [f"{what} on {name} breaks the word {word}" for word in page.evaluate(BROKEN_WORDS)]
                problems += [f"{what} on {name} has {n} headings"] if (n := page.locator("h1").count()) != 1 else []
                if folder := os.environ.get("RAPTORFLOW_SCREENSHOTS"):
                    page.screenshot(path=str(Path(folder) / f"{about}-{what}-{name}.png"), full_page=True)
            context.close()
    return problems


def test_the_fullest_pages_fit_a_telephone_and_obey_the_policy(sqlite_warehouse: Warehouse, chromium: Browser) -> None:
    write_agency(sqlite_warehouse, 14, nights=1, hostile=True)
    fullest = ("home", "workspace", "hostile", "early", "learnings", "calendar", "backlog")
    assert look_at_all(sqlite_warehouse, chromium, "14", fullest, ["narrow-dark"]) == []


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 14, 300])
def test_every_page_fits_each_screen_and_obeys_the_policy(
    n: int, sqlite_warehouse: Warehouse, chromium: Browser
) -> None:
    write_agency(sqlite_warehouse, n, hostile=True)
    more = {"experiment": f"/experiment?id={running(sqlite_warehouse).experiment_id}"} if n else {}
    assert look_at_all(sqlite_warehouse, chromium, str(n), more=more) == []


@pytest.mark.slow
def test_a_draft_is_scored_while_it_is_typed_and_by_its_button_without_script(
    sqlite_warehouse: Warehouse, chromium: Browser
) -> None:
    write_agency(sqlite_warehouse, 6, nights=1)
    app, problems = create_app(sqlite_warehouse), list[str]()
    app.state.scoring = ScoredHere(sqlite_warehouse)
    with listening(app) as address:
        for scripted in (True, False):
            context = screen(chromium, "wide-light", problems, java_script_enabled=scripted)
            page = context.new_page()
            page.goto(f"{address}/draft?id=client-0005")
            page.get_by_label("Title").fill("How do you like it?")
            if not scripted:
                page.get_by_role("button", name="Look at it").click()
            page.get_by_text("Has already").wait_for(timeout=60_000)
            assert "asks a question" in page.locator("#result").inner_text()
            context.close()
    assert problems == []


def test_the_keyboard_reaches_the_content_first_and_then_the_menu(
    sqlite_warehouse: Warehouse, chromium: Browser
) -> None:
    write_agency(sqlite_warehouse, 3, nights=1)
    with listening(create_app(sqlite_warehouse)) as address:
        page = chromium.new_page()
        page.goto(address)
        focused = []
        for _ in range(4):
            page.keyboard.press("Tab")
            focused.append(page.evaluate("document.activeElement.innerText"))
        assert focused == ["Skip to the content", "RaptorFlow", "Home", "Experiments"]
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.close()


def test_a_strip_keeps_up_until_it_is_paused_and_can_be_read_without_script(
    sqlite_warehouse: Warehouse, chromium: Browser
) -> None:
    let_serve(sqlite_warehouse)
    problems = list[str]()
    with listening(create_app(sqlite_warehouse)) as address:
        context = screen(chromium, "narrow-dark", problems)
        page = context.new_page()
        page.goto(f"{address}{STRIP}")
        page.locator("#strip").get_by_text("0 predictions").wait_for()
        predict(sqlite_warehouse, {"t1": 0.5})
        page.locator("#strip").get_by_text("1 prediction and").wait_for()
        page.get_by_role("button", name="Pause").click()
        predict(sqlite_warehouse, {"t2": 0.5})
        page.wait_for_timeout(2_500)
        assert "1 prediction and" in page.locator("#strip").inner_text(), "it was told to stop"
        page.get_by_role("button", name="Go on").click()
        page.locator("#strip").get_by_text("2 predictions and").wait_for()
        context.close()
        context = screen(chromium, "wide-light", problems, java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{address}{STRIP}")
        assert "2 predictions and" in page.locator("#strip").inner_text()
        assert page.get_by_role("button", name="Pause").count() == 0, "nothing happens that could be paused"
        context.close()
    assert problems == []
