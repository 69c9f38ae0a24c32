"""What becomes of challengers that are equal, worse and better, over many simulated rollouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tasks.models.specs import Gate
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.tasks.models.simulated_rollouts import PROMOTED, STOPPED, UNDER_WAY, UNDONE, Rollout, ends, of_a_rollout
from tests.tasks.models.worlds import champion_of, rows

BEFORE_ITS_WAIT = Gate().minimum_age_days - 1
LONG_AFTER = 2 * Gate().minimum_age_days
MARGIN = Gate().non_inferiority_margin
HOW_MANY = pytest.mark.parametrize("rollouts", [40, pytest.param(400, marks=pytest.mark.slow)])


@pytest.fixture
def make(sqlite_warehouse: Warehouse) -> Callable[[bool], Rollout]:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    _, version = champion_of(rows(120, 1))
    experiment, material = of_a_rollout(sqlite_warehouse, version, version)
    return lambda is_proven: Rollout(experiment, material, is_proven)


@HOW_MANY
def test_equal_challenger_is_promoted_in_at_most_one_rollout_of_twenty(
    make: Callable[[bool], Rollout], rollouts: int
) -> None:
    found = ends(make, 0.0, BEFORE_ITS_WAIT, rollouts, seed=1)
    share = (found[PROMOTED] + found[UNDONE]) / rollouts
    print(
        f"BAR canary, equal challenger promoted within {BEFORE_ITS_WAIT} nights: {share:.3f} (bar 0.05) {dict(found)}"
    )
    assert share <= 0.05


@HOW_MANY
def test_challenger_worse_by_the_margin_is_held_back(make: Callable[[bool], Rollout], rollouts: int) -> None:
    found = ends(make, MARGIN, LONG_AFTER, rollouts, seed=2)
    share = (found[UNDER_WAY] + found[STOPPED] + found[UNDONE]) / rollouts
    print(f"BAR canary, {MARGIN:.0%} worse, held back for {LONG_AFTER} nights: {share:.3f} (bar 0.95) {dict(found)}")
    assert share >= 0.95


@HOW_MANY
def test_challenger_that_is_much_worse_is_undone_by_itself(make: Callable[[bool], Rollout], rollouts: int) -> None:
    found = ends(make, 0.3, 10, rollouts, seed=3)
    share = (found[STOPPED] + found[UNDONE]) / rollouts
    print(f"BAR canary, 30 % worse, undone within 10 nights: {share:.3f} (bar 0.95) {dict(found)}")
    assert share >= 0.95


@HOW_MANY
def test_much_worse_champion_that_no_canary_held_back_is_rolled_back(
    make: Callable[[bool], Rollout], rollouts: int
) -> None:
    def promoted_by_hand(is_proven: bool) -> Rollout:
        return replace(make(is_proven), promoted_at=0)

    found = ends(promoted_by_hand, 0.3, 10, rollouts, seed=5)
    share = found[UNDONE] / rollouts
    print(f"BAR guard, 30 % worse, rolled back within 10 nights: {share:.3f} (bar 0.95) {dict(found)}")
    assert share >= 0.95


@HOW_MANY
def test_better_challenger_gets_through(make: Callable[[bool], Rollout], rollouts: int) -> None:
    found = ends(make, -0.1, BEFORE_ITS_WAIT, rollouts, seed=4)
    share = found[PROMOTED] / rollouts
    print(f"BAR canary, 10 % better, promoted within {BEFORE_ITS_WAIT} nights: {share:.3f} (stated) {dict(found)}")
    assert share >= 0.8
