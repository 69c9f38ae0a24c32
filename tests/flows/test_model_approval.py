"""model-promotion pauses for a form when asked to, and does what the person says there."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
)

from flows.model_promotion import model_promotion
from flows.parameters import ModelPromotion
from tasks.models import ModelType, ModelUpdater
from tasks.models.records import ModelKey
from tasks.models.store import ModelStore
from tasks.warehouse import open_warehouse
from tests.factories import store_content
from tests.pausing import answered
from tests.tasks.models.model_rows import posts

TONE = ModelType.TONE_CLASSIFIER
REPORT = "model-promotion-acme-tone-classifier"


pytestmark = pytest.mark.usefixtures("at_prefect_api")


def with_a_challenger() -> str:
    """A champion, and a version that waits beside it; returns its name."""
    warehouse, updater = open_warehouse(), ModelUpdater()
    for start in (0, 150):
        store_content(warehouse, posts(150, start=start))
        asked = updater.check_and_update_models("acme", [TONE], force_retrain=True, promote=False)
        found = asyncio.run(asked)["TONE_CLASSIFIER"]
    assert found["status"] == "challenger"
    return str(found["candidate_version"])


def decide(**answer: Any) -> Any:
    """Start a promotion that asks first, and answer it."""
    options = ModelPromotion(workspace_id="acme", model_type="TONE_CLASSIFIER", needs_approval=True)

    def nothing_moved(form: tuple[str, dict[str, Any]]) -> None:
        assert re.fullmatch(r"v_\S+ would replace v_\S+ as champion of acme.TONE_CLASSIFIER", form[0])
        assert len(ModelStore(open_warehouse()).deployments(ModelKey("acme", TONE))) == 1

    return answered(model_promotion, options, nothing_moved, **answer)


def test_promotion_waits_for_a_person_and_does_what_the_form_says() -> None:
    challenger = with_a_challenger()
    assert decide(approve=False, reason="not before the launch", actor="Ann") is None
    store = ModelStore(open_warehouse())
    assert len(store.deployments(ModelKey("acme", TONE))) == 1
    done = decide(approve=True, reason="looks right", actor="Ann")
    assert (done["status"], done["model_version"]) == ("promoted", challenger)
    last = store.deployments(ModelKey("acme", TONE))[-1]
    assert (last.version_name, last.reason, last.actor, last.outcome) == (challenger, "looks right", "Ann", "done")
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[REPORT])))
    told = {row["what"]: row["value"] for row in json.loads(str(found[0].data))}
    assert (told["serves"], told["reason"], told["by"]) == (challenger, "looks right", "Ann")
