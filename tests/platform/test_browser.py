"""A person at the browser: forms start flows, reports can be read, a model is put back, an approval is given.

Needs Debian's chromium; `.ci/run` installs it and fails if these tests skipped there. Screenshots go to the folder
RAPTORFLOW_SCREENSHOTS names.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows import listing
from flows.model_refresh import model_refresh
from flows.parameters import ModelRefresh
from tasks.conditions import Condition, rule_in_words
from tasks.models import ModelType
from tasks.models.records import ModelKey
from tasks.models.service import ModelService
from tasks.warehouse.ingestion import ingest
from tests.chain_homes import at_home, simulated_files
from tests.running_platform import RunningPlatform, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

CHROMIUM = shutil.which("chromium")
WORKSPACE = "simulated-outdoor-shop"
MODEL = f"{WORKSPACE}.ENGAGEMENT_PREDICTOR"
KEY = ModelKey(WORKSPACE, ModelType.ENGAGEMENT_PREDICTOR)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: `apt-get install chromium`")

# Two versions of a model, the second on later rows: what a rollback needs.
ONE = ModelRefresh(workspace_ids=[WORKSPACE], model_types=["ENGAGEMENT_PREDICTOR"])
EARLIER, LATER = {"as_of": datetime(2025, 3, 1, tzinfo=UTC)}, {"force_retrain": True}


@pytest.fixture(scope="module")
def learned(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> RunningPlatform:
    """The platform with one simulated workspace and a model that has been replaced once."""
    files = simulated_files(tmp_path_factory.mktemp("sample"), {WORKSPACE})
    heartbeat = platform.prefect_settings | {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with at_home(platform.home, **platform.mlflow_settings), temporary_settings(heartbeat):
        for kind in ("workspaces", "content"):
            ingest(kind, [files[kind]])
        for asked in (EARLIER, LATER):
            model_refresh(ONE.model_copy(update=asked))
        service = ModelService()
        if service.promoter.champion(KEY) == service.store.versions(KEY)[0].version_name:  # as good as the later one
            service.promote_model(WORKSPACE, KEY.model_type)
    return platform


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("RAPTORFLOW_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(700)  # transitions end
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def open_form(platform: RunningPlatform, page: Page, deployment: str) -> None:
    with platform.client() as client:
        found = client.read_deployment_by_name(f"{deployment}/{deployment}").id
    page.goto(f"{platform.prefect}/deployments/deployment/{found}/run", wait_until="domcontentloaded")
    page.get_by_text("Validate parameters").wait_for()


def choose(page: Page, what: str, menu: int = 0) -> None:
    """Open one of the form's menus, from the top, and pick a choice."""
    page.locator(".p-select-button").nth(menu).click()
    page.keyboard.press("ArrowDown")
    page.locator(".p-select-option__text", has_text=what).click()
    page.keyboard.press("Escape")


def submit(page: Page, platform: RunningPlatform) -> str:
    """Press Submit, open the run, wait until its page says Completed; gives the run's id."""
    run_id: str = pressed(page, "/create_flow_run")["id"]
    page.goto("about:blank")  # a page that turns its wheel takes the core the run needs
    platform.wait(run_id, "Completed")
    page.goto(f"{platform.prefect}/runs/flow-run/{run_id}", wait_until="domcontentloaded")
    eventually(lambda: page.inner_text("body"), lambda said: "Completed" in said)
    return run_id


def pressed(page: Page, asks: str) -> Any:
    """What the server answers to Submit; pressed again, as people do, where a click was lost or SQLite was busy."""
    heard: list[Response] = []
    page.on("response", lambda one: heard.append(one) if one.url.endswith(asks) else None)
    for times in range(1, 4):
        page.get_by_role("button", name="Submit").last.click()
        for _ in range(100):
            if len(heard) == times or (heard and heard[-1].ok):
                break
            page.wait_for_timeout(200)
        if heard and heard[-1].ok:
            return heard[-1].json()
    raise AssertionError(f"Submit was pressed three times; the server answered {[one.status for one in heard]}")


def asked_of_mlflow(platform: RunningPlatform, question: str) -> Any:
    request = urllib.request.Request(f"{platform.mlflow}/api/2.0/mlflow/{question}")
    request.add_header("Authorization", platform.login.header)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def champion(platform: RunningPlatform) -> str:
    found = asked_of_mlflow(platform, f"registered-models/alias?name={MODEL}&alias=champion")
    version: str = found["model_version"]["version"]
    return version


