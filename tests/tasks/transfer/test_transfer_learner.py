"""What a target is told, from whom, and what it is not told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlalchemy import update

from tasks.errors import OutOfRangeError, UnknownNameError
from tasks.transfer import TransferLearner, TransferPublisher
from tasks.transfer.catalogue import KEYS
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import TransferEstimate, Workspace
from tests.factories import store, workspace_row
from tests.transfer_factories import (
    NOW,
    SeededNoise,
    crowd,
    estimate_rows,
    no_noise,
    store_crowd,
    store_siblings,
)

HOURS = {f"timing:hour:{hour:02}": 0.25 if hour in (9, 10, 14, 17) else -0.05 for hour in range(8, 20)}
CTA = "content:text:cta"


def learner(warehouse: Warehouse, **changes: Any) -> TransferLearner:
    return TransferLearner(warehouse=warehouse, **changes)


async def release(warehouse: Warehouse, noise: Any = None, days: int = 0) -> None:
    await TransferPublisher(
        noise=noise or SeededNoise(), clock=lambda: NOW + timedelta(days=days), warehouse=warehouse
    ).release(run_id="r")


async def test_siblings_hours_reach_a_new_workspace_in_the_guides_words(warehouse: Warehouse) -> None:
    store_siblings(warehouse, [HOURS] * 5)
    target = workspace_row(workspace_id="new", organisation_id="house", timezone="Europe/Lisbon")
    store(warehouse, Workspace, [target])
    found = await learner(warehouse).get_transfer_insights("new", as_of=NOW)
    (insight,) = [i for i in found["insights"] if i["insight_id"] == "timing_optimal_hours"]
    assert insight["description"] == (
        "Post during 9, 10, 14, 17 hours for 1.3x better engagement based on similar workspaces"
    )
    assert insight["source_workspaces"] == found["similar_workspaces"] == 5
    assert insight["applicable_scenarios"] == ["content_scheduling", "campaign_planning"]
    assert insight["metadata"]["optimal_hours"] == [9, 10, 14, 17]
    assert insight["metadata"]["timezone"] == "Europe/Lisbon"
    low, high = insight["metadata"]["interval_95"]
    assert low < insight["effect_size"] < high
    assert (found["coverage"], found["status"], found["stale"]) == ("medium", "ok", False)
    assert found["metadata"] == found["metadata"] | {"target_industry": "saas", "target_size": "smb"}
    assert found["metadata"]["total_insights_found"] >= 1


async def test_two_siblings_are_too_few(sqlite_warehouse: Warehouse) -> None:
    store_siblings(sqlite_warehouse, [HOURS] * 2)
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new", organisation_id="house")])
    found = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW)
    assert (found["insights"], found["status"], found["coverage"]) == ([], "insufficient_coverage", "insufficient")
    assert found["metadata"]["needed_workspaces"]["same_organisation"] == 3


async def test_strangers_reach_each_other_only_through_the_release(sqlite_warehouse: Warehouse) -> None:
    store_crowd(sqlite_warehouse, crowd(200, KEYS[42:54]))
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new")])
    before = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW)
    assert (before["insights"], before["status"]) == ([], "insufficient_coverage")
    await release(sqlite_warehouse, no_noise)
    after = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW)
    assert after["status"] == "ok"
    assert {i["metadata"]["mode"] for i in after["insights"]} == {"private_release"}
    assert 3 <= len(after["insights"]) <= min(5, after["metadata"]["total_insights_found"])
    assert after["as_of"] == NOW.isoformat()


async def test_a_segment_of_one_gets_nothing(sqlite_warehouse: Warehouse) -> None:
    """Also with no noise at all: the gate alone must hold."""
    store_crowd(sqlite_warehouse, crowd(1), industry="beauty")
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new", industry="beauty")])
    await release(sqlite_warehouse, no_noise)
    found = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW)
    assert (found["insights"], found["status"], found["coverage"]) == ([], "insufficient_coverage", "insufficient")


async def test_noise_over_nobody_is_never_told_as_knowledge(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new")])
    for period in range(5):
        await release(sqlite_warehouse, SeededNoise(period), days=30 * period)
        found = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW + timedelta(days=30 * period))
        assert (found["insights"], found["status"]) == ([], "insufficient_coverage")


async def test_an_old_release_is_served_and_called_stale(sqlite_warehouse: Warehouse) -> None:
    store_crowd(sqlite_warehouse, crowd(200, KEYS[42:54]))
    await release(sqlite_warehouse, no_noise)
    found = await learner(sqlite_warehouse).get_transfer_insights("w0", as_of=NOW + timedelta(days=45))
    assert (found["stale"], found["as_of"], found["status"]) == (True, NOW.isoformat(), "ok")


async def test_who_does_not_share_receives_nothing(sqlite_warehouse: Warehouse) -> None:
    store_siblings(sqlite_warehouse, [HOURS] * 5)
    shy = workspace_row(workspace_id="shy", organisation_id="house", shares_insights=False)
    store(sqlite_warehouse, Workspace, [shy])
    found = await learner(sqlite_warehouse).get_transfer_insights("shy", as_of=NOW)
    assert (found["insights"], found["status"], found["similar_workspaces"]) == ([], "not_sharing", 0)


async def test_own_data_that_contradicts_the_pool_wins(sqlite_warehouse: Warehouse) -> None:
    keys = {key: 0.3 * (-1) ** i for i, key in enumerate(KEYS[:30])}
    store_siblings(sqlite_warehouse, [keys | {CTA: 0.4}] * 6)
    target = workspace_row(workspace_id="odd", organisation_id="house")
    store(sqlite_warehouse, Workspace, [target])
    known = await learner(sqlite_warehouse).get_transfer_insights("odd", as_of=NOW)
    assert "content_text_cta" in [i["insight_id"] for i in known["insights"]]
    store(sqlite_warehouse, TransferEstimate, estimate_rows("odd", keys | {CTA: -0.5}, standard_error=0.08))
    found = await learner(sqlite_warehouse).get_transfer_insights("odd", as_of=NOW)
    assert "content_text_cta" not in [i["insight_id"] for i in found["insights"]]
    assert found["metadata"]["contradicted_by_own_data"] == 1


async def test_own_weight_grows_with_own_posts(sqlite_warehouse: Warehouse) -> None:
    store_siblings(sqlite_warehouse, [{CTA: lift} for lift in (0.2, 0.4, 0.3, 0.5, 0.1)])
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new", organisation_id="house")])
    weights = []
    for error in (None, 0.4, 0.05):
        if error:
            store(sqlite_warehouse, TransferEstimate, estimate_rows("new", {CTA: 0.35}, standard_error=error))
        found = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW)
        weights.append(found["insights"][0]["metadata"]["own_weight"])
    assert weights[0] == 0.0
    assert 0.0 < weights[1] < 0.5 < weights[2]


async def test_an_answer_says_what_following_it_should_add(sqlite_warehouse: Warehouse) -> None:
    """Siblings agree on what works; the target's few posts say something else at random."""
    means = {key: 0.4 * (-1) ** i for i, key in enumerate(HOURS)}
    store_siblings(sqlite_warehouse, [means] * 6)
    rows = [workspace_row(workspace_id=name, organisation_id="house") for name in ("new", "lost", "old")]
    store(sqlite_warehouse, Workspace, rows)
    noise = np.random.default_rng(0).normal(0.0, 0.3, len(means))
    lost = {key: lift + noise[i] for i, (key, lift) in enumerate(means.items())}
    store(sqlite_warehouse, TransferEstimate, estimate_rows("lost", lost, standard_error=0.3, posts=50))
    store(sqlite_warehouse, TransferEstimate, estimate_rows("old", means, standard_error=0.05, posts=3000))
    found = {row["workspace_id"]: await learner(sqlite_warehouse).get_transfer_insights(row["workspace_id"], as_of=NOW)
             for row in rows}  # fmt: skip
    assert found["new"]["metadata"]["benefit"] is None  # it has nothing of its own to lose
    assert found["lost"]["metadata"]["benefit"]["expected_auc_gain"] > 0.02
    assert found["lost"]["metadata"]["benefit"]["worthwhile"]
    assert not found["old"]["metadata"]["benefit"]["worthwhile"]
    for name, worthwhile in (("new", None), ("lost", True), ("old", False)):
        assert {one["metadata"]["worthwhile"] for one in found[name]["insights"]} == {worthwhile}


