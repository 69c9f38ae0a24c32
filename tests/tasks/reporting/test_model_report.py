"""What people read about models: those that drifted first, with a picture, each a click away from MLflow."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.reporting import model_report, report_link
from tasks.reporting import progress as bars
from tasks.settings import get_settings
from tasks.warehouse.outcomes import DONE, Outcome

SHIFTED = {"name": "word_count", "kind": "number", "shift": 1.3, "p_adjusted": 0.001}
STILL = {"name": "local_hour", "kind": "number", "shift": 0.02, "p_adjusted": 1.0}


def model(workspace_id: str, status: str, columns: list[dict[str, Any]]) -> Outcome:
    drift = {"drift_status": status, "drift_score": 0.4, "columns": columns}
    found = {"workspace_id": workspace_id, "model_type": "ENGAGEMENT_PREDICTOR", "status": "no_retrain_needed"}
    found |= {"model_version": "v_20260101_000000", "drift": drift, "reason": "because"}
    return Outcome(workspace_id, DONE, None, {"models": {"ENGAGEMENT_PREDICTOR": found}})


def test_what_drifted_comes_first_and_is_drawn() -> None:
    said = model_report([model("calm", "no_drift", [STILL]), model("moved", "critical", [SHIFTED, STILL])])
    assert said.index("| moved |") < said.index("| calm |")
    assert said.count("](data:image/png;base64,") == 1
    assert "## Drift of moved.ENGAGEMENT_PREDICTOR, by column" in said


def test_why_stands_in_a_list_because_prefect_cuts_wide_tables() -> None:
    said = model_report([model("moved", "critical", [SHIFTED]), model("new", "insufficient_data", [])])
    assert "| workspace | model | status | drift |\n" in said
    assert "| no retrain needed | critical, 0.40 |" in said
    assert "| no retrain needed | insufficient data |" in said
    assert "data:image" not in said, "one column is said in words"
    assert "- **moved · ENGAGEMENT_PREDICTOR**: because; champion v_20260101_000000" in said


def test_models_link_to_an_mlflow_server_and_to_nothing_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [model("acme & co", "no_drift", [])]
    assert "](" not in model_report(outcomes)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    get_settings.cache_clear()
    linked = "[ENGAGEMENT_PREDICTOR](http://127.0.0.1:5000/#/models/acme%20%26%20co.ENGAGEMENT_PREDICTOR)"
    assert linked in model_report(outcomes)


def test_reports_link_to_the_server_s_pages() -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        assert report_link("a-report", "words") == "[words](http://127.0.0.1:4200/artifacts/key/a-report)"
    with temporary_settings({PREFECT_API_URL: None}):
        assert report_link("a-report", "words") == "words"


def test_short_work_has_no_bar_and_long_work_ends_at_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[float] = []
    clock = [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(bars, "create_progress_artifact", lambda share, **_: moved.append(share) or "id")
    monkeypatch.setattr(bars, "update_progress_artifact", lambda _, share: moved.append(share))
    for seconds_each, shown in ((0.1, []), (3.0, [50.0, 100.0])):
        moved.clear()
        clock[0] = 0.0
        bar = bars.ProgressBar("key", "work", 4)
        for done in range(1, 5):
            clock[0] += seconds_each
            bar.update(done)
        assert moved == shown
