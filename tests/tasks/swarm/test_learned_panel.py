"""The panel's experts learn models of which text does better, and decide together where that has proved better.

Both archives are divided by time or topic; what the models are made of was chosen on the first part alone (weeks before
2014-40; every other topic).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm
from sqlalchemy import select

from tasks.conditions import Condition
from tasks.swarm import AgentDebateOrchestrator
from tasks.swarm.learned import comparisons_of, learned_panel
from tasks.swarm.posterior import OWN_SD
from tasks.swarm.question import check_options
from tasks.swarm.records import EvidenceRef, LearnedPanel, Option
from tasks.swarm.report import story_for_terminal
from tasks.swarm.store import decided_arms
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Debate,
    Experiment,
    ExperimentArm,
    ExperimentMetric,
    ExperimentStatistic,
    ExperimentVariant,
    Workspace,
)
from tasks.warehouse.scope import EvidenceScope
from tests.calibration import calibration_error
from tests.factories import store, workspace_row

ARCHIVE_TUNED_UNTIL, FAULTY_WEEKS = 201440, (201326, 201402)
ALL_MODELS = {
    **{"wording": {"headline_writing": 1.0}, "form": {"style_guidelines": 1.0}, "examples": {"data_analysis": 1.0}},
    **{"timing": {"trend_analysis": 1.0}, "medium": {"shareability": 1.0}},
}
START = datetime(2026, 1, 5, tzinfo=UTC)
TEAM = ["copywriting_ninja", "data_storyteller", "seo_expert"]
Pairs = list[tuple[str, str, str]]


def arm(experiment: str, variant: int, text: str, clicks: int, n: int, at: datetime, **changes: Any) -> dict[str, Any]:
    row = {"workspace_id": "acme", "experiment_name": experiment, "variant_name": f"v{variant}", "metric_name": "click"}
    row |= {"metric_kind": "binary", "n": n, "sum": clicks, "sum_of_squares": None, "is_control": variant == 0}
    row |= {"started_at": at, "direction": "increase", "share": None, "title": text, "body": None, "changes": None}
    return row | {"run_id": "r"} | changes


def learnable(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Arms as they are read from the warehouse."""
    return [
        {"workspace_id": "acme", "experiment": row["experiment_name"], "variant": row["variant_name"]}
        | {"metric": "click", "n": row["n"], "mean": row["sum"] / row["n"], "variance": row["sum"] / row["n"]}
        | {"sign": 1.0, "observed_at": row["started_at"]}
        | {name: row[name] for name in ("title", "body", "changes")}
        for row in rows
    ]  # fmt: skip


def graded(problem: str, right: str, wrong: str, place: int) -> dict[str, Any]:
    options = [Option(id=name, label=name, body=text, is_content=True) for name, text in (("A", right), ("B", wrong))]
    brief = {"problem": problem, "options": [one.model_dump(mode="json") for one in options]}
    return {"brief": brief, "outcome_option": "A", "graded_at": START + timedelta(minutes=place)}


def told(learned: LearnedPanel, pairs: Pairs, scores: dict[str, float], places: dict[str, str]) -> np.ndarray:
    """How sure the scores are of the better text of each pair; a probit."""
    gaps = [scores[places[better]] - scores[places[worse]] for better, worse, _ in pairs]
    assert learned.pairs > 0
    return np.array(gaps) / (np.sqrt(2.0) * OWN_SD)


