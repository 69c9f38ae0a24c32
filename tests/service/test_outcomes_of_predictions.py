"""What came of predicted rows, told over HTTP: stored before it is acknowledged, once for each row, by who may."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from service.outcome_queue import OutcomeQueue
from tasks.models.drift.sketch import Sketch
from tasks.models.records import ModelKey, ModelType
from tasks.models.store import days_of
from tasks.warehouse.schema import AuditEntry, ModelOutcome
from tests.service.conftest import Served
from tests.tasks.models.served_versions import CONVERSION, let_serve, predict

PATH = "/v1/predictions/CONVERSION_PREDICTOR/outcomes"


def said(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"outcomes": [{"row_id": row, "value": value} for row, value in pairs]}


def test_outcomes_count_once_and_are_in_the_log(served_twice: Served) -> None:
    let_serve(served_twice.warehouse)
    predict(served_twice.warehouse, {f"t{i}": 0.5 for i in range(40)})
    key = served_twice.key("write")
    with ThreadPoolExecutor(8) as threads:
        rows = [f"t{i // 2}" for i in range(40)]  # each is sent twice, in requests of its own
        answers = list(
            threads.map(lambda row: served_twice.client.post(PATH, headers=key, json=said((row, True))), rows)
        )
    assert [answer.status_code for answer in answers] == [200] * 40
    counts = [answer.json() for answer in answers]
    assert sum(one["recorded"] for one in counts) == sum(one["repeated"] for one in counts) == 20
    several = served_twice.client.post(
        PATH, headers=key, json=said(("t0", 1), ("t39", 0), ("t39", 1), ("nobody's", "1"))
    )
    assert several.json() == {"recorded": 1, "repeated": 1, "unpredicted": 1}
    warehouse = served_twice.warehouse
    assert sum((one for _, one in days_of(warehouse, CONVERSION, "v_1")), Sketch()).n_outcomes == 21
    assert warehouse.rows(select(ModelOutcome.value).where(ModelOutcome.row_id == "t39")) == [{"value": "0"}]
    entries = warehouse.rows(select(AuditEntry.subject).where(AuditEntry.action.like("%/outcomes")))
    assert len(entries) == 41


def test_who_may_not_or_says_what_is_none_is_told_why(served: Served) -> None:
    let_serve(served.warehouse)
    let_serve(served.warehouse, ModelKey("acme", ModelType.ENGAGEMENT_PREDICTOR))
    key = served.key("write")
    assert served.client.post(PATH, json=said(("t1", 1))).status_code == 401
    assert served.client.post(PATH, headers=served.key("assign"), json=said(("t1", 1))).status_code == 403
    engagement = PATH.replace("CONVERSION", "ENGAGEMENT")
    refused = served.client.post(engagement, headers=key, json=said(("c1", "much")))
    assert (refused.status_code, "log scale of `expected`" in refused.text) == (422, True)
    for wrong in (
        {"outcomes": []},
        said(("", 1)),
        said(("t1", None)),
        said(("t1", [1])),
        {"outcomes": [{"row_id": "t"}]},
    ):
        assert served.client.post(PATH, headers=key, json=wrong).status_code == 422
    predict(served.warehouse, {"t1": 0.5})
    for none in ("yes", "true", 7, -1, 0.5, 1e300):  # each would be the worst of losses
        refused = served.client.post(PATH, headers=key, json=said(("t1", none)))
        assert (refused.status_code, "neither 1, converted, nor 0" in refused.text) == (422, True)
    assert served.warehouse.rows(select(ModelOutcome.row_id)) == []


@pytest.mark.parametrize("workspace", ["umbrella", "not there"])
def test_a_foreign_key_cannot_tell_what_was_predicted(served: Served, workspace: str) -> None:
    theirs = ModelKey("umbrella", ModelType.CONVERSION_PREDICTOR)
    let_serve(served.warehouse, theirs)
    predict(served.warehouse, {"t1": 0.5}, theirs)
    answer = served.client.post(PATH, headers=served.key("admin"), json=said(("t1", 1)) | {"workspace": workspace})
    assert answer.status_code == 404
    own = served.client.post(PATH, headers=served.key("admin"), json=said(("t1", 1)))
    assert own.json() == {"recorded": 0, "repeated": 0, "unpredicted": 1}
    assert served.warehouse.rows(select(ModelOutcome.row_id)) == []


def test_long_requests_do_not_become_one_transaction_that_all_others_wait_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, models = list[int](), served.app.state.rooms.models
    record, key = models.record_outcomes, served.key("write")

    def noted(*given: Any, **more: Any) -> Any:
        sizes.append(len(given[2]))
        return record(*given, **more)

    monkeypatch.setattr(models, "record_outcomes", noted)
    queue: OutcomeQueue = served.app.state.outcomes
    waiting = [said(*((f"{k}-{i}", 1) for i in range(3000))) for k in range(6)]
    with ThreadPoolExecutor(6) as threads:
        blocked = queue._answers
        monkeypatch.setattr(queue, "_answers", lambda together: time.sleep(0.2) or blocked(together))
        answers = list(threads.map(lambda body: served.client.post(PATH, headers=key, json=body), waiting))
    assert [answer.json()["unpredicted"] for answer in answers] == [3000] * 6
    assert max(sizes) <= 6000, sizes


def test_what_no_database_keeps_alike_is_refused_before_it_is_asked(served_twice: Served) -> None:
    let_serve(served_twice.warehouse)
    predict(served_twice.warehouse, {"t1": 0.5})
    key, models = served_twice.key("admin"), "/v1/models/CONVERSION_PREDICTOR"
    for path, body in (
        (PATH, said(("t\0", 1))),
        (PATH.replace("CONVERSION_PREDICTOR", "TONE_CLASSIFIER"), said(("t1", "a\0b"))),
        (PATH.removesuffix("/outcomes"), {"row_ids": ["t\0"]}),
        (f"{models}/promote", {"reason": "better", "version": "v\0"}),
        (f"{models}/rollback", {"reason": "worse", "version": "v\0"}),
        (f"{models}/rollback", {"reason": "worse\0", "version": "v_1"}),
    ):
        answer = served_twice.client.post(path, headers=key, json=body)
        assert (answer.status_code, "should match pattern" in answer.text) == (422, True), (path, answer.text)
