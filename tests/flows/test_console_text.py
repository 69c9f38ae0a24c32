"""What customers wrote reaches a terminal as text: no colors, no links, no escape codes."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from flows import console

HOSTILE = "[bold red]x[/] [link=https://e.example]y[/link] \x1b[31mred\x1b[0m \x1b]8;;https://e.example\x07z [/nothing]"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Console:
    recorded = Console(record=True, width=400, force_terminal=True, highlight=False, soft_wrap=True)
    monkeypatch.setattr(console, "out", recorded)
    return recorded


def test_no_text_is_markup_or_an_escape_code(printed: Console) -> None:
    ended: dict[str, Any] = {"workspaces": {"failed": 1}, "reasons": [{"workspace": HOSTILE, "why": HOSTILE}]}
    console.summary(ended)
    console.table("patterns", [{"workspace": HOSTILE, "content that …": HOSTILE, "posts": 3}])
    console.say(HOSTILE)
    console.opening(HOSTILE, HOSTILE)
    console.names("flows", [HOSTILE])
    console.result("debate-synthesis", {"status": HOSTILE, "decision": HOSTILE}, False)
    text = printed.export_text(styles=True)
    assert text.count("[bold red]x[/]") >= 9
    assert "\x1b]8" not in text
    assert "\x1b[31m" not in text


def test_numbers_stand_to_the_right_as_before(printed: Console) -> None:
    console.table("things", [{"thing": "a", "count": 5}, {"thing": "b", "count": 1234}])
    assert printed.export_text().splitlines()[2:] == ["a          5", "b       1234"]


def test_a_flow_that_took_files_in_ends_in_words(printed: Console) -> None:
    console.result("content-ingestion", {"kind": "content", "read": 2, "written": 2, "workspaces": ["acme"]}, False)
    assert printed.export_text() == "content-ingestion: done\n"


def test_a_run_over_many_workspaces_ends_in_a_few_lines(printed: Console) -> None:
    reasons = [{"workspace": f"w{k}", "step": "patterns", "status": "skipped", "why": f"{k} posts"} for k in range(300)]
    reasons += [{"workspace": "w7", "step": "models", "status": "failed", "why": "its registry is gone"}]
    console.summary({"workspaces": {"skipped": 299, "failed": 1}, "reasons": reasons})
    lines = printed.export_text().splitlines()
    assert any("its registry is gone" in line for line in lines)
    assert "patterns, skipped: 300 workspaces, such as w0: 0 posts" in lines
    assert len(lines) < 12
