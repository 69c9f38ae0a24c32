"""What the workspaces of an organization teach each other: who gains, who is never asked, and who can take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pytest

from tasks.models.pools import Pools
from tasks.models.records import ModelKey, ModelType
from tasks.models.service import ModelService
from tasks.models.specs import load_spec
from tasks.models.store.state import pool_bases
from tasks.models.training.blending import shares_of
from tasks.models.training.dataset import Examples, examples
from tasks.models.training.estimators import fit
from tasks.models.training.organization import inputs_of_both
from tasks.models.training.pool import OrganizationPool, Siblings, in_common
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame
from tasks.warehouse.schema import Workspace
from tests.factories import START, store, store_content, store_touches, workspace_row
from tests.tasks.models.model_rows import calls, posts

ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR
SPEC = load_spec(ENGAGEMENT)
NORTH = ("n1", "n2", "n3", "n4")
SMALL = "small"
pytestmark = pytest.mark.usefixtures("mlflow_store")


def store_organization(warehouse: Warehouse, sizes: dict[str, int], name: str = "north", **more: Any) -> None:
    """Workspaces of one organization, each with posts; in all of them videos do better."""
    for number, (workspace, n) in enumerate(sizes.items()):
        rows = posts(n, seed=number, level=2.0 + number, workspace_id=workspace, **more)
        store_content(warehouse, rows)
    join(warehouse, list(sizes), name)


def join(warehouse: Warehouse, workspaces: Sequence[str], organization: str | None, *, shares: bool = True) -> None:
    about = {"organisation_id": organization, "shares_insights": shares}
    store(warehouse, Workspace, [workspace_row(workspace_id=name, **about) for name in workspaces])


def refreshed(warehouse: Warehouse, workspace: str = SMALL) -> Any:
    return ModelService(warehouse).check_and_update_models(workspace, [ENGAGEMENT])["ENGAGEMENT_PREDICTOR"]


def test_sixty_posts_get_a_model_from_their_siblings_and_none_alone(warehouse: Warehouse, mlflow_store: Path) -> None:
    store_content(warehouse, posts(60, start=90, seed=4, level=6.0, workspace_id=SMALL))
    alone = refreshed(warehouse)
    assert (alone["status"], alone["samples_needed"]) == ("insufficient_data", 100)
    store_organization(warehouse, dict.fromkeys(NORTH, 120))
    join(warehouse, [SMALL], "north")
    with_siblings = refreshed(warehouse)
    assert with_siblings["status"] == "first_champion"
    pool = with_siblings["evaluation"]["pool"]
    assert pool["workspaces"] == [*NORTH, SMALL]
    assert pool["serves"] in ("pooled", "blend")

    service, key = ModelService(warehouse), ModelKey(SMALL, ENGAGEMENT)
    version = service.store.version(key, with_siblings["model_version"])
    assert version is not None
    later = examples(pl.DataFrame(posts(400, start=150, seed=4, level=6.0, workspace_id=SMALL)), SPEC)
    lost = service.promoter.verify(key, version).losses(later).mean()
    level = later.features["recent_level"].to_numpy()
    assert lost < 0.75 * np.nanmean((later.target.to_numpy() - level) ** 2)
    client = mlflow.MlflowClient(f"sqlite:///{mlflow_store}", f"sqlite:///{mlflow_store}")
    registered = client.get_model_version(key.registered_name, "1")
    card = registered.description or ""
    assert "Serves: a blend of its own model and its organization's" in card
    assert "5 workspaces" in card
    mlflow.set_tracking_uri(f"sqlite:///{mlflow_store}")
    raw = pl.DataFrame({"body": ["lovely friends no 1"] * 2, "media_type": ["video", "photo"]}).to_pandas()
    told = mlflow.pyfunc.load_model(f"models:/{key.registered_name}/1").predict(raw)
    assert told["expected_engagements"][0] > 1.3 * told["expected_engagements"][1]


def test_labels_of_texts_and_of_touches_come_from_siblings_too(sqlite_warehouse: Warehouse) -> None:
    for number, name in enumerate((*NORTH, SMALL)):
        first, n = (60, 100) if name == SMALL else (0, 120)
        store_content(sqlite_warehouse, posts(n, start=first, seed=number, workspace_id=name))
        touches = calls(n, start=first, seed=number)
        store_touches(sqlite_warehouse, [row | {"workspace_id": name} for row in touches])
    join(sqlite_warehouse, [*NORTH, SMALL], "north")
    service = ModelService(sqlite_warehouse)
    types = [ModelType.TONE_CLASSIFIER, ModelType.CONVERSION_PREDICTOR]
    found = service.check_and_update_models(SMALL, types)
    for model_type in types:
        result, key = found[model_type.value], ModelKey(SMALL, model_type)
        assert result["status"] == "first_champion"
        assert result["evaluation"]["pool"]["serves"] == "blend"
        version = service.store.version(key, result["model_version"] or "")
        assert version is not None
        assert service.promoter.fault(key, version) is None
        predicted = service.predict(SMALL, model_type)
        assert len(predicted) == 100
        assert sum(predicted[0]["output"]["probabilities"].values()) == pytest.approx(1.0)


def test_nobody_learns_from_another_organization_or_from_who_does_not_share(sqlite_warehouse: Warehouse) -> None:
    store_organization(sqlite_warehouse, dict.fromkeys((*NORTH, SMALL), 60))
    store_organization(sqlite_warehouse, {"s1": 60, "s2": 60}, "south")
    store_content(sqlite_warehouse, posts(60, workspace_id="alone"))
    store_content(sqlite_warehouse, posts(60, workspace_id="alone-too"))
    join(sqlite_warehouse, ["n4"], "north", shares=False)
    pools = Pools(sqlite_warehouse)
    members = {name: pools.siblings(name, SPEC, (None, None)) for name in (*NORTH, SMALL, "s1", "alone", "alone-too")}
    taught = {name: one.pool.workspace_ids for name, one in members.items() if one is not None}
    north = ("n1", "n2", "n3", SMALL)
    assert taught == dict.fromkeys(north, north) | {"s1": ("s1", "s2")}
    one = members["n1"]
    assert one is not None
    assert one.pool.rows.n == 4 * 59  # the first post of each has no level


def test_pool_knows_nothing_of_the_rows_after_the_moment_it_is_asked_for() -> None:
    """Else a workspace would be judged by what its siblings posted later, or by its own rows."""
    members = {name: pool_rows(200, number) for number, name in enumerate(NORTH)}
    spoiled = {name: reversed_after(rows, 100) for name, rows in members.items()}
    moment, test = members["n1"].times[99], pool_rows(50, 9)
    known = [OrganizationPool(SPEC, NORTH, lambda rows=rows: rows).before(moment) for rows in (members, spoiled)]  # type: ignore[misc]
    assert known[0] is not None
    assert known[1] is not None
    assert np.array_equal(known[0].predict_rows(test), known[1].predict_rows(test))
    assert OrganizationPool(SPEC, NORTH, lambda: members).before(START - timedelta(days=1)) is None


def pool_rows(n: int, seed: int) -> Examples:
    return examples(pl.DataFrame(posts(n, seed=seed)), SPEC)


def reversed_after(rows: Examples, start: int) -> Examples:
    frame = rows.features.with_columns(pl.when(pl.int_range(rows.n) >= start).then(9.0).otherwise(0.0).alias("spoil"))
    target = rows.target + frame["spoil"]
    return Examples(rows.features, target, rows.keys, rows.times)


def test_workspace_of_its_own_kind_keeps_its_own_model() -> None:
    """Videos do better everywhere but here: with enough rows it is predicted as if it were alone."""
    members = {name: pool_rows(300, number) for number, name in enumerate(NORTH)}
    odd = examples(pl.DataFrame(posts(500, seed=8, video=-0.9)), SPEC)
    pool = OrganizationPool(SPEC, [*NORTH, "odd"], lambda: members | {"odd": odd})
    known = odd.slice(0, 400)
    model = fit(SPEC, replace(known, siblings=Siblings(pool, "odd")))
    assert model.recipe["own_share"] > 0.9
    later = odd.slice(400, 500)
    assert model.losses(later).mean() < 1.1 * fit(SPEC, known).losses(later).mean()


def test_who_leaves_takes_along_what_was_learned_from_it(sqlite_warehouse: Warehouse) -> None:
    store_organization(sqlite_warehouse, dict.fromkeys((*NORTH, SMALL), 120))
    first = refreshed(sqlite_warehouse)
    assert first["status"] == "first_champion"
    join(sqlite_warehouse, ["n2"], "elsewhere")
    after = refreshed(sqlite_warehouse)
    assert after["status"] == "first_champion"
    assert after["model_version"] != first["model_version"]
    assert after["evaluation"]["pool"]["workspaces"] == ["n1", "n3", "n4", SMALL]
    history = ModelService(sqlite_warehouse).store.deployments(ModelKey(SMALL, ENGAGEMENT))
    assert [one.kind for one in history] == ["promotion", "withdrawal", "promotion"]
    assert "learned from n2, which left the organization" in history[1].reason
    join(sqlite_warehouse, ["n1", "n3", "n4"], "north", shares=False)
    alone = refreshed(sqlite_warehouse)
    assert alone["evaluation"].get("pool") is None


def test_pool_is_read_once_for_all_and_not_where_nothing_is_new(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_organization(sqlite_warehouse, dict.fromkeys((*NORTH, SMALL), 110))
    service, read = ModelService(sqlite_warehouse), list[str]()
    real = content_frame

    def counted(*given: Any, **how: Any) -> pl.DataFrame:
        read.append(given[1])
        return real(*given, **how)

    monkeypatch.setattr("tasks.models.pools.content_frame", counted)
    for name in ("n1", SMALL):
        service.check_and_update_models(name, [ENGAGEMENT])
    assert sorted(read) == [*NORTH, SMALL]
    read.clear()
    again = ModelService(sqlite_warehouse).check_and_update_models(SMALL, [ENGAGEMENT])["ENGAGEMENT_PREDICTOR"]
    assert again["status"] in ("unchanged", "not_better_than_baseline")
    assert read == []


def test_a_night_is_new_where_a_sibling_joins_or_rows_double_and_not_for_one_row(sqlite_warehouse: Warehouse) -> None:
    store_organization(sqlite_warehouse, {"n1": 40, SMALL: 40})
    first = pool_bases(sqlite_warehouse, [SMALL, "n1"])
    assert first[SMALL] == first["n1"] != ""
    store_content(sqlite_warehouse, posts(1, start=40, workspace_id="other"))
    join(sqlite_warehouse, ["other"], "elsewhere")
    assert pool_bases(sqlite_warehouse, [SMALL, "other"]) == {SMALL: first[SMALL], "other": ""}
    join(sqlite_warehouse, ["other"], "north")
    joined = pool_bases(sqlite_warehouse, [SMALL])
    assert joined[SMALL] != first[SMALL]
    store_content(sqlite_warehouse, posts(1, start=41, workspace_id="n1"))
    join(sqlite_warehouse, ["n1"], "north")
    assert pool_bases(sqlite_warehouse, [SMALL]) == joined
    store_content(sqlite_warehouse, posts(90, start=50, workspace_id="n1"))
    join(sqlite_warehouse, ["n1"], "north")
    assert pool_bases(sqlite_warehouse, [SMALL]) != joined


def test_a_sibling_that_cannot_be_read_is_left_out_and_fails_nobody(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_organization(sqlite_warehouse, {"n1": 30, "n2": 30, SMALL: 30})
    real = content_frame

    def broken(source: Any, workspace_id: str, **how: Any) -> pl.DataFrame:
        if workspace_id == "n2":
            raise ValueError("year 10000 is out of range")
        return real(source, workspace_id, **how)

    monkeypatch.setattr("tasks.models.pools.content_frame", broken)
    siblings = Pools(sqlite_warehouse).siblings(SMALL, SPEC, (None, None))
    assert siblings is not None
    assert siblings.pool.n == 2 * 29


def test_attribute_that_is_a_number_to_one_and_a_label_to_another_is_not_pooled() -> None:
    frames = [pl.DataFrame({"a": [1.0], "score": [2.0]}), pl.DataFrame({"a": [3.0], "score": ["high"], "b": ["x"]})]
    assert in_common(frames).to_dicts() == [{"a": 1.0, "b": None}, {"a": 3.0, "b": "x"}]
    own, pooled = {"numbers": ["score"], "labels": []}, {"numbers": ["a"], "labels": ["score", "workspace"]}
    assert inputs_of_both(own, pooled) == {"numbers": ["score", "a"], "labels": [], "text": False}


def test_shares_follow_the_prior_on_few_rows_and_the_rows_on_many() -> None:
    random = np.random.default_rng(3)
    own, pooled = random.normal(0, 1, (2, 4_000))
    truth = 0.2 * own + 0.9 * pooled + random.normal(0, 0.5, 4_000)
    few, many = shares_of(truth[:8], own[:8], pooled[:8]), shares_of(truth, own, pooled)
    assert np.allclose(few, (0.9, 0.3), atol=0.15)
    assert np.allclose(many, (0.2, 0.9), atol=0.05)
    assert shares_of(truth, np.zeros(4_000), np.zeros(4_000)) == (0.0, 0.0)
