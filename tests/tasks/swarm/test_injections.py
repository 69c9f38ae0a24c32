"""What the warning of injections finds and flags, and that it takes no time to speak of."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.swarm.fencing import looks_like_injection

CASES: dict[str, Any] = json.loads((Path(__file__).parents[2] / "cases" / "injections.json").read_text("utf-8"))


def flagged(texts: list[str]) -> list[str]:
    return [text for text in texts if looks_like_injection([text])]


def test_what_is_warned_of_is_never_harmless() -> None:
    attacks, harmless = CASES["attacks"], CASES["harmless"]
    found = flagged(attacks)
    wrong = f"{len(flagged(harmless))} of {len(harmless)} harmless flagged"
    print(f"BAR injections: {len(found)} of {len(attacks)} found, {wrong}")
    assert all(any(sign in text for sign in ("<", "[")) for text in found)
    assert len(found) >= 6
    assert flagged(harmless) == []


@pytest.mark.parametrize("sign", ["\n", " ", "<", "<|", "<|a", "[", "</data-", "system:", "ignore ", "a"])
def test_the_scan_is_linear(sign: str) -> None:
    """45,000 newlines took 99 s once."""
    started = time.process_time()
    assert not looks_like_injection([sign * (400_000 // len(sign))])
    assert time.process_time() - started < 5.0, "quadratic would be minutes"
