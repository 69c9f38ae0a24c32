"""Reports as Prefect shows them, with no workspace, 12 and 300: three screens at most, and every link leads on."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from prefect.settings import temporary_settings

from flows.meta_learning import REPORTS
from tasks.reporting import pattern_report, publish_with_index
from tasks.reporting.model_report import all_rows, model_report
from tasks.reporting.report_rows import ReportRows, report_rows
from tasks.reporting.summary import summarize, summary_report
from tests.generators.reports import night, workspace_names
from tests.platform.test_browser import picture
from tests.running_platform import RunningPlatform

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium: `apt-get install chromium`")

SCREEN = 900
# A page's description is Markdown of its own, one line above the report.
HEIGHT = 'Math.max(...[...document.querySelectorAll(".markdown-renderer")].map((part) => part.scrollHeight))'


def publish(platform: RunningPlatform, count: int) -> None:
    """The second of two nights, as the flows publish it."""
    with temporary_settings(platform.prefect_settings):
        publish_night(count)


def publish_night(count: int) -> None:
    """The second of two nights, after the first."""
    names, (first, second) = workspace_names(count), (night(count, 1), night(count, 2))
    patterns = _both_nights(names, *(pattern_report.all_rows(steps["patterns"]) for steps in (first, second)))
    models = _both_nights(names, *(all_rows(steps["models"]) for steps in (first, second)))
    publish_with_index(pattern_report.pattern_report(patterns))
    publish_with_index(model_report(models))
    summaries = [
        summarize(
            [
                {"workspace_id": one.workspace_id, "step": step, "status": one.status, "reason": one.reason}
                | {"unchanged_since": one.unchanged_since}
                for step, outcomes in steps.items()
                for one in outcomes
            ],
            {"patterns": 12.0, "models": 70.0},
        )
        for steps in (first, second)
    ]
    before = summary_report(summaries[0], None, [], REPORTS, everyone=True).rows
    best = pattern_report.best_of(second["patterns"])
    publish_with_index(summary_report(summaries[1], before, best, REPORTS, everyone=True))


def _both_nights(names: list[str], first: list[dict[str, object]], second: list[dict[str, object]]) -> ReportRows:
    before = report_rows(None, first, names, everyone=True).rows
    return report_rows(before, second, names, everyone=True)


def shown(platform: RunningPlatform, page: Page, key: str) -> float:
    """Open the report's link, as the others hold it; gives its height in screens."""
    page.goto(f"{platform.prefect}/raptorflow/reports/{key}", wait_until="domcontentloaded")
    page.get_by_role("heading", name="Needs a person").wait_for()
    assert "/artifacts/artifact/" in page.url
    return float(page.evaluate(HEIGHT)) / SCREEN


@pytest.mark.parametrize("count", [0, 12, 300])
def test_a_report_of_any_number_of_workspaces_stays_under_three_screens(
    count: int, platform: RunningPlatform, page: Page
) -> None:
    with ThreadPoolExecutor(1) as other:  # Playwright has a loop in this thread, and Prefect asks
        other.submit(publish, platform, count).result()
    for key in ("raptorflow", "meta-learning-summary", "pattern-learning-report", "model-refresh-report"):
        screens = shown(platform, page, key)
        picture(page, f"report-{key}-{count}")
        assert 0.1 < screens < 3, (key, count, screens)
