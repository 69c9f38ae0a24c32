"""What people read about models: what needs them, what changed, the best; each a click away from MLflow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.reporting import progress as bars
from tasks.reporting import report_link
from tasks.reporting.model_report import all_rows, drift_page, model_report
from tasks.reporting.report_rows import report_rows
from tasks.settings import get_settings
from tasks.warehouse.outcomes import DONE, Outcome

SHIFTED = {"name": "word_count", "kind": "number", "shift": 1.3, "p_adjusted": 0.001}
STILL = {"name": "local_hour", "kind": "number", "shift": 0.02, "p_adjusted": 1.0}


def model(workspace_id: str, status: str, columns: list[dict[str, Any]]) -> Outcome:
    drift = {"drift_status": status, "drift_score": 0.4, "columns": columns}
    found = {"workspace_id": workspace_id, "model_type": "ENGAGEMENT_PREDICTOR", "status": "no_retrain_needed"}
    found |= {"model_version": "v_20260101_000000", "drift": drift, "reason": "because"}
    return Outcome(workspace_id, DONE, None, {"models": {"ENGAGEMENT_PREDICTOR": found}})


def page(*outcomes: Outcome, before: list[dict[str, Any]] | None = None) -> str:
    names = [outcome.workspace_id for outcome in outcomes]
    found = report_rows(before, all_rows(outcomes), names, everyone=True)
    return f"{model_report(found).as_markdown()}\n\n{drift_page(outcomes)}"


def test_what_drifted_needs_a_person_and_is_drawn() -> None:
    said = page(model("calm", "no_drift", [STILL]), model("moved", "critical", [SHIFTED, STILL]))
    needs = said[said.index("## Needs") : said.index("## Changed")]
    assert "- **moved · ENGAGEMENT\\_PREDICTOR**: critical drift, and the champion stays" in needs
    assert "calm" not in needs
    assert said.count("](data:image/png;base64,") == 1
    assert "## moved.ENGAGEMENT_PREDICTOR" in said


def test_a_type_that_failed_or_serves_no_longer_is_named_and_needs_a_person() -> None:
    failed, withdrawn = model("broken", "no_drift", []), model("lost", "no_drift", [])
    gone = {"drift": None, "model_version": None}
    failed.result["models"]["ENGAGEMENT_PREDICTOR"] |= gone | {"status": "failed", "reason": "disk full"}
    withdrawn.result["models"]["ENGAGEMENT_PREDICTOR"] |= gone | {
        "status": "withdrawn",
        "reason": "its file is missing",
    }
    calm = [model(name, "no_drift", [STILL]) for name in ("broken", "lost")]
    said = page(failed, withdrawn, before=report_rows(None, all_rows(calm), ["broken", "lost"], everyone=True).rows)
    needs, changed = said[: said.index("## Changed")], said[said.index("## Changed") : said.index("## Counts")]
    assert "- **broken · ENGAGEMENT\\_PREDICTOR**: it could not be refreshed: disk full" in needs
    assert "- **lost · ENGAGEMENT\\_PREDICTOR**: its champion could not be read" in needs
    assert "- **lost · ENGAGEMENT\\_PREDICTOR**: withdrawn" in changed


def test_a_champion_that_is_worse_than_its_baseline_is_not_among_the_best() -> None:
    said = page(trained("good", 0.5), trained("poor", 1.1))
    best, worst = said[said.index("## Best") : said.index("## Worst")], said[said.index("## Worst") :]
    assert "good" in best
    assert "poor" not in best
    assert "- **poor · ENGAGEMENT\\_PREDICTOR**: 10 % worse than its baseline: mae\\_log 1.1, naive 1;" in worst


def test_models_that_lack_data_are_one_number() -> None:
    short = [model(f"new{i}", "insufficient_data", []) for i in range(300)]
    for one in short:
        one.result["models"]["ENGAGEMENT_PREDICTOR"] |= {"status": "insufficient_data", "model_version": None}
    said = page(*short, model("calm", "no_drift", [STILL]))
    assert "Not enough data: 300." in said
    assert "new1" not in said


def test_a_night_says_what_it_changed_and_a_quiet_one_nothing() -> None:
    calm = model("calm", "no_drift", [STILL])
    before = json.loads(json.dumps(report_rows(None, all_rows([calm]), ["calm"], everyone=True).rows))
    assert "## Changed since the last run\n\nNothing.\n" in page(calm, before=before)
    moved = model("calm", "critical", [SHIFTED])
    moved.result["models"]["ENGAGEMENT_PREDICTOR"] |= {"status": "promoted", "model_version": "v_20260201_000000"}
    said = page(moved, before=before)
    assert "- **calm · ENGAGEMENT\\_PREDICTOR**: promoted" in said
    assert "drift: no drift before, critical now" in said
    assert "## Needs a person\n\nNothing." in said, "a champion that was replaced no longer drifts"


def test_a_champion_keeps_the_gain_it_was_trained_with() -> None:
    trained = model("calm", "no_drift", [STILL])
    known = {"evaluation": {"loss": 0.6, "baseline_loss": 1.0}, "candidate_version": "v_20260101_000000"}
    trained.result["models"]["ENGAGEMENT_PREDICTOR"] |= known
    first = report_rows(None, all_rows([trained]), ["calm"], everyone=True).rows
    said = page(model("calm", "no_drift", [STILL]), before=first)
    assert "40 % better than its baseline; v\\_20260101\\_000000" in said


def trained(workspace_id: str, loss: float, version: str = "v_20260101_000000", **more: Any) -> Outcome:
    outcome = model(workspace_id, "no_drift", [STILL])
    metrics = {"mae_log": loss, "baseline_mae_log": 1.0}
    about = {"evaluation": {"loss": loss, "baseline_loss": 1.0, "metrics": metrics, **more}}
    outcome.result["models"]["ENGAGEMENT_PREDICTOR"] |= about | {"model_version": version, "candidate_version": version}
    return outcome


def test_of_three_hundred_models_the_best_and_the_worst_are_named_with_their_own_figure() -> None:
    said = page(*[trained(f"w{i:03d}", 0.4 + i / 600) for i in range(300)])
    best = said[said.index("## Best") : said.index("## Worst")]
    worst = said[said.index("## Worst") : said.index("## Counts")]
    assert best.count("\n- ") == 8
    assert "- **w000 · ENGAGEMENT\\_PREDICTOR**: 60 % better than its baseline: mae\\_log 0.4, naive 1;" in best
    assert worst.count("\n- ") == 5
    assert worst.index("w299") < worst.index("w295")
    assert "w100" not in said.partition("## Counts")[0]


def test_a_few_models_are_all_best_and_none_is_called_worst() -> None:
    said = page(*[trained(f"w{i}", 0.5, pool={"serves": "blend"}) for i in range(4)])
    assert "## Worst" not in said
    assert "naive 1, a blend with its organization's model" in said
    assert "## Best" not in page()


def test_a_night_says_how_good_the_model_before_was_and_the_one_now_is() -> None:
    before = report_rows(None, all_rows([trained("calm", 0.8)]), ["calm"], everyone=True).rows
    now = trained("calm", 0.5, "v_20260201_000000")
    now.result["models"]["ENGAGEMENT_PREDICTOR"]["status"] = "promoted"
    said = page(now, before=before)
    assert "promoted: mae\\_log 0.5, naive 1 (before: mae\\_log 0.8, naive 1)" in said


def test_models_link_to_an_mlflow_server_and_to_nothing_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = model("acme & co", "no_drift", [])
    known = {"evaluation": {"loss": 0.6, "baseline_loss": 1.0}, "candidate_version": "v_20260101_000000"}
    trained.result["models"]["ENGAGEMENT_PREDICTOR"] |= known
    assert "](" not in page(trained)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    get_settings.cache_clear()
    linked = (
        "[acme &#38; co · ENGAGEMENT\\_PREDICTOR]"
        "(http://127.0.0.1:5000/#/models/acme%20%26%20co.ENGAGEMENT_PREDICTOR?workflowType=machine_learning)"
    )
    assert linked in page(trained)


def test_reports_link_to_the_server_s_pages() -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        assert report_link("a-report", "words") == "[words](http://127.0.0.1:4200/raptorflow/reports/a-report)"
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
        bar = bars.ProgressBar("work", 4)
        for done in range(1, 5):
            clock[0] += seconds_each
            bar.update(done)
        assert moved == shown
