"""One platform for all tests of this folder: starting one costs half a minute."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.running_platform import FOREIGN_NAME, PATIENCE, RunningPlatform, running_platform

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox --disable-gpu --disable-software-rasterizer --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
POINTED_HERE = f"--host-resolver-rules=MAP {FOREIGN_NAME} 127.0.0.1"
PATIENCE_MILLISECONDS = 120_000 * PATIENCE


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="module")
def page(platform: RunningPlatform) -> Iterator[Page]:
    """A browser that has opened the link of `raptorflow status`, and typed nothing.

    It holds the event loop of this thread for as long as it is open: not longer than one file.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET.split(), POINTED_HERE])
        shown = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        shown.set_default_timeout(PATIENCE_MILLISECONDS)
        shown.goto(json.loads(platform.cli("status", "--json").stdout)["open"], wait_until="domcontentloaded")
        yield shown
        browser.close()
