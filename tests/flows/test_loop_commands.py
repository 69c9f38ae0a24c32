"""A marketing lead asks in a terminal what to try next, and what was proven."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.effects.loop.drafts import LoopTerms
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Content,
    Experiment,
    ExperimentDecision,
    ExperimentVariant,
    PatternAnalysis,
    PatternFinding,
    Workspace,
)
from tests.factories import content_row, store, workspace_row
from tests.flows.conftest import Command
from tests.learning_history import analysis_row, experiment_rows, finding_row

NOW = datetime.now(UTC)
EMOJI = [{"feature": "emoji_count", "op": ">=", "value": 1, "level": "present"}]
FACT = {"name": "Is [/b] red better?", "hypothesis": "h", "metric": "clicks", "winner": "video", "lift": 0.1}


def write_decision(warehouse: Warehouse, p_value: float, number: int, changes: dict[str, Any], **about: Any) -> None:
    rows = experiment_rows("acme", FACT | {"arms": {"old": "Old", "video": "Video"}}, number, **about)
    rows[ExperimentVariant] = [
        one | {"changes": None if one["is_control"] else changes} for one in rows[ExperimentVariant]
    ]
    effect = {"variant_id": "video", "effect": 0.02, "relative_lift": 0.1, "interval": [0.01, 0.03], "p_value": p_value}
    decision = {"experiment_id": rows[Experiment][0]["experiment_id"], "sequence": 3, "action": "completed"}
    decision |= {"actor": "engine", "evidence": {"p_value": p_value, "effects": [effect]}, "recorded_at": NOW}
    rows[ExperimentDecision] = [decision | {"sha256": "0" * 64}]
    for table in (Experiment, ExperimentVariant, ExperimentDecision):
        store(warehouse, table, rows[table])


@pytest.fixture
def loop(raptorflow: Command) -> Command:
    """The command line over a workspace with one pattern, and one that has nothing."""
    warehouse = Warehouse()
    store(warehouse, Workspace, [workspace_row(workspace_id=name) for name in ("acme", "zenith")])
    posts = [
        content_row(i, published_at=NOW - timedelta(hours=i + 1), impressions=50_000, engagements=1500)
        for i in range(300)
    ]
    store(warehouse, Content, posts)
    analysis = analysis_row("acme", "social", NOW)
    row = finding_row(analysis, EMOJI, 30.0)
    row["details"] |= {"effect": {"log_estimate": 0.08, "log_interval": [-0.05, 0.21]}, "share_of_posts": 0.3}
    store(warehouse, PatternAnalysis, [analysis])
    store(warehouse, PatternFinding, [row])
    return raptorflow


def test_the_backlog_says_what_to_try_how_large_and_what_it_is_worth(loop: Command) -> None:
    status, printed, _ = loop("backlog", "-w", "acme")
    assert status == 0
    for words in (
        "includes emojis",
        "for 10,000 impressions",
        "engagements in half a year",
        "impressions an arm",
        "week",
    ):
        assert words in " ".join(printed.split())
    (proposal,) = json.loads(loop("backlog", "--json")[1])
    assert (proposal["workspace"], proposal["place"], proposal["source"]) == ("acme", 1, "pattern")
    assert proposal["net_worth"] == pytest.approx(proposal["expected_gain"] - proposal["cost_of_looking"])
    assert json.loads(loop("backlog", "-w", "zenith", "--json")[1]) == []
    assert loop("backlog", "-w", "zenith")[1].startswith("no candidate experiments yet; they come from")


def test_defaults_say_since_when_and_because_of_what(loop: Command) -> None:
    assert loop("defaults", "-w", "acme")[1].startswith("no defaults yet; a decided experiment")
    write_decision(Warehouse(), 1e-5, 1, {"media_type": "[/b] \x1b[31mvideo"})
    write_decision(Warehouse(), 0.049, 2, {"emoji_count": 1})
    status, printed, _ = loop("defaults", "-w", "acme")
    assert (status, "\x1b[31m" in printed) == (0, False)
    for words in ("content that is a [/b]", "Is [/b] red better?", "+10%", "asks for more"):
        assert words in " ".join(printed.split())
    standings = [one["standing"] for one in json.loads(loop("defaults", "--json")[1])]
    assert standings == ["current", "not_proven_enough"]
    assert json.loads(loop("defaults", "-w", "zenith", "--json")[1]) == []


def test_an_old_default_says_that_it_is_due(loop: Command) -> None:
    write_decision(Warehouse(), 1e-5, 1, {"media_type": "video"}, completed_at=NOW - timedelta(weeks=40))
    status, printed, _ = loop("defaults", "-w", "acme")
    assert status == 0
    assert "yes, to be tested again: last tested 40 weeks ago" in " ".join(printed.split())


def test_an_approval_is_withdrawn_by_its_name_and_nothing_else(loop: Command) -> None:
    service = OrchestrationService(warehouse=Warehouse())
    (draft,) = service.propose("acme", LoopTerms(), NOW)
    service.loop.answer([draft], "ann", "worth a try", NOW, yes=True)
    command = ("experiment", "withdraw", "-w", "acme", "--reason", "not now", "--by", "bob")
    status, _, error = loop(*command, "another")
    assert (status, error.count("\n")) == (2, 1)
    assert "unknown approved experiment 'another'" in error
    status, printed, _ = loop(*command, draft.name)
    assert (status, "is withdrawn: it is not proposed again for some weeks" in " ".join(printed.split())) == (0, True)
    assert [(row["answer"], row["actor"]) for row in service.loop.answers("acme")] == [("declined", "bob")]


def test_a_mistake_is_one_line(loop: Command) -> None:
    for command in ("backlog", "defaults"):
        status, _, error = loop(command, "-w", "nobody")
        assert (status, error.count("\n")) == (2, 1)
        assert error.startswith("raptorflow: unknown workspace 'nobody'")