def judged(name: str, learned: LearnedPanel, pairs: Pairs, places: dict[str, str]) -> tuple[float, float, float]:
    """Share of the pairs told right by the panel and by the best model alone, and the panel's calibration error."""
    sure = told(learned, pairs, learned.scores, places)
    experts = {who: learned.of_experts[who] for who in ("wording", "form", "examples")}
    alone = {who: np.mean(told(learned, pairs, scores, places) > 0) for who, scores in experts.items()}
    best = max(alone, key=lambda who: alone[who])
    votes = np.sum([np.sign(told(learned, pairs, scores, places)) for scores in experts.values()], axis=0)
    tests, codes = np.unique([about for _, _, about in pairs], return_inverse=True)
    right, many = np.bincount(codes, sure > 0), np.bincount(codes)
    pick = np.random.default_rng(0).integers(len(tests), size=(2000, len(tests)))
    low, high = np.quantile(right[pick].sum(axis=1) / many[pick].sum(axis=1), [0.025, 0.975])
    error = calibration_error(norm.cdf(np.abs(sure)).tolist(), (sure > 0).tolist())
    print(f"BAR {name}: {np.mean(sure > 0):.3f} [{low:.3f}, {high:.3f}] of {len(pairs)} hidden pairs right, the best "
          f"alone {alone[best]:.3f} ({best}), a vote of them {np.mean(votes > 0):.3f}, calibration error "
          f"{error:.3f}")  # fmt: skip
    return float(np.mean(sure > 0)), float(alone[best]), error


def texts_of(pairs: Pairs, key: str) -> tuple[list[Option], dict[str, str]]:
    texts = sorted({text for better, worse, _ in pairs for text in (better, worse)})
    places = {text: str(place) for place, text in enumerate(texts)}
    return [Option(id=place, label=place, is_content=True, **{key: text}) for text, place in places.items()], places


