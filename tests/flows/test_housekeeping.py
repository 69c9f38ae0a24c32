"""Nothing is thrown away before a person could read that it will be."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from flows.housekeeping import housekeeping
from flows.parameters import Housekeeping

HOUSEKEEPING = sys.modules["flows.housekeeping"]


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the flow does, in order; nothing is really deleted or published."""
    told: list[str] = []

    def deletes(what: str, rows: list[dict[str, Any]]) -> Any:
        return lambda _days, dry_run: (told.append(f"{'finds' if dry_run else 'deletes'} {what}"), rows)[1]

    monkeypatch.setattr(HOUSEKEEPING, "delete_old_models", deletes("models", [{"version": 1}]))
    monkeypatch.setattr(HOUSEKEEPING, "delete_old_snapshots", deletes("snapshots", [{"megabytes": 2.0}]))
    monkeypatch.setattr(HOUSEKEEPING, "publish_table", lambda key, rows, _about: told.append(f"tells {key}"))
    monkeypatch.setattr(HOUSEKEEPING, "announce", lambda text: told.append(text))
    return told


PLAN = ["finds models", "finds snapshots", "tells housekeeping-models", "tells housekeeping-snapshots"]


def test_what_is_to_go_is_published_before_anything_goes(happened: list[str]) -> None:
    housekeeping.fn(Housekeeping(dry_run=False))
    gone = "1 model versions, 1 snapshots (2.0 MB) deleted"
    assert happened == [*PLAN, "deletes models", "deletes snapshots", gone]


def test_a_dry_run_deletes_nothing(happened: list[str]) -> None:
    housekeeping.fn()
    assert happened == [*PLAN, "1 model versions, 1 snapshots (2.0 MB) would go"]
