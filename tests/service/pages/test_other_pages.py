"""Models, debates, runs and releases: shown empty and full, with where numbers come from; what fails is a page too."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from service.pages.files import FILES
from tasks.swarm import AgentDebateOrchestrator
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import StepOutcome, TransferRelease
from tests.factories import store
from tests.generators.agencies import HOSTILE, HOSTILE_ID, write_agency

Pages = Callable[[Warehouse], TestClient]
LISTS = ("/", "/experiments", "/models", "/debates", "/runs", "/releases")
MODEL = "/model?id=client-0006&type=ENGAGEMENT_PREDICTOR"


@pytest.mark.parametrize("path", LISTS)
def test_every_list_is_a_page_also_where_nothing_is(path: str, warehouse: Warehouse, pages: Pages) -> None:
    answer = pages(warehouse).get(path)
    assert answer.status_code == 200
    assert "<h1>" in answer.text
    assert "Permanent link to this page" in answer.text
    assert "UTC</time>" in answer.text


def test_every_list_is_full_and_light_and_holds_no_markup_of_others(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    write_agency(sqlite_warehouse, 60, hostile=True)
    store(sqlite_warehouse, TransferRelease, [release()])
    browser = pages(sqlite_warehouse)
    for path in (*LISTS, MODEL):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "style=" not in text, "the content security policy lets no style attribute through"
        assert not re.search(r"\son\w+=", re.sub(r"&[#\w]+;", "", text).replace("onerror=alert(1)", ""))
        assert len(text.encode()) + sum(map(len, FILES.values())) < 150_000
        assert 'class="source"' in text


def test_a_model_shows_versions_drift_and_who_served(warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 7, nights=4)
    text = pages(warehouse).get(MODEL).text
    assert "v_1 gives 100 % of the predictions" in text
    assert text.count("critical, 0.3") == 5  # four checks, and the version that they are of
    assert '<figure class="chart">' in text
    assert "promotion of v_1" in text


@pytest.mark.parametrize(
    "path",
    ["/model?id=client-0001&type=NO_SUCH", "/model?id=nobody&type=TONE_CLASSIFIER", "/debate?id=x", "/run?id=x"],
)
def test_what_is_not_there_is_a_page(path: str, warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 2, nights=1)
    answer = pages(warehouse).get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "client-0000" not in answer.text


def test_a_run_leads_to_prefect_where_prefect_knows_it(
    sqlite_warehouse: Warehouse, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = "0198c0de-0000-7000-8000-000000000000"
    row = {"step": "patterns", "workspace_id": HOSTILE_ID, "status": "failed", "reason": HOSTILE}
    row |= {"unchanged_since": None, "recorded_at": datetime.now(UTC)}
    store(sqlite_warehouse, StepOutcome, [row | {"run_id": run} for run in (known, "javascript:alert(1)")])
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    text = pages(sqlite_warehouse).get("/runs").text
    assert text.count('href="http://127.0.0.1:4200/runs/flow-run/') == 1
    assert 'href="javascript:' not in text
    assert "&lt;script&gt;" in pages(sqlite_warehouse).get("/run", params={"id": known}).text


async def test_a_debate_shows_its_answer_and_what_each_option_would_bring(
    sqlite_warehouse: Warehouse, pages: Pages
) -> None:
    write_agency(sqlite_warehouse, 6, nights=1)
    orchestrator = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    options = [{"label": f"a question {HOSTILE}", "title": "How?"}, {"label": "no question", "title": "So."}]
    result = await orchestrator.orchestrate_debate(
        f"A question in the title? {HOSTILE}", ["copywriting_ninja"], 1, options=options, workspace_id="client-0005"
    )
    text = pages(sqlite_warehouse).get("/debate", params={"id": result["debate_id"]}).text
    assert "No language model was used" in text
    assert "90 % interval" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_a_broken_page_says_so_and_shows_no_traceback(
    sqlite_warehouse: Warehouse, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.pages.releases.all_releases", broken)
    answer = pages(sqlite_warehouse).get("/releases")
    assert answer.status_code == 500
    assert "the service's log holds the reason" in answer.text.replace("&#39;", "'")
    assert "swordfish" not in answer.text


def broken(_: Warehouse) -> None:
    raise ValueError("postgresql://raptor:swordfish@db")


def release() -> dict[str, object]:
    row = {"period": "2026-11-01", "status": "published", "catalogue_version": 1, "epsilon": 1.0, "delta": 1e-6}
    return row | {"rho": 0.1, "noise_scale": 3.2, "as_of": datetime.now(UTC), "run_id": "test"}