@pytest.mark.real_data
def test_headlines_of_later_weeks_are_told_better_together_than_by_the_best_model(shared_data: Path) -> None:
    rows = pl.read_parquet(shared_data / "upworthy_exploratory" / "packages.parquet")
    rows = rows.filter(~pl.col("test_week").is_between(*FAULTY_WEEKS) & pl.col("headline").is_not_null())
    group = ["clickability_test_id", "eyecatcher_id"]
    rows = rows.group_by([*group, "headline"]).agg(pl.col("impressions", "clicks").sum(), pl.col("test_week").min())
    rows = rows.filter((pl.col("impressions") > 500) & (pl.col("clicks") > 0))
    rows = rows.filter(pl.len().over(group) > 1).sort("test_week", *group, "headline")
    earlier: list[dict[str, Any]] = []
    later: Pairs = []
    for (test, picture), tested in rows.group_by(group, maintain_order=True):
        week = tested["test_week"][0]
        if week < ARCHIVE_TUNED_UNTIL:
            at = START + timedelta(weeks=week % 100 + 52 * (week // 100))
            shown = tested.select("headline", "clicks", "impressions").iter_rows()
            earlier += [arm(f"{test} {picture}", i, *row, at) for i, row in enumerate(shown)]
            continue
        rated = [(row["clicks"] / row["impressions"], row["headline"]) for row in tested.iter_rows(named=True)]
        later += [(a[1], b[1], str(test)) for a in rated for b in rated if a[0] > b[0]]
    options, places = texts_of(later, "title")
    compared = comparisons_of(learnable(earlier), [])
    assert compared is not None
    learned = learned_panel(compared, options, ALL_MODELS, [], 0.1)
    assert learned is not None
    right, best, error = judged("Upworthy, weeks from 2014-40", learned, later, places)
    assert right >= 0.57
    assert right >= best
    assert error <= 0.05


@pytest.mark.real_data
def test_arguments_on_other_topics_are_told_from_graded_debates(shared_data: Path) -> None:
    rows = pl.read_parquet(shared_data / "ukp_convincing_arguments" / "ukpconvarg1_strict_pairs.parquet")
    topics = sorted({name.partition("_")[0] for name in rows["topic_stance"]})
    debates: list[dict[str, Any]] = []
    hidden: Pairs = []
    for place, row in enumerate(rows.iter_rows(named=True)):
        topic = row["topic_stance"].partition("_")[0]
        right, wrong = (row["a1"], row["a2"]) if row["label"] == "a1" else (row["a2"], row["a1"])
        if topics.index(topic) % 2 == 0:
            debates.append(graded(topic, right, wrong, place))
        else:
            hidden.append((right, wrong, topic))
    options, places = texts_of(hidden, "body")
    compared = comparisons_of([], debates)
    assert compared is not None
    learned = learned_panel(compared, options, ALL_MODELS, [], 0.1)
    assert learned is not None
    right, best, error = judged("UKP, seven other topics", learned, hidden, places)
    assert right >= 0.78
    assert right >= best
    assert error <= 0.05


WORDS = ["river", "stone", "lamp", "garden", "paper", "window", "bridge", "cloud", "market", "engine", "letter"]
WORDS += ["valley", "copper", "harbor", "ribbon", "candle"]


def simulated(count: int, seed: int, effect: float) -> list[dict[str, Any]]:
    """Experiments between two titles, one of which holds `secret` and does so much better."""
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        for variant in range(2):
            words = [*rng.choice(WORDS, 5), "secret"] if variant == place % 2 else rng.choice(WORDS, 6)
            rate = 0.05 * np.exp(effect * ("secret" in words) + rng.normal(0.0, 0.1))
            clicks = int(rng.binomial(4000, rate))
            rows.append(arm(f"e{place}", variant, " ".join(words), clicks, 4000, START + timedelta(days=place)))
    return rows


TITLES = [{"title": "the secret of the lamp"}, {"title": "the story of the lamp"}]


def learned_from(rows: Sequence[dict[str, Any]], **skills: Any) -> LearnedPanel | None:
    compared = comparisons_of(learnable(rows), [])
    assert compared is not None
    return learned_panel(compared, check_options(TITLES), skills or ALL_MODELS, [], 0.1)


@pytest.mark.parametrize("workspaces", [8, pytest.param(400, marks=pytest.mark.slow)])
def test_where_nothing_is_to_be_learned_hardly_anything_is(workspaces: int) -> None:
    learned = [learned_from(simulated(30, seed, 0.0)) for seed in range(workspaces)]
    share = np.mean([one is not None for one in learned])
    print(f"BAR learned from experiments without an effect: {share:.3f} of {workspaces} workspaces (bar .07)")
    assert share <= (0.07 if workspaces > 100 else 0.2)
    assert learned_from(simulated(15, 1, 0.5)) is None, "fifteen experiments are too few"


def test_what_experiments_show_is_held_by_whoever_has_the_skill() -> None:
    rows = simulated(60, 3, 0.4)
    learned = learned_from(rows)
    assert learned is not None
    assert learned.scores["A"] > learned.scores["B"]
    assert learned.right > 0.8
    assert sum(model.share for model in learned.models) == pytest.approx(1.0, abs=1e-3)
    assert learned.held["wording"] == ("wording",)
    assert learned_from(rows[::-1]) == learned, "the order of rows must not show"
    of_time = learned_from(rows, clock={"trend_analysis": 0.9})
    assert of_time is None, "who knows of timing alone has learned nothing of wording"


def test_findings_count_as_much_as_they_have_proved_to() -> None:
    """A finding that experiments contradict loses its say where texts are compared; one they confirm keeps it."""
    asks = EvidenceRef(id="p", kind="pattern", statement="asks", metric="clicks", effect=0.3, se=0.05,
                       conditions=(Condition(feature="question_count", op=">=", value=1),))  # fmt: skip
    counts = {}
    for name, effect in (("confirmed", 0.3), ("contradicted", -0.3)):
        rows = [
            row | {"title": row["title"].replace("secret", "lamp?")} for row in simulated(80, 5, effect)
        ]  # fmt: skip
        compared = comparisons_of(learnable(rows), [])
        assert compared is not None
        learned = learned_panel(compared, check_options(TITLES), ALL_MODELS, [asks], 0.2)
        assert learned is not None
        counts[name] = learned.findings_count
    assert counts["contradicted"] < 0.5 < counts["confirmed"]


async def ask(warehouse: Warehouse, workspace_id: str = "acme", **asked: Any) -> dict[str, Any]:
    question = {"problem": "Which title?", "agent_roles": TEAM, "options": TITLES, "workspace_id": workspace_id} | asked
    return await AgentDebateOrchestrator(warehouse=warehouse).orchestrate_debate(**question)


async def test_a_debate_between_texts_is_decided_by_the_experts_models(sqlite_warehouse: Warehouse) -> None:
    warehouse = sqlite_warehouse
    store(warehouse, Workspace, [workspace_row(), workspace_row(workspace_id="other")])
    before = await ask(warehouse)
    assert before["status"] == "insufficient_evidence"
    store(warehouse, ExperimentArm, simulated(60, 3, 0.4))
    result = await ask(warehouse)
    assert (result["label"], result["status"]) == ("the secret of the lamp", "decided")
    assert result["debate_id"] != before["debate_id"], "what was learned since makes it another debate"
    assert (await ask(warehouse))["debate_id"] == result["debate_id"]
    text = story_for_terminal(result)
    assert "The experts' models decided together" in text or "One expert's model decided" in text
    assert "60 experiments" in text
    assert "wording: counts" in text
    assert "held by Conversion Copywriter" in text
    assert AgentDebateOrchestrator(warehouse=warehouse).replay(result["debate_id"]) == result
    elsewhere = await ask(warehouse, "other")
    assert elsewhere["status"] == "insufficient_evidence", "what another workspace tested is its secret"
    assert elsewhere["transcript"]["brief"]["learned"] is None
    labels = await ask(warehouse, options=["the secret of the lamp", "the story of the lamp"])
    assert labels["transcript"]["brief"]["learned"] is None, "answers are no texts to publish"


async def test_graded_debates_between_texts_are_learned_from(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    first = await ask(sqlite_warehouse, agent_roles=["copywriting_ninja"], rounds=1)
    (row,) = sqlite_warehouse.rows(select(Debate.__table__))
    rng = np.random.default_rng(2)
    rows = []
    for place in range(20):
        texts = [" ".join([*rng.choice(WORDS, 5), "secret"]), " ".join(rng.choice(WORDS, 6))]
        brief = row["brief"] | {"problem": f"Which title on {WORDS[place % 16]} {place}?"}
        brief |= {"options": [one.model_dump(mode="json") for one in check_options([{"title": one} for one in texts])]}
        graded_so = {"debate_id": f"d{place}", "brief": brief, "outcome_option": "A", "graded_at": START}
        rows.append(row | graded_so | {"outcome_source": "seen", "status": "undecided"})
    store(sqlite_warehouse, Debate, rows)
    assert first["option"] is None
    result = await ask(sqlite_warehouse)
    assert result["label"] == "the secret of the lamp"
    text = story_for_terminal(result)
    assert "20 graded debates" in text
    assert "against today" not in text, "a judgment says which is right, and not by how much"


def test_only_experiments_that_are_over_are_learned_from(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    for name, completed in (("over", START), ("running", None)):
        row = {"experiment_id": name, "workspace_id": "acme", "name": "same name", "hypothesis": None, "winner": None}
        row |= {"experiment_type": "ab_test", "allocation_strategy": "equal", "metric_name": "click", "design": {}}
        row |= {"salt": "s", "planned_units_per_arm": 10, "status": "running", "conclusion": None, "created_at": START}
        store(warehouse, Experiment, [row | {"started_at": START, "completed_at": completed, "covariate_origin": None}])
        metric: dict[str, Any] = {"experiment_id": name, "metric_name": "click", "role": "primary", "kind": "binary"}
        metric |= {"is_kind_fixed": True, "direction": "increase", "lower": None, "upper": None, "margin": 0.0}
        store(warehouse, ExperimentMetric, [metric | {"origin": 0.0, "has_all_sums": True}])
        arms = [{"experiment_id": name, "variant_id": one, "position": i, "description": None, "weight": 0.5}
                | {"is_control": i == 0, "levels": None, "title": f"{name} {one}", "body": None, "changes": {"a": 1}}
                for i, one in enumerate("xy")]  # fmt: skip
        store(warehouse, ExperimentVariant, arms)
        sums = {"experiment_id": name, "metric_name": "click", "epoch": 0, "segment": "", "n": 100, "y": 9.0, "yy": 9.0}
        sums |= dict.fromkeys(["d", "dd", "yd", "x", "xx", "xy"], 0.0) | {"with_covariate": 0, "b": 9.0}
        store(warehouse, ExperimentStatistic, [sums | {"variant_id": one} for one in "xy"])
    arms = decided_arms(warehouse, EvidenceScope("workspace", ("acme",)))
    assert sorted(row["title"] for row in arms) == ["over x", "over y"]
    assert decided_arms(warehouse, EvidenceScope("shared")) == []