def test_the_form_of_pattern_learning_leads_to_a_report_with_the_pattern(learned: RunningPlatform, page: Page) -> None:
    open_form(learned, page, "pattern-learning")
    choose(page, WORKSPACE)  # ingested after the form was deployed
    picture(page, "form-of-pattern-learning")
    run_id = submit(page, learned)
    with at_home(learned.home):
        found = listing.patterns(WORKSPACE, for_machines=True)
    assert found, "the sample plants patterns in this workspace"
    with learned.client() as client:
        body = {"artifacts": {"flow_run_id": {"any_": [run_id]}, "key": {"any_": ["pattern-learning-report"]}}}
        artifact = client.request("POST", "/artifacts/filter", json=body).json()[0]["id"]
    page.goto(f"{learned.prefect}/artifacts/artifact/{artifact}", wait_until="domcontentloaded")
    page.get_by_text("held to a false discovery rate").wait_for()
    picture(page, "report-of-pattern-learning")
    said = page.inner_text("body")
    shown = [rule_in_words(map(Condition.from_dict, pattern["rule"])) for pattern in found]
    assert any(words in said for words in shown), said


def test_mlflow_shows_the_model_its_champion_and_what_it_is_worth(learned: RunningPlatform, page: Page) -> None:
    version = champion(learned)
    page.goto(f"{learned.mlflow}/#/models/{MODEL}", wait_until="domcontentloaded")
    page.get_by_text("champion").first.wait_for()
    picture(page, "mlflow-model")
    page.goto(f"{learned.mlflow}/#/models/{MODEL}/versions/{version}", wait_until="domcontentloaded")
    page.get_by_text("the better of two baselines").first.wait_for()
    assert "champion" in page.inner_text("body")
    picture(page, "mlflow-champion")


def test_mlflow_shows_the_champions_plots(learned: RunningPlatform, page: Page) -> None:
    found = asked_of_mlflow(learned, f"registered-models/alias?name={MODEL}&alias=champion")
    run_id = found["model_version"]["run_id"]
    run = asked_of_mlflow(learned, f"runs/get?run_id={run_id}")["run"]["info"]
    plots = asked_of_mlflow(learned, f"artifacts/list?run_id={run_id}&path=figures")["files"]
    assert {"figures/calibration.png", "figures/residuals.png"} <= {plot["path"] for plot in plots}
    with page.expect_response(lambda answer: "get-artifact" in answer.url and "calibration" in answer.url) as plot:
        page.goto(
            f"{learned.mlflow}/#/experiments/{run['experiment_id']}/runs/{run_id}/artifacts/figures/calibration.png"
        )
    assert plot.value.ok
    picture(page, "mlflow-plot")
    assert page.request.get(plot.value.url).body().startswith(b"\x89PNG")  # the page has taken the first answer's body


def test_a_rollback_from_the_form_moves_the_alias(learned: RunningPlatform, page: Page) -> None:
    before = champion(learned)
    open_form(learned, page, "model-rollback")
    choose(page, WORKSPACE)
    choose(page, "ENGAGEMENT_PREDICTOR", menu=1)
    picture(page, "form-of-model-rollback")
    submit(page, learned)
    assert champion(learned) == "1" != before
    page.goto(f"{learned.mlflow}/#/models/{MODEL}/versions/1", wait_until="domcontentloaded")
    page.get_by_text("champion").first.wait_for()


def test_a_paused_promotion_goes_on_from_its_form(learned: RunningPlatform, page: Page) -> None:
    before = champion(learned)
    with at_home(learned.home):
        shown = listing.models(WORKSPACE, for_machines=True)
    other = next(row["version_name"] for row in shown if row["status"] == "registered" and not row["serves"])
    asked = {"workspace_id": WORKSPACE, "model_type": "ENGAGEMENT_PREDICTOR", "version": other, "needs_approval": True}
    run_id = learned.start("model-promotion/model-promotion", {"options": asked})
    learned.wait(run_id, "Paused")
    assert champion(learned) == before
    page.goto(f"{learned.prefect}/runs/flow-run/{run_id}", wait_until="domcontentloaded")
    page.get_by_role("button", name="Resume").first.click()
    page.get_by_text("Promote it").first.wait_for()
    page.get_by_role("switch").last.click()
    picture(page, "approval")
    answer = pressed(page, "/resume")
    assert answer["status"] == "ACCEPT", answer
    learned.wait(run_id, "Completed")
    eventually(lambda: page.inner_text("body"), lambda said: "Completed" in said)
    assert champion(learned) != before
