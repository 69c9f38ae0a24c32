"""The thirty debate cases by id, and no model configured unless a test says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def debate_cases() -> dict[str, dict[str, Any]]:
    cases = json.loads((Path(__file__).parents[2] / "cases" / "debate.json").read_text())
    return {case["id"]: case for case in cases}


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAPTORFLOW_LLM_MODEL", raising=False)
