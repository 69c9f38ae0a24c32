"""Experiments in the private release: the same ledger, the same noise, gone with consent, and nobody told apart."""

from __future__ import annotations

from datetime import timedelta
from math import ceil, sqrt
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from tasks.effects.other_organizations import NOT_SHARING_EXPERIMENTS, TOO_LITTLE
from tasks.effects.shared_experiments import ROWS, Three, most_squared, shared_numbers
from tasks.effects.store import save_pairs
from tasks.settings import get_settings
from tasks.transfer.errors import PrivacyInvariantError
from tasks.transfer.exchange.reading import known_experiments
from tasks.transfer.exchange.release_file import write_release
from tasks.transfer.exchange.service import ExchangeService
from tasks.transfer.exchange.store import imported_experiments
from tasks.transfer.privacy import PrivacyBudget
from tasks.transfer.release import SCALE, SENSITIVITY
from tasks.transfer.released_experiments import (
    EXPERIMENT_FACTORS,
    EXPERIMENTS,
    exact_experiments,
    noisy_experiments,
)
from tasks.transfer.service import PublisherService, TransferService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import TransferCharge, TransferSum, Workspace
from tests.calibrating_organizations import agency
from tests.factories import store, workspace_row
from tests.membership_inference import epsilon_lower_bound
from tests.release_factories import key_of, manifest_of, name_of, noisy_sums
from tests.transfer_factories import NOW, SeededNoise, no_noise

BUDGET = PrivacyBudget()
DRAWS = 40_000
EXTREME: dict[str, Three] = {
    "slope:any": (1.0, 1.0, 1.0),
    "slope:clicks": (1.0, 1.0, 1.0),
    "spread:any": (1.0, 1.0, 1.0),
}


def published(warehouse: Warehouse) -> dict[str, list[int]]:
    newest = select(TransferSum.sums).where(TransferSum.segment == EXPERIMENTS).order_by(TransferSum.period.desc())
    sums: dict[str, list[int]] = warehouse.rows(newest)[0]["sums"]
    return sums


def with_experiments(warehouse: Warehouse, count: int) -> None:
    rng = np.random.default_rng(0)
    store(warehouse, Workspace, [workspace_row(workspace_id=f"w{i}") for i in range(count)])
    for i in range(count):
        save_pairs(warehouse, f"w{i}", "social", agency(0.3, 0.05, 5, rng, f"w{i}").pairs, "t")


def publisher(warehouse: Warehouse, days: int = 0) -> PublisherService:
    return PublisherService(noise=no_noise, clock=lambda: NOW + timedelta(days=days), warehouse=warehouse)


def test_the_sensitivity_is_what_it_is_by_hand() -> None:
    """25 for the catalogue, to which all that a unit says of it is shortened; then slopes (1 + 4 + 1), the kind's at
    half (¼ + 1 + ¼) and the spread (1 + 4 + ¼)."""
    catalogue = 25
    experiments = (1 + 4 + 1) + (1 / 4 + 1 + 1 / 4) + (1 + 4 + 1 / 4)
    assert most_squared() == experiments == 12.75
    assert ceil(1000 * sqrt(catalogue + experiments)) == SENSITIVITY == 6145
    moved = exact_experiments([EXTREME], SCALE) / SCALE
    assert np.linalg.norm(moved / EXPERIMENT_FACTORS) ** 2 == pytest.approx(experiments)


@pytest.mark.parametrize(
    "unit",
    [
        {"slope:any": (1.01, 0.0, 0.0)},
        {"slope:any": (float("nan"), 0.0, 0.0)},
        dict.fromkeys(ROWS, (0.1, 0.0, 0.0)),
        {"Project X": (0.1, 0.0, 0.0)},
    ],
)
def test_more_than_the_noise_is_made_for_stops_the_release(unit: dict[str, Three]) -> None:
    with pytest.raises(PrivacyInvariantError, match="no release"):
        exact_experiments([unit], SCALE)


def attack(units: list[dict[str, Three]]) -> float:
    """ε lower bound of who knows everybody else and all of the target's numbers."""
    moved, noise = exact_experiments(units, SCALE), SeededNoise(1)
    direction = (moved / EXPERIMENT_FACTORS**2).ravel()
    scores = [np.zeros(DRAWS), np.zeros(DRAWS)]
    scale = BUDGET.noise_scale(SENSITIVITY)
    for present in (0, 1):
        drawn = noise(np.zeros((DRAWS, moved.size), dtype=np.int64), scale) * EXPERIMENT_FACTORS.ravel()
        scores[present] = (drawn + present * moved.ravel()) @ direction
    return epsilon_lower_bound(scores[0], scores[1], BUDGET.delta)


