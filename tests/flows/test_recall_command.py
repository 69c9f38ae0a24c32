"""A marketing lead asks in a terminal what was learned, in words of their own."""

from __future__ import annotations

import json

import pytest

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.flows.conftest import Command
from tests.learning_history import write_history

EMOJI = {"kind": "pattern", "content_type": "social", "lift": 38}
EMOJI |= {"rule": [{"feature": "emoji_count", "op": ">=", "value": 1, "level": "present"}]}
RED = {"kind": "debate", "problem": "Is [/b] red \x1b[31m <b> better?", "options": ["Yes", "No"], "chosen": 0}


@pytest.fixture
def recall(raptorflow: Command) -> Command:
    """The command line, over one workspace with something learned that no flow has kept yet."""
    write_history(Warehouse(), "acme", [EMOJI, RED])
    return raptorflow


def test_a_question_in_other_words_is_answered_with_what_it_rests_on(recall: Command) -> None:
    status, printed, _ = recall("recall", "do smileys pay off", "-w", "acme")
    assert status == 0
    for words in ("includes emojis", "+38% (90%: +28% … +50%)", "pattern (association)", "yes, as far as is known"):
        assert words in printed
    status, printed, _ = recall("recall", "smileys", "--json")
    (learning,) = json.loads(printed)
    assert (learning["effect"], learning["standing"], learning["replications"]) == (0.38, "current", 0)


def test_what_others_wrote_is_shown_as_it_is(recall: Command) -> None:
    status, printed, _ = recall("recall", "is red better", "-w", "acme")
    assert (status, "[/b] red" in printed, "\x1b[31m" in printed) == (0, True, False)


def test_a_mistake_is_one_line(recall: Command) -> None:
    assert recall("recall", "  ")[2].startswith("raptorflow: nothing to look for; say it in words")
    assert recall("recall", "emoji", "-w", "nobody")[2].startswith("raptorflow: unknown workspace 'nobody'")
    store(Warehouse(), Workspace, [workspace_row(workspace_id="zenith", name="Zenith")])
    status, _, error = recall("recall", "emoji")
    assert (status, error.strip()) == (2, "raptorflow: name one workspace with --workspace: acme, zenith")


def test_nothing_about_it_says_where_all_is(recall: Command) -> None:
    status, printed, _ = recall("recall", "helicopter insurance", "-w", "acme")
    assert (status, printed.startswith("no learnings about this yet; raptorflow patterns")) == (0, True)
