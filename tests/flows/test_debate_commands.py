"""A marketing lead asks in a terminal, reads the answer again, and says later what was right."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ExperimentArm, Workspace
from tests.factories import store, workspace_row
from tests.flows.conftest import Command
from tests.tasks.swarm.test_findings import pattern
from tests.tasks.swarm.test_learned_panel import simulated

EMOJIS = {"rule": [{"feature": "emoji_count", "op": ">=", "value": 1, "level": "present"}], "share_of_posts": 0.3}
QUESTION = "Should our posts include emojis?"
ASKED = (QUESTION, "-o", "Yes", "-o", "No", "-w", "acme")


@pytest.fixture
def debate(raptorflow: Command) -> Command:
    """`raptorflow debate …`: exit status, standard output, standard error."""
    warehouse = Warehouse()
    store(warehouse, Workspace, [workspace_row(), workspace_row(workspace_id="zenith", name="Zenith")])
    pattern(warehouse, "acme", lift_pct=63.0, lift_low_pct=40.0, lift_high_pct=90.0, details=EMOJIS)
    return partial(raptorflow, "debate")


def test_a_question_is_answered_read_again_and_graded(debate: Command) -> None:
    status, told, _ = debate(*ASKED)
    assert status == 0
    assert "**decided: Yes, confidence 9" in told
    assert "**A** Yes: expected +" in told
    debate_id = told.split()[-1]
    assert debate("show", debate_id)[1] == told
    status, listed, _ = debate("-w", "acme")
    assert (status, listed.count(debate_id)) == (0, 1)
    status, graded, _ = debate("grade", debate_id, "A", "--because", "sold more")
    assert status == 0
    assert graded.startswith("A was right")
    assert debate("grade", debate_id, "Z")[0] == 2


def test_texts_are_told_by_what_was_tested_before(debate: Command) -> None:
    store(Warehouse(), ExperimentArm, simulated(60, 3, 0.4))
    asked = ("Which title?", "-t", "the secret of the lamp", "-t", "the story of the lamp", "-w", "acme")
    status, told, _ = debate(*asked, "-e", "copywriting_ninja")
    assert status == 0
    assert ": the secret of the lamp, confidence" in told
    assert "wording: counts" in told
    assert debate(*asked, "-o", "Yes")[0] == 2


def test_the_workspace_may_be_named_before_the_question_and_json_is_json(debate: Command) -> None:
    status, told, _ = debate("-w", "acme", "--json", QUESTION, "-o", "Yes", "-o", "No")
    result = json.loads(told)
    assert (status, result["status"], result["decision"], result["workspace_id"]) == (0, "decided", "Yes", "acme")
    assert isinstance(result["confidence"], float)


def test_without_a_workspace_those_that_can_be_asked_are_named_first(debate: Command) -> None:
    status, told, _ = debate("What next?")
    assert status == 0
    assert told.startswith("Name one with --workspace: acme, zenith.")


@pytest.mark.parametrize("label", ["[/b] sale", "[pattern-1f] sale", "<script>x</script>", "100 % & more"])
def test_labels_are_shown_as_they_are(debate: Command, label: str) -> None:
    status, told, _ = debate("Which offer?", "-o", label, "-o", "None", "-w", "acme")
    assert status == 0
    assert f"**A** {label}" in told
    assert "insufficient evidence" in told
    assert "raptorflow experiment create which-offer --workspace acme" in told


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (("",), "problem is empty"),
        (("Which?", "-o", "one"), "number of options must be between 2 and 8"),
        (("Which?", "-w", "nobody"), "unknown workspace 'nobody'"),
        (("Which?", "--rounds", "9"), "rounds must be between 1 and 5"),
        (("Which?", "--strategy", "dice"), "unknown consensus strategy 'dice'"),
        (("Which?", "--expert", "oracle"), "oracle"),
        (("show", "nope"), "unknown debate 'nope'"),
    ],
)
def test_a_mistake_is_one_line(debate: Command, arguments: tuple[str, ...], fix: str) -> None:
    status, told, error = debate(*arguments)
    assert status == 2
    assert fix in error
    assert len(error.splitlines()) == 1
    assert "# Debate" not in told