def test_nobody_is_told_apart_by_its_experiments() -> None:
    """Alone this part costs less than all of a release, and is attacked as such; counted eight times, as
    eight workspaces of one organization would be if they were no unit, it is found out."""
    bound, caught = attack([EXTREME]), attack([EXTREME] * 8)
    print(
        f"BAR membership by experiments, ε lower bound: {bound:.2f} (bar < {BUDGET.epsilon}); eight times {caught:.2f}"
    )
    assert 0.2 < bound < BUDGET.epsilon
    assert caught > BUDGET.epsilon


def test_an_organization_is_one_unit_however_many_workspaces_experiment(warehouse: Warehouse) -> None:
    with_experiments(warehouse, 3)
    with warehouse.begin() as connection:
        connection.execute(update(Workspace).values(organisation_id="house"))
    publisher(warehouse).release(run_id="r1")
    assert 0 < published(warehouse)["slope:any"][0] <= SCALE


def test_who_withdraws_consent_is_not_in_the_next_release(warehouse: Warehouse) -> None:
    with_experiments(warehouse, 3)
    publisher(warehouse).release(run_id="r1")
    before = published(warehouse)
    with warehouse.begin() as connection:
        connection.execute(update(Workspace).where(Workspace.workspace_id == "w1").values(shares_insights=False))
    publisher(warehouse, 30).release(run_id="r2")
    left = [agency(0.3, 0.05, 5, rng, "w") for rng in [np.random.default_rng(0)] for _ in range(3)]
    without = exact_experiments([shared_numbers(left[i].pairs) for i in (0, 2)], SCALE)
    assert published(warehouse)["slope:any"] == without[0].tolist() != before["slope:any"]
    asked = TransferService(warehouse=warehouse).experiments_of_others("w1", NOW + timedelta(days=60))
    assert asked.why_nothing == NOT_SHARING_EXPERIMENTS
    assert TransferService(warehouse=warehouse).state_of_experiments(["w0", "w1"]) == {}, (
        "three organizations tell nothing"
    )


def test_one_charge_pays_for_both_parts_before_either_is_drawn(warehouse: Warehouse) -> None:
    with_experiments(warehouse, 2)
    released = publisher(warehouse).release(run_id="r1")
    charges = warehouse.rows(select(TransferCharge.unit_id, TransferCharge.rho))
    assert [charge["rho"] for charge in charges] == [released.rho] * 2
    first = published(warehouse)
    publisher(warehouse).release(run_id="again")
    assert published(warehouse) == first


def test_noise_is_what_the_budget_buys_times_each_number_s_factor() -> None:
    zeros = np.zeros((200, *EXPERIMENT_FACTORS.shape), dtype=np.int64)
    noise = SeededNoise(4)
    drawn = np.stack([noisy_experiments(one, 1000.0, noise) for one in zeros])
    assert drawn.std(axis=0) / 1000.0 == pytest.approx(EXPERIMENT_FACTORS, rel=0.2)


def test_what_other_installations_send_counts_while_they_are_trusted(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = noisy_sums(3)
    sums[EXPERIMENTS] = {row: [400 * SCALE, -80 * SCALE, 40 * SCALE] for row in ROWS}

    file = tmp_path / "their.release"
    file.write_bytes(write_release(manifest_of(sums), sums, key_of(1)))
    monkeypatch.setenv("RAPTORFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("RAPTORFLOW_TRUSTED_RELEASES", name_of(1))
    get_settings.cache_clear()
    store(warehouse, Workspace, [workspace_row(workspace_id="w0")])
    assert TransferService(warehouse=warehouse).experiments_of_others("w0", NOW).why_nothing == TOO_LITTLE
    exchange = ExchangeService(warehouse, clock=lambda: NOW)
    exchange.take_in([file])
    (row,) = imported_experiments(warehouse, [name_of(1)], NOW)
    assert row["sums"] == sums[EXPERIMENTS]
    heard = TransferService(warehouse=warehouse).experiments_of_others("w0", NOW)
    others, words = heard.learned("clicks")
    assert others is not None, words
    assert 0.2 < others.slope < 0.4
    assert TransferService(warehouse=warehouse).state_of_experiments(["w0"])["w0"] == heard.state
    exchange.forget(name_of(1))
    assert known_experiments(warehouse, NOW) is None
    get_settings.cache_clear()
