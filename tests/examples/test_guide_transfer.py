"""The guide's TransferLearner snippets run as written, but for the root of the imports, over the simulated sample."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from flows import listing
from tasks.content.sample import simulate
from tasks.content.sample.agency import AGENCY, QUESTION, Selectors, SimulatedWorkspace
from tasks.transfer import TransferLearner, TransferPublisher
from tasks.warehouse import open_warehouse
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

PlantedEffect = tuple[Selectors, float, str]
HOUSE = [w.workspace_id for w in AGENCY if w.organization == "north-group" and w.size == "smb"]


TOWN = tuple(w for w in AGENCY if w.workspace_id in (*HOUSE, "simulated-bank"))
ASKING: PlantedEffect = (QUESTION, 0.8, "social")


@pytest.fixture
def sample(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shops of one organization, two of which gain by asking, and a bank; a newcomer without a single post."""
    one_night(TOWN, tmp_path, monkeypatch)


@pytest.fixture
def agreeing_sample(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, but asking a question pays in every shop; what else works in them stays as it is."""
    agreeing = [replace(shop, effects=(*without_questions(shop), ASKING)) for shop in TOWN[:-1]]
    one_night((*agreeing, TOWN[-1]), tmp_path, monkeypatch)


def without_questions(shop: SimulatedWorkspace) -> list[PlantedEffect]:
    return [effect for effect in shop.effects if effect[0] != QUESTION]


def one_night(town: tuple[SimulatedWorkspace, ...], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One night's transfer over a town's posts, with a newcomer of the same organization."""
    monkeypatch.setattr("tasks.content.sample.AGENCY", town)
    found = simulate(folder, seed=3)
    for kind in ("workspaces", "content"):
        ingest(kind, [found.files[kind]])
    newcomer = workspace_row(
        workspace_id="simulated-tea-house",
        name="Simulated Tea House",
        industry="food",
        timezone="Europe/Lisbon",
        organisation_id="simulated-north-group",
    )
    store(open_warehouse(), Workspace, [newcomer])
    publisher = TransferPublisher()
    asyncio.run(publisher.contribute([*HOUSE, "simulated-bank"], run_id="night"))
    asyncio.run(publisher.release(run_id="night"))


async def guide(workspace_id: str, workspace_id_1: str, workspace_id_2: str) -> tuple[object, object]:
    # Initialize
    transfer_learner = TransferLearner(min_source_workspaces=3, min_confidence=0.6, similarity_threshold=0.7)

    # Get insights for a workspace
    insights = await transfer_learner.get_transfer_insights(
        target_workspace_id=workspace_id, top_k=5, insight_types=["strategy", "content", "timing", "channel"]
    )

    # Calculate similarity between workspaces
    similarity = await transfer_learner.compute_workspace_similarity(
        workspace_a=workspace_id_1, workspace_b=workspace_id_2
    )
    return insights, similarity


@pytest.mark.usefixtures("sample")
def test_guide_snippet_answers_a_newcomer_and_says_nothing_false() -> None:
    insights, similarity = asyncio.run(guide("simulated-tea-house", *HOUSE[:2]))
    assert isinstance(insights, dict)
    assert set(insights) >= {"insights", "similar_workspaces", "coverage", "metadata"}
    assert insights["similar_workspaces"] == len(HOUSE) == 4
    assert insights["status"] in ("ok", "insufficient_confidence")
    assert 0.0 <= similarity <= 1.0  # type: ignore[operator]
    told = {insight["insight_id"] for insight in insights["insights"]}
    assert not told & {"content_text_hashtag", "content_text_exclamation", "content_text_link"}, "planted nowhere"
    quiet = asyncio.run(TransferLearner().get_transfer_insights("simulated-bank"))
    assert (quiet["insights"], quiet["status"]) == ([], "not_sharing")


@pytest.mark.usefixtures("agreeing_sample")
def test_guide_snippet_gives_a_newcomer_what_its_siblings_know() -> None:
    insights, similarity = asyncio.run(guide("simulated-tea-house", *HOUSE[:2]))
    assert isinstance(insights, dict)
    assert set(insights) >= {"insights", "similar_workspaces", "coverage", "metadata"}
    assert insights["metadata"] == insights["metadata"] | {"target_industry": "food", "target_size": "smb"}
    assert insights["metadata"]["total_insights_found"] >= len(insights["insights"]) > 0
    assert insights["similar_workspaces"] == len(HOUSE) == 4
    assert (insights["status"], insights["coverage"]) == ("ok", "low")
    for insight in insights["insights"]:
        assert set(insight) == {
            *("insight_id", "insight_type", "description", "source_workspaces"),
            *("confidence", "effect_size", "applicable_scenarios", "metadata"),
        }
        assert insight["confidence"] >= 0.6
        assert insight["source_workspaces"] >= 3
        assert insight["metadata"]["own_weight"] == 0.0
    assert 0.0 <= similarity <= 1.0  # type: ignore[operator]
    json.dumps([insights, similarity])

    # What was planted in all siblings is passed on; what was planted in two of four, or nowhere, is not.
    everything = asyncio.run(TransferLearner().get_transfer_insights("simulated-tea-house", top_k=50))
    told = {insight["insight_id"] for insight in everything["insights"] if insight["insight_type"] == "content"}
    assert "content_text_question" in told
    assert not told & {"content_text_emoji", "content_text_hashtag", "content_text_exclamation", "content_text_link"}

    (shown,) = listing.insights("simulated-bank")
    assert "shares_insights = true" in shown["description"]  # not how many others there would have to be
