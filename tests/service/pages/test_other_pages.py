"""Models, debates, runs and releases: shown empty and full, with where numbers come from; what fails is a page too."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.pages import addresses
from service.pages.files import FILES
from service.pages.models import LOOK_BACK, SHOWN
from tasks.models.store.attention import count_moves, drifting_champions, waiting_versions
from tasks.settings import get_settings
from tasks.swarm import AgentDebateOrchestrator
from tasks.transfer.exchange.signing import KEY_FILE
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ReleaseBenefit, ReleaseImport, StepOutcome
from tests.factories import store
from tests.generators.agencies import HOSTILE, HOSTILE_ID, write_agency
from tests.release_factories import manifest_of, name_of, noisy_sums
from tests.service.pages.conftest import Agency

Pages = Callable[[Warehouse], TestClient]
LISTS = ("/", "/experiments", "/calendar", "/models", "/debates", "/runs", "/releases")
MODEL = "/model?id=client-0006&type=ENGAGEMENT_PREDICTOR"


def test_every_list_is_a_page_also_where_nothing_is(warehouse: Warehouse, pages: Pages) -> None:
    browser = pages(warehouse)
    for path in LISTS:
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "<h1>" in answer.text
        assert "Permanent link to this page" in answer.text
        assert "UTC</time>" in answer.text


def test_postgresql_gives_a_page_of_each_kind(postgres_warehouse: Warehouse, pages: Pages) -> None:
    write_agency(postgres_warehouse, 14, nights=2)
    browser = pages(postgres_warehouse)
    own = (
        "/workspace?id=client-0013",
        "/backlog?id=client-0005",
        "/learnings?id=client-0003",
        "/learnings?id=client-0003&q=a%00question",
    )
    for path in (*LISTS, MODEL, *own):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert 'class="source"' in answer.text


def test_every_list_is_full_and_light_and_holds_no_markup_of_others(agency: Agency) -> None:
    browser = agency.browser
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


def test_what_is_not_there_is_a_page(warehouse: Warehouse, pages: Pages) -> None:
    write_agency(warehouse, 2, nights=1)
    browser = pages(warehouse)
    models = ("/model?id=client-0001&type=NO_SUCH", "/model?id=nobody&type=TONE_CLASSIFIER")
    for path in (*models, "/debate?id=x", "/run?id=x"):
        answer = browser.get(path)
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


def test_releases_of_others_say_whether_they_are_trusted_and_what_they_bring(
    warehouse: Warehouse, pages: Pages, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPTORFLOW_TRUSTED_RELEASES", name_of(1))
    get_settings.cache_clear()
    sums = noisy_sums(1)
    row = manifest_of(sums).model_dump(exclude={"format", "as_of"}) | {"sums": sums, "file_sha256": "0" * 64}
    row |= {"as_of": datetime.now(UTC) - timedelta(days=12), "imported_at": datetime.now(UTC), "forgotten_at": None}
    store(warehouse, ReleaseImport, [row | {"fingerprint": name_of(seed)} for seed in (1, 2)])
    benefit = {"workspace_id": "acme", "fingerprint": name_of(1), "gain": 0.031, "standard_error": 0.01}
    benefit |= {"held_out_posts": 60, "refused": False, "measured_at": datetime.now(UTC)}
    store(warehouse, ReleaseBenefit, [benefit])
    text = pages(warehouse).get("/releases").text
    rows = {seed: text.split(name_of(seed)[:16])[-1].split("</tr>")[0] for seed in (1, 2)}
    assert "in use" in rows[1]
    assert "AUC +0.031 ± 0.010, held-out posts of 1 workspace" in rows[1]
    assert "not trusted" in rows[2]
    assert "not enough data" in rows[2]
    assert all("12 days" in row and "at least 12" in row for row in rows.values())
    assert "raptorflow releases import FILE" in text
    assert "acme" not in text
    assert list(home.glob(KEY_FILE)) == [], "reading a page makes no key"


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


def test_models_of_a_large_agency_are_folded_and_none_is_left_out(agency: Agency) -> None:
    text = agency.browser.get("/models").text
    drifting, waiting = drifting_champions(agency.warehouse), waiting_versions(agency.warehouse)
    for row in (*drifting, *waiting):
        assert escape(addresses.model(row["workspace_id"], row["model_type"])) in text
    moves = count_moves(agency.warehouse, datetime.now(UTC) - LOOK_BACK)
    assert f"The newest {SHOWN} of {moves}; each model" in text