async def test_one_hour_is_not_a_duration(sqlite_warehouse: Warehouse) -> None:
    store_siblings(sqlite_warehouse, [{"timing:hour:12": 0.3, "timing:hour:13": -0.3}] * 4)
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new", organisation_id="house")])
    found = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW)
    assert found["insights"][0]["description"].startswith("Post during hour 12 for 1.3x better engagement")


async def test_only_the_types_asked_for_come_back(sqlite_warehouse: Warehouse) -> None:
    store_siblings(sqlite_warehouse, [HOURS | {CTA: 0.3}] * 4)
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new", organisation_id="house")])
    found = await learner(sqlite_warehouse).get_transfer_insights("new", insight_types=["content"], as_of=NOW)
    assert {i["insight_type"] for i in found["insights"]} == {"content"}


async def test_one_act_under_two_names_is_told_once(sqlite_warehouse: Warehouse) -> None:
    store_siblings(sqlite_warehouse, [{"channel:channel:email": 0.4, "strategy:content_type:email": 0.4}] * 4)
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="new", organisation_id="house")])
    found = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW)
    assert [i["insight_id"] for i in found["insights"]] == ["channel_channel_email"]


async def test_bad_questions_are_refused_by_name(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    with pytest.raises(UnknownNameError, match="unknown workspace 'acne'") as unknown:
        await learner(sqlite_warehouse).get_transfer_insights("acne")
    assert "acme" not in str(unknown.value)
    with pytest.raises(UnknownNameError, match="did you mean 'timing'"):
        await learner(sqlite_warehouse).get_transfer_insights("acme", insight_types=["timings"])
    for wrong in (0, 2.5, True, "5"):
        with pytest.raises(OutOfRangeError, match="top_k must be a whole number"):
            await learner(sqlite_warehouse).get_transfer_insights("acme", top_k=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"min_source_workspaces": number} for number in (1, 2.7, True, "3", float("nan"))),
        {"min_confidence": 1.2},
        {"similarity_threshold": float("nan")},
    ],
)
def test_wrong_numbers_are_refused_by_the_constructor(wrong: dict[str, Any]) -> None:
    with pytest.raises(OutOfRangeError):
        TransferLearner(**wrong)


