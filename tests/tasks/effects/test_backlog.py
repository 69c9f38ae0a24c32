"""Which experiment comes next: by what its answer earns, never twice, never another workspace's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tasks.effects.loop.backlog import BLOCK, Candidate, ranked
from tasks.effects.loop.service import LoopService
from tasks.effects.loop.worth import Z_LEVEL, Prospect, expected_gain, gain_of_answer, worth_of
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Content,
    Debate,
    Experiment,
    ExperimentVariant,
    PatternAnalysis,
    PatternFinding,
    Workspace,
)
from tests.factories import content_row, store, workspace_row
from tests.learning_history import analysis_row, debate_row, experiment_rows, finding_row

DAY = date(2026, 11, 2)
NOW = datetime(2026, 11, 2, tzinfo=UTC)
QUESTION = [{"feature": "question_count", "op": ">=", "value": 1, "level": "present"}]
EMOJI = [{"feature": "emoji_count", "op": ">=", "value": 1, "level": "present"}]
VIDEO = [{"feature": "media_type", "op": "==", "value": "video", "level": ""}]


def prospect(mean: float = 0.1, error: float = 0.1, units: float = 1e6) -> Prospect:
    return Prospect(mean, error, units, 0.03, 0.97 / 0.03)


def test_what_an_answer_earns_is_what_simulation_says() -> None:
    rng = np.random.default_rng(1)
    effect = rng.normal(0.05, 0.1, 400_000)
    seen = effect + rng.normal(0.0, 0.04, len(effect))
    earned = effect * (seen > Z_LEVEL * 0.04)
    error = 4 * earned.std() / np.sqrt(len(earned))
    assert gain_of_answer(0.05, 0.1, 0.04) == pytest.approx(earned.mean(), abs=error)
    assert expected_gain(0.05, 0.1) == pytest.approx(np.maximum(effect, 0.0).mean(), abs=error)
    assert gain_of_answer(0.05, 0.1, 1e-9) == pytest.approx(expected_gain(0.05, 0.1))


def test_more_reach_and_more_doubt_are_worth_more_and_too_little_traffic_is_worth_nothing() -> None:
    assert worth_of(prospect(units=4e6)).net > worth_of(prospect(units=1e6)).net > 0.0
    assert worth_of(prospect(mean=0.0, error=0.2)).net > worth_of(prospect(mean=0.0, error=0.05)).net
    for units in (0.0, 10.0):
        worth = worth_of(prospect(units=units))
        assert (worth.is_feasible, worth.gain) == (False, 0.0)
    assert worth_of(prospect(mean=-0.3, error=0.02)).net < 0.0, "what is known to harm is not worth a look"


def candidates(count: int) -> list[Candidate]:
    rng = np.random.default_rng(3)
    return [
        Candidate(f"k{i}", "pattern", f"change {i}", True, prospect(*rng.uniform(0.02, 0.3, 2)), "impressions")
        for i in range(count)
    ]


def test_one_place_in_ten_is_drawn_by_lot_the_same_way_all_week() -> None:
    many = candidates(40)
    monday, sunday = (ranked(many, "acme", DAY + timedelta(days=days)) for days in (0, 6))
    assert monday == sunday
    assert len({one.candidate.key for one in monday}) == len(monday)
    lots = [sum(one.by_lot for one in monday[i : i + BLOCK]) for i in range(0, 30, BLOCK)]
    assert lots == [1, 1, 1]
    by_worth = [one.worth.per_10_000 for one in monday if not one.by_lot]
    assert by_worth == sorted(by_worth, reverse=True)
    firsts = [ranked(many, "acme", DAY + timedelta(weeks=week))[0].by_lot for week in range(200)]
    assert 0.04 < np.mean(firsts) < 0.17


def write_pattern(warehouse: Warehouse, workspace_id: str, rule: list[dict[str, Any]], mean: float) -> str:
    analysis = analysis_row(workspace_id, "social", NOW)
    row = finding_row(analysis, rule, 30.0)
    effect = {"log_estimate": mean, "log_interval": [mean - 0.1, mean + 0.1]}
    row["details"] |= {"effect": effect, "share_of_posts": 0.4, "baseline_rate": 0.03}
    store(warehouse, PatternAnalysis, [analysis])
    store(warehouse, PatternFinding, [row])
    return str(row["pattern_key"])


@pytest.fixture
def agency(warehouse: Warehouse) -> Warehouse:
    """Two workspaces with the same posts; one has three patterns."""
    for name in ("acme", "zenith"):
        store(warehouse, Workspace, [workspace_row(workspace_id=name)])
        posts = [content_row(i, workspace_id=name, impressions=200_000, engagements=6000) for i in range(500)]
        store(warehouse, Content, posts)
    return warehouse


def keys(warehouse: Warehouse, workspace_id: str) -> list[str]:
    return [one.candidate.key for one in LoopService(warehouse).backlog(workspace_id, NOW)]


def test_what_runs_or_was_decided_is_not_proposed_again(agency: Warehouse) -> None:
    question, emoji, video = (
        write_pattern(agency, "acme", rule, mean) for rule, mean in ((QUESTION, 0.05), (EMOJI, -0.06), (VIDEO, 0.04))
    )
    proposals = {one.candidate.key: one for one in LoopService(agency).backlog("acme", NOW)}
    assert proposals.keys() == {question, emoji, video}
    assert keys(agency, "zenith") == []
    assert proposals[emoji].as_dict()["variants"][0]["changes"] == {"pattern": emoji}
    assert proposals[question].as_dict()["variants"][1]["changes"] == {"pattern": question}
    assert proposals[emoji].candidate.prospect.units_a_week == pytest.approx(500 * 200_000 / 8 * 0.4)
    for number, (changes, left) in enumerate(
        [({"pattern": question}, {emoji, video}), ({"media_type": "video"}, {emoji})]
    ):
        fact = {"name": f"try {number}", "hypothesis": "h", "metric": "m", "winner": None, "lift": 0.1}
        rows = experiment_rows("acme", fact | {"arms": {"a": "A", "b": "B"}}, number, status="draft", conclusion=None)
        rows[ExperimentVariant] = [
            one | {"changes": changes if one["variant_id"] == "b" else None} for one in rows[ExperimentVariant]
        ]
        for table in (Experiment, ExperimentVariant):
            store(agency, table, rows[table])
        assert set(keys(agency, "acme")) == left


def test_early_signals_and_debates_are_candidates_until_somebody_tests_them(agency: Warehouse) -> None:
    signal = {"signal_id": "s1", "words": "worth a try: questions", "effect_size": 0.3, "interval_95": [0.1, 0.5]}
    analysis = analysis_row("acme", "social", NOW, status="early_signal", statistics={"early_signals": [signal]})
    store(agency, PatternAnalysis, [analysis])
    fact = {"kind": "debate", "problem": "Is red better?", "options": ["Yes", "No"], "chosen": 0}
    design = {"name": "is-red-better", "hypothesis": "'Yes' does better than 'No'", "metric": "clicked", "effect": 0.1}
    row = debate_row("acme", fact, 1)
    row["decision"] |= {"experiment": design}
    store(agency, Debate, [row])
    proposed = LoopService(agency).backlog("acme", NOW)
    assert {one.candidate.source for one in proposed} == {"early_signal", "debate"}
    assert all(one.candidate.assumed for one in proposed), "nobody knows how many posts it could change"
    assert keys(agency, "zenith") == []
    run = {"name": "is-red-better", "hypothesis": "h", "metric": "clicked", "winner": None, "lift": 0.0}
    rows = experiment_rows("acme", run | {"arms": {"a": "A", "b": "B"}}, 7)
    for table in (Experiment, ExperimentVariant):
        store(agency, table, rows[table])
    assert keys(agency, "acme") == ["s1"]
