"""A model that was really trained, over HTTP: promoted, asked, rolled back, named in the log, and nobody else's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tasks.models.records import ModelKey, ModelType
from tasks.models.service import ModelService
from tests.chain_homes import posts
from tests.factories import store_content
from tests.service.conftest import Served

TYPE = "ENGAGEMENT_PREDICTOR"
OWN = "w000"
SECONDS_TO_START = 400


@pytest.fixture
def trained(served: Served, home: Path) -> list[str]:
    """Two versions of a model, the second trained on more rows; none serves that was not promoted."""
    home.mkdir(parents=True, exist_ok=True)
    rows, service = posts(workspaces=1, days=150), ModelService(served.warehouse)
    for part in (rows[:200], rows):
        store_content(served.warehouse, part)
        service.check_and_update_models(OWN, [TYPE], force_retrain=True, promote=False)
    return sorted(one.version_name for one in service.store.registered(ModelKey(OWN, ModelType.parse(TYPE))))


@pytest.mark.slow
@pytest.mark.usefixtures("scored_here")
def test_a_real_model_is_promoted_asked_and_rolled_back(served: Served, trained: list[str]) -> None:
    admin, writer = served.key("admin", workspace=OWN), served.key("write", workspace=OWN)
    other, post = served.key("admin", workspace="umbrella"), served.client.post
    first, second = trained
    assert serving(served, admin) == first, "the first version serves at once, later ones wait for a person"
    draft = {"title": "How do you like it?", "body": "Which one?", "channel": "facebook"}
    expected = post("/v1/score", headers=admin, json=draft).json()["expected"]
    low, high = expected["interval"]
    assert low < expected["value"] < high
    assert post(f"/v1/models/{TYPE}/promote", headers=writer, json={"reason": "newer"}).status_code == 403
    hidden = post(f"/v1/models/{TYPE}/promote", headers=other, json={"reason": "mine", "version": second})
    assert (hidden.status_code, second in hidden.json()["detail"]) in {(404, False), (409, False), (422, True)}
    assert serving(served, admin) == first
    promoted = post(f"/v1/models/{TYPE}/promote", headers=admin, json={"reason": "newer", "version": second})
    assert promoted.status_code == 200, promoted.text
    assert serving(served, admin) == second
    stale = post(
        f"/v1/models/{TYPE}/promote",
        headers=admin,
        json={"reason": "again", "version": first, "expected_generation": 0},
    )
    assert stale.status_code == 409, stale.text
    predicted = post(f"/v1/predictions/{TYPE}", headers=writer, json={"row_ids": ["c1", "c2", "nobodys"]}).json()[
        "items"
    ]
    assert [row["row_id"] for row in predicted] == ["c1", "c2"]
    assert post(f"/v1/predictions/{TYPE}", headers=other, json={"row_ids": ["c1"]}).status_code == 409
    back = post(f"/v1/models/{TYPE}/rollback", headers=admin, json={"reason": "worse"})
    assert back.status_code == 200, back.text
    assert serving(served, admin) == first
    unknown = post(f"/v1/models/{TYPE}/rollback", headers=admin, json={"reason": "r", "version": "v_none"})
    assert unknown.status_code in (404, 409, 422)
    assert "v_none" in unknown.json()["detail"] or unknown.status_code == 404
    entries = served.client.get("/v1/audit", headers=admin).json()["items"]
    assert [row["action"].rpartition("/")[2] for row in entries] == ["rollback", "{model_type}", "promote"]
    (champion,) = [row for row in served.client.get("/v1/models", headers=admin).json()["items"] if row["serves"]]
    assert champion["version_name"] == first


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_the_process_beside_scores_with_a_real_model(served: Served) -> None:
    key, until = served.key("read", workspace=OWN), time.monotonic() + SECONDS_TO_START
    while (scored := served.client.post("/v1/score", headers=key, json={"title": "How is it?"})).status_code == 503:
        assert time.monotonic() < until, scored.text  # a machine under load starts it for more than a minute
    assert scored.status_code == 200, scored.text
    assert scored.json()["expected"]["value"] > 0


def serving(served: Served, key: dict[str, str]) -> str | None:
    """The version that serves."""
    rows = served.client.get("/v1/models", headers=key).json()["items"]
    return next((str(row["version_name"]) for row in rows if row["serves"]), None)