async def test_similarity_within_an_organization_is_exact_and_says_so(sqlite_warehouse: Warehouse) -> None:
    varied = {key: 0.4 * (-1) ** i for i, key in enumerate(KEYS)}
    opposite = {key: -value for key, value in varied.items()}
    alike, same, other = store_siblings(sqlite_warehouse, [varied, varied, opposite])
    close = await learner(sqlite_warehouse).compute_workspace_similarity(alike, same)
    far = await learner(sqlite_warehouse).compute_workspace_similarity(alike, other)
    assert 0.0 <= far < close <= 1.0
    assert close.mode == "same_organisation"
    assert "same organisation" in repr(close)


async def test_a_house_of_unlike_siblings_still_knows_more_than_nobody(sqlite_warehouse: Warehouse) -> None:
    """None is like the newcomer by metadata: all of them together are asked, as different as they are."""
    store_siblings(sqlite_warehouse, [HOURS | {CTA: lift} for lift in (0.3, 0.4, 0.5, 0.4, 0.3)])
    target = workspace_row(workspace_id="new", organisation_id="house", industry="agriculture", size="enterprise")
    store(sqlite_warehouse, Workspace, [target])
    found = await learner(sqlite_warehouse).get_transfer_insights("new", as_of=NOW)
    assert (found["status"], found["similar_workspaces"]) == ("ok", 5)
    assert {insight["metadata"]["mode"] for insight in found["insights"]} == {"same_organisation"}


async def test_industry_counts_between_organizations_too(sqlite_warehouse: Warehouse) -> None:
    """A football club and a band are in one segment, and public knowledge tells them apart."""
    rows = [workspace_row(workspace_id=name, industry=name) for name in ("sports", "music")]
    store(sqlite_warehouse, Workspace, rows)
    alike = await learner(sqlite_warehouse).compute_workspace_similarity("sports", "music")
    assert float(alike) == pytest.approx(0.8)
    assert alike.mode == "segment_prototypes"


async def test_nothing_is_compared_once_a_workspace_stops_sharing(sqlite_warehouse: Warehouse) -> None:
    """Its estimates are still stored until the next release; nobody may be told anything from them."""
    a, b = store_siblings(sqlite_warehouse, [HOURS, HOURS])
    with sqlite_warehouse.begin() as connection:
        connection.execute(update(Workspace).where(Workspace.workspace_id == b).values(shares_insights=False))
    for pair in ((a, b), (b, a), (b, b)):
        alike = await learner(sqlite_warehouse).compute_workspace_similarity(*pair)
        assert (alike, alike.mode) == (0.0, "not_sharing")
    assert await learner(sqlite_warehouse).find_similar_workspaces(a) == []
    assert await learner(sqlite_warehouse).find_similar_workspaces(b) == []


async def test_similar_workspaces_are_named_only_inside_the_organization(sqlite_warehouse: Warehouse) -> None:
    varied = {key: 0.4 * (-1) ** i for i, key in enumerate(KEYS)}
    opposite = {key: -value for key, value in varied.items()}
    store_crowd(sqlite_warehouse, crowd(3))
    store_siblings(sqlite_warehouse, [varied, opposite, varied])
    found = await learner(sqlite_warehouse).find_similar_workspaces("house-0")
    assert found == [("house-2", 1.0), ("house-1", -1.0)]
    assert await learner(sqlite_warehouse).find_similar_workspaces("w0") == []
    with pytest.raises(UnknownNameError):
        await learner(sqlite_warehouse).find_similar_workspaces("nobody")


async def test_similarity_across_organizations_knows_nothing_of_either_workspace(sqlite_warehouse: Warehouse) -> None:
    store_crowd(sqlite_warehouse, crowd(2))
    await release(sqlite_warehouse, no_noise)
    before = await learner(sqlite_warehouse).compute_workspace_similarity("w0", "w1")
    store(sqlite_warehouse, TransferEstimate, estimate_rows("w0", dict.fromkeys(KEYS, -2.0)))
    after = await learner(sqlite_warehouse).compute_workspace_similarity("w0", "w1")
    assert before == after == 1.0  # one segment: as alike as public metadata can tell
    assert before.mode == "segment_prototypes"
    with pytest.raises(UnknownNameError):
        await learner(sqlite_warehouse).compute_workspace_similarity("w0", "nobody")


def test_crowd_has_what_the_estimates_table_has() -> None:
    assert set(crowd(1).columns) == set(TransferEstimate.__table__.columns.keys())
    assert crowd(1).schema["log_lift"] == pl.Float64
